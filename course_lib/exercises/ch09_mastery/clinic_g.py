"""``clinic_g``, public half: a model that may be on a GPU."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.ch09_mastery.linear_layer import linear
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type


def device_case(
    generator: torch.Generator, n: int, features: int, out: int, device: str = "cpu"
) -> Case:
    return {
        "x": torch.randn(n, features, generator=generator),
        "weight": torch.randn(out, features, generator=generator),
        "bias": torch.randn(out, generator=generator),
        "device": device,
    }


def _observe(function: Any, case: Case, notes: Notes) -> None:
    model = linear(case["weight"], case["bias"]).to(case["device"])
    result = function(model, case["x"])
    if not isinstance(result, Tensor):
        notes["device"] = a_type(result)
        return
    notes["device"] = result.device.type
    notes["shape"] = list(result.shape)
    if case["device"] == result.device.type == "cpu":  # on "meta" there are none
        notes["values"] = result.detach()


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    device, got = case["device"], observation["device"]
    text = f'with a model on the device "{device}" the result is there too'
    where = f"yours is on {got}" if "shape" in observation.values else f"yours is {got}"
    yield Finding(got == device, text, where)
    values = observation.get("values")
    if device == "cpu" and values is not None:
        wanted = linear(case["weight"], case["bias"])(case["x"]).detach()
        same = values.shape == wanted.shape and torch.allclose(values, wanted, atol=1e-5)
        yield Finding(same, "the result is the model's output for x, not for other numbers")


EXERCISE = Exercise(
    name="clinic_g",
    points=1,
    task="A model that may be on a GPU.",
    aspects=(
        Aspect("repaired", "the data goes where the model is", 1, ("device", "shape", "values")),
    ),
    hints=(
        "Model and data must be on the same device. Which of the two should move?",
        "Each parameter knows its device: next(model.parameters()).device.",
    ),
    observe=_observe,
    fields=("device", "shape", "values"),
    public_cases=lambda: [
        device_case(torch.Generator().manual_seed(7), 4, 3, 2, "meta"),
        device_case(torch.Generator().manual_seed(8), 3, 4, 5, "cpu"),
    ],
    properties=_properties,
)
