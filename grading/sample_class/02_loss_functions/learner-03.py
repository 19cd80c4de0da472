"""Lets shapes broadcast, overflows for large logits, sums instead of averaging."""

# %% mse
def mse(prediction, target):
    return ((prediction - target) ** 2).mean()

# %% softmax
def softmax(logits):
    e = torch.exp(logits)
    return e / e.sum(dim=-1, keepdim=True)

# %% cross_entropy
def cross_entropy(logits, targets):
    log_p = logits - torch.logsumexp(logits, dim=1, keepdim=True)
    return -log_p[range(len(targets)), targets].sum()

# %% q02_1
q02_1 = "B"

# %% q02_2
q02_2 = "A"

# %% q02_3
q02_3 = "C"
