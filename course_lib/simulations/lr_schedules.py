"""Five learning rate schedules (chapter 08): ``course_lib.panel("lr_schedules")``.

Every curve is what a real scheduler of ``torch.optim.lr_scheduler`` writes into a real optimizer,
read before each of 200 steps. The steps stand for the whole training run, from 0 to 100 %.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from matplotlib.figure import Figure
from torch.optim import Optimizer
from torch.optim import lr_scheduler as schedulers

from course_lib.beats import AZURE, BROWN, GREY, INK, STEP
from course_lib.simulations.base import Artists, Settings, Slider, Toggle, sweep

STEPS = 200
MAX_LR = 0.1
_PERCENT = np.arange(STEPS) * 100 / STEPS
_LIMITS = {False: (0.0, 0.108), True: (1e-5, 0.2)}
#: Name, colour, line style and width, in the order of the table.
_LOOKS: tuple[tuple[str, str, str | tuple, float], ...] = (
    ("constant", GREY, (0, (1, 1.2)), 2.2),
    ("step", INK, "-", 1.8),
    ("cosine", AZURE, "--", 2.8),
    ("one-cycle", BROWN, "-.", 2.6),
    ("warm-up + cosine", STEP.color, "-", 3.2),
)


@dataclass(frozen=True)
class State:
    """``rates`` maps each name of ``_LOOKS`` to its rates ``[STEPS]``; ``at`` is in percent."""

    rates: dict[str, np.ndarray]
    at: int
    warmup: int
    step_size: int
    gamma: float
    log: bool

    def rate_at(self, name: str) -> float:
        return float(self.rates[name][min(STEPS - 1, self.at * STEPS // 100)])


class LrSchedules:
    name = "lr_schedules"
    title = "Learning rate schedules: from the first step to the last"
    size = (10.2, 4.4)
    controls = (
        Slider("at", "Look at", 0, 100, default=5, step=1, unit="% done", integer=True),
        Slider("warmup", "Warm-up", 0, 50, default=10, step=1, unit="% of training", integer=True),
        Slider("step_size", "Step: every", 5, 100, default=30, step=5, unit="%", integer=True),
        Slider("gamma", "Step: times gamma", 0.05, 1.0, default=0.1, step=0.05),
        Toggle("log", "Logarithmic axis", default=False),
    )
    recording = (
        sweep(
            warmup=(0, 5, 10, 30),
            step_size=(10, 30, 50),
            gamma=(0.1, 0.5, 1.0),
            log=(False, True),
            at=(0, 5, *range(10, 101, 10)),
        ),
    )

    def compute(self, settings: Settings) -> State:
        warmup, step_size = int(settings["warmup"]), int(settings["step_size"])
        gamma = float(settings["gamma"])
        options = {
            "step": (step_size * STEPS // 100, gamma),
            "warm-up + cosine": (warmup * STEPS // 100,),
        }
        rates = {name: _rates(name, *options.get(name, ())) for name in _SCHEDULERS}
        return State(rates, int(settings["at"]), warmup, step_size, gamma, bool(settings["log"]))

    def layout(self, figure: Figure) -> Artists:
        axes, table = figure.subplots(1, 2, width_ratios=(2.2, 1))
        axes.set(
            xlabel="share of training done (%)",
            ylabel="learning rate",
            xlim=(0, 100),
            ylim=_LIMITS[False],
        )
        table.set(xlim=(0, 1), ylim=(-0.5, len(_LOOKS) + 0.7))
        table.axis("off")
        artists: dict = {"title": axes.set_title(" ")}
        (artists["now"],) = axes.plot([], [], color=GREY, lw=1.2, zorder=1)
        artists["heading"] = table.text(0.0, len(_LOOKS) + 0.1, "", fontweight="bold")
        for row, (name, color, style, width) in enumerate(_LOOKS):
            y = len(_LOOKS) - 1 - row
            look = {"color": color, "ls": style, "lw": width}
            stairs = "steps-post" if name == "step" else "default"
            (line,) = axes.plot([], [], zorder=2 + row, drawstyle=stairs, **look)
            if name in _CHANGING:
                artists[name] = line
            else:
                line.set_data(_PERCENT, _rates(name))
            (artists[f"{name} point"],) = axes.plot(
                [], [], "o", ms=8, color=color, mec="white", zorder=9, clip_on=False
            )
            table.plot([0.0, 0.15], [y, y], **look)
            table.text(0.2, y, name, va="center")
            artists[f"{name} rate"] = table.text(1.0, y, "", va="center", ha="right")
        return artists

    def update(self, artists: Artists, state: State) -> None:
        axes = artists["now"].axes
        if (axes.get_yscale() == "log") != state.log:
            axes.set_yscale("log" if state.log else "linear")
            axes.set_ylim(_LIMITS[state.log])
        artists["title"].set_text(_verdict(state))
        low = _LIMITS[state.log][0]
        artists["now"].set_data([state.at, state.at], _LIMITS[state.log])
        artists["heading"].set_text(f"learning rate at {state.at} %")
        for name, *_ in _LOOKS:
            rate = state.rate_at(name)
            if name in artists:
                artists[name].set_data(_PERCENT, state.rates[name])
            # Below a logarithmic axis a point is drawn at its edge.
            artists[f"{name} point"].set_data([state.at], [max(rate, low)])
            artists[f"{name} rate"].set_text(_plain(rate))

    def describe(self, state: State) -> str:
        rates = ", ".join(f"{name} {_plain(state.rate_at(name))}" for name, *_ in _LOOKS)
        return (
            f"After {state.at} % of training the learning rates are: {rates}. The step schedule "
            f"multiplies by {state.gamma:g} every {state.step_size} %; the warm-up takes "
            f"{state.warmup} %; the highest rate of all schedules is {MAX_LR}."
            f"{' The axis for the rates is logarithmic.' if state.log else ''}"
        )


def _verdict(state: State) -> str:
    low = MAX_LR / 10
    start = sum(rates[0] < low for rates in state.rates.values())
    end = sum(rates[-1] < low for rates in state.rates.values())
    return f"{end} of {len(state.rates)} schedules end low, {start} start low"


@lru_cache(maxsize=512)
def _rates(name: str, *options: float) -> np.ndarray:
    """The rates that this scheduler writes into its optimizer, one before each step."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=MAX_LR)
    scheduler = _SCHEDULERS[name](optimizer, *options)
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        with warnings.catch_warnings():
            # PyTorch 2.6: SequentialLR calls its parts in a way that they warn of.
            warnings.filterwarnings("ignore", "The epoch parameter", UserWarning)
            scheduler.step()
    return np.array(rates)


