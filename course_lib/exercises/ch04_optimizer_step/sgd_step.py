"""``sgd_step``, public half."""

from collections.abc import Iterator
from functools import partial

import torch

from course_lib.exercises.ch04_optimizer_step import steps
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Observation


def _public_cases() -> list[Case]:
    case = partial(steps.steps_case, torch.Generator().manual_seed(41))
    numbers = {"parameters": [torch.tensor([1.0])], "gradients": [[torch.tensor([2.0])]]}
    gaps = ((0, 1), (1, 0))
    return [
        case(1, "update", "side", lr=0.1, shapes=((1,),)) | numbers,
        case(3, "update", "side", lr=0.05),
        case(2, "any", lr=0.2, skip=gaps, through="generator", transposed=True),
    ]


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    where = "when some gradients are missing" if steps.has_gaps(case) else ""
    yield from steps.path_findings(case, observation, torch.optim.SGD, "torch.optim.SGD", where)
    yield from steps.side_findings(case, observation)


EXERCISE = Exercise(
    name="sgd_step",
    points=2,
    task="One step of plain gradient descent, in place.",
    aspects=(
        Aspect(
            "update", "each parameter moves by lr times its gradient, downhill", 1, ("parameters",)
        ),
        Aspect("any", steps.ANY_TEXT, 0.5, ("each_for_itself",)),
        Aspect("side", steps.SIDE_TEXT, 0.5, steps.SIDE_FIELDS),
    ),
    hints=(
        "Three lines: a with-block that switches recording off, a loop over the parameters, and "
        "the update. One more line skips those whose .grad is None.",
        "p = p - lr * p.grad only gives a new tensor the name p. To change the tensor itself, use "
        "p -= ... or p.sub_(...), under torch.no_grad().",
    ),
    observe=lambda function, case, notes: steps.run_steps(case, notes, lambda _: function),
    fields=steps.FIELDS,
    facts=steps.facts,
    derived=steps.FACTS,
    public_cases=_public_cases,
    properties=_properties,
    forbidden=steps.OPTIMIZERS,
)
