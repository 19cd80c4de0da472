"""What ``numerical_gradient`` and ``linear_gradients`` may not call, since they do its work."""

#: Every way to have PyTorch differentiate.
AUTOGRAD = (
    "torch.Tensor.backward",
    "torch.autograd.backward",
    "torch.autograd.grad",
    "torch.autograd.functional.*",
    "torch.autograd.forward_ad.*",
    "torch.func.*",
)
