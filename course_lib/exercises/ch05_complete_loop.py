"""Chapter 05, public half: the exercises' checks and drivers, and the quiz's questions."""

import math
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import type_name
from course_lib.exercises.support.loop_watch import (
    ListLoader,
    buffers_of,
    gradients_of,
    parameters_of,
    watching,
)
from course_lib.exercises.support.small_network import draw_weights, small_network
from course_lib.quiz import Question

# --- what the three drivers share: a small classifier, its data and its optimizer ---------------


def classifier_case(
    generator: torch.Generator,
    *,
    n: int,
    sizes: tuple[int, int, int],
    batch_size: int,
    lr: float,
    momentum: float = 0.0,
    batch_norm: bool = False,
    stale: bool = False,
) -> dict[str, Any]:
    """A case: ``sizes`` are (features, hidden, classes); weights and data come from ``generator``.

    ``batch_norm`` makes train mode visible in the numbers; ``stale`` leaves gradients of an earlier
    batch on the parameters.
    """
    features, _, classes = sizes

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return {
        "x": normal(n, features),
        "y": torch.randint(classes, (n,), generator=generator),
        "weights": draw_weights(sizes, normal),
        "batch_size": batch_size,
        "lr": lr,
        "momentum": momentum,
        "batch_norm": batch_norm,
        "stale": stale,
    }


def build(case: Case) -> tuple[nn.Module, ListLoader, nn.Module, torch.optim.Optimizer]:
    """Model, loader, loss function and optimizer of a case, all fresh."""
    hidden = len(case["weights"][0])
    norm = [nn.BatchNorm1d(hidden)] if case["batch_norm"] else []
    model = small_network(case["weights"], *norm, nn.Tanh())
    if case["stale"]:
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
    loader = ListLoader(case["x"], case["y"], case["batch_size"])
    optimizer = torch.optim.SGD(model.parameters(), lr=case["lr"], momentum=case["momentum"])
    return model, loader, nn.CrossEntropyLoss(), optimizer


def _plain_case(seed: int, **changes: Any) -> dict[str, Any]:
    settings = {"n": 22, "sizes": (3, 5, 4), "batch_size": 8, "lr": 0.3} | changes
    return classifier_case(torch.Generator().manual_seed(seed), **settings)


def _moved(case: Case, observation: Observation) -> bool:
    before = parameters_of(build(case)[0])
    after = observation.get("parameters") or []
    return any(not torch.equal(a, b) for a, b in zip(before, after, strict=False))


# --- train_one_epoch ----------------------------------------------------------------------------


def observe_train_one_epoch(function: Any, case: Case, notes: Notes) -> None:
    model, loader, loss_fn, optimizer = build(case)
    # Handed over in eval mode: a right loop sets train mode itself.
    model.eval()
    losses: list[tuple[float, int]] = []
    steps = record_steps(model, optimizer)
    loss_fn.register_forward_hook(
        lambda _, inputs, loss: losses.append((float(loss), len(inputs[1])))
    )
    try:
        with watching(notes, model, optimizer) as watch:
            notes["returned"] = function(model, loader, watch(loss_fn), optimizer)
    finally:
        kind = "batch_norm_" if case["batch_norm"] else ""
        notes[f"{kind}parameters"] = parameters_of(model)
        notes["buffers"] = buffers_of(model)
        notes["training"] = model.training
        notes["gradients"] = gradients_of(model)
        notes["losses"] = losses
        notes["steps"] = steps[:3]


def properties_train_one_epoch(case: Case, observation: Observation) -> Iterator[Finding]:
    batches = len(build(case)[1])
    if case["batch_norm"]:
        yield Finding(observation["training"] is True, "the model is in train mode afterwards")
        return
    made = observation.events.count("S")
    text = "optimizer.step() is called once for every batch"
    yield Finding(made == batches, text, f"{batches} batches, {made} steps")
    yield Finding(_moved(case, observation), "the parameters have moved")
    pairs = observation["losses"]
    yield Finding(len(pairs) == batches, "the loss is computed once for every batch")
    returned = observation["returned"]
    is_float = type(returned) is float
    got = f"yours is {type_name(returned)}"
    yield Finding(is_float, "the result is a Python float, not a tensor and not None", got)
    seen = sum(size for _, size in pairs)
    if is_float and seen:
        mean = sum(loss * size for loss, size in pairs) / seen
        yield Finding(
            math.isclose(returned, mean, rel_tol=1e-6),
            "the result is the mean over examples (the last batch is smaller than the others)",
            f"that is {mean:.4f} here, and yours is {returned:.4f}",
        )
    yield from own_gradient_findings(case, observation)


