"""What ``dashboard`` looks like: the network's opinion of the plane, and its curves.

Left, the plane shaded from class 0 to class 1 with the boundary between them. Right, loss and
accuracy of the same run twice: by epochs and by updates, so that two runs with different batch
sizes can be compared both ways. Below, one line of numbers for each run, which is also the legend.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from contourpy import contour_generator
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, LinearLocator, LogLocator, NullLocator
from torch import Tensor

from course_lib.beats import FORWARD, INK, LOSS, ORANGE, SKY
from course_lib.data import circles
from course_lib.simulations.base import Artists
from course_lib.simulations.common import DASHES, within
from course_lib.simulations.dashboard_runs import GRID, POINTS, REACH, TrainingRun, number
from course_lib.simulations.shading import Shading
from course_lib.style import DPI

#: Width and height in inches.
SIZE = (10.2, 5.5)
#: Sky blue to orange through white: two hues that all readers can tell apart and no beat uses.
_SHADES = LinearSegmentedColormap.from_list("opinion", ["#8ECBF0", "#FFFFFF", "#F0BE55"], N=14)
_NO_NUMBER = "#D4D4D4"
_SIDE = np.linspace(-REACH, REACH, GRID)

#: The curves' axes grow in rare jumps, because each jump redraws everything.
_EPOCHS = [50 * 2**k for k in range(40)]
_UPDATES = [10**k for k in range(3, 20)]
_LOSS_FLOORS = [0.02, 0.005, 1e-3, 1e-4, 1e-6, 1e-9]
_LOSS_TOPS = [2.0, 20.0, 200.0, 1e4, 1e8, 1e16, 1e39]
_MOST_POINTS = 400
_ALL_OF_THE_FIRST = 20


def layout(figure: Figure) -> Artists:
    figure.set_layout_engine("none")
    plane = _axes(figure, 62, 144, 376, 376)
    columns, rows = (506, 764), (342, 144)
    loss_by_epoch, loss_by_update = (_axes(figure, x, rows[0], 226, 178) for x in columns)
    accuracy_by_epoch, accuracy_by_update = (_axes(figure, x, rows[1], 226, 178) for x in columns)
    loss_by_epoch.set(ylabel="loss on all points")
    accuracy_by_epoch.set(xlabel="epoch", ylabel="accuracy on all points")
    accuracy_by_update.set(xlabel="update")
    artists = _layout_plane(figure, plane)
    artists["titles"] = [loss_by_epoch.set_title(" "), loss_by_update.set_title(" ")]
    for key, axes, color in (
        ("loss by epoch", loss_by_epoch, LOSS.color),
        ("loss by update", loss_by_update, LOSS.color),
        ("accuracy by epoch", accuracy_by_epoch, FORWARD.color),
        ("accuracy by update", accuracy_by_update, FORWARD.color),
    ):
        _prepare(axes, loss=key.startswith("loss"), by_update=key.endswith("update"))
        artists |= _curves(key, axes, color)
    return artists | _layout_readout(_axes(figure, 62, 6, 928, 48))


def update(artists: Artists, runs: Sequence[TrainingRun]) -> None:
    margins = [run.margins() for run in runs]
    artists["opinion"].values = runs[0].opinion(margins[0])
    boundaries = [_boundary(each) for each in margins]
    artists["message"].set_text(_message(runs, boundaries))
    _fit_axes(artists, runs)
    for title, unit in zip(artists["titles"], ("epochs", "updates"), strict=True):
        title.set_text(f"At equal {unit}" if len(runs) > 1 else f"Counted in {unit}")
    for i in range(2):
        run = runs[i] if i < len(runs) else None
        artists["boundaries"][i].set_data(*_joined(boundaries[i] if run else []))
        _draw_curves(artists, i, run)
        _write_readout(artists, i, run)
    for artist in artists["key 1"]:
        artist.set_visible(len(runs) > 1)


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a fixed place, in pixels: nothing may move when their labels change."""
    across, up = SIZE[0] * DPI, SIZE[1] * DPI
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def _layout_plane(figure: Figure, axes: Axes) -> dict[str, Any]:
    axes.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), aspect="equal")
    axes.set(xlabel="input 1", ylabel="input 2", xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    axes.grid(visible=False)
    scale = _axes(figure, 110, 80, 280, 9)
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 1), _SHADES), cax=scale, orientation="horizontal"
    )
    bar.set_ticks([0, 0.5, 1], labels=["class 0 (\u25cf)", "undecided", "class 1 (\u25b2)"])
    bar.outline.set_visible(False)
    scale.tick_params(length=0)
    X, y = circles(POINTS)
    points = [
        axes.plot(*X[y == label].T, marker, color=color, mec=INK, mew=0.7, ms=size, zorder=3)[0]
        for label, marker, color, size in ((0, "o", SKY, 5.5), (1, "^", ORANGE, 6.5))
    ]
    boundaries = [
        axes.plot([], [], color=INK, lw=width, ls=dashes, zorder=4)[0]
        for width, dashes in ((2.4, "-"), (1.8, DASHES))
    ]
    return {
        "opinion": Shading(axes, _SHADES, _NO_NUMBER),
        "points": points,
        "boundaries": boundaries,
        "message": axes.set_title(" "),
    }


