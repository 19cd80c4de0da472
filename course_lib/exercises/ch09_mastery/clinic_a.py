"""``clinic_a``, public half: pictures into a linear layer."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.ch09_mastery.linear_layer import linear, shape_finding
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation


def pictures_case(
    generator: torch.Generator, n: int, height: int, width: int, classes: int
) -> Case:
    return {
        "images": torch.rand(n, height, width, generator=generator),
        "weight": torch.randn(classes, height * width, generator=generator) / 10,
        "bias": torch.randn(classes, generator=generator),
    }


def _observe(function: Any, case: Case, notes: Notes) -> None:
    model = linear(case["weight"], case["bias"])
    try:
        result = function(model, case["images"])
    except NotImplementedError:  # a RuntimeError too, and what a stub raises
        raise
    except RuntimeError as error:  # its sizes are this case's, not those of the text
        sizes = f"images is {list(case['images'].shape)} here, the layer takes {model.in_features}"
        error.args = (f"{error}. ({sizes} numbers.)",)
        raise
    notes["returned"] = result.detach() if isinstance(result, Tensor) else result


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    returned = observation["returned"]
    shape = shape_finding(returned, (len(case["images"]), len(case["bias"])))
    yield shape
    if shape.ok:
        first = linear(case["weight"], case["bias"])(case["images"][0].reshape(-1)).detach()
        text = "row 0 is what the model gives for picture 0"
        yield Finding(torch.allclose(returned[0], first, atol=1e-5), text)


EXERCISE = Exercise(
    name="clinic_a",
    points=1,
    task="Logits for pictures.",
    aspects=(Aspect("repaired", "each picture gets its own row of logits", 1, ("returned",)),),
    hints=(
        "Read the two shapes in the error: the first is what goes in, the second is the layer's. "
        "To multiply them, the last number of the first must equal the first number of the "
        "second. Does it?",
        "A linear layer works on the last dimension. Make each picture one row, and keep the "
        "batch dimension as it is.",
    ),
    observe=_observe,
    fields=("returned",),
    public_cases=lambda: [pictures_case(torch.Generator().manual_seed(1), 3, 4, 5, 6)],
    properties=_properties,
)
