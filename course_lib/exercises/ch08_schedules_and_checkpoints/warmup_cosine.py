"""``warmup_cosine``, public half."""

import math
from collections.abc import Iterator
from typing import Any

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type
from course_lib.exercises.support.numbers import number_in


def schedule_case(asks: str, **settings: Any) -> dict[str, Any]:
    """A case of ``settings``: ``total_steps``, ``warmup_steps``, ``max_lr``, ``min_lr`` (None leaves
    the argument out) and the ``steps`` whose rates are asked for."""
    return {"asks": (asks,) if asks in ("edges", "float") else (asks, "float"), **settings}


def _observe(function: Any, case: Case, notes: Notes) -> None:
    rest = [] if case["min_lr"] is None else [case["min_lr"]]
    rates = [
        function(step, case["total_steps"], case["warmup_steps"], case["max_lr"], *rest)
        for step in case["steps"]
    ]
    notes["rates"] = rates
    notes["numbers"] = [number_in(rate) for rate in rates]


def _facts(case: Case, observation: Observation) -> dict[str, Any]:
    """All of them floats; where nothing but the type is asked for, they have to change as well, for
    one number for all steps earns nothing."""
    changing = case["asks"] != ("float",) or len(set(observation["numbers"])) > 1
    return {"all_floats": changing and all(type(rate) is float for rate in observation["rates"])}


def _public_case(asks: str, *known: tuple[int, float, str], **settings: Any) -> Case:
    """``known`` are steps, the rate that a right schedule has there, and the sentence of the check:
    written down as data, for the rates at these steps follow from the words alone."""
    settings = {"min_lr": 0.1, "steps": [step for step, _, _ in known]} | settings
    rates, sentences = [rate for _, rate, _ in known], [words for _, _, words in known]
    return schedule_case(asks, **settings) | {"rates": rates, "sentences": sentences}


def _public_cases() -> list[Case]:
    stays = "after total_steps the rate stays at min_lr"
    return [
        _public_case(
            "warm",
            (0, 0.0, "at step 0 the rate is 0, whatever min_lr is"),
            (2, 0.08, "after a fifth of the warm-up the rate is a fifth of max_lr"),
            (5, 0.2, "halfway through the warm-up the rate is half of max_lr"),
            total_steps=100,
            warmup_steps=10,
            max_lr=0.4,
        ),
        _public_case(
            "cosine",
            (10, 0.5, "at warmup_steps the rate is max_lr, without a jump"),
            (40, 0.4, "after a third of the cosine the rate has fallen a quarter of the way"),
            (55, 0.3, "halfway down the cosine the rate is halfway between max_lr and min_lr"),
            (
                70,
                0.2,
                "after two thirds of the cosine the rate has fallen three quarters of the way",
            ),
            total_steps=100,
            warmup_steps=10,
            max_lr=0.5,
        ),
        _public_case(
            "edges",
            (60, 0.1, "at total_steps the rate is min_lr"),
            (61, 0.1, stays),
            (90, 0.1, stays),
            total_steps=60,
            warmup_steps=20,
            max_lr=0.5,
        ),
        _public_case(
            "edges",
            (0, 0.5, "with warmup_steps=0, step 0 has max_lr"),
            (60, 0.0, "min_lr is 0 unless it is given"),
            total_steps=60,
            warmup_steps=0,
            max_lr=0.5,
            min_lr=None,
        ),
        _public_case(
            "edges",
            (20, 0.1, "when warmup_steps equals total_steps, that step has min_lr"),
            (25, 0.1, stays),
            total_steps=20,
            warmup_steps=20,
            max_lr=0.5,
        ),
    ]


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    rates, numbers = observation["rates"], observation["numbers"]
    text = "the result is a Python float"
    others = [rate for rate in rates if type(rate) is not float]
    yield Finding(not others, text, f"yours is {a_type(others[0])}" if others else "")
    if "rates" not in case:
        return
    for rate, expected, words in zip(numbers, case["rates"], case["sentences"], strict=True):
        if rate is not None:
            ok = math.isclose(rate, expected, rel_tol=1e-5, abs_tol=1e-7)
            yield Finding(ok, words, f"that is {expected:g} here, and yours is {rate:.6g}")


EXERCISE = Exercise(
    name="warmup_cosine",
    points=3,
    task="The learning rate at a step: a linear warm-up, then a cosine down to a floor.",
    aspects=(
        Aspect("warm", "the rate rises in a straight line from 0 to max_lr", 1, ("numbers",)),
        Aspect("cosine", "then a cosine leads down towards min_lr", 1, ("numbers",)),
        Aspect(
            "edges",
            "min_lr from total_steps on; works with no warm-up and with nothing but warm-up",
            0.5,
            ("numbers",),
        ),
        Aspect("float", "the result is a Python float", 0.5, ("all_floats",)),
    ),
    hints=(
        "Three cases, in a good order: is the schedule over? Then the floor. Is it still warming "
        "up? Then a straight line. Otherwise say how far along the cosine you are, as a number "
        "from 0 to 1: count the steps since the warm-up ended, and ask how many there are in all.",
        "math.cos(math.pi * progress) goes from 1 to -1 while progress goes from 0 to 1. Shift "
        "and halve it, so that it goes from 1 to 0; then stretch that to the distance between "
        "max_lr and min_lr, and put it on top of min_lr.",
    ),
    observe=_observe,
    fields=("rates", "numbers"),
    facts=_facts,
    derived=("all_floats",),
    public_cases=_public_cases,
    properties=_properties,
    forbidden=(
        "torch.optim.lr_scheduler.CosineAnnealingLR",
        "torch.optim.lr_scheduler.CosineAnnealingWarmRestarts",
        "torch.optim.lr_scheduler.OneCycleLR",
    ),
)
