"""Mistakes that any exercise can meet: an error, nothing returned, a result of another type or shape, or
one that is off by a factor.

``judge`` asks here when no mistake of the exercise's own fits. Each name says only what was observed, so
it is true of the submission whatever its code looks like. Pure: on observations.
"""

import math
import re
from collections.abc import Sequence
from typing import Any

import torch

from course_lib.exercises.checking.model import ErrorNote, Observation
from course_lib.exercises.checking.wire import a_type, type_name
from grading.answers.model import Misconception
from grading.judging.cases import CaseSet
from grading.judging.wording import error_text

#: (types, part of the message, name, what it means). The first that fits is taken.
_ERRORS: tuple[tuple[str, str, str, str], ...] = (
    (
        "ForbiddenCall",
        "",
        "the built-in called",
        "This exercise builds what you call here: write it yourself.",
    ),
    (
        "NameError|UnboundLocalError",
        "not associated with a value",
        "a name read too early",
        "A variable is read before anything has been assigned to it.",
    ),
    (
        "NameError",
        "",
        "a name that is not defined",
        "Your code reads a name that has no value. Is it misspelled, or was the line left out that "
        "makes it?",
    ),
    (
        "AttributeError",
        "'NoneType' object",
        "None where a value was meant",
        "Something is None here that was meant to be an object: a function without `return`, a "
        "gradient that was never computed, or a setting that is off.",
    ),
    (
        "AttributeError",
        "",
        "an attribute that is not there",
        "The object has no attribute or method of that name: look at its type, and at the spelling.",
    ),
    (
        "TypeError",
        r"missing \d+ required|positional argument|takes (no|exactly|at )|unexpected keyword"
        r"|invalid combination of arguments|missing required argument|expected .* arguments?, got",
        "called with other arguments than it takes",
        "A function is called with other arguments than it takes: look up which ones, and in which "
        "order.",
    ),
    (
        "TypeError",
        "not callable",
        "called, and not a function",
        "Parentheses call what stands before them, and that is not a function here.",
    ),
    (
        "TypeError|ValueError",
        r"not iterable|iteration over a 0-d|cannot unpack|to unpack",
        "cannot be gone through or unpacked",
        "A loop, list() or an assignment to several names needs something with entries, as many as "
        "there are names.",
    ),
    (
        "TypeError|ValueError|RuntimeError",
        r"only one element tensors|elements cannot be converted|only (integer|length-1)|too many "
        r"dimensions|not infer dtype|must be a (string or a )?real number",
        "cannot be converted",
        "float(), int(), .item() and torch.tensor() convert numbers, and this is not one.",
    ),
    (
        "IndexError",
        "[Dd]imension",
        "a dimension that is not there",
        "The tensor has fewer dimensions than your code counts on.",
    ),
    (
        "IndexError|KeyError",
        "",
        "an entry that is not there",
        "Your code asks for an entry that does not exist: an index past the end, or another key.",
    ),
    (
        "RuntimeError|ValueError",
        r"shapes? cannot be multiplied|size mismatch|must match|expand|broadcast|is invalid for input"
        r"|same size|same shape|mat1|inconsistent tensor size|doesn't match",
        "shapes that do not fit",
        "Two tensors meet whose shapes do not fit each other. Print both shapes before that line.",
    ),
    (
        "RuntimeError",
        "does not require grad",
        "backward() without a graph",
        "backward() starts at a tensor that no graph leads to: it was detached, converted, or "
        "computed under no_grad.",
    ),
    (
        "RuntimeError",
        "a second time",
        "backward() twice through one graph",
        "A graph is freed once backward() has gone through it: compute the loss again before the next "
        "one.",
    ),
    (
        "RuntimeError",
        "in-?place",
        "changed in place while autograd needs it",
        "A tensor is changed in place that autograd still needs.",
    ),
    (
        "ZeroDivisionError|OverflowError",
        "",
        "an arithmetic error",
        "A division by zero, or a number that is too large.",
    ),
    (
        "TypeError",
        "",
        "a value of the wrong type",
        "An operation or a function meets a value of a type that it is not made for.",
    ),
)


def common_mistake(cases: CaseSet, observed: Sequence[Observation]) -> Misconception | None:
    """What is wrong with a submission in the terms of any exercise, or None."""
    found = _error(observed) or _result(cases, observed)
    return Misconception(found[0], None, found[1]) if found else None


def _error(observed: Sequence[Observation]) -> tuple[str, str] | None:
    """The first kind of error that the code raised."""
    raised = [each.error for each in observed if each.error is not None]
    if not raised:
        return None
    name, meaning = _named(raised[0])
    some = len(raised) < len(observed) and not raised[0].is_refusal
    where = f"with {len(raised)} of {len(observed)} inputs " if some else ""
    text = f"{where}{error_text(raised[0])}"
    return name, f"{meaning} {text[:1].upper()}{text[1:]}.".strip()


