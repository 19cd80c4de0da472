"""Three optimizers on one surface (chapter 04): ``course_lib.panel("optimizer_race")``.

SGD, momentum and Adam, all from ``torch.optim``, with the same learning rate and exact gradients
from autograd. The whole race is run at once; the panel's clock only plays it back.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_lib.beats import AZURE, BROWN, INK
from course_lib.simulations.base import Artists, Choice, Preset, Settings, Slider, sweep

STEPS = 150
MOMENTUM = 0.9
#: Within this distance of a minimum counts as there.
NEAR = 0.1


@dataclass(frozen=True)
class Surface:
    """``loss(x, y)`` works on tensors of any shape; ``limits`` are the picture's."""

    title: str
    loss: Callable[[Tensor, Tensor], Tensor]
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]
    limits: tuple[float, float, float, float]
    ticks: tuple[tuple[float, ...], tuple[float, ...]]
    levels: tuple[float, ...]


SURFACES = {
    "ravine": Surface(
        "ravine",
        lambda x, y: (x**2 + 60 * y**2) / 2,
        start=(-4.0, 1.0),
        minima=((0.0, 0.0),),
        limits=(-6.0, 3.0, -2.2, 2.2),
        ticks=((-6, -4, -2, 0, 2), (-2, -1, 0, 1, 2)),
        levels=(0.3, 1.5, 4, 9, 18, 36, 72, 140),
    ),
    "rosenbrock": Surface(
        "Rosenbrock",
        lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2,
        start=(-1.2, 1.0),
        minima=((1.0, 1.0),),
        limits=(-2.4, 2.4, -1.4, 3.4),
        ticks=((-2, -1, 0, 1, 2), (-1, 0, 1, 2, 3)),
        levels=(1, 4, 16, 64, 200, 600, 1500),
    ),
    "saddle": Surface(
        "saddle",
        lambda x, y: x**2 / 2 - y**2 / 2 + y**4 / 4,
        start=(1.5, 0.001),
        minima=((0.0, -1.0), (0.0, 1.0)),
        limits=(-2.6, 2.6, -2.0, 2.0),
        ticks=((-2, -1, 0, 1, 2), (-2, -1, 0, 1, 2)),
        levels=(-0.2, -0.1, 0.0, 0.2, 0.6, 1.2, 2.0, 3.0),
    ),
}

#: Class and options. Runs of one class share one optimizer object, as parameter groups.
_OPTIMIZERS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, float]]] = {
    "SGD": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": MOMENTUM}),
    "Adam": (torch.optim.Adam, {}),
}
_LOOKS = {
    "SGD": {"color": BROWN, "ls": "-", "lw": 1.5, "marker": "o", "ms": 3.5},
    "momentum": {"color": AZURE, "ls": "--", "lw": 2.0, "marker": "s", "ms": 3.5},
    "Adam": {"color": INK, "ls": "-", "lw": 2.4, "marker": None, "ms": 0},
}
_HEADS = {"SGD": "o", "momentum": "s", "Adam": "D"}
_LOSS_LIMITS = (1e-5, 1e3)
#: The slider's positions, and the round rate that each one stands for: 0.1 for 0.1012.
_PLACES = tuple(float(f"{0.00032 * 10 ** (0.05 * i):.10g}") for i in range(61))
_RATES = tuple(float(f"{place:.2g}") for place in _PLACES)


@dataclass(frozen=True)
class Path:
    """``points`` ``[STEPS + 1, 2]`` with the start first; ``height``: loss above the minimum.
    ``left``: the first step outside the picture; ``there``: from this step on it stays near a
    minimum."""

    points: np.ndarray
    height: np.ndarray
    left: int | None
    there: int | None

    def until(self, step: int) -> int:
        """How many points to draw at this step: none beyond the first outside the picture."""
        return min(step, STEPS if self.left is None else self.left) + 1

    def length(self, step: int) -> float:
        moves = np.diff(self.points[: self.until(step)], axis=0)
        return float(np.hypot(moves[:, 0], moves[:, 1]).sum())

    def crossings(self, step: int) -> int:
        """How often the path crosses the line y = 0."""
        signs = np.sign(self.points[: self.until(step), 1])
        return int((signs[1:] * signs[:-1] < 0).sum())


@dataclass(frozen=True)
class State:
    """``step`` of the race is shown. ``played``: the clock has moved since the last setting."""

    surface: Surface
    lr: float
    paths: dict[str, Path]
    step: int = STEPS
    played: bool = False


