"""``manual_forward``, public half."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.ch01_forward_pass.results import near, row, seen
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.support.draw import normal

_TENSORS = ("x", "W1", "b1", "W2", "b2")


def forward_case(
    generator: torch.Generator,
    n: int,
    sizes: tuple[int, int, int],
    dtype: torch.dtype = torch.float64,
    strided: bool = False,
    asks: str = "values",
) -> dict[str, Any]:
    """A case that ``asks`` for one of the two aspects: ``sizes`` are (in, hidden, out); ``strided``
    hands over tensors that are not contiguous."""
    features, hidden, out = sizes
    shapes = ((n, features), (hidden, features), (hidden,), (out, hidden), (out,))
    tensors = (normal(generator, *shape, dtype=dtype) for shape in shapes)
    wanted = (asks, "biases") if asks == "gradients" else (asks,)
    return {"asks": wanted, "strided": strided, **dict(zip(_TENSORS, tensors, strict=True))}


def _observe(function: Any, case: Case, notes: Notes) -> None:
    tensors = [case[name].clone() for name in _TENSORS]
    if case["strided"]:
        tensors = [torch.stack((tensor, tensor), dim=-1)[..., 0] for tensor in tensors]
    if "values" in case["asks"]:
        notes["returned"] = function(*tensors)
        notes["tensors_afterwards"] = tensors
        return
    leaves = [tensor.detach().requires_grad_() for tensor in tensors]
    result = function(*leaves)
    notes["gradients"] = None
    if isinstance(result, Tensor) and result.requires_grad:
        gradients = torch.autograd.grad(result.square().sum(), leaves, allow_unused=True)
        notes["gradients"] = list(gradients)
        notes["slopes_agree"] = [
            _slope_agrees(function, tensors, i, gradient) for i, gradient in enumerate(gradients)
        ]


def _facts(case: Case, observation: Observation) -> dict[str, bool]:
    if "gradients" not in case["asks"]:
        return {}
    agree = dict(zip(_TENSORS, observation["slopes_agree"], strict=True))
    return {
        "of_weights": agree["x"] and agree["W1"] and agree["W2"],
        "of_biases": agree["b1"] and agree["b2"],
    }


def _slope_agrees(
    function: Any, tensors: list[Tensor], which: int, gradient: Tensor | None
) -> bool:
    """Whether the gradient is the slope of what the function really computes, right or wrong, when
    one of the tensors moves a little in one direction. A result that is not float64 is too coarse to
    tell: then a gradient that arrives counts, for the dtype belongs to another aspect."""
    if gradient is None:
        return False
    values = torch.linspace(-1.0, 1.5, gradient.numel(), dtype=torch.float64).cos()
    direction = values.reshape(gradient.shape)
    ends = []
    with torch.no_grad():
        for step in (1e-6, -1e-6):
            moved = [t + step * direction if i == which else t for i, t in enumerate(tensors)]
            result = function(*moved)
            if result.dtype != torch.float64:
                return True
            ends.append(result.square().sum().item())
    slope = (ends[0] - ends[1]) / 2e-6
    return math.isclose(slope, (gradient * direction).sum().item(), rel_tol=1e-3, abs_tol=1e-6)


def _public_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(1)
    known = {
        "asks": ("values",),
        "strided": False,
        "x": torch.tensor([[1.0, 2.0], [0.0, 1.0]]),
        "W1": torch.tensor([[1.0, 0.0], [0.0, -1.0], [1.0, 1.0]]),
        "b1": torch.tensor([0.0, 0.0, -2.0]),
        "W2": torch.tensor([[1.0, 1.0, -3.0]]),
        "b2": torch.tensor([0.5]),
    }
    # Square weights: a missing transpose raises nothing here.
    square = {
        "x": torch.tensor([[1.0, 2.0]]),
        "W1": torch.tensor([[1.0, 10.0], [0.0, 1.0]]),
        "b1": torch.tensor([0.0, 0.0]),
        "W2": torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
        "b2": torch.tensor([0.0, 0.0]),
    }
    double = {name: known[name].double() for name in _TENSORS}
    return [
        known,
        known | square,
        known | double,
        forward_case(generator, 4, (3, 5, 2), asks="gradients"),
    ]


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    if "gradients" in case["asks"]:
        gradients = observation["gradients"]
        pairs = zip(_TENSORS, gradients or [None] * 5, strict=True)
        missing = [name for name, gradient in pairs if gradient is None]
        text = "gradients flow back to x, W1, b1, W2 and b2"
        yield Finding(not missing, text, f"none reaches {', '.join(missing)}")
        if not missing:
            text = "the gradients are the slopes of the result: no part of the graph is cut off"
            yield Finding(all(observation["slopes_agree"]), text)
        return
    result = observation["returned"]
    if case["W1"].shape == (3, 2):
        shape = isinstance(result, Tensor) and result.shape == (2, 1)
        text = "x [2, 2], W1 [3, 2] and W2 [1, 3] give a result [2, 1]"
        yield Finding(shape, text, seen(result))
        if shape:
            # Row 0: hidden [1, -2, 1] becomes [1, 0, 1]; row 1: [0, -1, -1] becomes 0.
            right = near(result, torch.tensor([[-1.5], [0.5]]))
            text = "the example worked out in the text gives -1.5 and 0.5"
            yield Finding(right, text, row(result))
    elif case["x"].shape == (1, 2) and case["W1"].shape == (2, 2):
        # 1 * 1 + 10 * 2 = 21 and 0 * 1 + 1 * 2 = 2.
        text = "square weights are read row by row too: each row of W1 belongs to one output"
        got = f"here that gives [[21, 2]], {row(result)}"
        yield Finding(near(result, torch.tensor([[21.0, 2.0]])), text, got)
    dtype = getattr(result, "dtype", None)
    if dtype is not None:
        dtypes = f"{case['x'].dtype} came in, {dtype} came out"
        yield Finding(dtype == case["x"].dtype, "the result has x's dtype", dtypes)
    same = all(map(torch.equal, observation["tensors_afterwards"], map(case.get, _TENSORS)))
    yield Finding(same, "the five tensors are unchanged")


EXERCISE = Exercise(
    name="manual_forward",
    points=2,
    task="Compute linear, ReLU, linear from tensors alone, without torch.nn.",
    aspects=(
        Aspect("values", "the logits are right", 1, ("returned", "tensors_afterwards")),
        Aspect("gradients", "gradients reach x, W1 and W2", 0.5, ("of_weights",)),
        Aspect("biases", "gradients reach b1 and b2", 0.5, ("of_biases",)),
    ),
    hints=(
        "Write down the shapes: x is [N, in], W1 is [hidden, in], and you need [N, hidden]. Which "
        "of the two must be transposed for the matrix product to fit? A plain + adds a bias to "
        "every row.",
        "A linear layer computes x @ W.T + b. Between the two, everything below 0 becomes 0: "
        "torch.relu, or clamp(min=0). After the second layer nothing more happens.",
    ),
    observe=_observe,
    fields=("returned", "tensors_afterwards", "gradients", "slopes_agree"),
    facts=_facts,
    derived=("of_weights", "of_biases"),
    public_cases=_public_cases,
    properties=_properties,
    forbidden=("torch.nn.functional.*", "torch.nn.Module"),
)
