"""A run that explodes at step 47, and a way to find out why (chapter 00):
``course_lib.panel("run_gone_wrong")``.

The handwritten digits, and beside each picture one number from a sensor. The network's last layer,
``head``, sees that side column; the layers before it do not. In one batch the column holds 999, the
file's code for "missing". Nothing else is touched. Everything computes in float64, for a run that
has exploded would go on differently for each last bit of a float32.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import blended_transform_factory
from torch import Tensor, nn

from course_lib.beats import BACKWARD, FORWARD, INK, LOSS, STEP
from course_lib.data import digits, generator_of
from course_lib.models import seeded
from course_lib.recorder import layer_norms
from course_lib.simulations.base import Artists, Settings, Slider, Toggle, sweep
from course_lib.simulations.common import put_beside

STEPS = 80
BATCH_SIZE = 32
BAD_STEP = 47  # counted from 0
MISSING = 999.0
LAYERS = ("fc1", "fc2", "head")
_LOSS_LIMITS = (0.3, 700)
_GRADIENT_LIMITS = (1e-3, 2e4)
_WEIGHT_LIMITS = (1, 1e3)
_SIDE_LIMITS = (-3, 3000)


class DigitsAndSensor(nn.Module):
    """64 pixels through two layers; ``head`` sees their 32 features and the side column."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(64, 64)
        self.fc2 = nn.Linear(64, 32)
        self.head = nn.Linear(33, 10)

    def forward(self, pixels: Tensor, side: Tensor) -> Tensor:
        features = torch.relu(self.fc2(torch.relu(self.fc1(pixels))))
        return self.head(torch.cat([features, side], dim=1))


@dataclass(frozen=True)
class Run:
    """``losses`` ``[STEPS]``; per layer the L2 norms of gradients (before clipping) and of weights
    (after the step) ``[STEPS]``; the side column of each batch ``[STEPS, BATCH_SIZE]``."""

    losses: np.ndarray
    gradients: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]
    side: np.ndarray


@dataclass(frozen=True)
class State:
    run: Run
    step: int
    lr: float
    clip: bool


