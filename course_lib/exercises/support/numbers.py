"""Numbers that came back, in whatever type: an aspect of its own asks for that."""

from collections.abc import Sequence
from typing import Any

import torch


def same_numbers(expected: Sequence[Any], got: Sequence[Any]) -> bool:
    """Whether two lists of tensors or floats are equal up to rounding."""
    pairs = ((torch.as_tensor(a), torch.as_tensor(b)) for a, b in zip(expected, got, strict=False))
    return len(expected) == len(got) and all(
        a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=1e-6, atol=1e-9)
        for a, b in pairs
    )


def how_often(count: int) -> str:
    """ "once", "twice", "3 times"."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def number_in(value: Any) -> float | None:
    """The one number in an int, a float, a NumPy number or a tensor; None in anything else."""
    if isinstance(value, bool | str | bytes | complex):
        return None
    try:
        return float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return None
