"""The training runs behind ``dashboard``: a small network on two circles, trained bit by bit.

A run measures itself on all points as it goes and keeps the history; ``dashboard`` draws it.
It computes in float64: at rates where the loss leaps, two float32 runs that differ in the last bit soon
have nothing in common, and no two kinds of processor would show the same numbers.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.data import circles
from course_lib.models import MLP
from course_lib.training import Trainer, evaluate

POINTS = 160
HIDDEN = 16
OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
OPTIMIZER_NAMES = {"sgd": "SGD", "adam": "Adam"}
#: Half the width of the square in which the network is asked for its opinion, and points per side.
REACH = 1.55
GRID = 64
#: Measured at each of the first updates, because they change most, and then ten times an epoch.
_EACH_UPDATE_UNTIL = 10
_PER_EPOCH = 10
#: A history this long loses every second entry, and then continues half as densely.
_LONGEST = 2000


def squared_error(outputs: Tensor, y: Tensor) -> Tensor:
    """Mean squared distance of both outputs from +1 (the right class) and -1 (the other)."""
    return F.mse_loss(outputs, 2.0 * F.one_hot(y, outputs.shape[1]).to(outputs.dtype) - 1)


LOSSES = {"cross-entropy": F.cross_entropy, "squared error": squared_error}


class TrainingRun:
    """One network in training: 2-16-2 with tanh, on ``circles(160)``.

    ``history`` has (update, loss, accuracy), measured on all points; ``loss`` and ``accuracy`` are
    the current ones. ``worst_batch`` is the largest finite batch loss so far, ``first_bad`` the
    first update whose batch loss was infinite or NaN, counted from 1.
    """

    def __init__(self, optimizer: str, lr: float, batch_size: int, loss: str) -> None:
        X, self.y = circles(POINTS)
        self.X = X.double()
        model = MLP(2, HIDDEN, 2, activation=nn.Tanh, seed=0).double()
        self.trainer = Trainer(
            model,
            OPTIMIZERS[optimizer](model.parameters(), lr=lr),
            LOSSES[loss],
            self.X,
            self.y,
            batch_size,
        )
        self.optimizer, self.lr, self.loss_name = optimizer, lr, loss
        self.lr_since: float | None = None
        self.worst_batch = 0.0
        self.first_bad: int | None = None
        self.history: list[tuple[int, float, float]] = []
        self._every = max(1, self.trainer.steps_per_epoch // _PER_EPOCH)
        self.loss, self.accuracy = self._measure()
        self.lowest = self.highest = self.loss
        self._remember()

    @property
    def steps(self) -> int:
        """Updates so far."""
        return self.trainer.steps

    @property
    def epochs(self) -> float:
        """Passes over the data so far."""
        return self.steps / self.trainer.steps_per_epoch

    @property
    def label(self) -> str:
        since = "" if self.lr_since is None else f" since epoch {number(self.lr_since)}"
        name = OPTIMIZER_NAMES[self.optimizer]
        return f"{name}, lr {self.lr:.3g}{since}, batch {self.trainer.batch_size}"

    def set_lr(self, lr: float) -> None:
        """Set a new learning rate, from the next update on; the optimizer keeps its moments."""
        for group in self.trainer.optimizer.param_groups:
            group["lr"] = lr
        self.lr, self.lr_since = lr, self.epochs

    def advance(self, until: int) -> None:
        """Train to ``until`` updates, counted from the start."""
        while self.steps < until:
            loss = _in_float32(self.trainer.step().loss)
            if math.isfinite(loss):
                self.worst_batch = max(self.worst_batch, loss)
            elif self.first_bad is None:
                self.first_bad = self.steps
            if self.steps < _EACH_UPDATE_UNTIL or self.steps % self._every == 0:
                self.loss, self.accuracy = self._measure()
                self._remember()
        self.loss, self.accuracy = self._measure()

    @torch.no_grad()
    def margins(self) -> Tensor:
        """By how much class 1 outweighs class 0 on the grid, ``[GRID, GRID]`` from the lower left:
        the difference of the outputs. The prediction changes at 0. NaN where an output is NaN."""
        outputs = self.trainer.model(_grid())
        return (outputs[:, 1] - outputs[:, 0]).reshape(GRID, GRID)

    def opinion(self, margins: Tensor) -> Tensor:
        """How strongly the network says class 1, from 0 to 1; undecided at 0.5.

        With cross-entropy that is the probability of class 1 (softmax of two is the sigmoid of
        their difference). With squared error it is the margin's place between -2, both
        outputs on target for class 0, and +2.
        """
        if self.loss_name == "cross-entropy":
            return torch.sigmoid(margins)
        return (margins / 4 + 0.5).clamp(0, 1)

    def _measure(self) -> tuple[float, float]:
        loss, accuracy = evaluate(self.trainer.model, self.trainer.loss_fn, self.X, self.y)
        loss = _in_float32(loss)
        # argmax names a class even when outputs are NaN, but that is not a prediction.
        return loss, accuracy if math.isfinite(loss) else math.nan

    def _remember(self) -> None:
        self.history.append((self.steps, self.loss, self.accuracy))
        if math.isfinite(self.loss):
            self.lowest = min(self.lowest, self.loss)
            self.highest = max(self.highest, self.loss)
        if len(self.history) > _LONGEST:
            self._every *= 2
            self.history = [
                entry
                for entry in self.history
                if entry[0] < _EACH_UPDATE_UNTIL or entry[0] % self._every == 0
            ]


def number(epochs: float) -> str:
    """Epochs as text: whole ones without a fraction."""
    return f"{round(epochs, 1):g}"


def _in_float32(loss: float) -> float:
    """The loss as a learner's own run would have it: infinite beyond 3.4e38."""
    return torch.tensor(loss, dtype=torch.float32).item()


@lru_cache(maxsize=1)
def _grid() -> Tensor:
    """The points ``[GRID * GRID, 2]``, row by row from the lower left."""
    side = torch.linspace(-REACH, REACH, GRID, dtype=torch.float64)
    return torch.cartesian_prod(side, side).flip(1)