class RunGoneWrong:
    name = "run_gone_wrong"
    title = "A run gone wrong: stop the run at any step and look inside"
    size = (10.2, 6.0)
    controls = (
        Slider("step", "Look at step", 0, STEPS - 1, default=STEPS - 1, step=1, integer=True),
        Slider("lr", "Learning rate", 0.01, 0.3, default=0.3, step=0.1, log=True),
        Toggle("clip", "Clip gradients to norm 1", default=False),
    )
    recording = (sweep(lr=(0.01, 0.03, 0.1, 0.3), clip=(False, True), step=range(STEPS)),)

    def compute(self, settings: Settings) -> State:
        lr, clip = float(settings["lr"]), bool(settings["clip"])
        return State(_train(round(lr, 6), clip), int(settings["step"]), lr, clip)

    def layout(self, figure: Figure) -> Artists:
        grid = figure.add_gridspec(2, 3, height_ratios=(1.15, 1))
        loss = figure.add_subplot(grid[0, :])
        loss.set(xlabel="step", ylabel="batch loss (cross-entropy)")
        loss.set(xlim=(-1, STEPS), yscale="log", ylim=_LOSS_LIMITS)
        artists = {"loss title": loss.set_title(" ")}
        (artists["loss"],) = loss.plot([], [], color=LOSS.color, ls="-")
        (artists["here"],) = loss.plot([], [], LOSS.marker, color=INK, ms=9, zorder=5)
        artists["here line"] = loss.axvline(0, color=INK, lw=1, ls=":")
        artists["here words"] = loss.text(
            0, 0.92, "", transform=blended_transform_factory(loss.transData, loss.transAxes),
            va="top", fontweight="bold", in_layout=False,
        )  # fmt: skip
        for key, place, beat, limits, title, label in (
            ("gradients", grid[1, 0], BACKWARD, _GRADIENT_LIMITS,
             "Gradients at this step", "L2 norm of the gradient"),
            ("weights", grid[1, 1], STEP, _WEIGHT_LIMITS,
             "Weights after this step", "L2 norm of the weights"),
        ):  # fmt: skip
            axes = figure.add_subplot(place)
            axes.set(xlabel=label, xscale="log", xlim=limits, ylim=(2.6, -0.6), yticks=range(3))
            axes.set_yticklabels(LAYERS)
            axes.set_title(title)
            axes.grid(visible=False, axis="y")
            for row, layer in enumerate(LAYERS):
                (artists[f"{key} {layer} usual"],) = axes.plot([], [], "|", color=INK, ms=15, mew=2)
                (artists[f"{key} {layer}"],) = axes.plot(
                    [], [], color=beat.color, lw=7, solid_capstyle="butt"
                )
                artists[f"{key} {layer} words"] = axes.text(
                    limits[0] * 1.15, row + 0.37, "", va="center", fontsize=9.5, in_layout=False
                )
        tick = Line2D([], [], color=INK, marker="|", ms=13, mew=2, ls="")
        figure.legend([tick], ["median of the steps before"], loc="outside lower left")
        side = figure.add_subplot(grid[1, 2])
        side.set(xlabel="value of the side column", ylabel="example in the batch")
        side.set(xlim=_SIDE_LIMITS, ylim=(-1.5, BATCH_SIZE + 0.5), yticks=(0, 10, 20, 31))
        side.set_xscale("symlog", linthresh=3, linscale=1.5)
        side.set_xticks((-2, 0, 2, 10, 100, 1000), ("-2", "0", "2", "10", "100", "1000"))
        side.set_title("The batch itself")
        (artists["side"],) = side.plot([], [], FORWARD.marker, color=FORWARD.color, ms=5, ls="")
        return artists

    def update(self, artists: Artists, state: State) -> None:
        run, step = state.run, state.step
        artists["loss title"].set_text(_verdict(run))
        artists["loss"].set_data(range(STEPS), np.clip(run.losses, *_LOSS_LIMITS))
        artists["here"].set_data([step], [np.clip(run.losses[step], *_LOSS_LIMITS)])
        artists["here line"].set_xdata([step, step])
        artists["here words"].set_text(f"step {step}: loss {run.losses[step]:.3g}")
        put_beside(artists["here words"], step, 1, left=step > 0.7 * STEPS)
        for key, norms, low in (
            ("gradients", run.gradients, _GRADIENT_LIMITS[0]),
            ("weights", run.weights, _WEIGHT_LIMITS[0]),
        ):
            for row, layer in enumerate(LAYERS):
                now, usual = norms[layer][step], _median_before(norms[layer], step)
                artists[f"{key} {layer}"].set_data([low, max(now, low)], [row, row])
                artists[f"{key} {layer} usual"].set_data([usual], [row])
                times = f"{now:.3g}, {now / usual:,.0f} times the median"
                artists[f"{key} {layer} words"].set_text(
                    times if now > 10 * usual else f"{now:.3g}"
                )
        artists["side"].set_data(run.side[step], range(BATCH_SIZE))

    def describe(self, state: State) -> str:
        run, step = state.run, state.step
        ratio = {k: v[step] / _median_before(v, step) for k, v in run.gradients.items()}
        worst = max(ratio, key=ratio.get)
        side = run.side[step]
        values = f"{side[0]:g} everywhere" if np.ptp(side) == 0 else (
            f"between {side.min():.1f} and {side.max():.1f}"
        )  # fmt: skip
        return (
            f"At step {step} the loss is {run.losses[step]:.3g} (learning rate {state.lr:.3g}, "
            f"clipping {'on' if state.clip else 'off'}). Gradient norms: "
            + ", ".join(f"{layer} {run.gradients[layer][step]:.3g}" for layer in LAYERS)
            + f"; {worst} has the largest ratio to its median so far, {ratio[worst]:,.1f}. Weight "
            f"norm of head: {run.weights['head'][step]:.3g}. The side column of this batch is "
            f"{values}. The highest loss of the run is {run.losses.max():.0f}, at step "
            f"{int(run.losses.argmax())}; the last is {run.losses[-1]:.2g}."
        )


def _verdict(run: Run) -> str:
    after = run.losses[BAD_STEP + 1 : BAD_STEP + 13].max()
    before = run.losses[BAD_STEP - 7 : BAD_STEP].mean()
    if after > 1.5 * before:
        return f"The loss explodes at step {BAD_STEP} and does not recover"
    return f"The loss leaps at step {BAD_STEP} and recovers at once"


def _median_before(values: np.ndarray, step: int) -> float:
    return float(np.median(values[:step])) if step else float(values[0])


@lru_cache(maxsize=64)
def _train(lr: float, clip: bool) -> Run:
    pixels, labels = digits(size=8)
    generator = generator_of(0)
    side = 0.5 * torch.randn(len(pixels), 1, generator=generator)
    order = torch.cat([torch.randperm(len(pixels), generator=generator) for _ in range(2)])
    pixels, side = pixels.double(), side.double()
    with seeded(0):
        model = DigitsAndSensor().double()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses, gradients, weights, columns = [], [], [], []
    for step, rows in zip(range(STEPS), cycle(order.split(BATCH_SIZE))):
        column = torch.full_like(side[rows], MISSING) if step == BAD_STEP else side[rows]
        loss = nn.functional.cross_entropy(model(pixels[rows], column), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        gradients.append(layer_norms(model, "grad"))
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        weights.append(layer_norms(model, "weight"))
        losses.append(loss.item())
        columns.append(column[:, 0].numpy())
    return Run(
        np.array(losses),
        {layer: np.array([norms[layer] for norms in gradients]) for layer in LAYERS},
        {layer: np.array([norms[layer] for norms in weights]) for layer in LAYERS},
        np.stack(columns),
    )
