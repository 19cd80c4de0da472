"""Right, and noisy: prints, a warning on stderr, magics, another default dtype, a scratch cell."""

# %% train_one_epoch
import warnings

torch.set_default_dtype(torch.float64)


def train_one_epoch(model, loader, loss_fn, optimizer):
    warnings.warn("my loop is about to run")
    model.train()
    total_loss = 0.0
    total = 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        total_loss += loss.item() * y.size(0)
        total += y.size(0)
        print("loss so far", total_loss / total)
    return total_loss / total

# %% fit
%matplotlib inline
def fit(model, loader, loss_fn, optimizer, epochs):
    history = []
    for i in range(epochs):
        print("epoch", i)
        history += [train_one_epoch(model, loader, loss_fn, optimizer)]
    return history

# %% train_with_accumulation
def train_with_accumulation(model, loader, loss_fn, optimizer, accumulate_steps):
    model.train()
    optimizer.zero_grad()
    steps = 0
    batches = list(loader)
    while batches:
        group, batches = batches[:accumulate_steps], batches[accumulate_steps:]
        loss = sum(loss_fn(model(x), y) for x, y in group) / len(group)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        steps += 1
    return steps

# %% scratch
import sys
print("does this still work?", file=sys.stderr)
1 / 0

# %% q05_1
q05_1 = "A"

# %% q05_2
q05_2 = "B"

# %% q05_3
q05_3 = "D"
