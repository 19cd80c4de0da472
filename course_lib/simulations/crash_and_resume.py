"""A run that crashes and resumes (chapter 08): ``course_lib.panel("crash_and_resume")``.

The same run twice: once without an interruption, once stopped after some epoch and continued
with new objects, into which only the ticked parts of the checkpoint are restored. Two circles,
2-16-2 tanh, Adam at 0.1, cosine schedule over 60 epochs, two batches of 100 per epoch. In float64,
so that the height of a bump is the same on every processor.
"""

import copy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from torch import nn
from torch.nn import functional as F

from course_lib.beats import GREY, INK, LOSS, STEP
from course_lib.data import circles
from course_lib.models import MLP
from course_lib.simulations.base import Artists, Settings, Slider, Toggle, sweep
from course_lib.simulations.common import DASHES, doubled, put_beside
from course_lib.training import Trainer

EPOCHS = 60
BATCH_SIZE = 100
EXAMPLES = 200
LR = 0.1
_PER_EPOCH = EXAMPLES // BATCH_SIZE
#: A bump is looked for in this many epochs after the crash.
NEXT = 3
#: By control: what it is called among the copies in memory, and in the sentence.
_PARTS = {
    "weights": ("model", "the weights"),
    "optimizer": ("optimizer", "the optimizer's state"),
    "scheduler": ("scheduler", "the scheduler's state"),
    "rng": ("generator", "the random generator's state"),
}
_LOSS_LIMITS = (1e-2, 2.5)
#: Two runs that are this close are the same: a machine that repeats itself to the last bit has 0.
_SAME = 1e-9


class Curve(NamedTuple):
    """Batch losses, one per step, and learning rates, one per epoch, from some epoch on."""

    losses: np.ndarray
    rates: np.ndarray


@dataclass(frozen=True)
class State:
    crash: int
    lost: tuple[str, ...]
    whole: Curve
    resumed: Curve

    @property
    def rest(self) -> np.ndarray:
        """The losses of the uninterrupted run after the crash."""
        return self.whole.losses[self.crash * _PER_EPOCH :]

    @property
    def difference(self) -> float:
        """The largest distance between the two curves after the crash."""
        return float(np.abs(self.rest - self.resumed.losses).max())

    @property
    def peaks(self) -> tuple[float, float]:
        """The highest loss of the next epochs: uninterrupted, resumed."""
        n = NEXT * _PER_EPOCH
        return float(self.rest[:n].max()), float(self.resumed.losses[:n].max())

    @property
    def ends(self) -> tuple[float, float]:
        """The mean loss of the last epochs: uninterrupted, resumed."""
        n = NEXT * _PER_EPOCH
        return float(self.rest[-n:].mean()), float(self.resumed.losses[-n:].mean())


