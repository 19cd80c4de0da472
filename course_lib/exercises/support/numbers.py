"""Numbers in whatever type they came: an aspect of its own asks for the type."""

from typing import Any


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