def _named(error: ErrorNote) -> tuple[str, str]:
    for types, part, name, meaning in _ERRORS:
        if re.fullmatch(types, error.type) and re.search(part, error.message):
            return name, meaning
    return f"raises {error.type}"[:60], ""


def _result(cases: CaseSet, observed: Sequence[Observation]) -> tuple[str, str] | None:
    """How the results differ, where it is in the same way on every input that they do."""
    pairs = [
        (expected.values[field], got.values[field], case)
        for case, expected, got in zip(cases.cases, cases.expected, observed, strict=True)
        for field in cases.answer.results
        if field in expected.values and field in got.values
    ]
    unlike = [each for expected, got, _ in pairs if (each := _unlike(expected, got))]
    if unlike:
        kind, name, text = min(unlike, key=lambda each: each[0])
        count = sum(each[0] == kind for each in unlike)
        share = "" if count == len(pairs) else f" ({count} of {len(pairs)} inputs)"
        return name, f"{text}{share}."
    return None if cases.answer.compare else _relation(pairs)


def _unlike(expected: Any, got: Any) -> tuple[int, str, str] | None:
    """What of a result is not even of the kind that it should be: the lowest number is said first."""
    wanted = a_type(expected)
    if got is None and expected is not None:
        return 0, "nothing returned", f"Your code returns None where {wanted} is asked for"
    if type_name(expected) != type_name(got):
        text = f"Your result is {a_type(got)}; it should be {wanted}"
        return 1, "a result of another type", text
    if not isinstance(expected, torch.Tensor):
        return None
    if expected.shape != got.shape:
        text = f"Your result has shape {list(got.shape)}; it should be {list(expected.shape)}"
        return 2, "a result of another shape", text
    if expected.dtype != got.dtype:
        theirs, asked = (str(each.dtype).removeprefix("torch.") for each in (got, expected))
        text = f"Your result has dtype {theirs}; it should be {asked}"
        return 3, "a result of another dtype", text
    if expected.requires_grad and not got.requires_grad:
        text = "Your result has requires_grad False, so nothing can be trained through it"
        return 4, "result cut off from the graph", text
    return None


def _relation(pairs: Sequence[tuple[Any, Any, Any]]) -> tuple[str, str] | None:
    """How the numbers differ, where one sentence says it of all of them."""
    numbers = [
        (a, b, case) for e, g, case in pairs for a, b in [_as_numbers(e, g)] if a is not None
    ]
    if len(numbers) < 2 or len(numbers) < len(pairs):
        return None
    ours = torch.cat([a.flatten() for a, _, _ in numbers])
    theirs = torch.cat([b.flatten() for _, b, _ in numbers])
    if not len(ours) or bool(((ours - theirs).abs() <= 1e-5 * ours.abs() + 1e-7).all()):
        return None
    if bool((ours.isfinite() & ~theirs.isfinite()).any()):
        return (
            "inf or nan in the result",
            "Your result holds inf or nan where numbers are due: a division by zero, a logarithm of "
            "zero or an overflow on the way.",
        )
    for name in numbers[0][2]:
        if all(_equal(case.get(name), b) for _, b, case in numbers):
            return "an argument returned", f"What you return is `{name}`, as it came in."
    if bool((theirs == theirs[0]).all()):
        text = f"Your result is {theirs[0].item() + 0.0:.4g} for every input."
        return "the same result for every input", text
    return _factor(ours, theirs)


def _factor(ours: torch.Tensor, theirs: torch.Tensor) -> tuple[str, str] | None:
    large = ours.abs() > 1e-6
    if not bool(large.any()) or not bool(ours.isfinite().all()):
        return None
    factor = (theirs[large] / ours[large]).median().item()
    off = (theirs - factor * ours).abs()
    if factor == 0 or not bool((off <= 1e-4 * abs(factor) * ours.abs() + 1e-6).all()):
        return None
    if math.isclose(factor, -1.0, rel_tol=1e-4):
        return (
            "the sign turned round",
            "Every number of your results has the wrong sign: a minus is missing, or one too many.",
        )
    return (
        "off by a constant factor",
        f"All your results are {factor:.4g} times what they should be.",
    )


def _as_numbers(expected: Any, got: Any) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    if isinstance(expected, torch.Tensor) and expected.is_floating_point():
        return expected.detach().double(), got.detach().double()
    if isinstance(expected, float) and isinstance(got, float):
        return torch.tensor([expected]).double(), torch.tensor([got]).double()
    return None, None


def _equal(one: Any, other: torch.Tensor) -> bool:
    return (
        isinstance(one, torch.Tensor)
        and one.shape == other.shape
        and torch.equal(one.detach().double(), other)
    )
