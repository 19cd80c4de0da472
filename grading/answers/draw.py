"""Sizes and numbers of secret cases, drawn. Called by the ``_cases`` of several chapters' answers."""

import torch
from torch import Tensor


def size(generator: torch.Generator, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both included."""
    return int(torch.randint(low, high + 1, (), generator=generator))


def normal(generator: torch.Generator, *shape: int, dtype=torch.float64) -> Tensor:
    """Drawn in float64, so that every dtype gets the same numbers."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)