class OptimizerRace:
    name = "optimizer_race"
    title = "Optimizer race: SGD, momentum and Adam with the same learning rate"
    size = (10.6, 5.0)
    controls = (
        Choice(
            "surface",
            "Surface",
            (("ravine", "Ravine"), ("rosenbrock", "Rosenbrock"), ("saddle", "Saddle")),
            default="ravine",
        ),
        Slider(
            "lr",
            "Learning rate",
            _PLACES[0],
            _PLACES[-1],
            default=0.032,
            step=0.05,
            log=True,
            digits=2,
        ),
        Slider("right", "Move the start right", -1, 1, default=0, step=0.1),
        Slider("up", "Move the start up", -1, 1, default=0, step=0.1),
    )
    presets = (
        Preset("Race", {}, stop_at=STEPS),
        Preset("Rate 0.01", {"lr": 0.01}, stop_at=STEPS),
        Preset("Rate 0.1", {"lr": 0.1}, stop_at=STEPS),
        Preset("Leave a saddle", {"surface": "saddle"}, stop_at=STEPS),
    )
    recording = (
        sweep(
            surface=tuple(SURFACES),
            lr=[_PLACES[i] for i in range(0, 61, 10)],
            frames=(*range(11), *range(12, 31, 2), *range(35, STEPS + 1, 5)),
        ),
        # Other starts: the usual rate, fewer moments.
        sweep(
            surface=tuple(SURFACES),
            lr=[_PLACES[40]],
            right=(-1, 0, 1),
            up=(-1, 0, 1),
            frames=(0, 2, 4, 10, 20, 40, 80, STEPS),
        ),
    )

    def compute(self, settings: Settings) -> State:
        """The finished race: its paths show at once. The clock plays them from the start."""
        surface = SURFACES[settings["surface"]]
        start = (surface.start[0] + settings["right"], surface.start[1] + settings["up"])
        lr = _round_rate(float(settings["lr"]))
        # From the usual start all of the slider's rates run at once: then moving it is free.
        rates = _RATES if start == surface.start and lr in _RATES else (lr,)
        return State(surface, lr, _race(settings["surface"], rates, start)[rates.index(lr)])

    def step(self, state: State, n: int) -> State:
        begun = state.step if state.played else 0
        return replace(state, step=min(begun + n, STEPS), played=True)

    def layout(self, figure: Figure) -> Artists:
        grid = figure.add_gridspec(2, 2, width_ratios=(1.5, 1), height_ratios=(2.9, 1))
        plane, heights = figure.add_subplot(grid[:, 0]), figure.add_subplot(grid[0, 1])
        legend = figure.add_subplot(grid[1, 1])
        legend.set(xlim=(0, 1), ylim=(2.6, -0.6))
        legend.axis("off")
        plane.grid(False)
        plane.set(xlabel="x", ylabel="y")
        artists = {"title": plane.set_title(" ")}
        self._contours = {key: _draw_contours(plane, s) for key, s in SURFACES.items()}
        # On top of the heads: those that have arrived are on the minimum.
        (artists["minima"],) = plane.plot([], [], "*", color="white", ms=11, mec=INK, zorder=10)
        (artists["start"],) = plane.plot([], [], "o", mfc="none", mec=INK, ms=13, mew=1.6, zorder=4)
        heights.set(xlabel="step", ylabel="loss above the minimum", xlim=(0, STEPS))
        heights.set(yscale="log", ylim=_LOSS_LIMITS, title="Loss along the paths")
        for i, (name, looks) in enumerate(_LOOKS.items()):
            line = {key: looks[key] for key in ("color", "ls", "lw")}
            head = {"marker": _HEADS[name], "color": looks["color"], "mec": "white"}
            (artists[f"path {name}"],) = plane.plot([], [], **looks, zorder=5 + i)
            (artists[f"head {name}"],) = plane.plot([], [], **head, ms=9, zorder=9)
            (artists[f"height {name}"],) = heights.plot([], [], **line, zorder=5 + i)
            (artists[f"mark {name}"],) = heights.plot([], [], **head, ms=8, zorder=9, clip_on=False)
            legend.plot([0, 0.11], [i, i], **line)
            legend.plot([0.055], [i], **head, ms=8)
            legend.text(0.14, i, _named(name), va="center", fontweight="bold")
            artists[f"words {name}"] = legend.text(0.53, i, "", va="center")
        return artists

    def update(self, artists: Artists, state: State) -> None:
        plane = artists["path SGD"].axes
        # The contours are background. Each surface has its own limits, and new limits make the
        # panel redraw the background.
        for key, contours in self._contours.items():
            contours.set_visible(SURFACES[key] is state.surface)
        left, right, low, high = state.surface.limits
        x_ticks, y_ticks = state.surface.ticks
        plane.set(xlim=(left, right), ylim=(low, high), xticks=x_ticks, yticks=y_ticks)
        artists["minima"].set_data(*zip(*state.surface.minima, strict=True))
        artists["start"].set_data(*state.paths["SGD"].points[:1].T)
        artists["title"].set_text(_verdict(state))
        for name, path in state.paths.items():
            shown = path.until(state.step)
            artists[f"path {name}"].set_data(*path.points[:shown].T)
            artists[f"head {name}"].set_data(*path.points[shown - 1 : shown].T)
            height = np.clip(path.height[:shown], *_LOSS_LIMITS)
            artists[f"height {name}"].set_data(np.arange(shown), height)
            artists[f"mark {name}"].set_data([shown - 1], height[-1:])
            artists[f"words {name}"].set_text(_fate(path, state.step))

    def describe(self, state: State) -> str:
        parts = []
        for name, path in state.paths.items():
            floor = ""
            if state.surface is SURFACES["ravine"]:
                floor = f", {path.crossings(state.step)} crossings of the valley floor"
            parts.append(
                f"{_named(name)}: {_fate(path, state.step)}, path length "
                f"{path.length(state.step):.1f}{floor}."
            )
        return (
            f"{state.surface.title.capitalize()} at learning rate {state.lr:.3g}, step "
            f"{state.step} of {STEPS}; there means staying within {NEAR} of a minimum. "
            f"{' '.join(parts)}"
        )