def _prepare(axes: Axes, loss: bool, by_update: bool) -> None:
    if by_update:
        axes.set(xscale="log", xlim=(1, _UPDATES[0]))
        axes.xaxis.set_major_locator(LogLocator(numticks=6))
        axes.tick_params(labelleft=False)
    else:
        axes.set(xlim=(0, _EPOCHS[0]))
        axes.xaxis.set_major_locator(LinearLocator(3))
    if loss:
        axes.set(yscale="log", ylim=(_LOSS_FLOORS[0], _LOSS_TOPS[0]))
        axes.yaxis.set_major_locator(LogLocator(numticks=6))
        axes.tick_params(labelbottom=False)
    else:
        axes.set(ylim=(0, 1.02), yticks=(0, 0.25, 0.5, 0.75, 1))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(_tick))


def _tick(value: float, _: int) -> str:
    if value == 0 or 1e-3 <= value < 1e5:
        return f"{value:g}"
    return f"$10^{{{round(math.log10(value))}}}$"


def _curves(key: str, axes: Axes, color: str) -> dict[str, Any]:
    ends = {"mec": "white", "zorder": 5, "clip_on": False}
    made: dict[str, Any] = {
        key: [
            axes.plot([], [], color=color, lw=1.9, zorder=4)[0],
            axes.plot([], [], color=INK, lw=1.5, ls=DASHES, zorder=3)[0],
        ],
        f"{key} end": [
            axes.plot([], [], "o", color=color, ms=8, **ends)[0],
            axes.plot([], [], "D", color=INK, ms=7, **ends)[0],
        ],
    }
    if key.startswith("loss"):
        made[f"{key} bad"] = [axes.plot([], [], "X", color=INK, ms=11, **ends)[0] for _ in range(2)]
    return made


def _layout_readout(axes: Axes) -> dict[str, Any]:
    """A line for each run. What changes all the time is in short texts of its own, so that the
    rest is drawn only once."""
    axes.set(xlim=(0, 928), ylim=(0, 48))
    axes.axis("off")
    rows, dashed = (36, 12), {"color": INK, "lw": 1.5, "ls": DASHES}
    axes.plot([0, 32], [rows[0]] * 2, color=LOSS.color)
    axes.plot([38, 70], [rows[0]] * 2, color=FORWARD.color)
    made: dict[str, Any] = {"key 1": axes.plot([0, 70], [rows[1]] * 2, **dashed)}
    places = {"label": 84, "epoch": 504, "loss": 596, "accuracy": 742, "updates": 808}
    for i, y in enumerate(rows):
        made[f"key {i} words"] = [
            axes.text(places[word] - 8, y, word, ha="right", va="center")
            for word in ("epoch", "loss", "accuracy")
        ]
        for name, x in places.items():
            made[f"{name} {i}"] = axes.text(x, y, "", va="center")
    return made


def _write_readout(artists: Artists, i: int, run: TrainingRun | None) -> None:
    for word in artists[f"key {i} words"]:
        word.set_visible(run is not None)
    values = dict.fromkeys(("label", "epoch", "loss", "accuracy", "updates"), "")
    if run is not None:
        values = {
            "label": run.label,
            "epoch": number(run.epochs),
            "loss": _short(run.loss),
            "accuracy": f"{run.accuracy:.3f}" if math.isfinite(run.accuracy) else "\u2013",
            "updates": f"{run.steps:,} updates",
        }
    for name, value in values.items():
        artists[f"{name} {i}"].set_text(value)


