"""Right, by other formulas: logsumexp for the softmax, gather for the target's logit."""

# %% mse
def mse(prediction, target):
    if tuple(prediction.shape) != tuple(target.shape):
        raise ValueError("prediction and target have different shapes")
    return (prediction - target).square().sum() / prediction.numel()

# %% softmax
def softmax(logits):
    return (logits - logits.logsumexp(-1, keepdim=True)).exp()

# %% cross_entropy
def cross_entropy(logits, targets):
    target_logits = logits.gather(1, targets.unsqueeze(1)).squeeze(1)
    return (torch.logsumexp(logits, dim=1) - target_logits).mean()

# %% q02_1
q02_1 = "D"

# %% q02_2
q02_2 = "A"

# %% q02_3
q02_3 = "C"
