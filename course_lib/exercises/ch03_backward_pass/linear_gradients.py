"""``linear_gradients``, public half."""

from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.ch03_backward_pass.shared import AUTOGRAD, beside, fits, seen
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import kind_of
from course_lib.exercises.support.draw import normal


def regression_case(
    generator: torch.Generator,
    n: int,
    d: int,
    *,
    dtype: str = "float64",
    transposed: bool = False,
    grad_mode: bool = True,
) -> dict[str, Any]:
    """A case: x ``[n, d]``, y ``[n]``, w ``[d]``, b 0-dim."""
    drawn = partial(normal, generator, dtype=getattr(torch, dtype))
    special = transposed or dtype == "float32"
    return {
        "asks": ("any_input",) if special else ("weights", "bias"),
        "x": drawn(n, d),
        "y": 2 + drawn(n),
        "w": drawn(d),
        "b": drawn(),
        "transposed": transposed,
        "grad_mode": grad_mode,
    }


def _gradient_fields(case: Case) -> tuple[str, str]:
    """Rounding in single precision needs a tolerance of its own."""
    if case["x"].dtype == torch.float32:
        return "single_w_gradient", "single_b_gradient"
    return "w_gradient", "b_gradient"


def _observe(function: Any, case: Case, notes: Notes) -> None:
    x, y, w, b = (case[name] for name in "xywb")
    if case["transposed"]:
        x = x.T.contiguous().T
    given = [part.clone() for part in (x, y, w, b)]
    with nullcontext() if case["grad_mode"] else torch.no_grad():
        returned = function(x, y, w, b)
    notes["unchanged"] = all(map(torch.equal, (x, y, w, b), given))
    pair = _detached(returned)
    notes["pair"] = pair is not None
    parts = pair or _detached((returned, None))
    for field, part in zip(_gradient_fields(case), parts, strict=True):
        notes[field] = part
    if "any_input" in case["asks"]:
        notes["pair_as_usual"] = _detached(function(*(case[name].double() for name in "xywb")))
        notes["pair_for_other_y"] = _detached(function(x, y + 1, w, b))


def _detached(returned: Any) -> list[Any] | None:
    """The two parts of a pair; whether the tensors carry a graph is left free."""
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        return None
    return [part.detach() if isinstance(part, Tensor) else part for part in returned]


def _facts(case: Case, observation: Observation) -> dict[str, Any]:
    """Whether special inputs give what the same numbers give as float64, one after another in
    memory, and with recording on: gradients that may be wrong, but depend on y."""
    if "pair_as_usual" not in observation.values:
        return {}
    special = [observation[field] for field in _gradient_fields(case)]
    usual, other = observation["pair_as_usual"], observation["pair_for_other_y"]
    return {
        "as_usual": all(map(fits, special, (case["w"], case["b"])))
        and usual is not None
        and other is not None
        and all(
            isinstance(b, Tensor) and torch.allclose(a.double(), b.double(), rtol=1e-3, atol=1e-4)
            for a, b in zip(special, usual, strict=True)
        )
        and not all(map(torch.equal, special, other))
    }


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    gradients = [observation[field] for field in _gradient_fields(case)]
    returned = gradients[0]  # all of it, where it is no pair
    text = "the result is a pair: the gradient of w, then the gradient of b"
    shown = seen(returned) if isinstance(returned, Tensor) else kind_of(returned)
    yield Finding(observation["pair"] is True, text, f"yours is {shown}")
    if observation["pair"] is not True:
        return
    yield Finding(observation["unchanged"], "x, y, w and b are left unchanged")
    w, b = case["w"].clone().requires_grad_(), case["b"].clone().requires_grad_()
    exact = torch.autograd.grad(((case["x"] @ w + b - case["y"]) ** 2).mean(), (w, b))
    for name, expected, got in zip("wb", exact, gradients, strict=True):
        fit = fits(got, expected)
        yield Finding(
            fit,
            f"the gradient of {name} is a tensor with {name}'s shape and dtype",
            f"yours is {seen(got)}, {name} is {seen(expected)}",
        )
        if fit:
            right = torch.allclose(expected, got, rtol=1e-3, atol=1e-4)
            shown = beside("autograd says", expected, got)
            yield Finding(right, f"the gradient of {name} agrees with autograd", shown)


def _public_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(32)
    textbook = {"x": [[3.0]], "y": [5.0], "w": [2.0], "b": 1.0}
    numbers = {name: torch.tensor(v, dtype=torch.float64) for name, v in textbook.items()}
    return [
        regression_case(torch.Generator(), 1, 1) | numbers,
        regression_case(generator, 7, 3),
        regression_case(generator, 6, 4, dtype="float32", transposed=True, grad_mode=False),
    ]


EXERCISE = Exercise(
    name="linear_gradients",
    points=3,
    task="The gradients of a linear model with mean squared error, by hand.",
    aspects=(
        Aspect("weights", "the gradient of w is right", 1, ("w_gradient",)),
        Aspect("bias", "the gradient of b is right", 1, ("b_gradient",)),
        Aspect(
            "any_input",
            "it works for float32, for any memory layout and without gradient mode",
            1,
            ("as_usual", "unchanged"),
        ),
    ),
    hints=(
        "Start with one example, as in the text: the error times 2, then times what the weight was "
        "multiplied by. Then average over the examples.",
        "With error = x @ w + b - y, of shape [N]: dL/db is the mean of 2 * error. For dL/dw[j], "
        "each error is first multiplied by its own x[:, j]; a single product with x.T does this "
        "for all j at once.",
    ),
    observe=_observe,
    fields=(
        "pair",
        "unchanged",
        "w_gradient",
        "b_gradient",
        "single_w_gradient",
        "single_b_gradient",
        "pair_as_usual",
        "pair_for_other_y",
    ),
    facts=_facts,
    derived=("as_usual",),
    public_cases=_public_cases,
    properties=_properties,
    forbidden=AUTOGRAD,
)
