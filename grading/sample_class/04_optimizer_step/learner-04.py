"""Weakens the gradient in momentum, leaves out Adam's bias correction; the rest is right."""

# %% sgd_step
def sgd_step(params, lr):
    for p in params:
        if p.grad is not None:
            p.data.add_(p.grad, alpha=-lr)

# %% momentum_step
def momentum_step(params, velocities, lr, momentum=0.9):
    with torch.no_grad():
        for i, p in enumerate(params):
            if p.grad is None:
                continue
            velocities[i] = momentum * velocities[i] + (1 - momentum) * p.grad
            p -= lr * velocities[i]

# %% adam_step
def adam_step(params, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    beta1, beta2 = betas
    with torch.no_grad():
        for i, p in enumerate(params):
            if p.grad is None:
                continue
            if i not in state:
                state[i] = [torch.zeros_like(p), torch.zeros_like(p)]
            m, v = state[i]
            m.mul_(beta1).add_((1 - beta1) * p.grad)
            v.mul_(beta2).add_((1 - beta2) * p.grad**2)
            p -= lr * m / (v.sqrt() + eps)

# %% clip_gradients
def clip_gradients(params, max_norm):
    grads = [p.grad for p in params if p.grad is not None]
    if not grads:
        return 0.0
    norm = torch.cat([g.flatten() for g in grads]).norm().item()
    if norm > max_norm:
        for g in grads:
            g.mul_(max_norm / norm)
    return norm

# %% q04_1
q04_1 = "C"

# %% q04_2
q04_2 = "A"

# %% q04_3
q04_3 = "C"
