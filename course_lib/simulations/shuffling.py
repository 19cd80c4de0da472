"""Sorted data makes a network forget (chapter 06): ``course_lib.panel("shuffling")``.

The same network on the same handwritten digits, once with shuffled examples and once in an order
that keeps classes together. The accuracy on each class is measured throughout, on all pictures.

All learning rates are trained at once, as one batch of small networks that see the same batches and
do not affect each other: the gradients of the sum of their losses are those of each one alone.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.text import Text
from torch import Tensor
from torch.nn import functional as F

from course_lib.beats import FORWARD
from course_lib.data import digits, generator_of
from course_lib.models import MLP
from course_lib.simulations.base import Artists, Choice, Settings, Slider, sweep
from course_lib.simulations.common import doubled, side_by_side

BATCH_SIZE = 16
EPOCHS = 5
CLASSES = 10
STEPS_PER_EPOCH = 113  # 1,797 digits in batches of 16
STEPS = EPOCHS * STEPS_PER_EPOCH
EVERY = 5  # steps between two measurements
RATES = (0.01, 0.03, 0.1, 0.3)
_WINDOW = 360  # about two classes
ORDERS = {
    "sorted": "sorted by class",
    "blocks": "sorted, whole batches shuffled",
    "windows": "shuffled two classes at a time",
}
_SHORT = {"sorted": "Sorted by class", "blocks": "Batches shuffled", "windows": "Windows shuffled"}
_BLUES = LinearSegmentedColormap.from_list("accuracy", ("#F4F4F4", FORWARD.color, "#00314F"))


@dataclass(frozen=True)
class Run:
    """``accuracy`` ``[measurements, CLASSES]``, the first before any step; ``labels`` of the batch
    of each step, ``[STEPS, BATCH_SIZE]`` (-1 where the last batch of an epoch is shorter)."""

    accuracy: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class State:
    step: int
    lr: float
    order: str
    shuffled: Run
    other: Run

    def at(self, run: Run) -> np.ndarray:
        """The accuracy on each class at the chosen step."""
        return run.accuracy[self.step // EVERY]


class Shuffling:
    name = "shuffling"
    title = "Shuffling: what a network forgets when classes come one after another"
    size = (10.2, 5.6)
    controls = (
        Slider("step", "Look at step", 0, STEPS, default=STEPS, step=EVERY, integer=True),
        Choice("order", "Order of the lower run", tuple(ORDERS.items()), default="sorted"),
        Choice("lr", "Learning rate", tuple((rate, f"{rate:g}") for rate in RATES), default=0.1),
    )
    recording = (
        sweep(
            order=("sorted", "blocks", "windows"),
            lr=(0.01, 0.03, 0.1, 0.3),
            step=(*range(0, 565, 20), 565),
        ),
    )

    def compute(self, settings: Settings) -> State:
        lr, order = float(settings["lr"]), settings["order"]
        place = RATES.index(lr)
        # Measured every few steps: any other step shows the measurement before it.
        step = int(settings["step"]) // EVERY * EVERY
        return State(step, lr, order, _runs("shuffled")[place], _runs(order)[place])

    def layout(self, figure: Figure) -> Artists:
        grid = figure.subplots(2, 2, width_ratios=(2.6, 1), sharey=True)
        artists: dict[str, Artist | list[Artist]] = {}
        for key, (axes, bar_axes) in zip(("shuffled", "other"), grid, strict=True):
            artists |= _layout_map(axes, key) | _layout_bars(bar_axes, key)
        shades = artists["shuffled map"]
        bar = figure.colorbar(shades, ax=grid[:, 0], location="left", aspect=40, pad=0.02)
        bar.set_label("accuracy on the class")
        bar.outline.set_visible(False)
        grid[1, 1].set_xlabel("accuracy at the chosen step")
        return artists

    def update(self, artists: Artists, state: State) -> None:
        for key, run, name in (
            ("shuffled", state.shuffled, "Shuffled"),
            ("other", state.other, _SHORT[state.order]),
        ):
            now, end = state.at(run), run.accuracy[-1].mean()
            artists[f"{key} map"].set_data(run.accuracy.T)
            artists[f"{key} title"].set_text(
                f"{name}, learning rate {state.lr:g}: ends at mean accuracy {end:.2f}"
            )
            artists[f"{key} here"].set_xdata([state.step, state.step])
            artists[f"{key} words"].set_text(f"step {state.step}: mean {now.mean():.2f}")
            artists[f"{key} batch"].set_text(_batch_words(run, state.step))
            for rectangle, value in zip(artists[f"{key} bars"], now, strict=True):
                rectangle.set_width(value)

    def describe(self, state: State) -> str:
        parts = []
        for run, name in ((state.shuffled, "shuffled"), (state.other, ORDERS[state.order])):
            now = state.at(run)
            lost = int((now < 0.1).sum())
            parts.append(
                f"{name}, the mean accuracy is {now.mean():.2f}, {now.min():.2f} on the worst "
                f"class, and {lost} of {CLASSES} classes are below 0.1"
            )
        when = f"After step {state.step} of {STEPS} at learning rate {state.lr:g}"
        return f"{when}: {'; '.join(parts)}."


def _layout_map(axes: Axes, key: str) -> dict[str, Artist | list[Artist]]:
    # Everything that changes with the run is a moving artist, so the background is not redrawn.
    picture = axes.imshow(
        np.zeros((CLASSES, STEPS // EVERY + 1)),
        cmap=_BLUES,
        vmin=0,
        vmax=1,
        aspect="auto",
        interpolation="nearest",
        extent=(-EVERY / 2, STEPS + EVERY / 2, CLASSES - 0.5, -0.5),
        zorder=1,
    )
    axes.grid(visible=False)
    axes.set(yticks=range(CLASSES), ylabel="digit")
    axes.set_xlabel(f"step (an epoch has {STEPS_PER_EPOCH})")
    axes.set_xticks([STEPS_PER_EPOCH * epoch for epoch in range(EPOCHS + 1)])
    epochs = [
        axes.axvline(STEPS_PER_EPOCH * epoch, color="#B5B5B5", lw=1, zorder=2)
        for epoch in range(1, EPOCHS)
    ]
    return {
        f"{key} map": picture,
        f"{key} epochs": epochs,
        f"{key} here": axes.axvline(0, color="#D55E00", lw=2.2, ls="--", zorder=3),
        f"{key} title": axes.set_title(" "),
    }


def _layout_bars(axes: Axes, key: str) -> dict[str, Artist | list[Artist]]:
    bars = axes.barh(range(CLASSES), [0.5] * CLASSES, height=0.7, color=FORWARD.color)
    axes.set(xlim=(0, 1.02), xticks=(0, 0.5, 1))
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0, labelleft=True)

    def line(y: float, **looks) -> Text:
        place = {"transform": axes.transAxes, "va": "bottom", "in_layout": False}
        return axes.text(0, y, "", **place, **looks)

    axes.set_title(" \n ")  # keeps the room for the two lines
    return {
        f"{key} bars": list(bars),
        f"{key} words": line(1.1, fontweight="bold"),
        f"{key} batch": line(1.02),
    }


def _batch_words(run: Run, step: int) -> str:
    if step == 0:
        return "before the first batch"
    labels = run.labels[step - 1]
    classes = sorted({int(label) for label in labels if label >= 0})
    if len(classes) <= 2:
        return f"its batch: only {' and '.join(f'{digit}s' for digit in classes)}"
    return f"its batch: {len(classes)} different digits"


@lru_cache
def _runs(order: str) -> list[Run]:
    """One run per learning rate, in the order of ``RATES``."""
    X, y = doubled(
        digits(size=8)
    )  # a picture on the border of two classes is not left to the last bit
    counts = torch.bincount(y, minlength=CLASSES)
    n = len(RATES)
    parameters, logits = side_by_side(MLP(64, 32, CLASSES, seed=0), n)
    lr = torch.tensor(RATES).reshape(n, 1, 1)

    @torch.no_grad()
    def accuracy() -> Tensor:
        right = (logits(X).argmax(dim=2) == y).float()
        return torch.zeros(n, CLASSES).index_add(1, y, right) / counts

    generator = generator_of(0)
    measured, labels = [accuracy()], torch.full((STEPS, BATCH_SIZE), -1)
    step = 0
    for _ in range(EPOCHS):
        for rows in _order(order, y, generator).split(BATCH_SIZE):
            target = y[rows]
            outputs = logits(X[rows]).flatten(0, 1)
            # The mean over all networks' examples, times n: the sum of the networks' mean losses.
            loss = n * F.cross_entropy(outputs, target.repeat(n))
            gradients = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                for parameter, gradient in zip(parameters, gradients, strict=True):
                    parameter -= lr * gradient
            labels[step, : len(rows)] = target
            step += 1
            if step % EVERY == 0:
                measured.append(accuracy())
    table = torch.stack(measured, dim=1).numpy()
    return [Run(table[i], labels.numpy()) for i in range(n)]


def _order(kind: str, y: Tensor, generator: torch.Generator) -> Tensor:
    """The rows of one epoch, in the order in which they are shown."""
    if kind == "shuffled":
        return torch.randperm(len(y), generator=generator)
    rows = y.argsort(stable=True)
    if kind == "sorted":
        return rows
    if kind == "blocks":
        *blocks, rest = rows.split(BATCH_SIZE)  # the last one is shorter
        order = torch.randperm(len(blocks), generator=generator)
        return torch.cat([*(blocks[place] for place in order), rest])
    windows = [
        window[torch.randperm(len(window), generator=generator)] for window in rows.split(_WINDOW)
    ]
    return torch.cat(windows)
