"""``first_explosion``, public half."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import in_short


def history_case(
    asks: str, history: Mapping[str, Sequence[float]], factor: float | None = None, **known: Any
) -> dict[str, Any]:
    """A case that asks for one aspect; ``factor=None`` leaves it to the default.

    Public cases bring ``answer`` and ``text``, a statement of what is right.
    """
    lists = {name: [float(norm) for norm in norms] for name, norms in history.items()}
    return {"asks": (asks,), "history": lists, "factor": factor, **known}


def _observe(function: Any, case: Case, notes: Notes) -> None:
    factor = () if case["factor"] is None else (case["factor"],)
    result = function(case["history"], *factor)
    notes["returned"] = tuple(result) if isinstance(result, list | tuple) else result


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    got = observation["returned"]
    right = type(got) is type(case["answer"]) and got == case["answer"]
    here = "nothing explodes"
    if case["answer"] is not None:
        here = f"the first explosion is {in_words(case['answer'])}"
    yield Finding(right, case["text"], f"here {here}, yours says {in_words(got)}")


def in_words(got: Any) -> str:
    """What a solution returned, as a reader would say it."""
    match got:
        case (int(), str()):
            return f'step {got[0]} of "{got[1]:.30}"'
        case None:
            return "that nothing explodes (None)"
        case tuple():
            return f"({', '.join(map(in_short, got[:4]))}{', ...' if len(got) > 4 else ''})"
    return in_short(got)


def _calm(**changed: dict[int, float]) -> dict[str, list[float]]:
    """Eight quiet steps of two layers, with some norms changed: layer -> {step: norm}."""
    history = {"fc1": [1.0, 1.2, 0.9, 1.1, 1.0, 0.8, 1.0, 1.1], "head": [0.5, 0.6, 0.5, 0.4] * 2}
    for layer, norms in changed.items():
        for step, norm in norms.items():
            history[layer][step] = norm
    return history


def _public_cases() -> list[Case]:
    def case(asks: str, history: dict, answer: Any, text: str, factor: float | None = None):
        return history_case(asks, history, factor, answer=answer, text=text)

    nan, inf = math.nan, math.inf
    middles = "the median of an even number of norms is the mean of the two middle ones"
    two_sides = {"fc1": [1.0, 9.0, 1.0, 9.0, 1.0, 20.0, 30.0, 30.0, 30.0, 30.0, 30.0, 30.0]}
    silent = {"fc1": [0.0] * 6 + [0.1, 0.1], "head": [0.5] * 6 + [90.0, 0.5]}
    return [
        case(
            "found",
            _calm(head={6: 40.0}, fc1={7: 900.0}),
            (6, "head"),
            "the earliest explosion is found",
        ),
        case("found", _calm(), None, "a calm history gives None"),
        case("found", _calm(fc1={2: 50.0}), None, "nothing before step 5 explodes"),
        case("found", _calm(head={7: 30.0}), (7, "head"), "the last step is checked too"),
        case(
            "found",
            _calm(fc1={1: 90.0, 6: 30.0}),
            (6, "fc1"),
            'what is "usual" is the median of the steps before, which one early spike does not move',
        ),
        case("found", two_sides, (5, "fc1"), "a step is judged only by the steps before it"),
        case("found", {"fc1": [1.0, 3.0, 1.0, 3.0, 1.0, 3.0, 15.0]}, None, middles),
        case("found", {"fc1": [1.0, 3.0, 1.0, 3.0, 1.0, 3.0, 25.0]}, (6, "fc1"), middles),
        case(
            "found",
            {"fc1": [0.5, 0.5, 0.5, 0.5, 0.5, 1.5, 2.0]},
            (6, "fc1"),
            "with factor=3, a norm explodes above 3 times the median, not at exactly 3 times",
            3.0,
        ),
        case("non_finite", _calm(fc1={6: nan}), (6, "fc1"), "a norm that is NaN is an explosion"),
        case(
            "non_finite",
            _calm(head={5: inf}, fc1={7: 50.0}),
            (5, "head"),
            "a norm that is infinite is an explosion",
        ),
        case(
            "non_finite",
            _calm(fc1={0: inf, 1: inf, 2: inf, 3: inf, 7: 50.0}),
            (7, "fc1"),
            "norms that are infinite or NaN are left out of the median",
        ),
        case(
            "culprit",
            _calm(fc1={5: 60.0}, head={5: 50.0}),
            (5, "head"),
            "at one step, the layer that grew by the largest factor is named",
        ),
        case(
            "culprit",
            _calm(fc1={6: nan}, head={6: inf}),
            (6, "fc1"),
            "if ratios are equal, the first layer in the dict wins",
        ),
        case(
            "found",
            {"fc1": [1.0] * 10 + [6.0] * 5 + [15.0, 1.0]},
            (15, "fc1"),
            "all the steps before count, not just the last few",
        ),
        case(
            "culprit",
            silent,
            (6, "fc1"),
            "a positive norm over a median of 0 has an infinite ratio",
        ),
    ]


EXERCISE = Exercise(
    name="first_explosion",
    points=3,
    task="Find the step and the layer at which the gradients first exploded.",
    aspects=(
        Aspect(
            "found",
            "the earliest explosion is found, judged by the median of the steps before",
            1,
            ("returned",),
        ),
        Aspect(
            "non_finite",
            "infinity and NaN are explosions, and stay out of the median",
            1,
            ("returned",),
        ),
        Aspect("culprit", "at a step with several, the largest ratio decides", 1, ("returned",)),
    ),
    hints=(
        "Go through the steps from 5 on, and at each step through the layers. The first step with "
        "any explosion ends the search; collect that step's ratios and take the largest.",
        "For a layer at step t: before = its finite norms from steps 0 to t - 1, and "
        "statistics.median(before). The ratio is infinite when the norm is not finite "
        "(math.isfinite), or when it is positive and the median is 0. max() keeps the first of "
        "equal ratios.",
    ),
    observe=_observe,
    fields=("returned",),
    public_cases=_public_cases,
    properties=_properties,
)
