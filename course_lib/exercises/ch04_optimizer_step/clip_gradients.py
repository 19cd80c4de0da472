"""``clip_gradients``, public half."""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.ch04_optimizer_step import steps
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type
from course_lib.exercises.support.draw import normal


def clip_case(
    generator: torch.Generator,
    *asks: str,
    shapes: tuple[tuple[int, ...], ...] = steps.PUBLIC_SHAPES,
    norm: float,
    max_norm: float,
    without: tuple[int, ...] = (),
    dtype: str = "float64",
    through: str = "list",
) -> dict[str, Any]:
    """A case: gradients whose common norm is ``norm``; parameters in ``without`` have none."""
    kind, drawn = getattr(torch, dtype), partial(normal, generator)
    numbers = [None if i in without else drawn(*shape) for i, shape in enumerate(shapes)]
    total = _common_norm(numbers)
    return {
        "asks": asks,
        "parameters": [drawn(*shape, dtype=kind) for shape in shapes],
        "gradients": [None if g is None else (g * (norm / total)).to(kind) for g in numbers],
        "max_norm": max_norm,
        "norm": norm if total else 0.0,
        "through": through,
    }


def _common_norm(gradients: list[Tensor | None]) -> float:
    return math.sqrt(sum(float((g**2).sum()) for g in gradients if g is not None))


def _observe(function: Any, case: Case, notes: Notes) -> None:
    parameters = [value.clone().requires_grad_() for value in case["parameters"]]
    given = steps.copies(case["gradients"])
    for p, gradient in zip(parameters, given, strict=True):
        p.grad = gradient
    notes["returned"] = function(steps.handed_over(parameters, case["through"]), case["max_norm"])
    notes["gradients"] = steps.copies(p.grad for p in parameters)
    notes["aliases"] = steps.copies(given)
    notes["values"] = steps.copies(parameters)


def _facts(case: Case, observation: Observation) -> dict[str, Any]:
    """Length and direction of all gradients together; None for the direction where gradients that
    are too large have not become smaller. And whether what should stay has stayed."""
    before, after = case["gradients"], observation["gradients"]
    length, large = _common_norm(after), case["norm"] > case["max_norm"]
    shrunk = 0 < length < 0.999 * case["norm"]  # by more than rounding
    there = [g.double().flatten() for g in after if g is not None]
    same_ones = [g is None for g in before] == [g is None for g in after]
    return {
        "length": length,
        "direction": torch.cat(there) / length if there and (shrunk or not large) else None,
        "left_alone": same_ones and shrunk if large else steps.same_gradients(before, after),
        "in_place": steps.same_gradients(after, observation["aliases"]),
    }


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    returned, gradients = observation["returned"], observation["gradients"]
    norm, max_norm = case["norm"], case["max_norm"]
    is_float = type(returned) is float
    yield Finding(is_float, "the result is a Python float", f"yours is {a_type(returned)}")
    if is_float:
        yield Finding(
            math.isclose(returned, norm, rel_tol=1e-5, abs_tol=1e-9),
            "the result is the common norm before clipping (0.0 if there are no gradients)",
            f"that is {norm:.4f}, yours is {returned:.4f}",
        )
    text = "the parameters themselves stay as they are"
    yield Finding(steps.same_gradients(case["parameters"], observation["values"]), text)
    after = observation["length"]
    if norm <= max_norm:
        yield Finding(
            steps.same_gradients(case["gradients"], gradients),
            "gradients whose norm is at most max_norm stay as they are",
            f"their norm was {norm:g}, yours is {after:.4f} now",
        )
        return
    generator = case["through"] == "generator"
    how = " (params is a generator here, like model.parameters())" if generator else ""
    # The first line that is wrong is said of the first aspect, which is the direction.
    yield Finding(
        _same_direction(case["gradients"], gradients),
        "large gradients keep their direction: all entries shrink by the same factor",
    )
    yield Finding(
        math.isclose(after, max_norm, rel_tol=1e-4),
        "large gradients have the common norm max_norm afterwards",
        f"max_norm is {max_norm:g}, the norm of yours is {after:.4f}{how}",
    )
    yield Finding(observation["in_place"], "the gradients are scaled in place")


def _same_direction(before: list[Tensor | None], after: list[Tensor | None]) -> bool:
    pairs = zip(before, after, strict=True)
    ratios = [(b / a).flatten() for a, b in pairs if a is not None and b is not None]
    ratio = torch.cat(ratios or [torch.ones(1)])
    return bool((ratio > 0).all()) and bool(ratio.max() - ratio.min() < 1e-4 * ratio.max())


def _public_cases() -> list[Case]:
    case = partial(clip_case, torch.Generator().manual_seed(44))
    return [
        case("direction", "length", "norm", norm=8.0, max_norm=2.0),
        case("careful", "norm", norm=0.5, max_norm=2.0),
        case("careful", norm=1.8, max_norm=2.0),
        case("careful", norm=30.0, max_norm=1.5, without=(1,), through="generator"),
        case("careful", "norm", norm=0.0, max_norm=1.0),
        case("careful", "norm", norm=1.0, max_norm=1.0, without=(0, 1, 2)),
    ]


EXERCISE = Exercise(
    name="clip_gradients",
    points=2,
    task="Scale all gradients down together when their common norm is too large.",
    aspects=(
        Aspect(
            "direction",
            "gradients that are too large shrink, all by the same factor",
            0.5,
            ("direction",),
        ),
        Aspect("length", "their common norm is max_norm afterwards", 0.5, ("length",)),
        Aspect("norm", "the result is the norm before clipping, a float", 0.5, ("returned",)),
        Aspect(
            "careful",
            "small or missing gradients stay as they are; scaling is in place; any iterable will do",
            0.5,
            ("left_alone", "in_place", "values"),
        ),
    ),
    hints=(
        "The common norm is that of all gradients laid end to end: the root of the sum of all "
        "squares, over all parameters. One factor for all of them follows from it.",
        "params may be a generator, which can be read only once: first collect the gradients that "
        "exist in a list. Scale only when the norm is larger than max_norm, with g.mul_(factor).",
    ),
    observe=_observe,
    fields=("returned", "gradients", "aliases", "values"),
    facts=_facts,
    derived=("length", "direction", "left_alone", "in_place"),
    public_cases=_public_cases,
    properties=_properties,
    forbidden=(
        "torch.nn.utils.clip_grad_norm_",
        "torch.nn.utils.clip_grad.clip_grad_norm_",
        "torch.nn.utils.clip_grads_with_norm_",
        "torch.nn.utils.clip_grad_norm",
        "course_lib.training.clip_or_measure",
    ),
)
