"""``adam_step``, public half."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.ch04_optimizer_step import steps
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation


def _observe(function: Any, case: Case, notes: Notes) -> None:
    def make_step(parameters: list[Tensor]) -> Callable[[Any, float | None], None]:
        state: dict = {}
        path = [steps.copies(parameters)]
        if "first_moment" in case["asks"]:
            notes["path"] = path

        def step(params: Any, lr: float | None) -> None:
            rate = {} if lr is None else {"lr": lr}
            function(params, state, **rate, **case["settings"])
            path.append(steps.copies(parameters))

        return step

    # Rounding in single precision needs a tolerance of its own.
    single = case["parameters"][0].dtype == torch.float32
    steps.run_steps(case, notes, make_step, "single_parameters" if single else "parameters")


def _facts(case: Case, observation: Observation) -> dict[str, Any]:
    """The steps' directions, too. Where all gradients have one size, the second moment is one number for
    all entries of a parameter, so that no mistake in it shows there."""
    path = observation.get("path")
    directions = {"directions": list(map(_directions, zip(*path, strict=True)))} if path else {}
    return steps.facts(case, observation) | directions


def _directions(places: tuple[Tensor, ...]) -> Tensor:
    """Each step of one parameter over its own largest entry."""
    moves = torch.stack(places).flatten(1).diff(dim=0)
    largest = moves.abs().amax(1, keepdim=True)
    return torch.where(largest == 0, 0.0, moves / largest)


def _public_cases() -> list[Case]:
    case = partial(steps.steps_case, torch.Generator().manual_seed(43))
    gaps = ((0, 0), (2, 1), (3, 0))
    return [
        case(1, "first", lr=0.1),
        case(1, "settings", lr=0.1, eps=0.1),
        case(12, "settings", lr=0.05),
        case(3, "settings", lr=None),
        case(5, "first_moment", lr=0.05, even=True),
        case(6, "second_moment", lr=0.05, betas=(0.0, 0.9)),
        case(8, "settings", lr=0.05, betas=(0.6, 0.8), eps=0.01),
        # Gradients so small that the default eps counts.
        case(4, "settings", lr=0.1, scale=1e-7),
        case(6, "settings", lr=(0.1, 0.02, 0.2, 0.05, 0.1, 0.01)),
        case(5, "any", "side", lr=0.1, skip=gaps, through="generator", transposed=True),
        case(3, "any", "side", lr=0.1, shapes=((2,), (3,), (2,))),
    ]


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    where = "when some gradients are missing at some steps" if steps.has_gaps(case) else ""
    if case["settings"]:
        named = ", ".join(f"{name}={value}" for name, value in case["settings"].items())
        where = f"with {named}, {steps.after_steps(case)}"
    elif "first_moment" in case["asks"]:
        where = f"with gradients of one size and of either sign, {steps.after_steps(case)}"
    elif len(set(case["lr"])) > 1:
        where = "when lr changes from step to step"
    elif case["lr"][0] is None:
        where = f"with the default lr of 0.001, {steps.after_steps(case)}"
    yield from steps.path_findings(case, observation, torch.optim.Adam, "torch.optim.Adam", where)
    if "first" not in case["asks"]:
        yield from steps.side_findings(case, observation)


EXERCISE = Exercise(
    name="adam_step",
    points=4,
    task="One step of Adam.",
    aspects=(
        Aspect(
            "first", "the first step is right, with both moments corrected", 0.5, ("parameters",)
        ),
        Aspect(
            "first_moment",
            "the first moment stays right over many steps (tried with gradients that are all of one "
            "size)",
            1,
            ("directions", "parameters"),
        ),
        Aspect(
            "second_moment",
            "the second moment stays right over many steps (tried with a beta1 of 0)",
            1,
            ("parameters",),
        ),
        Aspect(
            "settings",
            "betas, eps and an lr that changes are used as they are given, and so are the defaults",
            0.5,
            ("parameters", "single_parameters"),
        ),
        Aspect("any", steps.ANY_TEXT, 0.5, ("each_for_itself",)),
        Aspect("side", steps.SIDE_TEXT, 0.5, steps.SIDE_FIELDS),
    ),
    hints=(
        "Per parameter, keep three things in state: its step count, and two tensors of its shape "
        "that start at zero. Then write the five lines from the text one after another.",
        "state.setdefault(i, [0, torch.zeros_like(p), torch.zeros_like(p)]) gives parameter number "
        "i its own entry. Raise its counter before you use it, so that the first step has t = 1, "
        "and add eps after taking the root.",
    ),
    observe=_observe,
    fields=(*steps.FIELDS, "single_parameters", "path"),
    facts=_facts,
    derived=(*steps.FACTS, "directions"),
    public_cases=_public_cases,
    properties=_properties,
    forbidden=steps.OPTIMIZERS,
)
