"""Several workers, one model (chapter 10): ``course_lib.panel("data_parallel")``.

Each worker has a replica and a part of every batch. Averaged gradients keep the replicas equal, without
averaging they drift apart. The workers take turns in this process, in float64: the same arithmetic
as on several machines (``course_lib.data_parallel`` starts real ones). Only the times are measured here.
"""

import copy
import timeit
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.beats import BACKWARD, BROWN, FORWARD, INK, LOSS, STEP
from course_lib.data import digits, generator_of
from course_lib.data_parallel import distance
from course_lib.models import MLP
from course_lib.simulations.base import Artists, Choice, Settings, Slider, Toggle, sweep
from course_lib.simulations.common import bold_inside, doubled

WORKERS = (1, 2, 3, 4)
BATCH_SIZE = 96  # divides evenly by every number of workers
STEPS = 60
LR = 0.3
SHARDS = {"alike": "every worker sees all digits", "own": "each worker has its own digits"}
_LOOKS = (
    (LOSS.color, "-", "o"),
    (FORWARD.color, "--", ">"),
    (BACKWARD.color, "-.", "<"),
    (STEP.color, ":", "s"),
)
_TIMED = 15


@dataclass(frozen=True)
class Run:
    """``losses`` ``[STEPS + 1, workers]``: each replica's mean loss on all digits, before the first
    step and after each; ``distance`` ``[STEPS + 1]``: the largest difference of a weight."""

    losses: np.ndarray
    distance: np.ndarray


@dataclass(frozen=True)
class State:
    workers: int
    average: bool
    shards: str
    run: Run
    alone: Run  # one worker with the whole batches
    compute_seconds: tuple[float, ...]  # by number of workers: one worker's share of a step


class DataParallel:
    name = "data_parallel"
    title = "Data parallel: several workers, one model"
    size = (10.4, 4.6)
    measured_from = 0.66
    controls = (
        Slider("workers", "Workers", low=1, high=WORKERS[-1], default=2, step=1, integer=True),
        Toggle("average", "Average the gradients", default=False),
        Choice("shards", "Shards", tuple(SHARDS.items()), default="own"),
    )
    recording = (sweep(workers=WORKERS, average=(False, True), shards=tuple(SHARDS)),)

    def compute(self, settings: Settings) -> State:
        workers, average = int(settings["workers"]), bool(settings["average"])
        shards = settings["shards"]
        run, alone = train(workers, average, shards), train(1, True, shards)
        return State(workers, average, shards, run, alone, _seconds()[0])

    def layout(self, figure: Figure) -> Artists:
        losses, apart, cost = figure.subplots(1, 3, width_ratios=(1.35, 1, 0.9))
        artists: dict[str, Artist | list[Artist]] = {}
        losses.set(xlim=(0, STEPS), ylim=(0, 5), xlabel="step", ylabel="loss on all digits")
        artists["title"] = losses.set_title(" ")
        steps = np.arange(STEPS + 1)
        (artists["alone"],) = losses.plot([], [], color="#B5B5B5", lw=6, label="one large batch")
        artists["curves"] = [
            losses.plot(
                steps, np.full(STEPS + 1, np.nan), color=color, ls=style, marker=marker, ms=6,
                markevery=(5 + 3 * i, 15), label=f"worker {i}",
            )[0]
            for i, (color, style, marker) in enumerate(_LOOKS)
        ]  # fmt: skip
        figure.legend(
            handles=[artists["alone"], *artists["curves"]], loc="outside lower left", ncols=5
        )

        apart.set(
            xlim=(0, STEPS),
            ylim=(-0.05, 1.6),
            xlabel="step",
            ylabel="largest difference of a weight",
        )
        apart.set_title("How far apart replicas are")
        (artists["distance"],) = apart.plot([], [], color=INK, lw=2.4)
        artists["distance words"] = bold_inside(apart, 0.03, 0.97)

        compute, average = (np.array(each) * 1e3 for each in _seconds())
        cost.plot(WORKERS, compute, color=FORWARD.color, marker="o", label="forward, backward")
        cost.plot(
            WORKERS[1:], average[1:], color=BROWN, ls="--", marker="D", label="averaging gradients"
        )
        cost.set(xlim=(0.6, 4.4), xticks=WORKERS, yscale="log", ylim=(0.005, 200))
        cost.set(xlabel="workers", ylabel="a worker's time per step (ms)")
        cost.set_title("Measured here")
        cost.legend(loc="upper right")
        (artists["cost here"],) = cost.plot([], [], "o", ms=15, mfc="none", mec=INK, mew=1.8)
        return artists

    def update(self, artists: Artists, state: State) -> None:
        steps = np.arange(STEPS + 1)
        artists["title"].set_text(_verdict(state))
        artists["alone"].set_data(steps, state.alone.losses[:, 0])
        for worker, curve in enumerate(artists["curves"]):
            seen = worker < state.workers
            values = state.run.losses[:, worker] if seen else np.full(STEPS + 1, np.nan)
            curve.set_ydata(np.minimum(values, 4.95))
        artists["distance"].set_data(steps, state.run.distance)
        artists["distance words"].set_text(f"at the end {state.run.distance[-1]:.2f}")
        seconds = state.compute_seconds[state.workers - 1]
        artists["cost here"].set_data([state.workers], [1e3 * seconds])

    def describe(self, state: State) -> str:
        ends = [f"{loss:.2f}" for loss in state.run.losses[-1]]
        plural, apart = "s" * (state.workers > 1), state.run.distance[-1]
        return (
            f"{_verdict(state)}: {state.workers} worker{plural}, gradients "
            f"{'averaged' if state.average else 'not averaged'}, {SHARDS[state.shards]}. After {STEPS} "
            f"steps the loss on all digits is {', '.join(ends)}; one worker with the whole batches has "
            f"{state.alone.losses[-1, 0]:.2f}. The replicas' weights differ by "
            f"{'less than 1e-9' if apart < 1e-9 else f'up to {apart:.2f}'}."
        )