def _warmup_and_cosine(optimizer: Optimizer, steps: int) -> schedulers.LRScheduler:
    cosine = schedulers.CosineAnnealingLR(optimizer, T_max=STEPS - steps)
    if steps == 0:
        return cosine
    # LinearLR refuses to start at exactly 0.
    warmup = schedulers.LinearLR(optimizer, start_factor=1e-8, total_iters=steps)
    return schedulers.SequentialLR(optimizer, [warmup, cosine], milestones=[steps])


_SCHEDULERS: dict[str, Callable[..., schedulers.LRScheduler]] = {
    "constant": lambda optimizer: schedulers.ConstantLR(optimizer, factor=1.0),
    "cosine": lambda optimizer: schedulers.CosineAnnealingLR(optimizer, T_max=STEPS),
    # One step more than needed: the scheduler raises an error when stepped past its end.
    "one-cycle": lambda optimizer: schedulers.OneCycleLR(optimizer, MAX_LR, total_steps=STEPS + 1),
    "step": schedulers.StepLR,
    "warm-up + cosine": _warmup_and_cosine,
}
#: What a control changes.
_CHANGING = ("step", "warm-up + cosine")


def _plain(rate: float) -> str:
    return f"{rate:.4f}" if rate >= 0.00005 or rate < 1e-8 else f"{rate:.0e}"
