# %% [markdown] head=true
# After this chapter you can

# %% setup=true

# %% solution="sgd_step"
def sgd_step(params, lr):
    """One step of plain gradient descent, in place.

    params  any iterable of parameters, for instance model.parameters()
    lr      the learning rate, a float

    Each parameter that has a gradient moves by lr times its gradient, downhill. The
    others stay as they are. Parameters keep their memory, the gradients their values,
    and gradient mode is afterwards as it was before. Returns nothing.
    """
    ### BEGIN SOLUTION
    with torch.no_grad():
        for p in params:
            if p.grad is not None:
                p -= lr * p.grad
    ### END SOLUTION


# %% tests="sgd_step"

# %% solution="momentum_step"
def momentum_step(params, velocities, lr, momentum=0.9):
    """One step of gradient descent with momentum, as torch.optim.SGD does it.

    params      any iterable of parameters
    velocities  a list of tensors, entry i for parameter i; zeros before the first step
    lr          the learning rate of this step; it may be another one next time
    momentum    how much of a velocity is left after a step

    Parameters change in place. The new velocities stand in the list afterwards: its
    tensors changed in place, or its entries replaced. A parameter without gradient
    keeps its value and its velocity. Returns nothing.
    """
    ### BEGIN SOLUTION
    with torch.no_grad():
        for i, p in enumerate(params):
            if p.grad is not None:
                velocities[i] = momentum * velocities[i] + p.grad
                p -= lr * velocities[i]
    ### END SOLUTION


# %% tests="momentum_step"

# %% solution="adam_step"
def adam_step(params, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    """One step of Adam, as torch.optim.Adam does it.

    params  any iterable of parameters: the same ones in the same order at each call
    state   a dict, empty at the first call; yours to keep what the next call needs
    lr      the learning rate of this step
    betas   how much of the first and of the second moment is left after a step
    eps     is added to the root of the second moment

    Parameters change in place. Each parameter counts its own steps, from 1; one
    without gradient keeps its value, its moments and its count. Returns nothing.
    """
    ### BEGIN SOLUTION
    beta1, beta2 = betas
    with torch.no_grad():
        for i, p in enumerate(params):
            if p.grad is None:
                continue
            t, m, v = state.get(i, (0, torch.zeros_like(p), torch.zeros_like(p)))
            t = t + 1
            m = beta1 * m + (1 - beta1) * p.grad
            v = beta2 * v + (1 - beta2) * p.grad**2
            state[i] = (t, m, v)
            m_hat = m / (1 - beta1**t)
            v_hat = v / (1 - beta2**t)
            p -= lr * m_hat / (v_hat.sqrt() + eps)
    ### END SOLUTION


# %% tests="adam_step"

# %% solution="clip_gradients"
def clip_gradients(params, max_norm):
    """Scale all gradients, in place, so that their common L2 norm is at most max_norm.

    params    any iterable of parameters; those without gradient are ignored
    max_norm  the largest norm that is allowed, above 0

    The common norm is that of all gradients laid end to end. When it is larger than
    max_norm, every gradient is multiplied by max_norm / norm; otherwise nothing
    changes.

    Returns the common norm before clipping: a Python float, 0.0 when there are no
    gradients.
    """
    ### BEGIN SOLUTION
    gradients = [p.grad for p in params if p.grad is not None]
    norm = sum((g**2).sum().item() for g in gradients) ** 0.5
    if norm > max_norm:
        for g in gradients:
            g.mul_(max_norm / norm)
    return float(norm)
    ### END SOLUTION


# %% tests="clip_gradients"

# %% quiz="q04_1"

# %% quiz="q04_2"

# %% quiz="q04_3"
