"""Right, written at length: one dictionary of counters, groups cut out beforehand."""

# %% train_one_epoch
def train_one_epoch(model, loader, loss_fn, optimizer):
    model.train(True)
    seen = {"loss": 0.0, "examples": 0}
    for batch in loader:
        x, y = batch
        optimizer.zero_grad(set_to_none=False)
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            seen["loss"] += float(loss) * x.shape[0]
            seen["examples"] += x.shape[0]
    return seen["loss"] / seen["examples"]

# %% fit
def fit(model, loader, loss_fn, optimizer, epochs):
    losses = []
    epoch = 0
    while epoch < epochs:
        losses.append(train_one_epoch(model, loader, loss_fn, optimizer))
        epoch += 1
    return losses

# %% train_with_accumulation
def train_with_accumulation(model, loader, loss_fn, optimizer, accumulate_steps):
    batches = list(loader)
    groups = [batches[i : i + accumulate_steps] for i in range(0, len(batches), accumulate_steps)]
    for group in groups:
        optimizer.zero_grad()
        for x, y in group:
            (loss_fn(model(x), y) / len(group)).backward()
        optimizer.step()
    optimizer.zero_grad()
    return len(groups)

# %% q05_1
q05_1 = "A"

# %% q05_2
q05_2 = "B"

# %% q05_3
q05_3 = "D"
