"""Averages the batches' means, returns from inside the loop, does not divide by the group."""

# %% train_one_epoch
def train_one_epoch(model, loader, loss_fn, optimizer):
    model.train()
    losses = []
    for x, y in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)

# %% fit
def fit(model, loader, loss_fn, optimizer, epochs):
    history = []
    for _ in range(epochs):
        history.append(train_one_epoch(model, loader, loss_fn, optimizer))
        return history
    return history

# %% train_with_accumulation
def train_with_accumulation(model, loader, loss_fn, optimizer, accumulate_steps):
    model.train()
    optimizer.zero_grad()
    steps = 0
    n = len(loader)
    for i, (x, y) in enumerate(loader, start=1):
        loss_fn(model(x), y).backward()
        if i % accumulate_steps == 0 or i == n:
            optimizer.step()
            optimizer.zero_grad()
            steps += 1
    return steps

# %% q05_1
q05_1 = "A"

# %% q05_2
q05_2 = "C"

# %% q05_3
q05_3 = "D"
