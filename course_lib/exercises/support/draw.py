"""Numbers of cases, drawn. Used by the drivers of several chapters and by their answers."""

import torch


def normal(generator: torch.Generator, *shape: int, dtype=torch.float64) -> torch.Tensor:
    """Drawn in float64, so that every dtype gets the same numbers."""
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
