"""How a check of this chapter looks at a result: what its two losses share, and attention in part."""

import math
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.checking.wire import a_type


def without_graph(value: Any) -> Any:
    """A tensor cut off from its graph; anything else as it is."""
    return value.detach() if isinstance(value, Tensor) else value


def number_of(value: Any) -> float | None:
    """The number in a 0-dimensional floating-point tensor; None for anything else."""
    if isinstance(value, Tensor) and value.shape == () and value.is_floating_point():
        return value.item()
    return None


def number_in(value: Any) -> float | None:
    """The number of a loss, also of one that is a plain float; None for anything else."""
    return value if type(value) is float else number_of(value)


def same_result(one: Any, other: Any) -> bool:
    """Whether two results of a loss, right or wrong, are the same up to rounding: tensors of one
    shape, or floats."""
    if type(one) is float and type(other) is float:
        return math.isclose(one, other, rel_tol=1e-4, abs_tol=1e-6)
    return (
        isinstance(one, Tensor)
        and isinstance(other, Tensor)
        and one.shape == other.shape
        and torch.allclose(one.double(), other.double(), rtol=1e-4, atol=1e-6)
    )


def is_the_first(one: Any, first: Any, second: Any) -> bool:
    """Whether a result is the same as the first of two others, and not as the second."""
    return same_result(one, first) and not same_result(one, second)


def seen(value: Any) -> str:
    """What a check says about a loss that is not right: its number, its shape or its type."""
    if not isinstance(value, Tensor):
        return f"yours is {a_type(value)}"
    number = number_of(value)
    return (
        f"yours has shape {list(value.shape)}" if number is None else f"yours is {number + 0.0:.4g}"
    )


def is_about(value: Any, wanted: float, tolerance: float = 1e-5) -> bool:
    """Whether it is a 0-dim tensor with this number, up to the tolerance times its size."""
    number = number_of(value)
    return number is not None and abs(number - wanted) <= tolerance * max(1.0, abs(wanted))
