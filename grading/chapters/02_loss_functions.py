# %% [markdown] head=true
# After this chapter you can ...

# %% setup=true

# %% solution="softmax"
def softmax(logits):
    """Turn logits into probabilities.

    logits: a float tensor with one dimension or more; the classes are in the last.

    Returns a new tensor of the same shape and dtype. Its entries lie between 0 and 1 and sum to 1
    along the last dimension. It stays finite for logits as large as 10000 or as small as -10000,
    gradients flow through it, and `logits` is left as it was.

    torch.softmax, log_softmax and their other names are what you build here: do without them.
    exp, log, max, logsumexp and indexing are yours to use.
    """
    ### BEGIN SOLUTION
    largest = logits.max(dim=-1, keepdim=True).values
    exp = (logits - largest).exp()
    return exp / exp.sum(dim=-1, keepdim=True)
    ### END SOLUTION


# %% tests="softmax"

# %% solution="cross_entropy"
def cross_entropy(logits, targets):
    """Compute the cross-entropy loss of a batch, as nn.CrossEntropyLoss() does.

    logits: a float tensor [N, C], one row per example, one raw score per class.
    targets: an int64 tensor [N], the index (0 to C - 1) of each example's right class.

    Returns the mean of the N losses: a tensor with no dimensions (shape []), of the logits' dtype,
    in nats. It is right for logits up to +-10000, and backward() works on it.

    F.cross_entropy, nll_loss, log_softmax, softmax and their nn classes are not allowed.
    """
    ### BEGIN SOLUTION
    log_probabilities = logits - logits.logsumexp(dim=1, keepdim=True)
    rows = torch.arange(len(targets))
    return -log_probabilities[rows, targets].mean()
    ### END SOLUTION


# %% tests="cross_entropy"

# %% solution="mse"
def mse(prediction, target):
    """Compute the mean squared error of two float tensors of the same shape, whatever it is.

    Returns the mean over all elements: a tensor with no dimensions (shape []). backward() works
    on it.

    Raises ValueError when the two shapes differ, before any arithmetic.

    F.mse_loss and nn.MSELoss are not allowed.
    """
    ### BEGIN SOLUTION
    if prediction.shape != target.shape:
        raise ValueError(f"prediction {list(prediction.shape)}, target {list(target.shape)}")
    return ((prediction - target) ** 2).mean()
    ### END SOLUTION


# %% tests="mse"

# %% quiz="q02_1"

# %% quiz="q02_2"

# %% quiz="q02_3"
