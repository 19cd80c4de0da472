"""Forgets zero_grad, trains an epoch too few, drops the last short group."""

# %% train_one_epoch
def train_one_epoch(model, loader, loss_fn, optimizer):
    model.train()
    total, n = 0.0, 0
    for x, y in loader:
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)
        n += len(y)
    return total / n

# %% fit
def fit(model, loader, loss_fn, optimizer, epochs):
    history = []
    for epoch in range(1, epochs):
        history.append(train_one_epoch(model, loader, loss_fn, optimizer))
    return history

# %% train_with_accumulation
def train_with_accumulation(model, loader, loss_fn, optimizer, accumulate_steps):
    optimizer.zero_grad()
    steps = 0
    for i, (x, y) in enumerate(loader):
        loss = loss_fn(model(x), y) / accumulate_steps
        loss.backward()
        if (i + 1) % accumulate_steps == 0:
            optimizer.step()
            optimizer.zero_grad()
            steps += 1
    return steps

# %% q05_1
q05_1 = "C"

# %% q05_2
q05_2 = "B"

# %% q05_3
q05_3 = "B"
