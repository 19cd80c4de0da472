"""``momentum_step``, public half."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.ch04_optimizer_step import steps
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation


def _observe(function: Any, case: Case, notes: Notes) -> None:
    made: list[list[Any]] = []

    def make_step(parameters: list[Tensor]) -> Callable[[Any, float], None]:
        velocities = [torch.zeros_like(p, requires_grad=False) for p in parameters]
        made.append(velocities)
        return lambda params, lr: function(params, velocities, lr, **case["settings"])

    steps.run_steps(case, notes, make_step)
    notes["velocities"], *alone = map(steps.copies, made)
    if alone:
        notes["velocities_alone"] = [v for [v] in alone]


def _facts(case: Case, observation: Observation) -> dict[str, Any]:
    found = steps.facts(case, observation)
    if "velocities_alone" in observation.values:
        pairs = zip(observation["velocities"], observation["velocities_alone"], strict=True)
        found["each_for_itself"] &= all(
            isinstance(a, Tensor) and torch.allclose(a, b, rtol=1e-6, atol=1e-9) for a, b in pairs
        )
    return found


def _public_cases() -> list[Case]:
    case = partial(steps.steps_case, torch.Generator().manual_seed(42))
    return [
        case(1, "gather", "move", lr=0.1),
        case(4, "gather", "move", "changing", lr=0.1, momentum=0.5),
        case(4, "gather", "changing", lr=(0.1, 0.02, 0.2, 0.05)),
        case(3, "any", lr=0.1, skip=((1, 0), (2, 1)), through="generator", transposed=True),
    ]


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    where = ""
    if case["settings"]:
        where = f"with momentum={case['settings']['momentum']}, {steps.after_steps(case)}"
    if len(set(case["lr"])) > 1:
        where = "when lr changes from step to step"
    if steps.has_gaps(case):
        where = "when some gradients are missing at some steps"
    make = partial(torch.optim.SGD, momentum=0.9)
    yield from steps.path_findings(case, observation, make, "torch.optim.SGD", where)
    optimizer, got = steps.stepped(case, make), observation["velocities"]
    expected = [  # zeros where nothing came
        optimizer.state[p].get("momentum_buffer", torch.zeros_like(p))
        for p in optimizer.param_groups[0]["params"]
    ]
    pairs = zip(expected, got, strict=True)
    off = "one has another shape or type"
    if all(isinstance(b, Tensor) and a.shape == b.shape for a, b in pairs):
        off = steps.first_difference(expected, got, "velocity")
    when = where or steps.after_steps(case)
    yield Finding(not off, f"{when}, every velocity is the one that torch.optim.SGD keeps", off)
    yield from steps.side_findings(case, observation)


EXERCISE = Exercise(
    name="momentum_step",
    points=2,
    task="One step of gradient descent with momentum.",
    aspects=(
        Aspect(
            "gather", "the velocities gather the gradients, and nothing else", 0.5, ("velocities",)
        ),
        Aspect("move", "the parameters move by lr times the velocities", 0.5, ("parameters",)),
        Aspect(
            "changing",
            "a new lr takes effect at once, and so does the momentum that is given",
            0.5,
            ("parameters",),
        ),
        Aspect(
            "any",
            f"{steps.ANY_TEXT}; nothing else changes",
            0.5,
            ("each_for_itself", *steps.SIDE_FIELDS),
        ),
    ),
    hints=(
        "Two lines per parameter: first the velocity becomes momentum times itself plus the "
        "gradient, then the parameter moves by lr times the velocity.",
        "Walk over params and velocities side by side with enumerate or zip. v = 0.9 * v + g makes "
        "a new tensor that is not in the list: write it back with velocities[i] = v, or change v "
        "in place.",
    ),
    observe=_observe,
    fields=(*steps.FIELDS, "velocities", "velocities_alone"),
    facts=_facts,
    derived=steps.FACTS,
    public_cases=_public_cases,
    properties=_properties,
    forbidden=steps.OPTIMIZERS,
)
