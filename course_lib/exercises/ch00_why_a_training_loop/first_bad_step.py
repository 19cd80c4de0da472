"""``first_bad_step``, public half."""

import math
from collections.abc import Iterator
from typing import Any

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.support.numbers import number_in


def losses_case(losses: list[float], factor: float | None = None, **known: Any) -> dict[str, Any]:
    """A case; ``factor=None`` leaves it to the default. Public cases bring the ``public_answer``."""
    asks = ("leap",) if all(map(math.isfinite, losses)) else ("finite",)
    return {"asks": asks, "losses": losses, "factor": factor, **known}


def _observe(function: Any, case: Case, notes: Notes) -> None:
    losses = list(case["losses"])
    factor = {} if case["factor"] is None else {"factor": case["factor"]}
    notes["returned"] = returned = function(losses, **factor)
    notes["number"] = number_in(returned)
    notes["losses_left_alone"] = [*map(id, losses)] == [*map(id, case["losses"])]


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    returned, expected = observation["returned"], case["public_answer"]
    shown = "[" + ", ".join(f"{loss:g}" for loss in case["losses"]) + "]"
    call = shown if case["factor"] is None else f"{shown}, factor={case['factor']:g}"
    yield Finding(
        type(returned) is type(expected) and returned == expected,
        f"first_bad_step({call}) is {expected}",
        f"yours is {returned!r:.30}",
    )
    if not observation["losses_left_alone"]:
        yield Finding(False, "the list of losses is left unchanged")


EXERCISE = Exercise(
    name="first_bad_step",
    points=2,
    task="Find the first step whose loss is non-finite or leaps above the smallest one before it.",
    aspects=(
        Aspect(
            "leap", "the first leap above factor times the smallest loss is found", 1, ("returned",)
        ),
        Aspect("finite", "NaN and infinity are bad steps", 0.5, ("returned",)),
        Aspect(
            "clean",
            "the step is an int, and the list of losses is left unchanged",
            0.5,
            ("returned", "losses_left_alone"),
        ),
    ),
    hints=(
        "Walk through the losses once and remember the smallest one seen so far. For each loss, "
        "ask: is it finite? Is it too large compared with what you remember?",
        "math.isfinite(loss) is False for NaN and for both infinities. Every comparison with NaN "
        "is False, so check for finiteness first. Start with math.inf as the smallest loss, and "
        "return None after the loop.",
    ),
    observe=_observe,
    fields=("returned", "number", "losses_left_alone"),
    public_cases=lambda: [
        losses_case([2.0, 1.0, 1.5, 4.0, 9.0], public_answer=3),
        losses_case([2.0, 1.8, 1.6, 1.7], public_answer=None),
        losses_case([2.0, 1.0, math.nan, 1.0], public_answer=2),
        losses_case([2.0, 1.0, 2.5, 0.5], factor=2.0, public_answer=2),
        losses_case([math.inf, 1.0], public_answer=0),
        losses_case([1.0, 2.0, 3.5, 6.0], public_answer=2),
        losses_case([2.0, 1.0, 3.0, 2.5], public_answer=None),
        losses_case([2.0, math.nan, 9.0], public_answer=1),
        losses_case([9.0, 5.0, 1.0], public_answer=None),
        losses_case([5e8, 4e8, 2e9], public_answer=2),
    ],
    properties=_properties,
)
