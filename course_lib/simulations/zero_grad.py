"""Gradients that are never cleared (chapter 05): ``course_lib.panel("zero_grad")``.

The same run twice, on y = sin(2x): once with the gradients cleared before each backward pass, once
never. Same initial weights, same batches, plain SGD.

All of the slider's learning rates are trained at once, as one batch of small networks, so that
moving the slider costs nothing afterwards. They do not affect each other: each has its own weights
and its own ``.grad``, and the gradients of the sum of their losses are those of each one alone.

The runs compute in float64, and there are only 200 steps. A run with kept gradients is chaotic: from
a rate of 0.08 upwards the last bit of a float32 grows to the size of the loss within 300 steps, and
each kind of processor would show other numbers. At 0.158 even float64 does not last, so anything
above 1,000 is reported as just that. Recorded are float32 numbers, which overflow where a learner's
own run does.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import isfinite

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from torch import nn

from course_lib.beats import BACKWARD, FORWARD, INK, LOSS
from course_lib.data import sine
from course_lib.models import MLP
from course_lib.simulations.base import Artists, Settings, Slider, sweep
from course_lib.simulations.common import DASHES, curve_batches, first_bad, side_by_side, within

STEPS = 200
_LAST = 20  # steps whose mean loss is the result
_RATES = tuple(float(f"{10 ** (tenths / 10):.10g}") for tenths in range(-30, -4))
#: The logarithmic axes stay fixed: what leaves them is drawn at their edge.
_LOSS_LIMITS = (1e-3, 1e5)
_NORM_LIMITS = (1e-2, 1e6)
_CURVE = torch.linspace(-2, 2, 101).unsqueeze(1)


@dataclass(frozen=True)
class Run:
    """One network's run: ``losses`` and ``norms`` (of ``.grad`` at the step) ``[STEPS]``, what the
    trained network says on the curve's points ``[101]``."""

    losses: np.ndarray
    norms: np.ndarray
    fit: np.ndarray

    @property
    def result(self) -> float:
        """Mean loss of the last steps; infinite or NaN when the run blew up."""
        return float(self.losses[-_LAST:].mean())


@dataclass(frozen=True)
class State:
    lr: float
    cleared: Run
    kept: Run


