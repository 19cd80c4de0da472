"""``average_gradients``, public half."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation


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

    def normal(shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    return {
        "asks": asks,
        "parameters": [[normal(shape) for shape in shapes] for _ in range(replicas)],
        "gradients": [
            [None if (r, i) in without else normal(shape) + 0.3 for i, shape in enumerate(shapes)]
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


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    given, got = case["gradients"], observation["gradients"]
    complete = not any(g is None for each in given for g in each)
    count = len(given)
    if complete:
        text = "every replica has the mean of all replicas' gradients"
        worst = _worst(given, got)
        words = "" if worst is None else f"with {count} of them replica {worst} has something else"
        yield Finding(worst is None, text, words)
    else:
        nowhere = [i for i in range(len(given[0])) if all(each[i] is None for each in given)]
        text = "a gradient that is None in all replicas stays None"
        yield Finding(all(each[i] is None for each in got for i in nowhere), text)
        somewhere = [i for i in range(len(given[0])) if i not in nowhere]
        text = "a gradient that only some replicas have counts as zero in the others"
        worst = _worst(
            [[each[i] for i in somewhere] for each in given],
            [[each[i] for i in somewhere] for each in got],
        )
        words = "" if worst is None else f"with {count} of them replica {worst} has something else"
        yield Finding(worst is None, text, words)
    if count > 1:
        yield Finding(not observation["shared"], "each replica has gradient tensors of its own")
    kept = observation["same_objects"] and all(
        torch.equal(a, b)
        for own, each in zip(case["parameters"], observation["parameters"], strict=True)
        for a, b in zip(own, each, strict=True)
    )
    yield Finding(kept, "the parameters stay as they are")


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
        replicas_case(generator, "mean", "own", shapes=shapes, replicas=3),
        replicas_case(generator, "mean", shapes=((4,),), replicas=1),
        replicas_case(generator, "missing", shapes=shapes, replicas=3, without=without),
    ]


EXERCISE = Exercise(
    name="average_gradients",
    points=2,
    task="Make all replicas take the same step.",
    aspects=(
        Aspect("mean", "every replica ends with the mean gradient", 1, ("gradients",)),
        Aspect("missing", "missing gradients count as zero, or stay missing", 0.5, ("gradients",)),
        Aspect(
            "own",
            "in tensors of its own, and no parameter changes",
            0.5,
            ("shared", "parameters", "same_objects"),
            after=("mean",),
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
    public_cases=_public_cases,
    properties=_properties,
)
