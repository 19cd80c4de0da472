"""``cross_entropy``, public half."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.ch02_loss_functions.tensors import (
    FORBIDDEN,
    as_given,
    dtype_finding,
    gradient_at,
    is_about,
    is_scalar,
    leaf_of,
    note_slope,
    seen,
)
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation

_ASKS = {
    "plain": ("values",),
    "large": ("stable", "gradient"),
    "gradient": ("gradient",),
}


def cross_entropy_case(kind: str, logits: Tensor, targets: Tensor, strided: bool = False) -> Case:
    """A case: logits ``[N, C]``, targets ``[N]``. ``kind`` is a key of ``_ASKS``."""
    own = {"kind": kind, "asks": _ASKS[kind]}
    return own | {"logits": logits, "targets": targets, "strided": strided}


def _observe(function: Any, case: Case, notes: Notes) -> None:
    kind, targets = case["kind"], case["targets"].clone()
    if kind != "gradient":
        logits = as_given(case, "logits")
        result = function(logits, targets)
        notes["loss_for_large_logits" if kind == "large" else "returned"] = result
        notes["inputs_afterwards"] = [logits, targets]

    def loss_of(logits: Tensor) -> Any:
        return function(logits, targets)

    if kind == "large":
        notes["gradient_for_large_logits"] = gradient_at(leaf_of(case, "logits"), loss_of)
    if kind == "gradient":
        note_slope(notes, leaf_of(case, "logits"), loss_of)


def _public_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    targets = torch.tensor([2, 0, 1, 2])
    return [
        cross_entropy_case("plain", torch.tensor([[2.0, 1.0, 0.1]]), torch.tensor([0])),
        cross_entropy_case("plain", torch.tensor([[5.0, 0.0, 0.0]]), torch.tensor([0])),
        cross_entropy_case(
            "plain", torch.tensor([[5.0, 0.0, 0.0], [2.0, 1.0, 0.1]]), torch.tensor([0, 1])
        ),
        cross_entropy_case("plain", torch.zeros(7, 10, dtype=torch.float64), torch.arange(7)),
        cross_entropy_case("plain", logits, targets, strided=True),
        cross_entropy_case("large", torch.tensor([[1e4, -1e4]]).double(), torch.tensor([1])),
        cross_entropy_case(
            "large",
            torch.tensor([[1e4, 9998.0], [-9998.0, -1e4]]).double(),
            torch.tensor([0, 0]),
        ),
        cross_entropy_case("gradient", logits, targets),
    ]


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    logits = case["logits"]
    if case["kind"] == "gradient":
        gradient = observation["gradient"]
        flows = gradient is not None and bool(gradient.any())
        yield Finding(flows, "a gradient flows from the loss back to the logits")
        if flows:
            text = "the gradient is the slope of the loss: no part of the graph is cut off"
            yield Finding(observation["slope_agrees"], text)
        return
    if case["kind"] == "large":
        loss = observation["loss_for_large_logits"]
        if len(logits) > 1:
            text = "rows far apart: [10000, 9998] and [-9998, -10000], target 0, cost 0.1269 each"
            yield Finding(is_about(loss, 0.1269, 3), text, seen(loss))
            return
        text = "logits [10000, -10000] with target 1 cost 20000: not inf, not nan"
        yield Finding(is_about(loss, 20_000.0), text, seen(loss))
        return
    loss = observation["returned"]
    got = seen(loss)
    yield Finding(is_scalar(loss), "the result is a tensor with no dimensions: one number", got)
    if is_scalar(loss):
        yield dtype_finding(loss, logits, "the logits'")
    if logits.shape == (1, 3):
        first = logits[0, 0].item()
        shown, known = ("[2, 1, 0.1]", 0.417) if first == 2.0 else ("[5, 0, 0]", 0.0134)
        digits = 3 if first == 2.0 else 4
        text = f"logits {shown} with target 0 cost {known}"
        yield Finding(is_about(loss, known, digits), text, got)
    elif logits.shape == (2, 3):
        text = "two examples that cost 0.0134 and 1.417 cost 0.715 on average"
        yield Finding(is_about(loss, 0.7152, 3), text, got)
    elif logits.shape == (7, 10):
        text = "equal logits for 10 classes cost log(10) = 2.303, whatever the targets are"
        yield Finding(is_about(loss, math.log(10)), text, got)
    else:
        given = logits, case["targets"]
        unchanged = all(map(torch.equal, observation["inputs_afterwards"], given))
        yield Finding(unchanged, "logits and targets are unchanged")


EXERCISE = Exercise(
    name="cross_entropy",
    points=3,
    task="The mean cross-entropy of a batch of logits and class indices.",
    aspects=(
        Aspect("values", "the loss is the batch's mean cross-entropy", 1, ("returned",)),
        Aspect(
            "stable",
            "logits of 10000 and -10000 give the right loss",
            1,
            ("loss_for_large_logits", "inputs_afterwards"),
        ),
        Aspect(
            "gradient",
            "the loss's gradient reaches the logits",
            1,
            ("slope_agrees",),
        ),
    ),
    hints=(
        "Two steps: the log-probability of every class of every row, [N, C]; then, from each row, "
        "the one entry at its target. The loss is minus their mean. To pick row i's entry at "
        "targets[i], index with two tensors of length N: the row numbers and the targets.",
        "Do not take the log of a probability: it may have become 0. In logarithms the division "
        "turns into a subtraction: the log-probability of a class is its logit minus the "
        "log-sum-exp of its row, and logits.logsumexp(dim=1, keepdim=True) never overflows.",
    ),
    observe=_observe,
    fields=(
        "returned",
        "loss_for_large_logits",
        "inputs_afterwards",
        "gradient",
        "slope_agrees",
        "gradient_for_large_logits",
    ),
    public_cases=_public_cases,
    properties=_properties,
    forbidden=FORBIDDEN,
)
