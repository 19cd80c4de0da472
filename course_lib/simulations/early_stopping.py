"""When to stop (chapter 08): ``course_lib.panel("early_stopping")``.

Three real runs that overfit: two noisy circles with a tenth of the labels flipped, few training
points, a network large for them. Left, the losses and where a patience stops; right, what
each patience misses. In float64: in float32, an epoch that hangs on the last bit would rise on one
kind of processor and fall on another.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from matplotlib.figure import Figure
from torch.nn import functional as F

from course_lib.beats import GREY, INK, LOSS
from course_lib.data import batches, circles, generator_of
from course_lib.models import MLP
from course_lib.simulations.base import Artists, Choice, Settings, Slider, sweep
from course_lib.simulations.common import put_beside

EPOCHS = 120
_MOST_PATIENCE = 100
_VALIDATION = 60
_LOW, _TOP = 0.2, 1.45
_MOST_EXCESS = 0.14
_TICKS = (1, 2, 5, 10, 20, 50, 100)


#: How a run is made: points to train on, hidden units, learning rate, seed.
_SETUPS = {
    "slow": (100, 32, 0.003, 10),
    "strong": (100, 64, 0.01, 1),
    "early": (120, 32, 0.005, 2),
}


@dataclass(frozen=True)
class Stop:
    """Where a patience stops (None: the run ends first) and what has been kept by then."""

    epoch: int | None
    best_epoch: int
    best_loss: float


@dataclass(frozen=True)
class State:
    """``train`` and ``validation`` are losses ``[EPOCHS]``; ``stops[p - 1]`` belongs to p."""

    train: np.ndarray
    validation: np.ndarray
    stops: tuple[Stop, ...]
    patience: int

    @property
    def stop(self) -> Stop:
        return self.stops[self.patience - 1]


class EarlyStopping:
    name = "early_stopping"
    title = "Early stopping: how long do you wait for an improvement?"
    size = (10.2, 4.4)
    controls = (
        Slider("patience", "Patience", 1, _MOST_PATIENCE, default=1, step=1, integer=True),
        Choice(
            "run",
            "Run",
            (("slow", "slow"), ("strong", "overfits strongly"), ("early", "best early on")),
            default="slow",
        ),
    )
    recording = (
        sweep(
            run=("slow", "strong", "early"),
            patience=(*range(1, 16), *range(20, 101, 10)),
        ),
    )

    def compute(self, settings: Settings) -> State:
        train, validation, stops = _run(settings["run"])
        return State(train, validation, stops, int(settings["patience"]))

    def layout(self, figure: Figure) -> Artists:
        curves, kept = figure.subplots(1, 2, width_ratios=(1.9, 1))
        curves.set(xlabel="epoch (counted from 0)", ylabel="mean loss per example (cross-entropy)")
        curves.set(xlim=(0, EPOCHS - 1), ylim=(_LOW, _TOP))
        kept.set(xlabel="patience (epochs)", ylabel="best loss kept, above the run's lowest")
        kept.set(xscale="log", xlim=(0.85, 120), ylim=(-0.005, _MOST_EXCESS))
        kept.set_xticks(_TICKS, [str(tick) for tick in _TICKS])
        kept.set_title("What each patience misses")
        artists: dict = {"title": curves.set_title(" ")}
        artists["after"] = curves.axvspan(0, 1, color="#EDEDED", zorder=0)
        (artists["train"],) = curves.plot([], [], color=INK, lw=1.6, ls="--", zorder=2)
        (artists["validation"],) = curves.plot([], [], color=LOSS.color, lw=2.2, zorder=3)
        (artists["stop"],) = curves.plot([], [], color=GREY, lw=1.6, zorder=1)
        (artists["best"],) = curves.plot([], [], "*", ms=17, color=INK, mec="white", zorder=6)
        (artists["all"],) = kept.plot([], [], color=INK, lw=0, marker=".", ms=7)
        (artists["this"],) = kept.plot([], [], "*", ms=17, color=INK, mec="white", zorder=6)
        artists["words"] = curves.text(0, 1.38, "", va="center", color="#4A4A4A", in_layout=False)
        figure.legend(
            [artists["validation"], artists["train"], artists["best"]],
            ["validation loss", "training loss", "the best one before the stop"],
            loc="outside lower center",
            ncols=3,
            handlelength=3,
        )
        return artists

    def update(self, artists: Artists, state: State) -> None:
        epochs = np.arange(EPOCHS)
        stop = state.stop
        end = EPOCHS - 1 if stop.epoch is None else stop.epoch
        artists["train"].set_data(epochs, np.clip(state.train, None, _TOP))
        artists["validation"].set_data(epochs, np.clip(state.validation, None, _TOP))
        artists["stop"].set_data([end, end], [_LOW, _TOP])
        artists["after"].set_x(end)
        artists["after"].set_width(EPOCHS - 1 - end)
        artists["best"].set_data([stop.best_epoch], [stop.best_loss])
        missed = [each.best_loss - state.validation.min() for each in state.stops]
        artists["all"].set_data(np.arange(1, _MOST_PATIENCE + 1), missed)
        artists["this"].set_data([state.patience], [missed[state.patience - 1]])
        artists["words"].set_text("no stop" if stop.epoch is None else f"stop after epoch {end}")
        put_beside(artists["words"], end, 1.5, left=end > EPOCHS * 0.6)
        artists["title"].set_text(_verdict(state))

    def describe(self, state: State) -> str:
        stop = state.stop
        when = "does not stop" if stop.epoch is None else f"stops after epoch {stop.epoch}"
        return (
            f"{_verdict(state)}: patience {state.patience} {when} and keeps a validation loss of "
            f"{stop.best_loss:.3f} from epoch {stop.best_epoch}; the lowest of all {EPOCHS} epochs "
            f"is {state.validation.min():.3f}, at epoch {state.validation.argmin()}. At the end "
            f"the validation loss is {state.validation[-1]:.3f} and the training loss "
            f"{state.train[-1]:.3f}. The validation loss rises in "
            f"{int((np.diff(state.validation) > 0).sum())} of {EPOCHS - 1} epochs."
        )


def _verdict(state: State) -> str:
    stop = state.stop
    if stop.best_loss > state.validation.min() + 0.005:
        return "Too impatient: a better epoch was still to come"
    if stop.epoch is None:
        return "So patient that it never stops"
    found = stop.best_loss == state.validation.min()
    words = "The best epoch is found" if found else "As good as the best"
    return f"{words}, and {EPOCHS - 1 - stop.epoch} epochs are saved"


def stops_of(losses: np.ndarray, most: int) -> tuple[Stop, ...]:
    """Where each patience from 1 to ``most`` stops on this curve."""
    lowest = np.minimum.accumulate(losses)
    # For each epoch the first epoch that had the lowest loss so far, and how long ago that was.
    best_epochs = np.searchsorted(-lowest, -lowest)
    waited = np.arange(len(losses)) - best_epochs
    stops = []
    for patience in range(1, most + 1):
        late = np.flatnonzero(waited >= patience)
        epoch = int(late[0]) if len(late) else None
        best = int(best_epochs[-1 if epoch is None else epoch])
        stops.append(Stop(epoch, best, float(losses[best])))
    return tuple(stops)


@lru_cache
def _run(name: str) -> tuple[np.ndarray, np.ndarray, tuple[Stop, ...]]:
    train_points, hidden, lr, seed = _SETUPS[name]
    generator = generator_of(seed)
    n = train_points + _VALIDATION
    X, y = circles(n, noise=0.25, generator=generator)
    flipped = torch.rand(n, generator=generator) < 0.1
    y = torch.where(flipped, 1 - y, y)
    order = torch.randperm(n, generator=generator)
    train, held_out = order[:train_points], order[train_points:]
    X, model = X.double(), MLP(2, hidden, hidden, 2, seed=seed).double()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    losses = np.empty((2, EPOCHS))
    for epoch in range(EPOCHS):
        total = 0.0
        for x, target in batches(X[train], y[train], 16, generator):
            loss = F.cross_entropy(model(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(target)
        with torch.no_grad():
            losses[1, epoch] = F.cross_entropy(model(X[held_out]), y[held_out])
        losses[0, epoch] = total / train_points
    return losses[0], losses[1], stops_of(losses[1], _MOST_PATIENCE)
