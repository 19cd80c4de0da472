"""``evaluate``, public half."""

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type, as_tuple
from course_lib.exercises.support import draw
from course_lib.exercises.support.loop_watch import Loader, buffers_of, gradients_of
from course_lib.exercises.support.small_network import small_network
from course_lib.training import evaluate as evaluate_whole

#: Losses that take class indices and average over the batch.
_LOSSES = {
    "cross_entropy": nn.CrossEntropyLoss,
    "smoothed": lambda: nn.CrossEntropyLoss(label_smoothing=0.2),
    "margin": nn.MultiMarginLoss,
}


def evaluate_case(
    generator: torch.Generator,
    *,
    n: int,
    sizes: tuple[int, int, int],
    batch_size: int | None = None,
    training: bool = True,
    layers: bool = False,
    stale: bool = False,
    loss: str = "cross_entropy",
    dtype: torch.dtype = torch.float64,
    strided: bool = False,
    dataset: bool = True,
) -> dict[str, Any]:
    """A case: ``sizes`` are (features, hidden, classes); ``training`` is the mode in which the model
    arrives. ``layers`` adds dropout and batch norm, ``stale`` leaves gradients of an earlier batch;
    without a ``batch_size`` all comes as one batch. Where the loader has no ``dataset``, the case
    asks for the loss alone.
    """
    features, hidden, classes = sizes
    normal = partial(draw.normal, generator, dtype=dtype)
    asks: tuple[str, ...] = ("loss", "accuracy", "mode")
    if layers or stale:
        asks = ("mode",) if layers else ("graph",)
    elif not dataset:
        asks = ("loss",)
    return {
        "asks": asks,
        "dataset": dataset,
        "layers": layers,
        "stale": stale,
        "x": normal(n, features),
        "y": torch.randint(classes, (n,), generator=generator),
        "weights": [
            normal(hidden, features),
            normal(hidden),
            2 * normal(classes, hidden) / math.sqrt(hidden),
            normal(classes),
        ],
        "running": [normal(hidden), 0.5 + normal(hidden).abs()],
        "batch_size": batch_size or n,
        "training": training,
        "loss": loss,
        "strided": strided,
    }


def _build(case: Case) -> tuple[nn.Module, Loader, nn.Module]:
    """Model, loader and loss function of a case, all fresh."""
    middle: list[nn.Module] = [nn.Tanh()]
    if case["layers"]:
        middle += [nn.BatchNorm1d(len(case["weights"][0])), nn.Dropout(0.5)]
    model = small_network(case["weights"], *middle, stale=case["stale"])
    if case["layers"]:
        model[2].running_mean.copy_(case["running"][0])
        model[2].running_var.copy_(case["running"][1])
    if case["stale"]:
        model[0].bias.requires_grad_(False)
    model.train(case["training"])
    x = case["x"].t().contiguous().t() if case["strided"] else case["x"]
    loader = Loader(x, case["y"], case["batch_size"], case["dataset"])
    return model, loader, _LOSSES[case["loss"]]()


def _observe(function: Any, case: Case, notes: Notes) -> None:
    model, loader, loss_fn = _build(case)
    recorded: list[bool] = []
    modes: list[bool] = []
    # On the layers: also what runs in a copy of the model, or by model.forward, is seen.
    model[-1].register_forward_hook(lambda _, inputs, out: recorded.append(out.requires_grad))
    for layer in model:
        layer.register_forward_pre_hook(lambda layer, _: modes.append(layer.training))
    # A model in eval mode may come from somewhere where nothing is recorded already.
    recording = not case["stale"] or case["training"]
    with torch.set_grad_enabled(recording):
        returned = function(model, loader, loss_fn)
        grad_mode_kept = torch.is_grad_enabled() == recording
    notes["returned"] = as_tuple(returned)
    notes["evaluated_in_train_mode"] = any(modes) if modes else None
    if "mode" in case["asks"]:
        notes["training"] = model.training
        notes["buffers"] = buffers_of(model)
    if "graph" in case["asks"]:
        notes["recorded"] = any(recorded) if recorded else None
        notes["gradients"] = gradients_of(model)
        notes["requires_grad"] = [parameter.requires_grad for parameter in model.parameters()]
        notes["grad_mode_kept"] = grad_mode_kept


