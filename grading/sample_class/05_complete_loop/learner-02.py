"""Right, written tersely: a closure, a comprehension, gradients divided in place."""

# %% train_one_epoch
def train_one_epoch(model, loader, loss_fn, optimizer):
    model.train()
    losses, sizes = [], []
    for x, y in loader:

        def closure():
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            return loss

        losses.append(optimizer.step(closure).item())
        sizes.append(len(x))
    return sum(loss * n for loss, n in zip(losses, sizes)) / sum(sizes)

# %% fit
fit = lambda model, loader, loss_fn, optimizer, epochs: [
    train_one_epoch(model, loader, loss_fn, optimizer) for _ in range(epochs)
]

# %% train_with_accumulation
def train_with_accumulation(model, loader, loss_fn, optimizer, accumulate_steps):
    def step(n):
        for p in model.parameters():
            if p.grad is not None:
                p.grad.div_(n)
        optimizer.step()
        optimizer.zero_grad()

    optimizer.zero_grad()
    steps, waiting = 0, 0
    for x, y in loader:
        loss_fn(model(x), y).backward()
        waiting += 1
        if waiting == accumulate_steps:
            step(waiting)
            steps, waiting = steps + 1, 0
    if waiting:
        step(waiting)
        steps += 1
    return steps

# %% q05_1
q05_1 = "a"

# %% q05_2
q05_2 = "B"

# %% q05_3
q05_3 = "D"