def record_steps(
    model: nn.Module, optimizer: torch.optim.Optimizer
) -> list[tuple[list[torch.Tensor], list[torch.Tensor | None]]]:
    """A list that grows with each step: the parameters before it, and the gradients that it used.
    Those are read after it, for ``optimizer.step(closure)`` makes them inside."""
    steps: list = []
    before: list = []
    optimizer.register_step_pre_hook(lambda *_: before.append(parameters_of(model)))
    optimizer.register_step_post_hook(lambda *_: steps.append((before[-1], gradients_of(model))))
    return steps


def own_gradient_findings(case: Case, observation: Observation) -> Iterator[Finding]:
    """One finding, from the observation's ``steps``; chapter 09's clinic asks the same."""
    text = "each step uses the gradient of its own batch alone"
    wrong = _steps_with_another_gradient(case, observation)
    steps = observation["steps"]
    got = ""
    if not steps:
        got = "yours makes no step"
    elif wrong and not any(
        gradient.any() for gradient in steps[wrong[0]][1] if gradient is not None
    ):
        got = f"step {wrong[0] + 1} of yours has none, or zeros"
    elif wrong == [0] and len(steps) > 1 and case["stale"]:
        got = "only the first step of yours does not, and there were gradients before the call"
    elif wrong:
        compared = min(len(steps), len(build(case)[1]))
        got = f"in yours {len(wrong)} of the first {compared} do not"
    yield Finding(bool(steps) and not wrong, text, got)


def _steps_with_another_gradient(case: Case, observation: Observation) -> list[int]:
    """The numbers of the wrong ones, from 0. Holds for every right order: judged by the gradients at
    each step, not by the calls."""
    _, loader, _, _ = build(case)
    wrong = []
    for step, ((before, gradients), (x, y)) in enumerate(
        zip(observation["steps"], loader, strict=False)
    ):
        model, _, loss_fn, _ = build(case | {"stale": False})
        _load(model, before)
        loss_fn(model(x), y).backward()
        if any(gradient is None for gradient in gradients) or not _same(
            gradients_of(model), gradients
        ):
            wrong.append(step)
    return wrong


def _load(model: nn.Module, parameters: list[torch.Tensor]) -> None:
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), parameters, strict=True):
            parameter.copy_(value)


def _same(expected: list[torch.Tensor], got: list[torch.Tensor]) -> bool:
    return all(
        torch.allclose(a, b, rtol=1e-6, atol=1e-9) for a, b in zip(expected, got, strict=True)
    )


TRAIN_ONE_EPOCH = Exercise(
    name="train_one_epoch",
    points=4,
    task="Train for one pass over the loader and return the mean loss per example.",
    aspects=(
        Aspect("updates", "every batch moves the weights by its own gradient", 2, ("parameters",)),
        Aspect("mean", "the result is the mean loss per example", 1, ("returned",)),
        Aspect(
            "mode",
            "the model trains in train mode",
            1,
            ("batch_norm_parameters", "buffers", "training"),
            after=("updates",),
        ),
    ),
    hints=(
        "Five lines per batch. Before the loop, put the model into train mode and start two "
        "counters: the sum of the losses of all examples, and how many examples you have seen.",
        "loss_fn gives the mean over one batch. Multiply loss.item() by the number of examples in "
        "the batch before you add it up; divide by the number of all examples at the very end, "
        "after the loop.",
    ),
    observe=observe_train_one_epoch,
    public_cases=lambda: [_plain_case(1, stale=True), _plain_case(2, batch_norm=True)],
    properties=properties_train_one_epoch,
    allowed_orders=("FLZBS", "ZFLBS", "FZLBS"),
    forbidden=("course_lib.training.Trainer",),
)


# --- fit ----------------------------------------------------------------------------------------


def observe_fit(function: Any, case: Case, notes: Notes) -> None:
    """``fit`` is judged alone: under the name ``train_one_epoch`` it finds a stand-in that returns
    the case's scripted numbers. A ``fit`` that loops by itself is judged by its real losses."""
    parts = build(case)
    scripted = case["scripted"]
    calls = 0

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

    train_one_epoch.__qualname__ = "train_one_epoch"  # what an error message calls it
    scope = getattr(function, "__globals__", {})
    with patch.dict(scope, {"train_one_epoch": train_one_epoch}):
        returned = function(*parts, case["epochs"])
    notes["stand_in_used"] = calls > 0
    notes["returned"] = returned
    notes["epochs_trained"] = calls or parts[1].passes


