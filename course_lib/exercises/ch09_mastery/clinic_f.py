"""``clinic_f``, public half: the mean loss on validation data."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type
from course_lib.exercises.support.classifier import build, classifier_case


def _observe(function: Any, case: Case, notes: Notes) -> None:
    model, loader, loss_fn, _ = build(case)
    model.eval()
    recorded = 0

    def saved(tensor: Tensor) -> Tensor:
        nonlocal recorded
        recorded += tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(saved, lambda tensor: tensor):
        notes["returned"] = function(model, loader, loss_fn)
    notes["records_graph"] = recorded > 0
    # What a learner may have left behind, if somebody goes on training this model.
    notes["trainable"] = all(p.requires_grad for p in model.parameters())
    notes["grad_mode"] = torch.is_grad_enabled()
    notes["eval_mode"] = not any(module.training for module in model.modules())


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    returned = observation["returned"]
    text = "the result is a Python float"
    yield Finding(type(returned) is float, text, f"yours is {a_type(returned)}")
    if type(returned) is float:
        model, loader, loss_fn, _ = build(case)
        x, y = (torch.cat(parts) for parts in zip(*loader, strict=True))
        mean = loss_fn(model.eval()(x), y).item()
        text = "the result is the mean loss per example, even when the last batch is smaller"
        got = f"that is {mean:.4f} here, yours is {returned:.4f}"
        yield Finding(math.isclose(mean, returned, rel_tol=1e-4), text, got)
    text = "nothing is kept in memory for a backward pass that never comes"
    yield Finding(observation["records_graph"] is False, text)
    yield Finding(observation["trainable"], "the parameters require gradients as before")
    yield Finding(observation["grad_mode"], "gradients are recorded again afterwards")
    yield Finding(observation["eval_mode"], "the model is in eval mode as before")


EXERCISE = Exercise(
    name="clinic_f",
    points=1,
    task="The mean loss on validation data.",
    aspects=(
        Aspect(
            "repaired",
            "the mean loss as a plain number; no graph is recorded",
            1,
            ("returned", "records_graph", "trainable", "grad_mode", "eval_mode"),
        ),
    ),
    hints=(
        "What type is the result, and what does it drag along?",
        "Tell PyTorch that no gradients are needed here, and turn tensors into numbers.",
    ),
    observe=_observe,
    fields=("returned", "records_graph", "trainable", "grad_mode", "eval_mode"),
    public_cases=lambda: [
        classifier_case(
            torch.Generator().manual_seed(6), n=17, sizes=(3, 5, 4), batch_size=6, lr=0.1
        )
    ],
    properties=_properties,
)
