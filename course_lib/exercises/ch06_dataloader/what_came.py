"""What a learner's function gave back, described for a check's line."""

from typing import Any

import torch

from course_lib.exercises.checking.wire import type_name


def parts_described(value: Any) -> str:
    """A tuple or a list with its first three parts; anything else by itself."""
    if not isinstance(value, tuple | list):
        return described(value)
    return f"{type_name(value)} of {', '.join(described(part) for part in value[:3])}"


def described(value: Any) -> str:
    """Shape and dtype of a tensor, or the type of anything else."""
    if not isinstance(value, torch.Tensor):
        return type_name(value)
    return f"{list(value.shape)} {str(value.dtype).removeprefix('torch.')}"
