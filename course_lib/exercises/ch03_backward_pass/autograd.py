"""What ``numerical_gradient`` and ``linear_gradients`` may not call, since they do its work."""

#: Every way to have PyTorch differentiate.
AUTOGRAD = (
    "torch.Tensor.backward",
    "torch.autograd.backward",
    "torch.autograd.grad",
    "torch.autograd.functional.*",
    "torch.autograd.forward_ad.*",
    "torch.func.grad",
    "torch.func.grad_and_value",
    "torch.func.hessian",
    "torch.func.jacfwd",
    "torch.func.jacrev",
    "torch.func.jvp",
    "torch.func.linearize",
    "torch.func.vjp",  # and not vmap, which is torch.vmap: it repeats, and differentiates nothing
)
