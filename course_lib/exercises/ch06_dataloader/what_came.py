"""What a learner's function gave back, described for a check's line."""

from typing import Any

import torch

from course_lib.exercises.checking.wire import a_type


def parts_described(value: Any) -> str:
    """A tuple or a list with its first three parts; anything else by itself."""
    if not isinstance(value, tuple | list):
        return described(value)
    parts = [described(part) for part in value[:3]] + ["more"] * (len(value) > 3)
    if len(parts) < 2:
        return f"{a_type(value)} of {parts[0] if parts else 'nothing'}"
    return f"{a_type(value)} of {', '.join(parts[:-1])} and {parts[-1]}"


def described(value: Any) -> str:
    """Shape and dtype of a tensor, or the type of anything else."""
    if not isinstance(value, torch.Tensor):
        return a_type(value)
    dtype = str(value.dtype).removeprefix("torch.")
    kind = f"{'an' if dtype.startswith('int') else 'a'} {dtype}"
    if value.ndim == 0:
        return f"{kind} number (no dimensions)"
    return f"{kind} tensor of shape {list(value.shape)}"
