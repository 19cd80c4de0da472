"""What an observation looks like, in a few numbers: two that look alike behaved alike.

The answers pack holds the likeness of every known mistake on the check's cases, so that ``check`` can
name a mistake without running it. Floats count up to rounding, everything else exactly.
"""

import math
import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

import torch

from course_lib.exercises.checking.model import ErrorNote, Exercise, Observation
from course_lib.exercises.checking.wire import type_name

#: Far above the noise between two machines, far below what a mistake changes.
_TOLERANCE = 1e-4
#: What is different each time in an error's words: numbers, addresses, the name of a learner's class.
_VARYING = re.compile(r"0x[0-9a-f]+|\d+|\[\w+\]")
#: [digest of the structure, sum of absolute values, two weighted sums, beats]; or ["raised", type, digest of
#: the error's words, beats].
Likeness = list[Any]


def likeness(exercise: Exercise, observation: Observation, also: Iterable[str] = ()) -> Likeness:
    """The likeness of one case's observation in all fields that earn points, and those in ``also``."""
    beats = "".join(observation.events)
    if observation.error is not None:
        return ["raised", observation.error.type, _digest(words_of(observation.error)), beats]
    fields = {field for aspect in exercise.aspects for field in aspect.fields} | set(also)
    structure: list[str] = []
    numbers: list[torch.Tensor] = []
    for name in sorted(fields):
        structure.append(name)
        if name in observation.values:
            _take_apart(observation.values[name], structure, numbers)
    flat = torch.cat(numbers) if numbers else torch.zeros(0, dtype=torch.float64)
    digest = _digest("\0".join(structure))
    place = torch.arange(1, len(flat) + 1, dtype=torch.float64)
    sums = [flat.abs().sum(), (flat * (place * math.sqrt(2)).frac()).sum()]
    sums.append((flat * (place * math.sqrt(3)).frac()).sum())
    return [digest, *(float(f"{float(each):.8g}") for each in sums), beats]


def words_of(error: ErrorNote) -> str:
    """An error's words without what is different each time."""
    return _VARYING.sub("0", error.message)


def alike(one: Sequence[Likeness], other: Sequence[Likeness]) -> bool:
    """Whether two lists of likenesses, a case each, are of the same results."""
    return len(one) == len(other) and all(map(_same, one, other))


def same_beats(one: Sequence[Likeness], other: Sequence[Likeness]) -> bool:
    """Whether the beats came in the same order, too: it tells apart what leaves the same behind."""
    return [each[-1] for each in one] == [each[-1] for each in other]


def _same(one: Likeness, other: Likeness) -> bool:
    if one[0] != other[0] or len(one) != len(other):
        return False
    if one[0] == "raised":
        return one[1:3] == other[1:3]
    allowed = _TOLERANCE * one[1] + 1e-9
    return all(abs(a - b) <= allowed for a, b in zip(one[1:-1], other[1:-1], strict=True))


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def _take_apart(value: Any, structure: list[str], numbers: list[torch.Tensor]) -> None:
    """Types, shapes and exact values go to ``structure``, finite floats to ``numbers``."""
    structure.append(type_name(value))
    if isinstance(value, torch.Tensor):
        flat = value.detach().flatten()
        structure.append(f"{tuple(value.shape)} {value.dtype} {value.requires_grad}")
        if value.is_floating_point():
            flat = flat.double()
            finite = flat.isfinite()
            structure.append(str(flat[~finite].tolist()))
            numbers.append(flat[finite])
        else:
            structure.append(str(flat.tolist()))
    elif isinstance(value, float):
        if math.isfinite(value):
            numbers.append(torch.tensor([value], dtype=torch.float64))
        else:
            structure.append(str(value))
    elif isinstance(value, list | tuple):
        structure.append(str(len(value)))
        for each in value:
            _take_apart(each, structure, numbers)
    elif isinstance(value, dict):
        for key in value:
            structure.append(repr(key))
            _take_apart(value[key], structure, numbers)
    elif isinstance(value, bool | int | str):
        structure.append(repr(value))
