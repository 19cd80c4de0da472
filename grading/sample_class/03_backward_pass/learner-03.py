"""Nudges in one direction only, adds to gradients that lie there, did not get to the last one."""

# %% numerical_gradient
def numerical_gradient(f, w, eps=1e-4):
    at = w.detach().flatten()
    before = float(f(at.reshape(w.shape)))
    slopes = []
    for i in range(len(at)):
        nudged = at.clone()
        nudged[i] += eps
        slopes.append((float(f(nudged.reshape(w.shape))) - before) / eps)
    return torch.tensor(slopes, dtype=w.dtype).reshape(w.shape)

# %% linear_gradients
def linear_gradients(x, y, w, b):
    N = len(x)
    dL_dprediction = 2 / N * (x @ w + b - y)
    return x.T @ dL_dprediction, dL_dprediction.sum()

# %% gradient_norms
def gradient_norms(model, loss):
    loss.backward()
    norms = {}
    for name, p in model.named_parameters():
        if p.grad is not None:
            norms[name] = p.grad.norm().item()
    return norms

# %% q03_1
q03_1 = "D"

# %% q03_2
q03_2 = "B"

# %% q03_3
q03_3 = "B"
