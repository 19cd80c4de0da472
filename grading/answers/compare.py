"""Strict comparison of an observed value with an expected one: same type, shape and dtype, finite
where finite is due, no broadcasting, no missing part. Called by the judge and by answer keys."""

import math
from typing import Any

import torch

from course_lib.exercises.checking.model import Case, Observation
from course_lib.exercises.checking.wire import Foreign, a_type
from grading.answers.model import Comparison

#: Lists and tuples of so many plain values are shown whole.
_SHORT = 4
#: What is said of a yes or no, and of what is missing: of what was asked it tells nothing.
SAYS_NOTHING = ("this does not hold for your code", "nothing of it was seen")


class Difference(str):
    """What a comparison says by itself: numbers, shapes and types, for which the judge looks for
    the exercise's own words. A text that an answer has written is shown as it is."""


def difference(expected: Any, got: Any, rtol: float, atol: float) -> Difference | None:
    """What is wrong with ``got``, in words for the learner; None when it equals ``expected``.

    Floats and floating-point tensors are equal within ``atol + rtol * |expected|``; NaN equals NaN
    and an infinity itself. Everything else is compared exactly.
    """
    found = _difference(expected, got, rtol, atol)
    return None if found is None else Difference(found)


def in_own_words(
    words: Comparison, *fields: str, tolerance: tuple[float, float] = (1e-5, 1e-7)
) -> Comparison:
    """A comparison of ``fields``, as it is made without one, that says ``words(case, expected, got)``
    where they differ; where that is None, the difference itself, for which the judge finds words."""

    def compare(case: Case, expected: Observation, got: Observation) -> str | None:
        for name in fields:
            if name not in expected.values:
                continue
            found = difference(expected[name], got.get(name), *tolerance)
            if found or name not in got.values:
                return words(case, expected, got) or found or Difference("nothing of it was seen")
        return None

    return compare


def _difference(expected: Any, got: Any, rtol: float, atol: float) -> str | None:
    if isinstance(expected, torch.Tensor):
        return _tensor_difference(expected, got, rtol, atol)
    if isinstance(expected, Foreign):
        same = isinstance(got, Foreign) and got.type_name == expected.type_name
        return None if same else _values(expected, got)
    if type(expected) is not type(got):
        numbers = isinstance(expected, int | float) and isinstance(got, int | float)
        return _values(expected, got, typed=numbers)
    if isinstance(expected, float):
        return None if close(expected, got, rtol, atol) else _values(expected, got)
    if isinstance(expected, list | tuple):
        return _sequence_difference(expected, got, rtol, atol)
    if isinstance(expected, dict):
        return _dict_difference(expected, got, rtol, atol)
    if isinstance(expected, bool) and expected != got:
        return SAYS_NOTHING[0]
    return None if expected == got else _values(expected, got)


def close(expected: float, got: float, rtol: float, atol: float) -> bool:
    """Whether two floats are equal within the tolerance."""
    if math.isnan(expected) or math.isnan(got):
        return math.isnan(expected) and math.isnan(got)
    if math.isinf(expected) or math.isinf(got):
        return expected == got
    return abs(expected - got) <= atol + rtol * abs(expected)


def _tensor_difference(expected: torch.Tensor, got: Any, rtol: float, atol: float) -> str | None:
    if not isinstance(got, torch.Tensor):
        return f"expected a Tensor of {_shape(expected)}, yours is {_shown(got, typed=True)}"
    if got.shape != expected.shape:
        return f"expected {_shape(expected)}, yours has {_shape(got)}"
    if got.dtype != expected.dtype:
        right, wrong = (str(each.dtype).removeprefix("torch.") for each in (expected, got))
        return f"expected dtype {right}, yours has {wrong}"
    if got.requires_grad != expected.requires_grad:
        # Nothing else is known of the graph of a tensor that came from elsewhere. A new tensor that asks
        # for a gradient of its own has it too, so nothing is said about the graph that it may be part of.
        if expected.requires_grad:
            return (
                "the result is cut off from the graph: it has requires_grad False, "
                "so nothing can be trained with it"
            )
        return (
            "expected a result with requires_grad False, since nothing here needs a gradient; "
            "yours has requires_grad True"
        )
    a, b = expected.detach(), got.detach()
    if a.is_floating_point():
        equal = torch.isclose(b.double(), a.double(), rtol, atol, equal_nan=True)
    else:
        equal = a == b
    if bool(equal.all()):
        return None
    bad = int((~equal).sum())
    worst = (~equal).flatten().nonzero()[0].item()
    right, wrong = (_shown(tensor.flatten()[worst].item()) for tensor in (a, b))
    if a.numel() == 1:
        return f"expected {right}, yours is {wrong}"
    return f"{bad} of {a.numel()} numbers are off; the first of them should be {right}, yours is {wrong}"


def _sequence_difference(expected: Any, got: Any, rtol: float, atol: float) -> str | None:
    if len(expected) != len(got):
        if _is_short(expected) and _is_short(got):
            return _values(expected, got)
        values = "1 value" if len(expected) == 1 else f"{len(expected)} values"
        return f"expected {values}, yours has {len(got) or 'none'}"
    for number, (a, b) in enumerate(zip(expected, got, strict=True), 1):
        if problem := _difference(a, b, rtol, atol):
            if _is_short(expected) and _is_short(got):
                return _values(expected, got)
            if len(expected) == 1:
                return problem
            kind = "tensor" if isinstance(a, torch.Tensor) else "number"
            return f"{kind} {number} of {len(expected)}: {problem}"
    return None


def _dict_difference(expected: dict, got: dict, rtol: float, atol: float) -> str | None:
    for key in expected:
        if key not in got:
            return f"{key!r:.60} is missing"
    for key in got:
        if key not in expected:
            return f"{key!r:.60} is not asked for"
    for key, value in expected.items():
        if problem := _difference(value, got[key], rtol, atol):
            return f"{key!r:.60}: {problem}"
    return None


def _values(expected: Any, got: Any, typed: bool = False) -> str:
    return f"expected {_shown(expected, typed)}, yours is {_shown(got, typed)}"


def _is_short(value: Any) -> bool:
    """Can it be shown whole? A few plain values."""
    return (
        isinstance(value, list | tuple)
        and len(value) <= _SHORT
        and all(each is None or isinstance(each, bool | int | float | str) for each in value)
    )


def _shown(value: Any, typed: bool = False) -> str:
    if value is None or isinstance(value, bool | str):
        return repr(value)[:60]
    if isinstance(value, int | float):
        number = f"{value + 0.0:.6g}" if isinstance(value, float) else repr(value)[:60]
        return f"the {type(value).__name__} {number}" if typed else number
    if isinstance(value, torch.Tensor):
        return f"a Tensor of {_shape(value)}"
    if _is_short(value):
        inside = ", ".join(map(_shown, value))
        if isinstance(value, list):
            return f"[{inside}]"
        return f"({inside}{',' if len(value) == 1 else ''})"
    return a_type(value)


def _shape(tensor: torch.Tensor) -> str:
    return f"shape {list(tensor.shape)}"
