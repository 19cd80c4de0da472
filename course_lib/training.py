"""The training loop that the simulations run: it goes one step at a time, and can start over.

``Trainer`` is chapter 05's loop turned inside out: each ``step()`` is one pass through the
five lines. Nothing here touches the global random state.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from course_lib.data import batches, generator_of

LossFn = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class StepRecord:
    """One optimizer step, counted from 0: the loss of its batch before the step, and the L2 norm
    of the gradients that the step used. Either may be infinite or NaN."""

    step: int
    epoch: int
    loss: float
    grad_norm: float


class Trainer:
    """Trains ``model`` on shuffled batches of ``X`` and ``y``; the order comes from ``seed``.

    ``clear=False`` leaves out ``zero_grad``; ``max_norm`` clips the gradients' common norm.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        loss_fn: LossFn,
        X: Tensor,
        y: Tensor,
        batch_size: int,
        seed: int = 0,
        clear: bool = True,
        max_norm: float | None = None,
    ) -> None:
        self.model, self.optimizer, self.loss_fn = model, optimizer, loss_fn
        self.X, self.y, self.batch_size = X, y, batch_size
        self.clear, self.max_norm = clear, max_norm
        self.steps = 0
        self.epoch = 0
        self._generator = generator_of(seed)
        self._pass: Iterator[tuple[Tensor, Tensor]] = iter(())
        self._start = self.state_dict()

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.X) // self.batch_size)

    def step(self) -> StepRecord:
        """Run the five lines on the next batch."""
        self.epoch, place = divmod(self.steps, self.steps_per_epoch)
        if place == 0:  # a new epoch draws a new order
            self._pass = batches(self.X, self.y, self.batch_size, self._generator)
        x, y = next(self._pass)
        self.model.train()
        loss = self.loss_fn(self.model(x), y)
        if self.clear:
            self.optimizer.zero_grad()
        loss.backward()
        limit = float("inf") if self.max_norm is None else self.max_norm
        norm = clip_or_measure(self.model, limit)
        self.optimizer.step()
        record = StepRecord(self.steps, self.epoch, loss.item(), norm)
        self.steps += 1
        return record

    def run(self, n: int) -> list[StepRecord]:
        """Run ``n`` steps, across the ends of epochs; return a record of each, in order."""
        return [self.step() for _ in range(n)]

    def restart(self) -> None:
        """Go back to the initial weights, optimizer state and order of batches."""
        self.load_state_dict(self._start)

    def state_dict(self) -> dict[str, Any]:
        """Everything that an exact continuation needs, copied. Call it at the end of an epoch: the
        order of the batches still to come in an epoch is not kept."""
        return {
            "model": copy.deepcopy(self.model.state_dict()),
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
            "generator": self._generator.get_state(),
            "steps": self.steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a ``state_dict()``. Raises ``RuntimeError`` if it is another network's."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
        self._generator.set_state(state["generator"])
        self.steps = state["steps"]
        self.epoch = self.steps // self.steps_per_epoch
        self.model.zero_grad()


def clip_or_measure(model: nn.Module, limit: float) -> float:
    """Scale the gradients down in place to ``limit``; return their common L2 norm before that.

    All parameters count as one vector, as in ``torch.nn.utils.clip_grad_norm_``; with an infinite
    ``limit`` the norm is only measured.
    """
    if limit == float("inf"):
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        return torch.nn.utils.get_total_norm(gradients).item()
    return torch.nn.utils.clip_grad_norm_(model.parameters(), limit).item()


@torch.no_grad()
def evaluate(model: nn.Module, loss_fn: LossFn, X: Tensor, y: Tensor) -> tuple[float, float]:
    """Mean loss and accuracy on all of ``X``, in eval mode; the model's mode is restored.

    ``loss_fn`` is a mean over the batch, ``y`` class indices ``[n]``, the outputs ``[n, classes]``.
    """
    was_training = model.training
    model.eval()
    outputs = model(X)
    model.train(was_training)
    accuracy = (outputs.argmax(dim=1) == y).float().mean()
    return loss_fn(outputs, y).item(), accuracy.item()
