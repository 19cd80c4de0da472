"""A linear layer with a case's numbers, and the finding on the shape of what comes back. Used by the
drivers of patients A, B, G and H."""

from typing import Any

from torch import Tensor, nn

from course_lib.exercises.checking.model import Finding
from course_lib.exercises.checking.wire import type_name
from course_lib.exercises.support.small_network import load_parameters


def linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    """``weight`` is [out, in], ``bias`` [out]."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], dtype=weight.dtype)
    load_parameters(layer, [weight, bias])
    return layer


def shape_finding(value: Any, shape: tuple[int, ...]) -> Finding:
    """Whether the result is a tensor of this shape."""
    good = isinstance(value, Tensor) and tuple(value.shape) == shape
    got = list(value.shape) if isinstance(value, Tensor) else type_name(value)
    return Finding(good, f"the result is a tensor of shape {list(shape)}", f"yours is {got}")
