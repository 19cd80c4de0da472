"""Shuffles X and y apart, rounds the split down, did not get further."""

# %% count_updates
def count_updates(n_examples, batch_size, drop_last=False):
    full, rest = divmod(n_examples, batch_size)
    if rest > 0 and not drop_last:
        full += 1
    return full

# %% iterate_batches
def iterate_batches(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
    n = len(X)
    if shuffle:
        X = X[torch.randperm(n, generator=generator)]
        y = y[torch.randperm(n, generator=generator)]
    for start in range(0, n, batch_size):
        if drop_last and start + batch_size > n:
            break
        yield X[start : start + batch_size], y[start : start + batch_size]

# %% train_val_split
def train_val_split(n, val_fraction, generator=None):
    order = torch.randperm(n, generator=generator)
    n_val = int(n * val_fraction)
    return order[n_val:], order[:n_val]

# %% q06_1
q06_1 = "D"

# %% q06_2
q06_2 = "D"