def fit_case(generator: torch.Generator, epochs: int, **settings: Any) -> dict[str, Any]:
    """A case of ``fit``: one scripted loss more than epochs, so that one call too many is seen."""
    case = classifier_case(generator, **settings)
    losses = 0.5 + torch.rand(epochs + 3, generator=generator, dtype=torch.float64)
    return case | {"epochs": epochs, "scripted": losses.tolist()}


def properties_fit(case: Case, observation: Observation) -> Iterator[Finding]:
    epochs, returned = case["epochs"], observation["returned"]
    if epochs == 0:
        yield Finding(type(returned) is list and not returned, "zero epochs give an empty list")
        return
    is_list = isinstance(returned, list)
    yield Finding(is_list, "the result is a list", f"yours is {type_name(returned)}")
    if is_list:
        yield Finding(
            len(returned) == epochs,
            f"with epochs={epochs} the list has {epochs} entries",
            f"yours has {len(returned)}",
        )
        strange = [type_name(value) for value in returned if type(value) is not float]
        text = "the entries are floats"
        yield Finding(not strange, text, f"yours has {', '.join(strange[:1])}")
    trained = observation["epochs_trained"]
    text = f"with epochs={epochs} it trains for {epochs} epochs"
    yield Finding(trained == epochs, text, f"yours trains for {trained}")
    if is_list and observation["stand_in_used"]:
        yield Finding(
            returned == case["scripted"][: len(returned)],
            "the entries are what train_one_epoch returned, first epoch first",
        )


_FIT_SETTINGS = {"n": 10, "sizes": (2, 3, 2), "batch_size": 4, "lr": 0.1}

FIT = Exercise(
    name="fit",
    points=2,
    task="Train for several epochs and return the loss of each.",
    aspects=(
        Aspect("history", "one loss per epoch, in order", 1, ("returned",)),
        Aspect("epochs", "it trains exactly `epochs` epochs", 1, ("epochs_trained",), ("history",)),
    ),
    hints=(
        "The work of one epoch is done: call train_one_epoch. fit only repeats it and keeps score.",
        "Start an empty list before the loop over range(epochs), append one result per turn, and "
        "return the list after the loop.",
    ),
    observe=observe_fit,
    public_cases=lambda: [
        fit_case(torch.Generator().manual_seed(3), epochs, **_FIT_SETTINGS) for epochs in (3, 0)
    ],
    properties=properties_fit,
    forbidden=("course_lib.training.Trainer",),
)


# --- train_with_accumulation --------------------------------------------------------------------


def observe_train_with_accumulation(function: Any, case: Case, notes: Notes) -> None:
    model, loader, loss_fn, optimizer = build(case)
    steps = case["accumulate_steps"]
    around: list[list[torch.Tensor]] = []
    optimizer.register_step_pre_hook(lambda *_: around.append(parameters_of(model)))
    optimizer.register_step_post_hook(lambda *_: around.append(parameters_of(model)))
    try:
        with watching(notes, model, optimizer) as watch:
            notes["returned"] = function(model, loader, watch(loss_fn), optimizer, steps)
    finally:
        kind = "short" if len(loader) % steps else "even"
        notes[f"{kind}_parameters"] = parameters_of(model)
        notes["gradients"] = gradients_of(model)
        notes["steps"] = around[:8]  # the parameters before and after each of the first steps


def accumulation_case(
    generator: torch.Generator, batches: int, accumulate_steps: int, **settings: Any
) -> dict[str, Any]:
    """A case with ``batches`` batches of equal size."""
    settings = settings | {"n": batches * settings["batch_size"]}
    return classifier_case(generator, **settings) | {"accumulate_steps": accumulate_steps}


