"""``train_one_epoch``, public half."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type
from course_lib.exercises.support import classifier, loop_watch
from course_lib.exercises.support.numbers import how_often


def _observe(function: Any, case: Case, notes: Notes) -> None:
    model, loader, loss_fn, optimizer = classifier.build(case)
    # Handed over in eval mode: a right loop sets train mode itself.
    model.eval()
    losses: list[tuple[float, int]] = []
    modes: list[bool] = []
    steps = classifier.record_steps(model, optimizer)
    model[0].register_forward_pre_hook(  # also when somebody calls model.forward
        lambda *_: modes.append(all(module.training for module in model.modules()))
    )
    loss_fn.register_forward_hook(
        lambda _, inputs, loss: losses.append((float(loss), len(inputs[1])))
    )
    try:
        with loop_watch.watching(notes, model, optimizer) as watch:
            notes["returned"] = function(model, loader, watch(loss_fn), optimizer)
    finally:
        notes["parameters"] = loop_watch.parameters_of(model)
        notes["buffers"] = loop_watch.buffers_of(model)
        notes["training"] = model.training
        notes["trained_in_train_mode"] = bool(modes) and all(modes)
        notes["gradients"] = loop_watch.gradients_of(model)
        notes["losses"] = losses
        notes["steps"] = steps[:3]


def _facts(case: Case, observation: Observation) -> Mapping[str, Any]:
    """Whether weights have moved, and whether the result is the mean of the losses that the loop
    itself has computed, one for each batch: wrong updates alone do not spoil it."""
    returned, losses = observation.get("returned"), observation["losses"]
    complete = len(losses) == math.ceil(len(case["x"]) / case["batch_size"])
    right = (
        type(returned) is float and complete and math.isclose(returned, _mean(losses), rel_tol=1e-6)
    )
    return {"moved": classifier.has_moved(case, observation), "mean_of_its_losses": right}


def _mean(losses: list[tuple[float, int]]) -> float:
    return sum(loss * size for loss, size in losses) / sum(size for _, size in losses)


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    batches = len(classifier.build(case)[1])
    made = observation.events.count("S")
    text = "optimizer.step() is called once for every batch"
    there_are = f"there are {batches} batches, and yours calls it"
    yield Finding(made == batches, text, f"{there_are} {how_often(made)}")
    yield Finding(observation["moved"], "the parameters have moved")
    pairs = observation["losses"]
    text = "the given loss_fn is called once for every batch"
    yield Finding(len(pairs) == batches, text, f"{there_are} {how_often(len(pairs))}")
    returned = observation["returned"]
    is_float = type(returned) is float
    got = f"yours is {a_type(returned)}"
    yield Finding(is_float, "the result is a Python float, not a tensor and not None", got)
    if is_float and any(size for _, size in pairs):
        mean = _mean(pairs)
        yield Finding(
            math.isclose(returned, mean, rel_tol=1e-6),
            "the result is the mean loss over all examples (the last batch is smaller)",
            f"that is {mean:.4f} here, and yours is {returned:.4f}",
        )
    text = "dropout and batch norm are in train mode while the model trains"
    yield Finding(observation["trained_in_train_mode"], text)
    yield Finding(observation["training"] is True, "the model is in train mode afterwards")
    # In eval mode batch norm gives another gradient, and then the mode is what is wrong.
    if observation["trained_in_train_mode"] or not case["batch_norm"]:
        yield from classifier.own_gradient_findings(case, observation)


def epoch_case(generator: torch.Generator, **settings: Any) -> dict[str, Any]:
    """A case of ``train_one_epoch``. What is special about it has an aspect of its own, and costs no
    other: old gradients, a loader without a dataset; with batch norm the weights tell of the mode."""
    asks = ("updates", "mean", "mode")
    if settings.get("batch_norm"):
        asks = ("mean", "mode")
    elif settings.get("stale"):
        asks = ("stale", "mode")
    elif not settings.get("dataset", True):
        asks = ("mean",)
    return classifier.classifier_case(generator, **settings) | {"asks": asks}


def _public_case(seed: int, **changes: Any) -> dict[str, Any]:
    settings = {"n": 22, "sizes": (3, 5, 4), "batch_size": 8, "lr": 0.3} | changes
    return epoch_case(torch.Generator().manual_seed(seed), **settings)


EXERCISE = Exercise(
    name="train_one_epoch",
    points=4,
    task="Train for one pass over the loader and return the mean loss per example.",
    aspects=(
        Aspect("updates", "every batch moves the weights by its own gradient", 1, ("parameters",)),
        Aspect("stale", "gradients from before the call have no influence", 1, ("parameters",)),
        Aspect("mean", "the result is the mean loss per example", 1, ("returned",)),
        Aspect(
            "mode",
            "the model trains in train mode",
            1,
            ("training", "trained_in_train_mode"),
        ),
    ),
    hints=(
        "Five lines per batch. Before the loop, put the model into train mode and start two "
        "counters: the sum of the losses of all examples, and how many examples you have seen.",
        "loss_fn gives the mean over one batch. Multiply loss.item() by the number of examples in "
        "the batch before you add it up; divide by the total number of examples at the very end, "
        "after the loop.",
    ),
    observe=_observe,
    fields=(
        "returned",
        "parameters",
        "buffers",
        "training",
        "trained_in_train_mode",
        "gradients",
        "losses",
        "steps",
    ),
    facts=_facts,
    derived=("moved", "mean_of_its_losses"),
    public_cases=lambda: [
        _public_case(1),
        _public_case(4, stale=True),
        _public_case(2, batch_norm=True, loss="squared", groups=True),
        _public_case(3, n=17, dataset=False),
    ],
    properties=_properties,
    allowed_orders=("FLZBS", "ZFLBS", "FZLBS"),
    forbidden=("course_lib.training.Trainer",),
)