class CrashAndResume:
    name = "crash_and_resume"
    title = "Crash and resume: what was in the checkpoint?"
    size = (10.2, 4.4)
    controls = (
        Slider("crash", "Crash after epoch", 5, 55, default=40, step=5, integer=True),
        Toggle("weights", "saved: the model's weights", default=True),
        Toggle("optimizer", "saved: the optimizer's state", default=False),
        Toggle("scheduler", "saved: the scheduler's state", default=True),
        Toggle("rng", "saved: the random generator's state", default=True),
    )
    recording = (
        sweep(
            weights=(False, True),
            optimizer=(False, True),
            scheduler=(False, True),
            rng=(False, True),
            crash=range(5, 56, 5),
        ),
    )

    def compute(self, settings: Settings) -> State:
        crash = int(settings["crash"])
        lost = tuple(part for part in _PARTS if not settings[part])
        return State(crash, lost, _uninterrupted()[0], _resumed(crash, lost))

    def layout(self, figure: Figure) -> Artists:
        losses, rates = figure.subplots(1, 2, width_ratios=(1.9, 1))
        losses.set(xlabel="epoch", ylabel="batch loss (cross-entropy)", xlim=(0, EPOCHS))
        losses.set(yscale="log", ylim=_LOSS_LIMITS)
        rates.set(xlabel="epoch", ylabel="learning rate", xlim=(0, EPOCHS), ylim=(-0.004, 0.11))
        rates.set_title("The learning rate in use")
        artists: dict = {"title": losses.set_title(" ")}
        for key, axes, color in (("losses", losses, LOSS.color), ("rates", rates, STEP.color)):
            (artists[f"resumed {key}"],) = axes.plot([], [], color=color, lw=2.6, zorder=2)
            (artists[f"whole {key}"],) = axes.plot([], [], color=INK, lw=1.3, ls=DASHES, zorder=3)
            (artists[f"crash {key}"],) = axes.plot([], [], color=GREY, lw=1.2, zorder=1)
        artists["crash words"] = losses.text(
            0, 1.8, "crash", color="#5A5A5A", va="center", in_layout=False
        )
        resumed = tuple(Line2D([], [], color=beat.color, lw=2.6) for beat in (LOSS, STEP))
        figure.legend(
            [resumed, artists["whole losses"]],
            ["resumed from the checkpoint", "never interrupted"],
            loc="outside lower center",
            ncols=2,
            handlelength=4,
            handler_map={tuple: HandlerTuple(ndivide=None, pad=0.3)},
        )
        return artists

    def update(self, artists: Artists, state: State) -> None:
        steps = np.arange(EPOCHS * _PER_EPOCH) / _PER_EPOCH
        start = state.crash * _PER_EPOCH
        artists["whole losses"].set_data(steps, np.clip(state.whole.losses, *_LOSS_LIMITS))
        artists["resumed losses"].set_data(
            steps[start:], np.clip(state.resumed.losses, *_LOSS_LIMITS)
        )
        artists["whole rates"].set_data(np.arange(EPOCHS), state.whole.rates)
        artists["resumed rates"].set_data(np.arange(state.crash, EPOCHS), state.resumed.rates)
        artists["crash losses"].set_data([state.crash] * 2, _LOSS_LIMITS)
        artists["crash rates"].set_data([state.crash] * 2, (-0.004, 0.11))
        put_beside(artists["crash words"], state.crash, 0.7, left=state.crash > EPOCHS / 2)
        artists["title"].set_text(_verdict(state))

    def describe(self, state: State) -> str:
        whole, resumed = state.peaks
        whole_end, resumed_end = state.ends
        lost = ", ".join(_PARTS[part][1] for part in state.lost) or "nothing"
        return (
            f"{_verdict(state)}. Crash after epoch {state.crash}; lost: {lost}. The highest batch "
            f"loss of the next {NEXT} epochs is {resumed:.3f} when resumed and {whole:.3f} "
            f"without an interruption; the last {NEXT} epochs have a mean of {resumed_end:.3f} "
            f"and {whole_end:.3f}. Largest difference between the two: "
            f"{'below 1e-9' if state.difference < _SAME else f'{state.difference:.2g}'}."
        )


def _verdict(state: State) -> str:
    whole, resumed = state.peaks
    if state.difference < _SAME:
        return "Everything saved: the same run"
    if "weights" in state.lost:
        return "Without the weights it starts from the beginning"
    if resumed > 1.5 * whole:
        whole_end, resumed_end = state.ends
        after = "then heals" if resumed_end < 1.2 * whole_end else "and heals only slowly"
        return f"The loss jumps {resumed / whole:.1f}-fold, {after}"
    return "No visible bump, but a different run"


class _Run:
    """Model, optimizer, scheduler and the generator of the batches' order, from ``seed``."""

    def __init__(self, seed: int) -> None:
        X, y = doubled(circles(EXAMPLES))
        model = MLP(2, 16, 2, activation=nn.Tanh, seed=seed).double()
        # fused: the same Adam in one call, at half the time for networks as small as this.
        self.optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=True)
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, EPOCHS)
        self.trainer = Trainer(model, self.optimizer, F.cross_entropy, X, y, BATCH_SIZE, seed)

    def train(self, epochs: int) -> Curve:
        losses, rates = [], []
        for _ in range(epochs):
            rates.append(self.optimizer.param_groups[0]["lr"])
            losses += [record.loss for record in self.trainer.run(_PER_EPOCH)]
            self.scheduler.step()
        return Curve(np.array(losses), np.array(rates))

    def memory(self) -> dict[str, Any]:
        """Copies in memory of what a checkpoint would hold."""
        return self.trainer.state_dict() | {"scheduler": copy.deepcopy(self.scheduler.state_dict())}


@lru_cache
def _uninterrupted() -> tuple[Curve, tuple[dict[str, Any], ...]]:
    """The whole run, and what was in memory after each of its epochs (entry 0: before them)."""
    run = _Run(seed=0)
    memories, curves = [run.memory()], []
    for _ in range(EPOCHS):
        curves.append(run.train(1))
        memories.append(run.memory())
    return Curve(*map(np.concatenate, zip(*curves, strict=True))), tuple(memories)


@lru_cache(maxsize=256)
def _resumed(crash: int, lost: tuple[str, ...]) -> Curve:
    """A new process: new objects from a different seed, and what was not lost of the old ones."""
    memory = _uninterrupted()[1][crash]
    run = _Run(seed=100)
    names = [name for part, (name, _) in _PARTS.items() if part not in lost]
    run.trainer.load_state_dict(run.trainer.state_dict() | {name: memory[name] for name in names})
    if "scheduler" not in lost:
        run.scheduler.load_state_dict(copy.deepcopy(memory["scheduler"]))
    return run.train(EPOCHS - crash)