def _facts(case: Case, observation: Observation) -> Mapping[str, Any]:
    """The two numbers, as far as the case asks for them. The mode counts where there are layers that
    mind it."""
    returned = observation["returned"]
    pair = returned if isinstance(returned, tuple) and len(returned) == 2 else (None, None)
    facts = {}
    if "loss" in case["asks"]:
        facts["loss"] = pair[0]
    if "accuracy" in case["asks"]:
        facts["accuracy"] = pair[1]
    if case["layers"]:
        facts["in_eval_mode"] = observation["evaluated_in_train_mode"] is False
    return facts


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    model, _loader, loss_fn = _build(case)
    returned = observation["returned"]
    parts = returned if isinstance(returned, tuple) else ()
    floats = [type(value) for value in parts] == [float, float]
    got = "yours returns None" if returned is None else f"yours is {a_type(returned)}"
    if parts:
        got += f" of {' and '.join(map(a_type, parts))}"
    yield Finding(floats, "the result is a tuple of two Python floats: loss, accuracy", got)
    if returned is None:
        return
    if case["layers"]:
        yield Finding(
            observation["in_eval_mode"],
            "dropout and batch norm are in eval mode while the model predicts, batch after batch",
        )
        same = all(map(torch.equal, buffers_of(model), observation["buffers"]))
        yield Finding(same, "batch norm's averages stay as they were")
    if "mode" in case["asks"]:
        yield Finding(
            observation["training"] is case["training"],
            "afterwards the model is back in the mode it came in, train or eval",
        )
    if "graph" in case["asks"]:
        yield Finding(observation["recorded"] is False, "no graph is recorded for the outputs")
        yield Finding(
            observation["grad_mode_kept"]
            and observation["requires_grad"] == [p.requires_grad for p in model.parameters()],
            "afterwards PyTorch records gradients as before",
        )
    if not floats:
        return
    loss, accuracy = evaluate_whole(model, loss_fn, case["x"], case["y"])
    if "loss" in case["asks"]:
        yield Finding(
            math.isclose(returned[0], loss, rel_tol=1e-5),
            "the loss is the mean over all examples (the last batch is smaller)",
            f"that is {loss:.4f} here, yours is {returned[0]:.4f}",
        )
        yield Finding(
            math.isclose(returned[1], accuracy, rel_tol=1e-5),
            "the accuracy is the fraction of all examples that are classified correctly",
            f"that is {accuracy:.4f} here, yours is {returned[1]:.4f}",
        )


def _public_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(70)

    def case(n: int = 19, **settings: Any) -> Case:
        return evaluate_case(generator, n=n, sizes=(3, 6, 4), **settings)

    return [
        case(batch_size=8),
        case(n=12, batch_size=4, layers=True),
        case(batch_size=8, training=False),
        case(n=7, stale=True),
        case(n=6, stale=True, training=False),
        case(batch_size=6, dataset=False, loss="margin"),
    ]


EXERCISE = Exercise(
    name="evaluate",
    points=4,
    task="Measure a model: the mean loss per example and the accuracy, and leave no trace.",
    aspects=(
        Aspect("loss", "the loss is the mean over all examples", 1, ("loss",)),
        Aspect("accuracy", "the accuracy is a fraction of all examples", 1, ("accuracy",)),
        Aspect(
            "mode",
            "it measures in eval mode and puts the previous mode back",
            1,
            ("in_eval_mode", "buffers", "training"),
        ),
        Aspect(
            "graph",
            "it records no gradients and leaves the gradient settings as they were",
            1,
            ("recorded", "gradients", "requires_grad", "grad_mode_kept"),
        ),
    ),
    hints=(
        "Four things around one loop: remember model.training, switch to eval mode, loop under "
        "torch.no_grad(), put the mode back. Inside, add up three numbers per batch: the loss "
        "times the batch's size, the number of correct predictions, the number of examples.",
        "The prediction of a row of logits is the index of its largest entry: "
        "logits.argmax(dim=1). Compare it with y, and add up the True values with .sum().item(). "
        "model.train(was_training) sets either mode.",
    ),
    observe=_observe,
    fields=(
        "returned",
        "evaluated_in_train_mode",
        "training",
        "buffers",
        "recorded",
        "gradients",
        "requires_grad",
        "grad_mode_kept",
    ),
    facts=_facts,
    derived=("loss", "accuracy", "in_eval_mode"),
    public_cases=_public_cases,
    properties=_properties,
    forbidden=("course_lib.training.evaluate",),
)
