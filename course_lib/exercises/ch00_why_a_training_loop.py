"""Chapter 00, public half: the exercises' checks and drivers, and the quiz's questions."""

import math
from collections.abc import Iterator
from typing import Any

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import type_name
from course_lib.quiz import Question

# --- order_the_beats ----------------------------------------------------------------------------


def observe_order_the_beats(function: Any, case: Case, notes: Notes) -> None:
    notes["returned"] = function()


def properties_order_the_beats(case: Case, observation: Observation) -> Iterator[Finding]:
    returned = observation["returned"]
    is_list = isinstance(returned, list)
    yield Finding(is_list, "the result is a list", f"yours is {type_name(returned)}")
    if not is_list:
        return
    yield Finding(len(returned) == 4, "there are four beats", f"yours has {len(returned)} entries")
    for name in ("forward", "loss", "backward", "step"):
        near = [word for word in returned if _plain(word) == name and word != name]
        got = f"yours is spelt {near[0]!r:.30}" if near else ""
        yield Finding(returned.count(name) == 1, f'"{name}" is there once', got)
    if sorted(map(str, returned)) == ["backward", "forward", "loss", "step"]:
        for text, early, late in (
            ("you predict before you judge", "forward", "loss"),
            ("you judge before you look for directions", "loss", "backward"),
            ("you know the directions before you move", "backward", "step"),
        ):
            yield Finding(returned.index(early) < returned.index(late), text)


def _plain(word: Any) -> str:
    """A beat's name without what learners add to it: capitals, parentheses, spaces."""
    return str(word).strip().lower().removesuffix("()").removesuffix(" pass")


ORDER_THE_BEATS = Exercise(
    name="order_the_beats",
    points=1,
    task="Return the names of the four beats in order.",
    aspects=(Aspect("order", "the four beats are in order", 1, ("returned",)),),
    hints=(
        "Say it aloud: predict, judge, find the directions, move.",
        'Return a list of four strings. Predicting is "forward", moving is "step".',
    ),
    observe=observe_order_the_beats,
    public_cases=lambda: [{}],
    properties=properties_order_the_beats,
)

# --- first_bad_step -----------------------------------------------------------------------------


def observe_first_bad_step(function: Any, case: Case, notes: Notes) -> None:
    losses = list(case["losses"])
    if not all(math.isfinite(loss) for loss in losses):
        field = "step_with_nan_or_infinity"
    else:
        field = "step_at_the_factor" if case["at_the_factor"] else "step_of_a_leap"
    if case["factor"] is None:
        notes[field] = function(losses)
    else:
        notes[field] = function(losses, factor=case["factor"])
    notes["losses_left_alone"] = len(losses) == len(case["losses"]) and all(
        now is before for now, before in zip(losses, case["losses"], strict=True)
    )


def properties_first_bad_step(case: Case, observation: Observation) -> Iterator[Finding]:
    returned = next(iter(observation.values.values()))
    losses, expected = case["losses"], case["public_answer"]
    shown = "[" + ", ".join(f"{loss:g}" for loss in losses) + "]"
    call = shown if case["factor"] is None else f"{shown}, factor={case['factor']:g}"
    yield Finding(
        type(returned) is type(expected) and returned == expected,
        f"first_bad_step({call}) is {expected}",
        f"yours is {returned!r:.30}",
    )
    if not observation["losses_left_alone"]:
        yield Finding(False, "the list of losses is left as it was")


def losses_case(
    losses: list[float], factor: float | None = None, at_the_factor: bool = False, **known: Any
) -> dict[str, Any]:
    """A case; ``factor=None`` leaves it to the default. ``at_the_factor``: a loss is exactly factor
    times the smallest one before it."""
    return {"losses": losses, "factor": factor, "at_the_factor": at_the_factor, **known}


def _public(losses: list[float], answer: int | None, factor: float | None = None) -> dict[str, Any]:
    return losses_case(losses, factor, public_answer=answer)


FIRST_BAD_STEP = Exercise(
    name="first_bad_step",
    points=2,
    task="Find the first step whose loss is non-finite or leaps above the smallest one before it.",
    aspects=(
        Aspect("leap", "the first leap above the smallest loss so far", 1, ("step_of_a_leap",)),
        Aspect(
            "finite",
            "NaN and infinity are bad steps, exactly factor times the smallest loss is not; the "
            "list is left as it was",
            1,
            ("step_with_nan_or_infinity", "step_at_the_factor", "losses_left_alone"),
            after=("leap",),
        ),
    ),
    hints=(
        "Walk through the losses once and remember the smallest one seen so far. Ask of each loss: "
        "is it finite? is it too large compared with what you remember?",
        "math.isfinite(loss) is False for NaN and for both infinities. Every comparison with NaN "
        "is False, so ask about finiteness first. Start with math.inf as the smallest loss, and "
        "return None after the loop.",
    ),
    observe=observe_first_bad_step,
    public_cases=lambda: [
        _public([2.0, 1.0, 1.5, 4.0, 9.0], 3),
        _public([2.0, 1.8, 1.6, 1.7], None),
        _public([2.0, 1.0, math.nan, 1.0], 2),
        _public([2.0, 1.0, 2.5, 0.5], 2, factor=2.0),
        _public([math.inf, 1.0], 0),
        _public([1.0, 2.0, 3.5, 6.0], 2),
        _public([2.0, 1.0, 3.0, 2.5], None),
        _public([2.0, math.nan, 9.0], 1),
        _public([9.0, 5.0, 1.0], None),
    ],
    properties=properties_first_bad_step,
)

EXERCISES = (ORDER_THE_BEATS, FIRST_BAD_STEP)

QUESTIONS = (
    Question(
        "q00_1",
        "Which order makes one update of the weights?",
        {
            "A": "loss, forward, backward, step",
            "B": "forward, backward, loss, step",
            "C": "forward, loss, step, backward",
            "D": "forward, loss, backward, step",
        },
    ),
    Question(
        "q00_2",
        "A loss suddenly explodes. What does a loop that you wrote yourself give you, that one "
        "call of a ready-made `fit()` hides?",
        {
            "A": "It cannot happen in a loop of your own.",
            "B": "PyTorch repairs the step for you when it can see the loop.",
            "C": "You can stop at that step and read each layer's gradients, the weights and the "
            "batch.",
            "D": "It runs faster, so you can try again sooner.",
        },
    ),
    Question(
        "q00_3",
        "In the run of this chapter, the gradient of one layer at step 47 is more than 2,000 times "
        "its usual size. You switch clipping on. What does the loss do?",
        {
            "A": "It leaps at step 47 and is back to normal at once.",
            "B": "It stays low at step 47 and afterwards.",
            "C": "It stays where it is for ever, because every gradient becomes zero.",
            "D": "The training stops at step 47.",
        },
    ),
)
