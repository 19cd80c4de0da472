"""Clears between backward and step, did not get further; answers one question."""

# %% train_one_epoch
def train_one_epoch(model, loader, loss_fn, optimizer):
    model.train()
    total, n = 0.0, 0
    for x, y in loader:
        predictions = model(x)
        loss = loss_fn(predictions, y)
        loss.backward()
        optimizer.zero_grad()
        optimizer.step()
        total += loss.item() * len(y)
        n += len(y)
    return total / n

# %% q05_2
q05_2 = "B"
