"""``clinic_d``, public half: a line through points."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import as_tuple, kind_of


def line_case(generator: torch.Generator, n: int) -> Case:
    """Points near a line; ``x`` between -1 and 1."""
    x = 2 * torch.rand(n, generator=generator) - 1
    slope, shift = 4 * torch.rand(2, generator=generator) - 2
    return {"x": x, "y": slope * x + shift + 0.1 * torch.randn(n, generator=generator)}


def _best_line(case: Case) -> tuple[float, float]:
    """Slope and intercept of the least-squares line, without any training."""
    x, y = case["x"].double(), case["y"].double()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
    return slope.item(), (y.mean() - slope * x.mean()).item()


def _observe(function: Any, case: Case, notes: Notes) -> None:
    notes["returned"] = as_tuple(function(case["x"], case["y"]))


def _facts(case: Case, observation: Observation) -> dict[str, bool]:
    returned = observation["returned"]
    pair = isinstance(returned, tuple) and [type(v) for v in returned] == [float, float]
    finite = pair and all(map(math.isfinite, returned))
    return {
        "pair": pair,
        "finite": finite,
        "on_the_line": finite and _near(_best_line(case), returned),
        "swapped": finite and _near(_best_line(case), returned[::-1]),
    }


def _near(line: Sequence[float], values: Sequence[float]) -> bool:
    return all(abs(a - b) <= 0.02 * max(1.0, abs(a)) for a, b in zip(line, values, strict=True))


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    returned = observation["returned"]
    text = "the result is a tuple of two Python floats"
    yield Finding(observation["pair"], text, f"yours is {kind_of(returned)}")
    if observation["pair"]:
        yield Finding(observation["finite"], "both are finite", f"yours are {returned!r:.40}")
        slope, shift = _best_line(case)
        text = "slope and intercept are those of the least-squares line, within 2 %"
        own = f"({returned[0]:.3g}, {returned[1]:.3g})"
        got = f"the line here is ({slope:.3f}, {shift:.3f}), yours {own}"
        yield Finding(observation["on_the_line"], text, got)


EXERCISE = Exercise(
    name="clinic_d",
    points=1,
    task="A line through points.",
    aspects=(Aspect("repaired", "the line is found", 1, ("on_the_line",)),),
    hints=(
        "Print the loss of the first steps. Which way does it go?",
        "The code is right; one number is not. Divide it by 10, and look again.",
    ),
    observe=_observe,
    fields=("returned",),
    facts=_facts,
    derived=("pair", "finite", "on_the_line", "swapped"),
    public_cases=lambda: [line_case(torch.Generator().manual_seed(4), 30)],
    properties=_properties,
)