def properties_train_with_accumulation(case: Case, observation: Observation) -> Iterator[Finding]:
    batches = len(build(case)[1])
    steps = case["accumulate_steps"]
    groups = math.ceil(batches / steps)
    made = observation.events.count("S")
    text = f"{batches} batches in groups of {steps} make {groups} optimizer steps"
    yield Finding(made == groups, text, f"yours made {made}")
    yield Finding(
        observation.events.count("B") >= groups, "backward() runs before each optimizer step"
    )
    returned = observation["returned"]
    yield Finding(
        type(returned) is int and returned == made,
        "the result is the number of optimizer steps",
        f"{made} steps were made, and yours is {returned!r:.30}",
    )
    before, after = observation["steps"][::2], observation["steps"][1::2]
    if made == groups:
        good = [
            _same(_after_step(case, i, start), end)
            for i, (start, end) in enumerate(zip(before, after, strict=True))
        ]
        text = "a full group's step uses the mean gradient of its batches, and nothing older"
        yield Finding(all(good[: batches // steps]), text, _other_groups(observation, steps))
        if batches % steps:
            text = "a last shorter group's step uses the mean over its own batches"
            yield Finding(good[-1], text)


def _other_groups(observation: Observation, steps: int) -> str:
    """After how many batches the first step came, where that is not what was asked for."""
    before = observation.events[: observation.events.index("S")].count("F")
    batches = "1 batch" if before == 1 else f"{before} batches"
    return f"yours makes its first step after {batches}" if before not in (0, steps) else ""


def _after_step(case: Case, group: int, start: list[torch.Tensor]) -> list[torch.Tensor]:
    """``start`` moved by group number ``group``: one batch that holds all of it has its gradient."""
    model, _loader, loss_fn, optimizer = build(case | {"stale": False})
    _load(model, start)
    size = case["accumulate_steps"] * case["batch_size"]
    rows = slice(group * size, (group + 1) * size)
    loss_fn(model(case["x"][rows]), case["y"][rows]).backward()
    optimizer.step()
    return parameters_of(model)


_ACCUMULATION_SETTINGS = {"sizes": (3, 5, 4), "batch_size": 4, "lr": 0.3}

TRAIN_WITH_ACCUMULATION = Exercise(
    name="train_with_accumulation",
    points=3,
    task="Train with one optimizer step per group of batches; return the number of steps.",
    aspects=(
        Aspect("groups", "each step uses the mean gradient of its group", 1, ("even_parameters",)),
        Aspect(
            "last_group",
            "a last shorter group is averaged over its own length",
            1,
            ("short_parameters",),
            after=("groups",),
        ),
        Aspect("count", "the result is the number of steps", 1, ("returned",), ("groups",)),
    ),
    hints=(
        "backward() adds. So within a group, leave the gradients alone and let them add up; step "
        "and clear at the end of each group. Divide each loss by the length of its group first.",
        "With n = len(loader), batch number i (from 0) belongs to the group that starts at "
        "i - i % accumulate_steps; that group has min(accumulate_steps, n - start) batches. Step "
        "when a group is full or when the batch is the last one.",
    ),
    observe=observe_train_with_accumulation,
    public_cases=lambda: [
        accumulation_case(
            torch.Generator().manual_seed(4), batches, 3, stale=stale, **_ACCUMULATION_SETTINGS
        )
        for batches, stale in ((6, False), (5, True))
    ],
    properties=properties_train_with_accumulation,
    forbidden=("course_lib.training.Trainer",),
)

EXERCISES = (TRAIN_ONE_EPOCH, FIT, TRAIN_WITH_ACCUMULATION)

QUESTIONS = (
    Question(
        "q05_1",
        "You build a model and an optimizer and call `optimizer.step()` before any `backward()`. "
        "What happens to the weights?",
        {
            "A": "Nothing at all.",
            "B": "PyTorch raises a RuntimeError: there are no gradients.",
            "C": "They move by small random amounts.",
            "D": "They are reset to zero.",
        },
    ),
    Question(
        "q05_2",
        "At which place does `optimizer.zero_grad()` break training?",
        {
            "A": "As the first line inside the loop.",
            "B": "Between `loss.backward()` and `optimizer.step()`.",
            "C": "Between the forward pass and the loss.",
            "D": "As the last line, after `optimizer.step()`.",
        },
    ),
    Question(
        "q05_3",
        "A colleague forgot `zero_grad()`, and on your common task their loss falls *faster* than "
        "yours. What is going on?",
        {
            "A": "That cannot be: without `zero_grad()` a loss always explodes.",
            "B": "The gradients of all batches are averaged, which makes smoother steps.",
            "C": "`zero_grad()` is optional, and leaving it out is an optimisation.",
            "D": "The gradients add up like momentum without friction: quick at small learning "
            "rates, unstable at larger ones.",
        },
    ),
)
