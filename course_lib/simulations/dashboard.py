"""A network on two circles, trained before your eyes (chapter 07): ``course_lib.panel("dashboard")``.

The controls describe one run. A second run may be trained beside it that differs in one thing: the
optimizer, or the batch size. The runs themselves are in ``dashboard_runs``; ``dashboard_picture``
draws the picture.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from course_lib.simulations import dashboard_picture as picture
from course_lib.simulations.base import Artists, Choice, Preset, Settings, Slider, sweep
from course_lib.simulations.dashboard_runs import (
    LOSSES,
    OPTIMIZER_NAMES,
    POINTS,
    TrainingRun,
    number,
)

_OTHER_BATCH_SIZE = 128
_EPOCHS = 50


def _frames(batch_size: int, often: bool) -> tuple[int, ...]:
    """Updates at which a run of 50 epochs is recorded: the first few, and then each epoch, or
    fewer of the later ones."""
    per_epoch = -(-POINTS // batch_size)
    first = range(11) if often else (0, 2, 5)
    epochs = range(1, _EPOCHS + 1) if often else (1, 2, 4, 6, 10, 15, 20, 30, 50)
    return tuple(sorted({*first, *(per_epoch * epoch for epoch in epochs)}))


@dataclass(frozen=True)
class State:
    """One or two runs in progress. They are trained in place: an older state of the same run shows
    the same as the newest one."""

    runs: tuple[TrainingRun, ...]
    settings: Mapping[str, Any]


class Dashboard:
    name = "dashboard"
    title = "Dashboard: watch a small network learn two circles"
    size = picture.SIZE
    controls = (
        Slider("lr", "Learning rate", low=1e-4, high=10, default=0.01, step=0.1, log=True),
        Slider("batch_size", "Batch size", low=1, high=128, default=16, step=1, integer=True),
        Choice("optimizer", "Optimizer", tuple(OPTIMIZER_NAMES.items()), default="adam"),
        Choice("loss", "Loss", tuple((loss, loss) for loss in LOSSES), default="cross-entropy"),
        Choice(
            "second",
            "Second run beside it",
            (
                ("none", "none"),
                ("optimizer", "the other optimizer"),
                ("epochs", f"batch {_OTHER_BATCH_SIZE}, for as many epochs"),
                ("updates", f"batch {_OTHER_BATCH_SIZE}, for as many updates"),
            ),
            default="none",
        ),
    )
    # Each lasts 50 epochs: 10 batches of 16, or 160 of 1.
    presets = (
        Preset("Adam at 0.01", {"optimizer": "adam", "lr": 0.01, "batch_size": 16}, 500),
        Preset("SGD at 10", {"optimizer": "sgd", "lr": 10.0}, 500),
        Preset("Adam at 0.0001", {"optimizer": "adam", "lr": 1e-4}, 500),
        Preset("SGD against Adam", {"optimizer": "sgd", "lr": 0.1, "second": "optimizer"}, 500),
        Preset("Batch 1 against 128", {"batch_size": 1, "second": "epochs"}, 8000),
        Preset("Explode", {"lr": 10.0}, 500),
    )
    recording = (
        *(
            sweep(**settings, frames=_frames(settings.get("batch_size", (16,))[0], often=True))
            for settings in (
                {"lr": (1e-4, 0.01, 10.0)},
                {"lr": (10.0,), "optimizer": ("sgd",)},
                {"lr": (0.1,), "optimizer": ("sgd",), "second": ("optimizer",)},
                {"batch_size": (1,), "second": ("epochs",)},
            )
        ),
        *(
            sweep(
                loss=tuple(LOSSES),
                optimizer=tuple(OPTIMIZER_NAMES),
                batch_size=(batch_size,),
                lr=(1e-4, 0.001, 0.01, 0.1, 1.0, 10.0),
                frames=_frames(batch_size, often=False),
            )
            for batch_size in (16, 128)
        ),
        *(
            sweep(
                batch_size=(batch_size,),
                second=("optimizer", "epochs", "updates")[start:],
                frames=_frames(batch_size, often=False),
            )
            for batch_size, start in ((16, 0), (1, 1))
        ),
        sweep(batch_size=(1,), frames=_frames(1, often=False)),
    )

    def compute(self, settings: Settings) -> State:
        run = {name: settings[name] for name in ("optimizer", "lr", "batch_size", "loss")}
        runs = [TrainingRun(**run)]
        if settings["second"] == "optimizer":
            other = "adam" if settings["optimizer"] == "sgd" else "sgd"
            runs.append(TrainingRun(**{**run, "optimizer": other}))
        elif settings["second"] != "none":
            runs.append(TrainingRun(**{**run, "batch_size": _OTHER_BATCH_SIZE}))
        return State(tuple(runs), dict(settings))

    def step(self, state: State, n: int) -> State:
        first, *others = state.runs
        first.advance(first.steps + n)
        for second in others:
            if state.settings["second"] == "epochs":
                per_epoch = second.trainer.steps_per_epoch
                second.advance(first.steps * per_epoch // first.trainer.steps_per_epoch)
            else:
                second.advance(first.steps)
        return state

    def adjust(self, state: State, settings: Settings) -> State | None:
        """A new learning rate takes effect at once; anything else is a new run."""
        fresh = state.runs[0].steps == 0
        if fresh or any(
            settings[name] != state.settings[name] for name in settings if name != "lr"
        ):
            return None
        if settings["lr"] != state.settings["lr"]:
            for run in state.runs:
                run.set_lr(settings["lr"])
        return replace(state, settings=dict(settings))

    layout = staticmethod(picture.layout)

    def update(self, artists: Artists, state: State) -> None:
        picture.update(artists, state.runs)

    def describe(self, state: State) -> str:
        words = "; beside it ".join(_told(run) for run in state.runs)
        return f"{words}.{_compared(state)}"


def _told(run: TrainingRun) -> str:
    updates = f"{run.steps:,} update{'s' * (run.steps != 1)}"
    told = f"{run.label}: epoch {number(run.epochs)} ({updates}), "
    if run.first_bad is not None:
        return told + f"the loss has been infinite or NaN since update {run.first_bad}"
    told += f"{run.loss_name} loss {run.loss:#.3g}, accuracy {run.accuracy:.3f}"
    if run.worst_batch > 10:
        told += f", largest batch loss {run.worst_batch:,.0f}"
    return told


def _compared(state: State) -> str:
    """Two runs with different batch sizes: their losses after the same number of updates."""
    if len(state.runs) < 2 or state.runs[0].steps == state.runs[1].steps:
        return ""
    first, second = ({update: loss for update, loss, _ in run.history} for run in state.runs)
    shared = max(first.keys() & second.keys())
    losses = first[shared], second[shared]
    if shared == 0 or not all(isfinite(loss) for loss in losses):
        return ""
    return f" After {shared:,} updates each, the losses were {losses[0]:#.3g} and {losses[1]:#.3g}."
