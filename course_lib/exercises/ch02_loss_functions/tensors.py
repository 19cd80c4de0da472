"""What the three exercises share: how tensors are handed over, and what checks say about results."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.checking.model import Case, Finding, Notes
from course_lib.exercises.checking.wire import a_type

#: What the chapter builds, below every Python name of it: functions, methods, ``nn`` classes.
FORBIDDEN = (
    "aten:softmax",
    "aten:safe_softmax",
    "aten:log_softmax",
    "aten:cross_entropy_loss",
    "aten:nll_loss",
    "aten:nll_loss2d",
    "aten:mse_loss",
)


def strided(tensor: Tensor) -> Tensor:
    """The same numbers in every second place of memory: a tensor that is not contiguous."""
    return torch.stack((tensor, tensor), dim=-1)[..., 0]


def as_given(case: Case, name: str) -> Tensor:
    """A tensor of the case as the learner's function gets it: contiguous or not."""
    return strided(case[name]) if case["strided"] else case[name].clone()


def note_slope(
    notes: Notes, leaf: Tensor, function: Callable[[Tensor], Any], upstream: Tensor | None = None
) -> None:
    """Write down the gradient that reaches ``leaf``, and whether it is the slope of the function."""
    notes["gradient"] = gradient = gradient_at(leaf, function, upstream)
    notes["slope_agrees"] = _slope_agrees(leaf, function, upstream, gradient)


def gradient_at(
    leaf: Tensor, function: Callable[[Tensor], Any], upstream: Tensor | None = None
) -> Tensor | None:
    """The gradient that reaches ``leaf`` from ``function(leaf)``; None when none does."""
    result = function(leaf)
    if not isinstance(result, Tensor) or not result.requires_grad:
        return None
    if upstream is None:
        upstream = torch.ones_like(result)
    if upstream.shape != result.shape:
        return None
    (gradient,) = torch.autograd.grad(result, leaf, upstream, allow_unused=True)
    return gradient


def _slope_agrees(
    leaf: Tensor, function: Callable[[Tensor], Any], upstream: Tensor | None, gradient: Any
) -> bool:
    """Whether ``gradient`` is the slope of what ``function`` really computes, along one direction.
    True also of a wrong function that can be trained through; False of one that is constant, or
    partly cut off from the graph. Meant for float64."""
    if not isinstance(gradient, Tensor) or gradient.shape != leaf.shape:
        return False
    direction = torch.linspace(-1.0, 1.5, leaf.numel(), dtype=torch.float64).cos()
    direction = direction.reshape(leaf.shape).to(leaf.dtype)
    ends = []
    with torch.no_grad():
        for step in (1e-5, -1e-5):
            value = function(leaf.detach() + step * direction)
            if not isinstance(value, Tensor) or not value.is_floating_point():
                return False
            ends.append((value if upstream is None else value * upstream).sum().item())
    slope = (ends[0] - ends[1]) / 2e-5
    return abs(slope) > 1e-7 and math.isclose(
        slope, (gradient * direction).sum().item(), rel_tol=1e-4, abs_tol=1e-7
    )


def leaf_of(case: Case, name: str) -> Tensor:
    """A tensor of the case as a leaf that collects a gradient."""
    return as_given(case, name).detach().requires_grad_()


def _scalar(value: Any) -> float | None:
    """The number in a 0-dimensional tensor; None for anything else."""
    if is_scalar(value) and value.is_floating_point():
        return value.item()
    return None


def seen(value: Any) -> str:
    """What a check says about a result that is not right: its number, its shape or its type."""
    if not isinstance(value, Tensor):
        return f"yours is {a_type(value)}"
    number = _scalar(value)
    return (
        f"yours has shape {list(value.shape)}" if number is None else f"yours is {number + 0.0:.4g}"
    )


def dtype_finding(result: Tensor, given: Tensor, whose: str) -> Finding:
    """Whether the dtype is that of the given tensor, which ``whose`` names: "the logits'"."""
    dtypes = f"{given.dtype} came in, {result.dtype} came out"
    return Finding(result.dtype == given.dtype, f"the result has {whose} dtype", dtypes)


def is_about(value: Any, expected: float, digits: int = 4) -> bool:
    """Whether it is a 0-dimensional tensor with this number, up to ``digits`` decimals."""
    number = _scalar(value)
    return number is not None and abs(number - expected) < 10.0**-digits


def near(value: Tensor, expected: Any, tolerance: float = 1e-5) -> bool:
    """Whether all entries are within the tolerance."""
    return bool(((value - expected).abs() <= tolerance).all())


def is_scalar(value: Any) -> bool:
    """Whether it is a tensor with no dimensions."""
    return isinstance(value, Tensor) and value.shape == ()
