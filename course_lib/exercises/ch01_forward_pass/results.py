"""What a check makes of a learner's result: whether it is near, and what it says when it is not."""

from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.checking.wire import a_type


def near(value: Any, expected: Tensor) -> bool:
    if not isinstance(value, Tensor) or value.shape != expected.shape:
        return False
    return torch.allclose(value.to(expected.dtype), expected, rtol=1e-4, atol=1e-5)


def seen(value: Any) -> str:
    """What a check says about a result that is not right: its shape or its type."""
    shape = f" {list(value.shape)}" if isinstance(value, Tensor) else ""
    return f"yours is {a_type(value)}{shape}"


def row(value: Any) -> str:
    if not isinstance(value, Tensor):
        return seen(value)
    return f"yours gives {_nested(value.tolist())}"


def _nested(numbers: Any) -> str:
    """Numbers as a list shows them, in short: ``[[1, 12]]``."""
    if isinstance(numbers, list):
        return f"[{', '.join(map(_nested, numbers))}]"
    return f"{numbers + 0.0:.3g}"
