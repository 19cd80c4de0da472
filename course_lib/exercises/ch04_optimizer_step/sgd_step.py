"""``sgd_step``, public half."""

from collections.abc import Iterator
from typing import Any

import torch

from course_lib.exercises.ch04_optimizer_step.steps import (
    ANY_TEXT,
    OPTIMIZERS,
    PUBLIC_SHAPES,
    SIDE_FIELDS,
    SIDE_TEXT,
    has_gaps,
    leaves,
    path_findings,
    run_steps,
    side_findings,
    steps_case,
)
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation


def _observe(function: Any, case: Case, notes: Notes) -> None:
    run_steps(case, notes, leaves(case), function)


def _public_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(41)

    def case(shapes: tuple, steps: int, **settings: Any) -> dict[str, Any]:
        return steps_case(generator, shapes, steps, **settings)

    numbers = {"parameters": [torch.tensor(1.0)], "gradients": [[torch.tensor(2.0)]]}
    gaps = ((0, 1), (1, 0))
    return [
        case(((),), 1, asks=("update", "side"), lr=0.1) | numbers,
        case(PUBLIC_SHAPES, 3, asks=("update", "side"), lr=0.05),
        case(PUBLIC_SHAPES, 2, asks=("any",), lr=0.2, skip=gaps, through="generator"),
    ]


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    where = "when some have no gradient" if has_gaps(case) else ""
    yield from path_findings(case, observation, torch.optim.SGD, "torch.optim.SGD", where)
    yield from side_findings(case, observation)


EXERCISE = Exercise(
    name="sgd_step",
    points=2,
    task="One step of plain gradient descent, in place.",
    aspects=(
        Aspect(
            "update", "each parameter moves by lr times its gradient, downhill", 1, ("parameters",)
        ),
        Aspect("any", ANY_TEXT, 0.5, ("parameters",), after=("update",)),
        Aspect("side", SIDE_TEXT, 0.5, SIDE_FIELDS, after=("update",)),
    ),
    hints=(
        "Three lines: a with-block that switches recording off, a loop over the parameters, and "
        "the update. One more for those whose .grad is None.",
        "p = p - lr * p.grad only gives a new tensor the name p. To change the tensor itself, use "
        "p -= ... or p.sub_(...), under torch.no_grad().",
    ),
    observe=_observe,
    fields=("parameters", *SIDE_FIELDS),
    public_cases=_public_cases,
    properties=_properties,
    forbidden=OPTIMIZERS,
)
