"""Terse. Two right, a ReLU on the logits of the third, one answer wrong."""

# %% build_mlp
build_mlp = lambda in_features, hidden, out_features: torch.nn.Sequential(
    torch.nn.Linear(in_features, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, out_features)
)

# %% manual_forward
def manual_forward(x, W1, b1, W2, b2):
    for W, b in [(W1, b1), (W2, b2)]:
        x = (x @ W.T + b).clamp(min=0)
    return x

# %% trace_shapes
def trace_shapes(model, x):
    shapes, hooks = [], []
    for name, module in model.named_modules():
        if not list(module.children()):
            hook = lambda m, i, out, name=name: shapes.append((name, tuple(out.shape)))
            hooks.append(module.register_forward_hook(hook))
    model(x)
    for hook in hooks:
        hook.remove()
    return shapes

# %% q01_1
q01_1 = "B"

# %% q01_2
q01_2 = "A"

# %% q01_3
q01_3 = "A"