def _round_rate(lr: float) -> float:
    """The rate that a position of the slider stands for; any other value stays as it is."""
    place = min(_PLACES, key=lambda place: abs(place - lr))
    return _RATES[_PLACES.index(place)] if abs(place - lr) < 1e-6 * lr else lr


def _draw_contours(axes: Axes, surface: Surface):
    left, right, low, high = surface.limits
    x, y = torch.meshgrid(
        torch.linspace(left, right, 181, dtype=torch.float64),
        torch.linspace(low, high, 141, dtype=torch.float64),
        indexing="xy",
    )
    return axes.contour(
        x, y, surface.loss(x, y), levels=surface.levels, colors="#B9B9B9", linewidths=1.0, zorder=1,
        linestyles="solid",
    )  # fmt: skip


@lru_cache(maxsize=64)
def _race(key: str, rates: tuple[float, ...], start: tuple[float, float]) -> list[dict[str, Path]]:
    """The three paths for each rate. All run side by side: one backward pass serves them all."""
    surface = SURFACES[key]
    names = list(_OPTIMIZERS)
    with torch.enable_grad():
        place = torch.tensor(start, dtype=torch.float64)
        points = place.repeat(len(names), len(rates), 1).requires_grad_()
        points.grad = torch.zeros_like(points)
        groups: dict[type[torch.optim.Optimizer], list[dict]] = {}
        for name, rows, gradients in zip(names, points.detach(), points.grad, strict=True):
            kind, options = _OPTIMIZERS[name]
            for row, gradient, lr in zip(rows, gradients, rates, strict=True):
                # A row is a parameter with its own rate, in the memory of ``points``.
                row.grad = gradient
                groups.setdefault(kind, []).append({"params": [row], "lr": lr, **options})
        optimizers = [kind(own, foreach=False) for kind, own in groups.items()]
        record = torch.empty(STEPS + 1, *points.shape, dtype=torch.float64)
        record[0] = points.detach()
        for step in range(STEPS):
            points.grad.zero_()
            surface.loss(*points.unbind(dim=-1)).sum().backward()
            for optimizer in optimizers:
                optimizer.step()
            record[step + 1] = points.detach()
    heights = (surface.loss(*record.unbind(dim=-1)) - surface.loss(*surface.minima[0])).numpy()
    return [
        {
            name: _path(surface, record[:, i, j].numpy(), heights[:, i, j])
            for i, name in enumerate(names)
        }
        for j in range(len(rates))
    ]


def _path(surface: Surface, points: np.ndarray, height: np.ndarray) -> Path:
    least, most = surface.limits[::2], surface.limits[1::2]
    with np.errstate(invalid="ignore", over="ignore"):
        inside = ((points >= least) & (points <= most)).all(axis=1)
        distances = [np.hypot(*(points - np.array(place)).T) for place in surface.minima]
        near = np.min(distances, axis=0) < NEAR
    outside = np.flatnonzero(~inside)
    if len(outside):
        return Path(points, height, int(outside[0]), None)
    away = np.flatnonzero(~near)
    there = int(away[-1]) + 1 if len(away) else 0
    return Path(points, height, None, there if there <= STEPS else None)


def _named(name: str) -> str:
    return f"momentum {MOMENTUM}" if name == "momentum" else name


def _fate(path: Path, step: int) -> str:
    if path.left is not None and path.left <= step:
        return f"out of sight at step {path.left}"
    if path.there is not None and path.there <= step:
        return f"there at step {path.there}"
    height = path.height[step]
    return f"not there: {height:.2g} above"


def _verdict(state: State) -> str:
    arrivals = {
        name: path.there
        for name, path in state.paths.items()
        if path.there is not None and path.there <= state.step
    }
    place = state.surface.title.capitalize()
    if not arrivals:
        return f"{place}: none is there by step {state.step}"
    first = min(arrivals, key=arrivals.get)
    return f"{place}: {_named(first)} is there first, at step {arrivals[first]}"
