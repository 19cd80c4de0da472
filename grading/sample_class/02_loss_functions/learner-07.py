"""Right, saved by Colab's editor, where the cell of ``softmax`` was deleted and typed anew."""
# through: colab

# %% mse
def mse(prediction, target):
    if prediction.size() != target.size():
        raise ValueError(f"{prediction.size()} against {target.size()}")
    error = prediction - target
    return torch.mean(error * error)

# %% softmax
def softmax(logits):
    highest, _ = torch.max(logits, dim=-1, keepdim=True)
    weights = torch.exp(logits - highest)
    return weights / weights.sum(-1, keepdim=True)

# %% cross_entropy
def cross_entropy(logits, targets):
    total = 0
    for row, target in zip(logits, targets):
        total = total + torch.logsumexp(row, dim=0) - row[target]
    return total / len(targets)

# %% q02_1
q02_1 = "D"

# %% q02_2
q02_2 = "B"

# %% q02_3
q02_3 = "C"
