"""Runs the five lines of the loop in any order, for real; ``beat_sequencer`` shows the result.

The recipe is the one of ``zero_grad``: a 1-16-1 network on y = sin(2x), plain SGD at learning rate
0.1. The lines are chosen from five fixed ones, so no foreign code is executed. The runs compute in
float64: some orders explode, and in float32 the last bit would decide when.
"""

from dataclasses import dataclass
from functools import lru_cache
from types import CodeType
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.beats import LOOP
from course_lib.data import sine
from course_lib.models import MLP
from course_lib.simulations.common import curve_batches, doubled, first_bad

BATCHES = 200
LR = 0.1
_CODE: dict[str, CodeType] = {
    beat.letter: compile(beat.line, "<your loop>", "exec") for beat in LOOP
}

Outcome = Literal["learning", "unchanged", "exploding", "not better", "error"]


@dataclass(frozen=True)
class RaisedError:
    """The exception that ended a run. ``batch`` counts from 1, ``place`` in the order from 0."""

    batch: int
    place: int
    kind: str
    message: str


@dataclass(frozen=True)
class Run:
    """The result of an ``order`` such as "FLZBS".

    ``losses``: on all 128 points, before the first batch and after each; they end where the run
    ended. ``change``: the largest change of any parameter, from start to end.
    """

    order: str
    losses: np.ndarray
    change: float
    failure: RaisedError | None

    @property
    def first_bad(self) -> int | None:
        """The first batch after which the loss was infinite or NaN."""
        return first_bad(self.losses)

    @property
    def outcome(self) -> Outcome:
        if self.failure is not None:
            return "error"
        if self.change == 0:
            return "unchanged"
        before, after = self.losses[0], self.losses[-1]
        if not after <= 2 * before:  # NaN too
            return "exploding"
        return "learning" if after < before else "not better"


@lru_cache(maxsize=256)
def run_order(order: str) -> Run:
    """Run the lines on each batch in turn, until the last batch or the first exception."""
    model = MLP(1, 16, 1, activation=nn.Tanh, seed=0).double()
    weights = _in_one_piece(model)
    codes = [_CODE[letter] for letter in order]
    namespace: dict[str, Any] = {
        "model": model,
        "loss_fn": nn.MSELoss(),
        "optimizer": torch.optim.SGD(model.parameters(), lr=LR),
    }
    snapshots = [weights.clone()]
    failure = None
    for number, (x, y) in enumerate(curve_batches(BATCHES), start=1):
        namespace["x"], namespace["y"] = x, y
        for place, code in enumerate(codes):
            try:
                exec(code, namespace)
            except Exception as error:
                failure = RaisedError(number, place, type(error).__name__, str(error))
                break
        if failure is not None:
            break
        snapshots.append(weights.clone())
    change = (weights - snapshots[0]).abs().max().item()
    return Run(order, _losses(torch.stack(snapshots)), change, failure)


def _in_one_piece(model: nn.Module) -> Tensor:
    """One vector that holds all parameters: copying it after each batch costs next to nothing."""
    parameters = list(model.parameters())
    whole = torch.cat([p.detach().flatten() for p in parameters])
    for p, part in zip(parameters, whole.split([p.numel() for p in parameters]), strict=True):
        p.data = part.view_as(p)
    return whole


@torch.no_grad()
def _losses(snapshots: Tensor) -> np.ndarray:
    """The loss on all points for each snapshot ``[n, 49]`` of the 1-16-1 network: ``[n]``. In float32,
    so that it overflows where a learner's own run does."""
    X, y = doubled(sine())
    W1, b1, W2, b2 = snapshots.split([16, 16, 16, 1], dim=1)
    hidden = torch.tanh(X.flatten()[None, :, None] * W1[:, None, :] + b1[:, None, :])
    predictions = torch.baddbmm(b2[:, :, None], hidden, W2[:, :, None])
    return (predictions - y).square().mean(dim=(1, 2)).float().numpy()


def gradients_per_step(order: str) -> list[tuple[int, ...]]:
    """For each step() of a batch, once the loop is under way: which batches' gradients are in the
    sum that it uses, as how many batches ago. ``[(0,)]`` in the usual order, ``()`` if cleared."""
    held: list[int] = []
    found: list[tuple[int, ...]] = []
    for batch in range(3):  # the third batch meets what the first two left
        found = []
        for letter in order:
            if letter == "Z":
                held = []
            elif letter == "B":
                held.append(batch)
            elif letter == "S":
                found.append(tuple(batch - origin for origin in held))
    return found
