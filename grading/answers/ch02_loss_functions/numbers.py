"""Random numbers for the cases of this chapter."""

import torch
from torch import Tensor


def normal(generator: torch.Generator, *shape: int, dtype=torch.float64) -> Tensor:
    """Drawn in float64, so that every dtype gets the same numbers."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)
