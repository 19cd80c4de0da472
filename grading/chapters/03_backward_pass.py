# %% [markdown] head=true
# After this chapter you can
#
# - say what a gradient tells you, and check one by nudging;
# - read the graph that autograd records, and say what `backward()` does with it;
# - compute the gradients of a linear model by hand;
# - measure gradients layer by layer, and find the layer at which a run exploded.
#
# **Builds on** the forward pass (chapter 01) and the loss (chapter 02).

# %% setup=true

# %% tags=["setup"]
import math
import statistics

# %% solution="numerical_gradient"
def numerical_gradient(f, w, eps=1e-4):
    """Measure the gradient of ``f`` at ``w`` by central differences.

    f    takes a tensor of w's shape, returns a float or a 0-dim tensor
    w    a tensor of any shape, also 0-dim, not always contiguous; it may require
         gradients
    eps  how far an entry is nudged, up and down: its slope is measured between
         w - eps and w + eps

    Returns a tensor with w's shape and dtype, detached: one slope per entry of w.
    Afterwards w is bit for bit what it was.
    """
    ### BEGIN SOLUTION
    flat = w.detach().flatten()
    slopes = torch.zeros_like(flat)
    for i in range(len(flat)):
        up, down = flat.clone(), flat.clone()
        up[i] += eps
        down[i] -= eps
        slopes[i] = float(f(up.reshape(w.shape)) - f(down.reshape(w.shape))) / (2 * eps)
    return slopes.reshape(w.shape)
    ### END SOLUTION


# %% tests="numerical_gradient"

# %% solution="linear_gradients"
def linear_gradients(x, y, w, b):
    """The gradients of the mean squared error of ``x @ w + b``, without autograd.

    x  inputs, [N, D]          w  weights, [D]
    y  targets, [N]            b  bias, 0-dim
    The loss is the mean over the N examples of (x @ w + b - y) squared. All four are
    float32 or all are float64.

    Returns a pair of tensors: dL/dw, [D], and dL/db, 0-dim, in the inputs' dtype.
    """
    ### BEGIN SOLUTION
    error = x @ w + b - y
    return 2 * x.T @ error / len(y), 2 * error.mean()
    ### END SOLUTION


# %% tests="linear_gradients"

# %% solution="gradient_norms"
def gradient_norms(model, loss):
    """Run a fresh backward pass and measure each parameter's gradient.

    model  an nn.Module whose parameters may still hold old gradients
    loss   a 0-dim tensor with its graph; no backward pass has been run on it

    Returns a dict from parameter name to the L2 norm of its gradient, a Python float.
    A parameter that this loss gives no gradient is left out, even if an old one lay
    there; a gradient of zeros is listed as 0.0.
    Afterwards .grad holds the fresh gradients of this loss.
    """
    ### BEGIN SOLUTION
    model.zero_grad()
    loss.backward()
    return {
        name: p.grad.norm().item() for name, p in model.named_parameters() if p.grad is not None
    }
    ### END SOLUTION


# %% tests="gradient_norms"

# %% solution="first_explosion"
def first_explosion(history, factor=10.0):
    """Find where the gradients first exploded.

    history  a dict from layer name to its gradient norms, one float per step; all
             lists are equally long
    factor   a layer explodes at step t when its norm there is infinite or NaN, or is
             more than `factor` times the median of its norms at the steps before t

    Steps 0 to 4 are never explosions. The median of an even number of norms is the
    mean of the two middle ones; norms that are infinite or NaN are left out of it.
    When several layers explode at one step, the largest ratio norm / median decides.
    It counts as infinite for a norm that is not finite, and for a positive norm over
    a median of 0. Of equal ratios the first layer in the dict wins.

    Returns (step, layer name) of the earliest explosion, or None.
    """
    ### BEGIN SOLUTION
    n_steps = len(next(iter(history.values())))
    for t in range(5, n_steps):
        ratios = {}
        for layer, norms in history.items():
            median = statistics.median(norm for norm in norms[:t] if math.isfinite(norm))
            if not math.isfinite(norms[t]) or (median == 0 and norms[t] > 0):
                ratios[layer] = math.inf
            elif norms[t] > factor * median:
                ratios[layer] = norms[t] / median
        if ratios:
            return t, max(ratios, key=ratios.get)
    return None
    ### END SOLUTION


# %% tests="first_explosion"

# %% quiz="q03_1"

# %% quiz="q03_2"

# %% quiz="q03_3"
