"""``mse``, public half."""

import textwrap
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.ch02_loss_functions import tensors
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import type_name
from course_lib.exercises.support.draw import normal


def mse_case(
    prediction: Tensor, target: Tensor, *, gradient: bool = False, strided: bool = False
) -> Case:
    """A case: two shapes that differ, or the loss, or the ``gradient`` of it alone."""
    asks = ("graph",) if gradient else ("values", "shapes")
    if prediction.shape != target.shape:
        asks = ("shapes",)
    own = {"gradient": gradient, "strided": strided, "asks": asks}
    return {"prediction": prediction, "target": target} | own


def _observe(function: Any, case: Case, notes: Notes) -> None:
    target = tensors.as_given(case, "target")
    if case["gradient"]:
        tensors.note_slope(
            notes, tensors.leaf_of(case, "prediction"), lambda p: function(p, target)
        )
        given = tensors.as_given(case, "prediction")
        function(given, target)
        notes["inputs_afterwards"] = [given, target]
        return
    prediction = tensors.as_given(case, "prediction")
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
    drawn = partial(normal, torch.Generator().manual_seed(4))
    return [
        mse_case(torch.tensor([2.5, 3.1, 4.0]), torch.tensor([3.0, 3.0, 4.0])),
        mse_case(torch.full((4, 3), 2.0), torch.full((4, 3), 5.0), strided=True),
        mse_case(torch.tensor([[1.0, -1.0]]).double(), torch.zeros(1, 2).double()),
        mse_case(drawn(4, 3), drawn(4, 3), gradient=True),
        mse_case(drawn(4, 1), drawn(4)),
        mse_case(drawn(3, 2), drawn(2, 3)),
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
    yield from tensors.loss_findings(loss, prediction, "the prediction's")
    known = {
        (3,): ("[2.5, 3.1, 4.0] against [3.0, 3.0, 4.0] costs 0.0867", 0.0867),
        (4, 3): ("a table that is off by 3 everywhere costs 9", 9.0),
        (1, 2): ("errors of 1 and -1 do not cancel: the loss is 1", 1.0),
    }
    yield tensors.cost_finding(loss, *known[prediction.shape])
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
    forbidden=tensors.FORBIDDEN,
)
