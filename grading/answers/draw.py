"""Sizes and numbers of secret cases, drawn. Called by the ``_cases`` of several chapters' answers."""

import torch

from course_lib.exercises.support.draw import normal

__all__ = ["normal", "size"]


def size(generator: torch.Generator, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both included."""
    return int(torch.randint(low, high + 1, (), generator=generator))
