"""Takes the root, normalises over the batch, forgets the minus sign."""

# %% mse
def mse(prediction, target):
    if prediction.shape != target.shape:
        raise ValueError("shapes differ")
    return ((prediction - target) ** 2).mean().sqrt()

# %% softmax
def softmax(logits):
    shifted = logits - logits.max(dim=0, keepdim=True).values
    return shifted.exp() / shifted.exp().sum(dim=0, keepdim=True)

# %% cross_entropy
def cross_entropy(logits, targets):
    log_p = logits - torch.logsumexp(logits, dim=1, keepdim=True)
    return log_p[torch.arange(len(targets)), targets].mean()

# %% q02_2
q02_2 = "A"

# %% q02_3
q02_3 = "C"
