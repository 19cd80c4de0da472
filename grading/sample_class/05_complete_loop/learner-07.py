"""Right, saved by Colab's editor, where the cell of ``fit`` was deleted and typed anew."""
# through: colab

# %% train_one_epoch
def train_one_epoch(model, loader, loss_fn, optimizer):
    model.train()
    total = torch.zeros(())
    n = 0
    for x, y in loader:
        loss = loss_fn(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total = total + loss.detach() * len(y)
        n += len(y)
    return float(total / n)

# %% fit
def fit(model, loader, loss_fn, optimizer, epochs):
    return [train_one_epoch(model, loader, loss_fn, optimizer) for epoch in range(epochs)]

# %% train_with_accumulation
def train_with_accumulation(model, loader, loss_fn, optimizer, accumulate_steps):
    model.train()
    optimizer.zero_grad()
    n = len(loader)
    last_group = n % accumulate_steps
    steps = 0
    for i, (x, y) in enumerate(loader):
        size = last_group if i >= n - last_group else accumulate_steps
        (loss_fn(model(x), y) / size).backward()
        if i % accumulate_steps == accumulate_steps - 1 or i == n - 1:
            optimizer.step()
            optimizer.zero_grad()
            steps += 1
    return steps

# %% q05_1
q05_1 = "A"

# %% q05_2
q05_2 = "B"

# %% q05_3
q05_3 = "C"
