"""``cross_entropy``, public half."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.ch02_loss_functions import tensors
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation

#: By the shape of the logits and their first number: what a check says of the loss, the loss, and to
#: how many digits.
_KNOWN = {
    (1, 3, 2.0): ("logits [2, 1, 0.1] with target 0 cost 0.417", 0.417, 3),
    (1, 3, 5.0): ("logits [5, 0, 0] with target 0 cost 0.0134", 0.0134, 4),
    (2, 3, 5.0): ("two examples that cost 0.0134 and 1.417 cost 0.715 on average", 0.7152, 3),
    (7, 10, 0.0): (
        "equal logits for 10 classes cost log(10) = 2.303, whatever the targets are",
        math.log(10),
        4,
    ),
    (1, 2, 1e4): ("logits [10000, -10000] with target 1 cost 20000: not inf, not nan", 20_000.0, 4),
    (2, 2, 1e4): (
        "rows far apart: [10000, 9998] and [-9998, -10000], target 0, cost 0.1269 each",
        0.1269,
        3,
    ),
}


def cross_entropy_case(kind: str, logits: Tensor, targets: Tensor, strided: bool = False) -> Case:
    """A case: logits ``[N, C]``, targets ``[N]``. ``kind`` is "plain", "large" or "gradient"."""
    asks = {"plain": ("values",), "large": ("stable", "gradient"), "gradient": ("gradient",)}
    own = {"kind": kind, "asks": asks[kind]}
    return own | {"logits": logits, "targets": targets, "strided": strided}


def _observe(function: Any, case: Case, notes: Notes) -> None:
    kind, targets = case["kind"], case["targets"].clone()
    if kind != "gradient":
        logits = tensors.as_given(case, "logits")
        result = function(logits, targets)
        notes["loss_for_large_logits" if kind == "large" else "returned"] = result
        notes["inputs_afterwards"] = [logits, targets]

    def loss_of(logits: Tensor) -> Any:
        return function(logits, targets)

    if kind == "large":
        notes["gradient_for_large_logits"] = tensors.gradient_at(
            tensors.leaf_of(case, "logits"), loss_of
        )
    if kind == "gradient":
        tensors.note_slope(notes, tensors.leaf_of(case, "logits"), loss_of)


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
        yield from tensors.slope_findings(observation, "the loss")
        return
    large = case["kind"] == "large"
    loss = observation["loss_for_large_logits" if large else "returned"]
    if not large:
        yield from tensors.loss_findings(loss, logits, "the logits'")
    known = _KNOWN.get((*logits.shape, logits[0, 0].item()))
    if known:
        yield tensors.cost_finding(loss, *known)
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
    forbidden=tensors.FORBIDDEN,
)
