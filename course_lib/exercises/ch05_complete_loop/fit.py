"""``fit``, public half."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any
from unittest.mock import patch

import torch

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type
from course_lib.exercises.support.classifier import build, classifier_case
from course_lib.exercises.support.loop_watch import parameters_of


def _observe(function: Any, case: Case, notes: Notes) -> None:
    """``fit`` is judged alone: under the name ``train_one_epoch`` it finds a stand-in that returns
    the case's scripted numbers. A ``fit`` that loops by itself is judged by its real losses, by the
    weights that it leaves in the model, and by whose steps these are."""
    parts = build(case)
    scripted = case["scripted"]
    calls, steps = 0, []
    before = parameters_of(parts[0])

    def train_one_epoch(model: Any, loader: Any, loss_fn: Any, optimizer: Any) -> float:
        nonlocal calls
        calls += 1
        if (model, loader, loss_fn, optimizer) != parts:
            raise TypeError(
                "train_one_epoch takes model, loader, loss_fn, optimizer, in this order"
            )
        if calls > len(scripted):
            raise RuntimeError(f"train_one_epoch was called more than {len(scripted)} times")
        return scripted[calls - 1]

    parts[3].register_step_post_hook(lambda *_: steps.append(True))
    train_one_epoch.__qualname__ = "train_one_epoch"  # what an error message calls it
    # Of a decorated function, those of the one inside.
    scope = getattr(inspect.unwrap(function), "__globals__", {})
    with patch.dict(scope, {"train_one_epoch": train_one_epoch}):
        notes["returned"] = function(*parts, case["epochs"])
    notes["stand_in_used"] = calls > 0
    notes["optimizer_used"] = bool(steps)
    notes["epochs_trained"] = calls or parts[1].passes
    notes["parameters"] = after = parameters_of(parts[0])
    notes["moved"] = not all(map(torch.equal, before, after))


def fit_case(generator: torch.Generator, epochs: int, **settings: Any) -> dict[str, Any]:
    """A case of ``fit``. The scripted losses rise and fall, and there are enough of them for a
    ``fit`` that trains too often; it is stopped only where it would never end."""
    case = classifier_case(generator, **settings)
    losses = 0.5 + torch.rand(2 * epochs + 3, generator=generator, dtype=torch.float64)
    return case | {"epochs": epochs, "scripted": losses.tolist()}


def _facts(case: Case, observation: Observation) -> Mapping[str, Any]:
    """Whether the list holds, in order, what the stand-in returned: for each of its calls, or one
    number per epoch."""
    returned, scripted = observation["returned"], case["scripted"]
    made = scripted[: observation["epochs_trained"]]
    # A single epoch may be the one that is missing.
    kept = isinstance(returned, list) and (
        observation["stand_in_used"] and bool(returned) or case["epochs"] == 1 and not made
    )
    rest = iter(made)
    in_order = kept and all(any(value == other for other in rest) for value in returned)
    right = in_order and all(type(value) is float for value in returned)
    return {"keeps_what_came": bool(right and len(returned) in (len(made), case["epochs"]))}


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    epochs, returned = case["epochs"], observation["returned"]
    if epochs == 0:
        yield Finding(type(returned) is list and not returned, "zero epochs give an empty list")
        return
    is_list = isinstance(returned, list)
    yield Finding(is_list, "the result is a list", f"yours is {a_type(returned)}")
    if is_list:
        yield Finding(
            len(returned) == epochs,
            f"with epochs={epochs} the list has {epochs} entries",
            f"yours has {len(returned)}",
        )
        strange = [a_type(value) for value in returned if type(value) is not float]
        text = "the entries are floats"
        yield Finding(not strange, text, f"one of yours is {', '.join(strange[:1])}")
    trained = observation["epochs_trained"]
    text = f"with epochs={epochs} it trains for {epochs} epochs"
    yield Finding(trained == epochs, text, f"yours trains for {trained}")
    if not observation["stand_in_used"]:
        yield Finding(observation["moved"], "the weights of the model that came in have moved")
        if observation["moved"]:
            text = "the steps are made by the optimizer that came in"
            yield Finding(observation["optimizer_used"], text, "yours are made without it")
    if is_list and observation["stand_in_used"]:
        yield Finding(
            returned == case["scripted"][:trained],
            "the entries are what each call of train_one_epoch returned, first call first, none "
            "left out",
        )


EXERCISE = Exercise(
    name="fit",
    points=2,
    task="Train for several epochs and return the loss of each.",
    aspects=(
        Aspect("history", "the list holds the loss of every epoch, in order", 1, ("returned",)),
        Aspect(
            "epochs",
            "it trains the given model for exactly `epochs` epochs",
            1,
            ("epochs_trained",),
        ),
    ),
    hints=(
        "One epoch is already written: call train_one_epoch. fit only repeats it and keeps score.",
        "Start an empty list before the loop over range(epochs), append one result per epoch, and "
        "return the list after the loop.",
    ),
    observe=_observe,
    fields=("returned", "stand_in_used", "optimizer_used", "epochs_trained", "parameters", "moved"),
    facts=_facts,
    derived=("keeps_what_came",),
    public_cases=lambda: [
        fit_case(torch.Generator().manual_seed(3), e, n=10, sizes=(2, 3, 2), batch_size=4, lr=0.1)
        for e in (3, 0)
    ],
    properties=_properties,
    forbidden=("course_lib.training.Trainer",),
)
