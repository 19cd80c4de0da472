"""What the exercises share: what two of them may not call, and tensors in the words of a check."""

from typing import Any

from torch import Tensor

from course_lib.exercises.checking.wire import a_type

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


def fits(value: Any, given: Tensor) -> bool:
    """Whether it is a tensor with the given one's shape and dtype."""
    return isinstance(value, Tensor) and (value.shape, value.dtype) == (given.shape, given.dtype)


def seen(value: Any) -> str:
    """What a learner returned, in a few words."""
    if isinstance(value, Tensor):
        return f"a {str(value.dtype).removeprefix('torch.')} Tensor {list(value.shape)}"
    return a_type(value)


def beside(words: str, expected: Tensor, got: Tensor) -> str:
    """Both with so many digits that a small difference can be seen."""
    digits = next((d for d in (3, 6) if _numbers(expected, d) != _numbers(got, d)), 9)
    return f"{words} {_numbers(expected, digits)}, yours is {_numbers(got, digits)}"


def _numbers(tensor: Tensor, digits: int) -> str:
    first = tensor.detach().flatten()[:3].tolist()
    shown = ", ".join(f"{v:.{digits}{'f' if abs(v) < 1e6 else 'e'}}" for v in first)
    return f"[{shown}{', ...' if tensor.numel() > 3 else ''}]"