def _verdict(state: State) -> str:
    if state.workers == 1:
        return "One worker does it all"
    if state.average:
        return "All replicas on one curve"
    spread = state.run.losses[-1] - state.alone.losses[-1, 0]
    return "The replicas go astray" if spread.max() > 0.5 else "The replicas drift apart"


def _batches(y: Tensor, shards: str, workers: int) -> Iterator[tuple[Tensor, ...]]:
    """For each step, the rows that each worker reads. Together they are the same batches, whatever
    the number of workers: each is cut into equal parts, by chance or in the order of the digits."""
    generator = generator_of(0)
    for _ in range(STEPS):
        rows = torch.randperm(len(y), generator=generator)[:BATCH_SIZE]
        if shards == "own":
            rows = rows[y[rows].argsort(stable=True)]
        yield rows.chunk(workers)


@lru_cache
def train(workers: int, average: bool, shards: str) -> Run:
    """``STEPS`` steps of plain SGD in each replica."""
    X, y = doubled(digits(size=8))
    start = MLP(64, 32, 10, seed=0).double()
    replicas = [copy.deepcopy(start) for _ in range(workers)]
    losses, distances = [_losses(replicas, X, y)], [0.0]
    for rows in _batches(y, shards, workers):
        gradients = [
            _gradient(replica, X[own], y[own]) for replica, own in zip(replicas, rows, strict=True)
        ]
        if average:
            mean = [sum(each) / workers for each in zip(*gradients, strict=True)]
            gradients = [mean] * workers
        with torch.no_grad():
            for replica, gradient in zip(replicas, gradients, strict=True):
                for p, g in zip(replica.parameters(), gradient, strict=True):
                    p -= LR * g
        losses.append(_losses(replicas, X, y))
        distances.append(distance(replicas))
    return Run(np.array(losses), np.array(distances))


def _gradient(model: nn.Module, x: Tensor, y: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(F.cross_entropy(model(x), y), list(model.parameters())))


@torch.no_grad()
def _losses(replicas: list[nn.Module], X: Tensor, y: Tensor) -> list[float]:
    return [F.cross_entropy(replica(X), y).item() for replica in replicas]


@lru_cache
def _seconds() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """By number of workers: one worker's forward and backward pass on its part of a large batch, and
    averaging the workers' gradients. The least disturbed of several times."""
    X, y = digits(size=28)
    X, y = X[:480], y[:480]
    model = MLP(784, 128, 10, seed=0)
    gradient = _gradient(model, X, y)

    def average(workers: int) -> None:
        for g in gradient:
            torch.stack([g] * workers).mean(dim=0)

    def seconds(work: Callable[..., object], *arguments: object) -> float:
        return min(timeit.repeat(partial(work, *arguments), repeat=_TIMED, number=1))

    parts = [len(X) // workers for workers in WORKERS]
    compute = tuple(seconds(_gradient, model, X[:part], y[:part]) for part in parts)
    return compute, (0.0, *(seconds(average, workers) for workers in WORKERS[1:]))
