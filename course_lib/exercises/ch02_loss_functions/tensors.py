"""What the three exercises share: how tensors are handed over, and what checks say about results."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.checking.model import Case, Finding, Notes, Observation
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


def as_given(case: Case, name: str) -> Tensor:
    """A tensor of the case as the learner's function gets it: contiguous, or with its numbers in every
    second place of memory."""
    tensor = case[name]
    return torch.stack((tensor, tensor), dim=-1)[..., 0] if case["strided"] else tensor.clone()


def leaf_of(case: Case, name: str) -> Tensor:
    """A tensor of the case as a leaf that collects a gradient."""
    return as_given(case, name).detach().requires_grad_()


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
    upstream = torch.ones_like(result) if upstream is None else upstream
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


def _scalar(value: Any) -> float | None:
    """The number in a 0-dimensional tensor; None for anything else."""
    return value.item() if _is_scalar(value) and value.is_floating_point() else None


def _is_scalar(value: Any) -> bool:
    return isinstance(value, Tensor) and value.shape == ()


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


def loss_findings(loss: Any, given: Tensor, whose: str) -> Iterator[Finding]:
    """Whether it is one number, and of the dtype of the given tensor."""
    text = "the result is a tensor with no dimensions: one number"
    yield Finding(_is_scalar(loss), text, seen(loss))
    if _is_scalar(loss):
        yield dtype_finding(loss, given, whose)


def cost_finding(loss: Any, text: str, cost: float, digits: int = 4) -> Finding:
    """Whether it is a 0-dimensional tensor with this number, up to ``digits`` decimals."""
    number = _scalar(loss)
    return Finding(number is not None and abs(number - cost) < 10.0**-digits, text, seen(loss))


def slope_findings(observation: Observation, result: str) -> Iterator[Finding]:
    """On the gradient of the logits, where ``result`` names what it is sent back through."""
    gradient = observation["gradient"]
    flows = gradient is not None and bool(gradient.any())
    yield Finding(flows, f"a gradient flows from {result} back to the logits")
    if flows:
        text = f"the gradient is the slope of {result}: no part of the graph is cut off"
        yield Finding(observation["slope_agrees"], text)


def near(value: Tensor, expected: Any, tolerance: float = 1e-5) -> bool:
    """Whether all entries are within the tolerance."""
    return bool(((value - expected).abs() <= tolerance).all())
