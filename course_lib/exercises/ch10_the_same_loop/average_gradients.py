"""``average_gradients``, public half."""

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.support import draw


def replicas_case(
    generator: torch.Generator,
    *asks: str,
    shapes: tuple[tuple[int, ...], ...],
    replicas: int,
    without: tuple[tuple[int, int], ...] = (),
    dtype: torch.dtype = torch.float64,
) -> dict[str, Any]:
    """A case: models with parameters of these shapes, each with numbers and gradients of its own.
    ``without``: pairs (replica, parameter) whose gradient is None."""
    normal = partial(draw.normal, generator, dtype=dtype)
    return {
        "asks": asks,
        "parameters": [[normal(*shape) for shape in shapes] for _ in range(replicas)],
        "gradients": [
            [None if (r, i) in without else normal(*shape) + 0.3 for i, shape in enumerate(shapes)]
            for r in range(replicas)
        ],
    }


class Bare(nn.Module):
    """A module that is nothing but its parameters; every second one is in a child."""

    def __init__(self, parameters: list[Tensor]) -> None:
        super().__init__()
        self.own = nn.ParameterList(p.clone() for p in parameters[::2])
        self.inner = nn.Module()
        self.inner.own = nn.ParameterList(p.clone() for p in parameters[1::2])

    def in_order(self) -> list[nn.Parameter]:
        """The parameters in the order in which they were given."""
        count = len(self.own) + len(self.inner.own)
        return [(self.own, self.inner.own)[i % 2][i // 2] for i in range(count)]


def _observe(function: Any, case: Case, notes: Notes) -> None:
    models = [Bare(parameters) for parameters in case["parameters"]]
    for model, gradients in zip(models, case["gradients"], strict=True):
        for p, gradient in zip(model.in_order(), gradients, strict=True):
            p.grad = None if gradient is None else gradient.clone()
    before = [id(p) for model in models for p in model.in_order()]
    function(models)
    after = [model.in_order() for model in models]
    notes["gradients"] = [_copies(p.grad for p in each) for each in after]
    notes["parameters"] = [_copies(each) for each in after]
    notes["same_objects"] = before == [id(p) for each in after for p in each]
    notes["shared"] = _change_reaches_others(after)


def _copies(tensors: Any) -> list[Tensor | None]:
    return [None if t is None else t.detach().clone() for t in tensors]


def _change_reaches_others(replicas: list[list[nn.Parameter]]) -> bool:
    """Whether changing the first replica's gradients, or one's parameter, changes another's."""
    others = [p.grad for each in replicas[1:] for p in each if p.grad is not None]
    before = _copies(others)
    for p in replicas[0]:
        if p.grad is not None:
            p.grad.detach().add_(1.0)
    return any(not torch.equal(a, b) for a, b in zip(before, others, strict=True))


def _facts(case: Case, observation: Observation) -> Mapping[str, Any]:
    """By how much the sum of all replicas' gradients was multiplied to get what each replica has
    now, whatever else happened to it.

    ``everywhere``: all replicas have one and the same multiple, for each parameter that all had a
    gradient for. ``is_mean``: where it is a multiple, it is the mean, and there is one somewhere.
    ``filled``: parameters that only some had a gradient for have it in all, multiplied by as much as
    the others. ``left_none``: those that nobody had one for still have none.
    """
    given, got = case["gradients"], observation["gradients"]
    count = len(given)
    complete: list[float | None] = []
    partial: list[float | None] = []
    multiples: list[float] = []
    left_none = True
    for place, column in enumerate(zip(*given, strict=True)):
        known = [g for g in column if g is not None]
        own = [each[place] for each in got]
        if not known:
            left_none = left_none and all(g is None for g in own)
            continue
        factors = [_factor(sum(known), g) for g in own]
        # Of a single number any other is a multiple.
        multiples += [f for f in factors if f and len(known) == count and known[0].numel() > 1]
        (complete if len(known) == count else partial).extend(factors)
    allowed = multiples or [1.0, 1 / count]
    kept = observation["same_objects"] and all(
        torch.equal(a, b)
        for own, each in zip(case["parameters"], observation["parameters"], strict=True)
        for a, b in zip(own, each, strict=True)
    )
    return {
        "everywhere": None not in complete and _equal(complete),
        "is_mean": bool(multiples) and _equal([*multiples, 1 / count]),
        "filled": all(f is not None and any(_equal([f, g]) for g in allowed) for f in partial),
        "left_none": left_none,
        "written": bool(multiples),
        "parameters_kept": kept,
    }


def _factor(total: Tensor, gradient: Any) -> float | None:
    """What ``total`` was multiplied by, to give ``gradient``; None when it was not, or by 0."""
    if not isinstance(gradient, Tensor) or gradient.shape != total.shape:
        return None
    total, gradient = total.double().flatten(), gradient.double().flatten()
    factor = (gradient @ total / (total @ total)).item()
    same = factor > 0 and torch.allclose(gradient, factor * total, rtol=1e-4, atol=1e-6)
    return factor if same else None


def _equal(numbers: list[float]) -> bool:
    return all(math.isclose(each, numbers[0], rel_tol=1e-4) for each in numbers)


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    given, got, asks = case["gradients"], observation["gradients"], case["asks"]
    count = len(given)
    worst = _worst(given, got)
    words = (
        "" if worst is None else f"with {count} replicas, models[{worst}] ends with something else"
    )
    if "together" in asks:
        text = "all replicas end with the same gradients, to which each of them has added its own"
        yield Finding(observation["everywhere"], text)
    if "mean" in asks:
        text = "every replica has the mean of all replicas' gradients"
        fine = worst is None or (observation["is_mean"] and not observation["everywhere"])
        yield Finding(fine, text, words)
    if "missing" in asks:
        text = "a gradient that is None in all replicas stays None"
        yield Finding(observation["left_none"], text)
        text = "a gradient that only some replicas have counts as zero in the others"
        yield Finding(observation["filled"], text, words)
    if "own" in asks:
        text = "at least one replica ends with all replicas' gradients added up, divided or not"
        yield Finding(observation["written"], text)
        if count > 1:
            yield Finding(not observation["shared"], "each replica has gradient tensors of its own")
        yield Finding(observation["parameters_kept"], "the parameters stay as they are")


def _worst(given: list[list[Tensor | None]], got: list[list[Tensor | None]]) -> int | None:
    """The number of the first replica whose gradients are not the mean."""
    means = []
    for column in zip(*given, strict=True):
        known = [g for g in column if g is not None]
        means.append(torch.stack(known).sum(dim=0) / len(column) if known else None)
    for number, each in enumerate(got):
        for mean, gradient in zip(means, each, strict=True):
            if gradient is None or mean is None:
                if gradient is not mean:
                    return number
            elif gradient.shape != mean.shape or not torch.allclose(mean, gradient, rtol=1e-5):
                return number
    return None


def _public_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(105)
    shapes = ((2, 3), (3,), ())
    without = ((0, 1), (1, 1), (2, 1), (1, 0))
    return [
        replicas_case(generator, "together", "mean", "own", shapes=shapes, replicas=3),
        replicas_case(generator, "together", "mean", shapes=((4,),), replicas=1),
        replicas_case(generator, "missing", shapes=shapes, replicas=3, without=without),
    ]


EXERCISE = Exercise(
    name="average_gradients",
    points=2,
    task="Make all replicas take the same step.",
    aspects=(
        Aspect(
            "together",
            "all replicas end with the same gradients, to which each has added its own",
            0.5,
            ("everywhere",),
        ),
        Aspect("mean", "what a replica gets is the mean", 0.5, ("is_mean",)),
        Aspect(
            "missing",
            "missing gradients count as zero, or stay missing",
            0.5,
            ("filled", "left_none", "written"),
        ),
        Aspect(
            "own",
            "in tensors of its own, and no parameter changes",
            0.5,
            ("shared", "parameters_kept", "written"),
        ),
    ),
    hints=(
        "zip(*(model.parameters() for model in models)) goes through the parameters, and gives all "
        "replicas of one parameter together. Add up their gradients and divide by the number of "
        "replicas.",
        "Collect the gradients that are not None; if there is none, leave this parameter alone. "
        "Divide by the number of *replicas*, and give each replica a clone() of the mean: p.grad = "
        "mean would hand the same tensor to all of them.",
    ),
    observe=_observe,
    fields=("gradients", "parameters", "same_objects", "shared"),
    facts=_facts,
    derived=("everywhere", "is_mean", "filled", "left_none", "written", "parameters_kept"),
    public_cases=_public_cases,
    properties=_properties,
)
