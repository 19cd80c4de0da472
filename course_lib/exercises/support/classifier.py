"""A small model with its data and its optimizer, as a case and as objects. Used by the drivers of
chapter 05 and by the bug clinic of chapter 09."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import nn

from course_lib.exercises.checking.model import Case, Finding, Observation
from course_lib.exercises.support.draw import normal
from course_lib.exercises.support.loop_watch import Loader, gradients_of, parameters_of
from course_lib.exercises.support.numbers import same_numbers
from course_lib.exercises.support.small_network import draw_weights, load_parameters, small_network

#: A mean over the batch each. The targets of "squared" are numbers, one per example.
_LOSSES = {
    "cross_entropy": nn.CrossEntropyLoss,
    "smoothed": lambda: nn.CrossEntropyLoss(label_smoothing=0.3),
    "squared": nn.MSELoss,
}


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
    loss: str = "cross_entropy",
    groups: bool = False,
    dataset: bool = True,
) -> dict[str, Any]:
    """A case: ``sizes`` are (features, hidden, classes); weights and data come from ``generator``.

    ``batch_norm`` makes train mode visible in the numbers; ``stale`` leaves gradients of an earlier
    batch on the parameters. With the ``loss`` "squared" the model gives one number per example and
    has no classes. ``groups``: each layer is a parameter group with a rate of its own. ``dataset``:
    the loader has one.
    """
    features, _, classes = sizes
    if loss == "squared":
        sizes = (*sizes[:2], 1)
    drawn = partial(normal, generator)
    return {
        "x": drawn(n, features),
        "y": drawn(n) if loss == "squared" else torch.randint(classes, (n,), generator=generator),
        "weights": draw_weights(sizes, drawn),
        "loss": loss,
        "groups": groups,
        "dataset": dataset,
        "batch_size": batch_size,
        "lr": lr,
        "momentum": momentum,
        "batch_norm": batch_norm,
        "stale": stale,
    }


def build(case: Case) -> tuple[nn.Module, Loader, nn.Module, torch.optim.Optimizer]:
    """Model, loader, loss function and optimizer of a case, all fresh."""
    hidden = len(case["weights"][0])
    norm = [nn.BatchNorm1d(hidden)] if case["batch_norm"] else []
    model = small_network(case["weights"], *norm, nn.Tanh(), stale=case["stale"])
    if case["loss"] == "squared":
        model.append(nn.Flatten(0))
    loader = Loader(case["x"], case["y"], case["batch_size"], case["dataset"])
    params: Any = model.parameters()
    if case["groups"]:
        layers = [layer for layer in model if list(layer.parameters())]
        params = [
            {"params": layer.parameters(), "lr": case["lr"] / (i + 1)}
            for i, layer in enumerate(layers)
        ]
    optimizer = torch.optim.SGD(params, lr=case["lr"], momentum=case["momentum"])
    return model, loader, _LOSSES[case["loss"]](), optimizer


def has_moved(case: Case, observation: Observation) -> bool:
    """Whether any parameter is another than at the start."""
    before = parameters_of(build(case)[0])
    after = observation.get("parameters") or []
    return any(not torch.equal(a, b) for a, b in zip(before, after, strict=False))


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
    text = "each step uses the gradient of loss_fn(model(x), y) for its own batch alone"
    wrong = _steps_with_another_gradient(case, observation)
    steps = observation["steps"]
    got = ""
    if not steps:
        got = "yours makes no step"
    elif wrong and not any(
        gradient.any() for gradient in steps[wrong[0]][1] if gradient is not None
    ):
        got = f"your step {wrong[0] + 1} has none, or only zeros"
    elif wrong == [0] and len(steps) > 1 and case["stale"]:
        got = "only your first step does not, and there were gradients before the call"
    elif wrong:
        compared = min(len(steps), len(build(case)[1]))
        got = f"in yours, {len(wrong)} of the first {compared} steps do not"
        if compared == 1:
            got = "in yours, the first step does not"
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
        load_parameters(model, before)
        loss_fn(model(x), y).backward()
        if any(gradient is None for gradient in gradients) or not same_numbers(
            gradients_of(model), gradients
        ):
            wrong.append(step)
    return wrong