def _short(loss: float) -> str:
    return f"{loss:#.3g}" if loss >= 1e-3 else f"{loss:.0e}"


def _draw_curves(artists: Artists, i: int, run: TrainingRun | None) -> None:
    for by in ("epoch", "update"):
        for what in ("loss", "accuracy"):
            artists[f"{what} by {by}"][i].set_visible(run is not None)
            artists[f"{what} by {by} end"][i].set_visible(run is not None)
        lost = run is not None and run.first_bad is not None
        artists[f"loss by {by} bad"][i].set_visible(lost)
    if run is None:
        return
    updates, losses, accuracies = _history(run)
    low, high = artists["loss by epoch"][0].axes.get_ylim()
    losses = within(losses, (low, high))
    for by, unit in (("epoch", run.trainer.steps_per_epoch), ("update", 1)):
        for what, values in (("loss", losses), ("accuracy", accuracies)):
            artists[f"{what} by {by}"][i].set_data(updates / unit, values)
            artists[f"{what} by {by} end"][i].set_data(updates[-1:] / unit, values[-1:])
        if run.first_bad is not None:
            artists[f"loss by {by} bad"][i].set_data([run.first_bad / unit], [high])


def _history(run: TrainingRun) -> np.ndarray:
    """Updates, losses and accuracies to draw, ``[3, points]``: all of the first ones, because the logarithmic axis
    shows them far apart, then every n-th, and the current one."""
    every = -(-len(run.history) // _MOST_POINTS)
    chosen = run.history[:_ALL_OF_THE_FIRST] + run.history[_ALL_OF_THE_FIRST::every]
    return np.array([*chosen, (run.steps, run.loss, run.accuracy)]).T


def _fit_axes(artists: Artists, runs: Sequence[TrainingRun]) -> None:
    epochs = _first(_EPOCHS, max(run.epochs for run in runs))
    updates = _first(_UPDATES, max(run.steps for run in runs))
    top = _first(_LOSS_TOPS, max(run.highest for run in runs))
    floor = next(
        (f for f in _LOSS_FLOORS if f <= min(run.lowest for run in runs)), _LOSS_FLOORS[-1]
    )
    for by, limits in (("epoch", (0, epochs)), ("update", (1, updates))):
        artists[f"loss by {by}"][0].axes.set(xlim=limits, ylim=(floor, top))
        artists[f"accuracy by {by}"][0].axes.set(xlim=limits)


def _first(ladder: Sequence[float], needed: float) -> float:
    return next((rung for rung in ladder if rung >= needed), ladder[-1])


def _boundary(margins: Tensor) -> list[np.ndarray]:
    """Where both classes are even: lines ``[points, 2]``."""
    finite = np.ma.masked_invalid(margins.numpy())
    return contour_generator(_SIDE, _SIDE, finite).lines(0.0)


def _joined(lines: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Several lines as one, with gaps between them."""
    gap = np.full((1, 2), np.nan)
    points = np.concatenate([part for line in lines for part in (line, gap)] or [gap])
    return points[:, 0], points[:, 1]


def _message(runs: Sequence[TrainingRun], boundaries: list[list[np.ndarray]]) -> str:
    run = runs[0]
    if run.steps == 0:
        return "Untrained: a random line"
    if len(runs) > 1:
        first, second = (_right(each) for each in runs)
        return f"{first} (solid), {second} (dashed) of {POINTS} right"
    if run.first_bad is not None:
        return f"Lost: infinite or NaN since update {run.first_bad}"
    if run.worst_batch > 10:
        return f"Steps too long: one batch cost {run.worst_batch:,.0f}"
    if run.accuracy >= 0.95 and any(_encloses_the_middle(line) for line in boundaries[0]):
        return "The boundary wraps the inner circle"
    return f"{_right(run)} of {POINTS} points classified correctly"


def _right(run: TrainingRun) -> str:
    return f"{run.accuracy * POINTS:.0f}" if math.isfinite(run.accuracy) else "lost"


def _encloses_the_middle(line: np.ndarray) -> bool:
    return np.array_equal(line[0], line[-1]) and Path(line).contains_point((0, 0))