class ZeroGrad:
    name = "zero_grad"
    title = "zero_grad: the same run with and without clearing the gradients"
    size = (10.2, 4.4)
    controls = (
        Slider(
            "lr", "Learning rate", low=_RATES[0], high=_RATES[-1], default=0.1, step=0.1, log=True
        ),
    )
    recording = (sweep(lr=_RATES),)

    def compute(self, settings: Settings) -> State:
        lr = float(settings["lr"])
        nearest = min(_RATES, key=lambda rate: abs(rate - lr))
        rates, lr_in_them = (_RATES, nearest) if abs(nearest - lr) < 1e-6 * lr else ((lr,), lr)
        return State(lr, *_train(rates)[rates.index(lr_in_them)])

    def layout(self, figure: Figure) -> Artists:
        losses, norms, fit = figure.subplots(1, 3, width_ratios=(1.2, 1.2, 1))
        losses.set(xlabel="optimizer step", ylabel="batch loss (mean squared error)")
        losses.set(xlim=(0, STEPS), yscale="log", ylim=_LOSS_LIMITS)
        norms.set(xlabel="optimizer step", ylabel="L2 norm of .grad when step() reads it")
        norms.set(xlim=(0, STEPS), yscale="log", ylim=_NORM_LIMITS)
        fit.set(xlabel="x", ylabel="y", xlim=(-2, 2), ylim=(-2.2, 2.2), yticks=(-2, -1, 0, 1, 2))
        fit.plot(*sine(), color="#C4C4C4", lw=7, zorder=1)
        fit.text(1.93, -2.1, "grey: sin(2x)", color="#5A5A5A", ha="right", va="bottom")
        norms.set_title("Uncleared gradients pile up")
        fit.set_title("What each run learned")
        artists = {"loss title": losses.set_title(" ")}
        kept_style = []
        for key, axes, beat in (
            ("losses", losses, LOSS),
            ("norms", norms, BACKWARD),
            ("fit", fit, FORWARD),
        ):
            (artists[f"kept {key}"],) = axes.plot([], [], color=beat.color, lw=2.0, zorder=3)
            (artists[f"cleared {key}"],) = axes.plot([], [], color=INK, lw=1.6, ls=DASHES)
            kept_style.append(Line2D([], [], color=beat.color, lw=2.4))
        for key, axes in (("losses", losses), ("norms", norms)):
            (artists[f"bad {key}"],) = axes.plot(
                [], [], "X", color=INK, ms=11, mec="white", zorder=6, clip_on=False, in_layout=False
            )
        artists["fit words"] = fit.text(
            -1.9, 1.75, "", va="center", color=FORWARD.color, fontweight="bold", in_layout=False
        )
        artists["bad words"] = losses.text(
            0, 2.2e4, "", va="center", fontweight="bold", in_layout=False
        )
        figure.legend(
            [tuple(kept_style), Line2D([], [], color=INK, lw=1.6, ls=DASHES)],
            ["zero_grad() never called", "zero_grad() before each backward()"],
            handler_map={tuple: HandlerTuple(ndivide=None, pad=0.3)},
            loc="outside lower center",
            ncols=2,
            handlelength=4.5,
        )
        return artists

    def update(self, artists: Artists, state: State) -> None:
        steps = np.arange(STEPS)
        for which, run in (("cleared", state.cleared), ("kept", state.kept)):
            artists[f"{which} losses"].set_data(steps, within(run.losses, _LOSS_LIMITS))
            artists[f"{which} norms"].set_data(steps, within(run.norms, _NORM_LIMITS))
            artists[f"{which} fit"].set_data(_CURVE[:, 0], np.clip(run.fit, -1e6, 1e6))
        bad = first_bad(state.kept.losses)
        for key, limits in (("losses", _LOSS_LIMITS), ("norms", _NORM_LIMITS)):
            artists[f"bad {key}"].set_data(
                [] if bad is None else [bad], [limits[1]][: bad is not None]
            )
        artists["bad words"].set_text("" if bad is None else f"infinite or NaN\nfrom step {bad}")
        artists["bad words"].set_x((bad or 0) + 12)
        artists["loss title"].set_text(_verdict(state))
        seen = bool((np.abs(state.kept.fit) < 2.2).any())
        lost = not np.isfinite(state.kept.fit).all()
        words = "never cleared:\n" + ("no numbers left" if lost else "off the picture")
        artists["fit words"].set_text("" if seen else words)

    def describe(self, state: State) -> str:
        bad = first_bad(state.kept.losses)
        ends = "" if bad is None else f"infinite or NaN from step {bad}"
        return (
            f"{_verdict(state)}: at learning rate {state.lr:.3g} the last {_LAST} of {STEPS} steps "
            f"have a mean loss of {_plain(state.cleared.result)} with cleared gradients, and "
            f"{ends or _plain(state.kept.result)} without clearing. The largest gradient norm is "
            f"{_peak(state.cleared.norms)} with and {_peak(state.kept.norms)} without."
        )


@lru_cache(maxsize=8)
def _train(rates: tuple[float, ...]) -> list[tuple[Run, Run]]:
    """The run with cleared and the one with kept gradients, for each rate."""
    n = 2 * len(rates)  # networks: all cleared ones first
    lr = torch.tensor(rates, dtype=torch.float64).repeat(2).reshape(n, 1, 1)
    parameters, predict = side_by_side(MLP(1, 16, 1, activation=nn.Tanh, seed=0), n)
    losses, norms = torch.empty(STEPS, n), torch.empty(STEPS, n)
    for step, (x, target) in enumerate(curve_batches(STEPS)):
        loss = (predict(x) - target).square().mean(dim=(1, 2))
        loss.sum().backward()
        with torch.no_grad():
            squares = [p.grad.square().sum(dim=(1, 2)) for p in parameters]
            norms[step] = torch.stack(squares).sum(dim=0).sqrt()
            for p in parameters:
                p -= lr * p.grad
                p.grad[: n // 2].zero_()  # cleared after the step is as good as before backward
        losses[step] = loss.detach()
    with torch.no_grad():
        fits = predict(_CURVE.double())[..., 0].float()
    runs = [Run(losses[:, i].numpy(), norms[:, i].numpy(), fits[i].numpy()) for i in range(n)]
    return list(zip(runs[: n // 2], runs[n // 2 :], strict=True))


def _verdict(state: State) -> str:
    kept, cleared = state.kept.result, state.cleared.result
    if not isfinite(kept):
        return "Never cleared, the run is lost"
    ratio = kept / cleared
    if ratio > 100:
        return "Never cleared, the loss explodes"
    if ratio > 1.1:
        return "Never cleared, the loss ends higher"
    if ratio > 0.9:
        return "Both losses end about the same"
    return "Never cleared, the loss ends lower"


def _peak(norms: np.ndarray) -> str:
    return _plain(norms.max()) if np.isfinite(norms).all() else "infinity"


def _plain(value: float) -> str:
    """Two significant digits; above 1,000, where a run is chaotic, a bound."""
    if value > 1000:
        return "more than 1,000"
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}"
