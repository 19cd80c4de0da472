"""``clinic_b``, public half: predictions of a trained model."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.exercises.ch09_mastery.linear_layer import linear, shape_finding
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation


def dropout_case(generator: torch.Generator, n: int, features: int, classes: int) -> Case:
    return {
        "x": torch.randn(n, features, generator=generator),
        "weight": torch.randn(classes, features, generator=generator),
        "bias": torch.randn(classes, generator=generator),
        "mean": torch.randn(features, generator=generator),
    }


def _build(case: Case) -> nn.Module:
    norm = nn.BatchNorm1d(case["x"].shape[1])
    norm.running_mean.copy_(case["mean"])
    return nn.Sequential(norm, nn.Dropout(0.5), linear(case["weight"], case["bias"])).train()


def _observe(function: Any, case: Case, notes: Notes) -> None:
    model = _build(case)
    result = function(model, case["x"])
    notes["returned"] = result.detach() if isinstance(result, Tensor) else result
    notes["has_graph"] = isinstance(result, Tensor) and result.requires_grad
    notes["running_mean"] = model[0].running_mean.clone()
    notes["training_after"] = model.training


def _facts(case: Case, observation: Observation) -> dict[str, Any]:
    return {"learned": not torch.equal(observation["running_mean"], case["mean"])}


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    returned = observation["returned"]
    shape = shape_finding(returned, (len(case["x"]), len(case["bias"])))
    yield shape
    yield Finding(not observation["has_graph"], "the logits carry no graph")
    text = "predicting leaves the running mean of the batch norm layer alone"
    yield Finding(not observation["learned"], text)
    if shape.ok:
        again = _build(case).eval()(case["x"][:1]).detach()
        text = "an example's logits do not depend on the other examples, nor on chance"
        yield Finding(torch.allclose(returned[:1], again, atol=1e-5), text)


EXERCISE = Exercise(
    name="clinic_b",
    points=1,
    task="Predictions of a trained model.",
    aspects=(
        Aspect(
            "repaired",
            "the model predicts as it does in use",
            1,
            ("returned", "running_mean", "has_graph"),
        ),
    ),
    hints=(
        "Call the broken function twice with the same x and compare the results.",
        "Two kinds of layers must be told that training is over.",
    ),
    observe=_observe,
    fields=("returned", "has_graph", "running_mean", "training_after"),
    facts=_facts,
    derived=("learned",),
    public_cases=lambda: [dropout_case(torch.Generator().manual_seed(2), 6, 5, 3)],
    properties=_properties,
)
