"""What the secret cases of this chapter draw."""

import torch


def whole_number(generator: torch.Generator, low: int, high: int) -> int:
    """A random integer, ``low`` included, ``high`` not."""
    return int(torch.randint(low, high, (1,), generator=generator))
