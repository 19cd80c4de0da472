"""What the two losses of this chapter share: how a check looks at a 0-dim result."""

from typing import Any

from torch import Tensor

from course_lib.exercises.checking.wire import a_type


def number_of(value: Any) -> float | None:
    """The number in a 0-dimensional floating-point tensor; None for anything else."""
    if isinstance(value, Tensor) and value.shape == () and value.is_floating_point():
        return value.item()
    return None


def seen(value: Any) -> str:
    """What a check says about a loss that is not right: its number, its shape or its type."""
    if not isinstance(value, Tensor):
        return f"yours is {a_type(value)}"
    number = number_of(value)
    return f"yours has shape {list(value.shape)}" if number is None else f"yours is {number:.4g}"


def is_about(value: Any, wanted: float, tolerance: float = 1e-5) -> bool:
    """Whether it is a 0-dim tensor with this number, up to the tolerance times its size."""
    number = number_of(value)
    return number is not None and abs(number - wanted) <= tolerance * max(1.0, abs(wanted))
