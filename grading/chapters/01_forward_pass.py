# %% [markdown] head=true
# After this chapter you can ...

# %% setup=true

# %% solution="build_mlp"
def build_mlp(in_features, hidden, out_features):
    """Build a network: linear layer, ReLU, linear layer.

    in_features   numbers per example that go in
    hidden        outputs of the first layer, inputs of the second
    out_features  numbers per example that come out

    Returns an nn.Module. It maps a batch [N, in_features] to logits [N, out_features], raw
    scores without any function after the last layer. Both layers have a bias; names and
    starting values are up to you.
    """
    ### BEGIN SOLUTION
    return torch.nn.Sequential(
        torch.nn.Linear(in_features, hidden),
        torch.nn.ReLU(),
        torch.nn.Linear(hidden, out_features),
    )
    ### END SOLUTION


# %% tests="build_mlp"

# %% solution="manual_forward"
def manual_forward(x, W1, b1, W2, b2):
    """Compute linear layer, ReLU, linear layer from five tensors, without torch.nn.

    x       [N, in]         the batch
    W1, b1  [hidden, in], [hidden]   weight and bias of the first layer, as PyTorch stores them
    W2, b2  [out, hidden], [out]     the same for the second layer

    Returns the logits, [N, out], of x's dtype. Gradients flow back to all five tensors, and none
    of them is changed.
    """
    ### BEGIN SOLUTION
    hidden = torch.relu(x @ W1.T + b1)
    return hidden @ W2.T + b2
    ### END SOLUTION


# %% tests="manual_forward"

# %% solution="trace_shapes"
def trace_shapes(model, x):
    """Run ``model`` on the batch ``x`` and list what its leaf modules put out.

    A leaf is a module without children. Each leaf output is one tensor.

    Returns a list of pairs (name, shape), one per run of a leaf, in the order in which they ran:
    [("fc1", (32, 128)), ...]. The name is the one of model.named_modules(), which is "" when the
    model itself is a leaf; the shape is a tuple that includes the batch. A leaf that runs twice is
    listed twice, one that never runs is not listed.

    Afterwards your hooks are gone and everybody else's are still there.
    """
    ### BEGIN SOLUTION
    trace, handles = [], []

    def add_hook(name, module):
        def note_shape(module, inputs, output):
            trace.append((name, tuple(output.shape)))

        handles.append(module.register_forward_hook(note_shape))

    for name, module in model.named_modules():
        if not list(module.children()):
            add_hook(name, module)
    try:
        model(x)
    finally:
        for handle in handles:
            handle.remove()
    return trace
    ### END SOLUTION


# %% tests="trace_shapes"

# %% quiz="q01_1"

# %% quiz="q01_2"

# %% quiz="q01_3"
