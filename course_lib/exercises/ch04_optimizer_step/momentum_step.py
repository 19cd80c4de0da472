"""``momentum_step``, public half."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.ch04_optimizer_step import steps
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation


def _observe(function: Any, case: Case, notes: Notes) -> None:
    made: list[list[Any]] = []

    def make_step(parameters: list[Tensor]) -> Callable[[Iterable[Tensor], float], None]:
        velocities: list[Any] = [torch.zeros_like(p, requires_grad=False) for p in parameters]
        made.append(velocities)
        return lambda params, lr: function(params, velocities, lr, **case["settings"])

    steps.run_steps(case, notes, make_step)
    first, *alone = [
        [v.detach().clone() if isinstance(v, Tensor) else v for v in each] for each in made
    ]
    notes["velocities"] = first
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
    generator = torch.Generator().manual_seed(42)
    case = partial(steps.steps_case, generator)
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
    yield from steps.path_findings(case, observation, _sgd_with_momentum, "torch.optim.SGD", where)
    expected, got = _velocities(case), observation["velocities"]
    fit = all(
        isinstance(b, Tensor) and a.shape == b.shape for a, b in zip(expected, got, strict=True)
    )
    text = (
        f"{where or steps.after_steps(case)}, every velocity is the one that torch.optim.SGD keeps"
    )
    off = (
        steps.first_difference(expected, got, "velocity")
        if fit
        else "one has another shape or type"
    )
    yield Finding(fit and not off, text, off)
    yield from steps.side_findings(case, observation)


def _velocities(case: Case) -> list[Tensor]:
    """What PyTorch's optimizer has gathered at the end of the case; zeros where nothing came."""
    made: list[torch.optim.Optimizer] = []

    def make(params: list[Tensor], **settings: Any) -> torch.optim.Optimizer:
        made.append(_sgd_with_momentum(params, **settings))
        return made[0]

    steps.path_of(case, make)
    parameters = made[0].param_groups[0]["params"]
    return [made[0].state[p].get("momentum_buffer", torch.zeros_like(p)) for p in parameters]


def _sgd_with_momentum(params: list[Tensor], momentum: float = 0.9) -> torch.optim.Optimizer:
    return torch.optim.SGD(params, momentum=momentum)


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
