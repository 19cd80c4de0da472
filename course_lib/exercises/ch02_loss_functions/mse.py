"""``mse``, public half."""

import textwrap
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.ch02_loss_functions.tensors import (
    FORBIDDEN,
    as_given,
    dtype_finding,
    is_about,
    is_scalar,
    leaf_of,
    note_slope,
    seen,
)
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import type_name


def mse_case(
    prediction: Tensor, target: Tensor, *, gradient: bool = False, strided: bool = False
) -> Case:
    """A case: two shapes that differ, or the loss, or the ``gradient`` of it alone."""
    if prediction.shape != target.shape:
        asks: tuple[str, ...] = ("shapes",)
    else:
        asks = ("graph",) if gradient else ("values", "shapes")
    own = {"gradient": gradient, "strided": strided, "asks": asks}
    return {"prediction": prediction, "target": target} | own


def _observe(function: Any, case: Case, notes: Notes) -> None:
    target = as_given(case, "target")
    if case["gradient"]:
        prediction = leaf_of(case, "prediction")
        note_slope(notes, prediction, lambda p: function(p, target))
        given = as_given(case, "prediction")
        function(given, target)
        notes["inputs_afterwards"] = [given, target]
        return
    prediction = as_given(case, "prediction")
    if "values" in case["asks"]:
        notes["returned"] = function(prediction, target)
        notes["raised"] = None
        notes["inputs_afterwards"] = [prediction, target]
        return
    notes["raised"] = notes["message"] = None
    try:
        notes["returned_instead"] = type_name(function(prediction, target))
    except ValueError:  # a subclass is as good
        notes["raised"] = "ValueError"
    except NotImplementedError:
        raise
    except Exception as error:
        notes["raised"], notes["message"] = type(error).__name__, str(error)[:200]


def _public_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(4)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    tables = normal(4, 3), normal(4, 3)
    return [
        mse_case(torch.tensor([2.5, 3.1, 4.0]), torch.tensor([3.0, 3.0, 4.0])),
        mse_case(torch.full((4, 3), 2.0), torch.full((4, 3), 5.0), strided=True),
        mse_case(torch.tensor([[1.0, -1.0]]).double(), torch.zeros(1, 2).double()),
        mse_case(*tables, gradient=True),
        mse_case(normal(4, 1), normal(4)),
        mse_case(normal(3, 2), normal(2, 3)),
    ]


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    prediction, target = case["prediction"], case["target"]
    if prediction.shape != target.shape:
        text = (
            f"prediction {list(prediction.shape)} with target {list(target.shape)} "
            "raises a ValueError"
        )
        raised = observation["raised"]
        got = f"yours raised {raised or 'nothing'}"
        if observation.get("message"):
            got += f": {textwrap.shorten(observation['message'], 120, placeholder=' ...')}"
        yield Finding(raised == "ValueError", text, got)
        return
    kept = all(map(torch.equal, observation["inputs_afterwards"], (prediction, target)))
    unchanged = Finding(kept, "prediction and target are unchanged")
    if case["gradient"]:
        gradient = observation["gradient"]
        flows = gradient is not None
        yield Finding(flows, "a gradient flows from the loss back to the prediction")
        if flows:
            # Where the prediction is too high, a higher one costs more: equal signs.
            signs = torch.equal(gradient.sign(), (prediction - target).sign())
            text = (
                "the gradient is positive where the prediction is too high, negative where too low"
            )
            yield Finding(signs, text)
            yield Finding(observation["slope_agrees"], "the gradient is the slope of the loss")
        yield unchanged
        return
    loss = observation["returned"]
    got = seen(loss)
    yield Finding(is_scalar(loss), "the result is a tensor with no dimensions: one number", got)
    if is_scalar(loss):
        yield dtype_finding(loss, prediction, "the prediction's")
    if prediction.shape == (3,):
        text = "[2.5, 3.1, 4.0] against [3.0, 3.0, 4.0] costs 0.0867"
        yield Finding(is_about(loss, 0.0867), text, got)
    elif prediction.shape == (4, 3):
        yield Finding(is_about(loss, 9.0), "a table that is off by 3 everywhere costs 9", got)
    else:
        text = "errors of 1 and -1 do not cancel: the loss is 1"
        yield Finding(is_about(loss, 1.0), text, got)
    yield unchanged


EXERCISE = Exercise(
    name="mse",
    points=2,
    task="The mean squared error of two tensors of the same shape; reject differing shapes.",
    aspects=(
        Aspect("values", "the loss is the mean squared error", 0.5, ("returned",)),
        Aspect(
            "graph",
            "gradients flow back to the prediction, and the inputs stay unchanged",
            0.5,
            ("slope_agrees", "inputs_afterwards"),
        ),
        Aspect("shapes", "shapes that differ raise a ValueError, and only those", 1, ("raised",)),
    ),
    hints=(
        "Difference, square, mean over all elements. Before all that, compare the two shapes: a "
        "tensor's .shape can be compared with == or !=.",
        '`raise ValueError(f"...")` stops the function with a message. Put both shapes into the '
        "message: whoever reads it then sees at once which side to fix.",
    ),
    observe=_observe,
    fields=(
        "returned",
        "gradient",
        "slope_agrees",
        "raised",
        "message",
        "returned_instead",
        "inputs_afterwards",
    ),
    public_cases=_public_cases,
    properties=_properties,
    forbidden=FORBIDDEN,
)
