"""``clinic_h``, public half: weights by gradient descent."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.ch09_mastery.linear_layer import shape_finding
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation


def weights_case(generator: torch.Generator, n: int, features: int) -> Case:
    """``y = x @ w`` with a little noise; the columns of ``x`` are of about equal size."""
    x = torch.randn(n, features, generator=generator)
    w = 2 * torch.rand(features, generator=generator) - 1
    return {"x": x, "y": x @ w + 0.01 * torch.randn(n, generator=generator)}


def _observe(function: Any, case: Case, notes: Notes) -> None:
    result = function(case["x"], case["y"])
    notes["returned"] = result.detach() if isinstance(result, Tensor) else result
    notes["has_graph"] = isinstance(result, Tensor) and result.requires_grad


def _facts(case: Case, observation: Observation) -> dict[str, Any]:
    """``error``, of the worst weight, and ``largest``, the largest weight, both without sign; None
    where there is none."""
    returned = observation["returned"]
    x, y = case["x"].double(), case["y"].double().unsqueeze(1)
    best = torch.linalg.lstsq(x, y).solution[:, 0]
    is_tensor = isinstance(returned, Tensor) and returned.numel() > 0
    same_shape = is_tensor and returned.shape == best.shape
    error = (returned.double() - best).abs().max().item() if same_shape else None
    return {
        "error": error,
        "found": error is not None and error <= 0.05,
        "largest": returned.abs().max().item() if is_tensor else None,
    }


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    yield shape_finding(observation["returned"], (case["x"].shape[1],))
    yield Finding(not observation["has_graph"], "the weights carry no graph")
    error = observation["error"]
    if error is not None:
        text = "every weight is within 0.05 of the best one"
        finite = math.isfinite(error)
        got = f"the worst is off by {error:.2f}" if finite else "yours are NaN or infinite"
        yield Finding(observation["found"], text, got)


EXERCISE = Exercise(
    name="clinic_h",
    points=1,
    task="Weights by gradient descent.",
    aspects=(Aspect("repaired", "the weights are found", 1, ("found", "has_graph")),),
    hints=(
        "Print the loss before and after. How far do the weights move in one step?",
        "The code is right; one number is not. Adam moves each weight by about lr per step: "
        "how far can it get in 300 steps?",
    ),
    observe=_observe,
    fields=("returned", "has_graph"),
    facts=_facts,
    derived=("error", "found", "largest"),
    public_cases=lambda: [weights_case(torch.Generator().manual_seed(9), 40, 3)],
    properties=_properties,
)
