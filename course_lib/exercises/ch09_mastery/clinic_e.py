"""``clinic_e``, public half: the loss of ten classes."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type


def logits_case(generator: torch.Generator, n: int, classes: int) -> Case:
    return {
        "logits": 3.0 * torch.randn(n, classes, generator=generator),
        "targets": torch.randint(classes, (n,), generator=generator),
    }


def _observe(function: Any, case: Case, notes: Notes) -> None:
    logits = case["logits"].requires_grad_()
    result = function(logits, case["targets"])
    notes["returned"] = result.detach() if isinstance(result, Tensor) else result
    differentiable = isinstance(result, Tensor) and result.requires_grad and result.numel() == 1
    notes["gradient"] = torch.autograd.grad(result, logits)[0] if differentiable else None


def _known_case(logits: Tensor, targets: Tensor, loss: float, within: float, text: str) -> Case:
    """A public case whose loss is known without a computer: ``text`` says it."""
    return {"logits": logits, "targets": targets, "loss": loss, "within": within, "text": text}


def _public_cases() -> list[Case]:
    mean = -(math.log(3 / 4) + math.log(1 / 2)) / 2  # the right classes' probabilities: 3/4, 1/2
    return [
        _known_case(
            torch.zeros(10, 10).fill_diagonal_(40.0),
            torch.arange(10),
            0.0,
            0.01,
            "for logits that are confident and right the loss is nearly 0",
        ),
        _known_case(
            torch.zeros(4, 2),
            torch.tensor([0, 1, 1, 0]),
            math.log(2),
            0.001,
            "for two classes and equal logits the loss is log 2 = 0.693",
        ),
        _known_case(
            torch.tensor([[math.log(3), 0.0], [0.0, 0.0]]),
            torch.tensor([0, 1]),
            mean,
            0.001,
            f"for logits [[log 3, 0], [0, 0]], targets [0, 1] it is {mean:.3f}, a mean of rows",
        ),
    ]


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    returned = observation["returned"]
    scalar = isinstance(returned, Tensor) and returned.ndim == 0
    yield Finding(scalar, "the result is a 0-dim tensor", f"yours is {a_type(returned)}")
    yield Finding(observation["gradient"] is not None, "the result can be differentiated")
    if scalar and "loss" not in case:
        wanted = nn.functional.cross_entropy(case["logits"].detach(), case["targets"]).item()
        text = "the loss is the cross-entropy of the logits, a mean of rows"
        got = f"that is {wanted:.3f} here, yours is {returned.item():.3f}"
        yield Finding(math.isclose(returned.item(), wanted, rel_tol=1e-4), text, got)
    elif scalar:
        ok = abs(returned.item() - case["loss"]) < case["within"]
        yield Finding(ok, case["text"], f"yours is {returned.item():.3f}")


EXERCISE = Exercise(
    name="clinic_e",
    points=1,
    task="The loss of ten classes.",
    aspects=(
        Aspect(
            "repaired",
            "the loss is the cross-entropy of the logits",
            1,
            ("returned", "gradient"),
        ),
    ),
    hints=(
        "How low can this loss get when the logits are confident and right? It should be nearly 0.",
        "cross_entropy applies the softmax itself. What does it get here?",
    ),
    observe=_observe,
    fields=("returned", "gradient"),
    public_cases=_public_cases,
    properties=_properties,
)
