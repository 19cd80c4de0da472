# %% [markdown] head=true
# After this chapter you can ...

# %% setup=true

# %% tags=["setup"]
from torch.utils.data import Dataset

# %% solution="count_updates"
def count_updates(n_examples, batch_size, drop_last=False):
    """How many optimizer steps one epoch makes: one per batch.

    n_examples  0 or more
    batch_size  1 or more
    drop_last   leave out the last batch when it is smaller than batch_size

    Returns an int.
    """
    ### BEGIN SOLUTION
    full, rest = divmod(n_examples, batch_size)
    if rest > 0 and not drop_last:
        return full + 1
    return full
    ### END SOLUTION


# %% tests="count_updates"

# %% solution="iterate_batches"
def iterate_batches(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
    """One pass over the data, batch by batch: a generator of tuples (x, y).

    X, y       tensors with as many examples, along their first dimension
    shuffle    a new random order for each pass; False keeps the order and draws
               no random numbers
    drop_last  leave out the last batch when it is smaller than batch_size
    generator  the torch.Generator that decides the order, and moves on by it;
               None: PyTorch's global random state, which torch.manual_seed sets

    Each example comes once, x with its own y. X and y are left as they are.
    """
    ### BEGIN SOLUTION
    n = len(X)
    order = torch.randperm(n, generator=generator) if shuffle else torch.arange(n)
    for start in range(0, n, batch_size):
        rows = order[start : start + batch_size]
        if drop_last and len(rows) < batch_size:
            return
        yield X[rows], y[rows]
    ### END SOLUTION


# %% tests="iterate_batches"

# %% solution="StandardizedDataset"
class StandardizedDataset(Dataset):
    """Features with mean 0 and standard deviation 1, each with its label.

    X     tensor or NumPy array [N, features]
    y     N labels: a tensor or a list; they come back as they are
    mean  float32 tensor [features] to subtract; None: the mean of X
    std   float32 tensor [features] to divide by; None: the population standard
          deviation of X (divide by N), with a 1 for each constant feature, that
          is one whose largest value equals its smallest

    self.mean and self.std hold what is used, so that validation data can use it:
    StandardizedDataset(X_val, y_val, train_set.mean, train_set.std)
    """

    def __init__(self, X, y, mean=None, std=None):
        ### BEGIN SOLUTION
        X = torch.as_tensor(X, dtype=torch.float32)
        if mean is None:
            mean = X.mean(dim=0)
        if std is None:
            std = X.std(dim=0, correction=0)
            constant = X.amax(dim=0) == X.amin(dim=0)
            std = torch.where(constant, torch.ones_like(std), std)
        self.mean, self.std = mean, std
        self.X, self.y = (X - mean) / std, y
        ### END SOLUTION

    def __len__(self):
        """The number of examples."""
        ### BEGIN SOLUTION
        return len(self.X)
        ### END SOLUTION

    def __getitem__(self, i):
        """Example i: a tuple of its features, float32 [features], and its label."""
        ### BEGIN SOLUTION
        return self.X[i], self.y[i]
        ### END SOLUTION


# %% tests="StandardizedDataset"

# %% solution="train_val_split"
def train_val_split(n, val_fraction, generator=None):
    """Split the indices 0 to n - 1 at random.

    val_fraction  from 0 to 1; round(n * val_fraction) indices go to validation
    generator     the torch.Generator that decides; None: PyTorch's global random
                  state. The same state gives the same split.

    Returns (train, val): two int64 tensors, both in shuffled order, without a
    common index and together complete.
    """
    ### BEGIN SOLUTION
    order = torch.randperm(n, generator=generator)
    n_train = n - round(n * val_fraction)
    return order[:n_train], order[n_train:]
    ### END SOLUTION


# %% tests="train_val_split"

# %% quiz="q06_1"

# %% quiz="q06_2"

# %% quiz="q06_3"
