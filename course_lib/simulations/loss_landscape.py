"""What a wrong probability costs (chapter 02): ``course_lib.panel("loss_landscape")``.

Left, the loss as a function of the probability that the model gives to the right answer. Right,
where such a probability comes from: three logits, softmax, cross-entropy. All numbers are PyTorch's
own, including the slope of the tangent and the gradients at the logits.
"""

from dataclasses import dataclass

import torch
from matplotlib.figure import Figure
from torch.nn import functional as F

from course_lib.beats import AZURE, BACKWARD, FORWARD, GREY, INK, LOSS
from course_lib.simulations.base import Artists, Settings, Slider, sweep

#: Upper limit of the left picture, in nats. A marker above it is drawn at the edge.
_TOP = 5.0
_CLASSES = ("class 0 (target)", "class 1", "class 2")


@dataclass(frozen=True)
class State:
    """One probability, its losses and their slopes; three logits and what follows from them."""

    p: float
    log_loss: float
    log_slope: float
    squared: float
    squared_slope: float
    logits: tuple[float, ...]
    probabilities: tuple[float, ...]
    cross_entropy: float
    gradients: tuple[float, ...]


class LossLandscape:
    name = "loss_landscape"
    title = "Loss landscape: what a wrong probability costs"
    size = (9.6, 4.5)
    controls = (
        Slider("p", "P(correct)", low=0.01, high=0.99, default=0.66, step=0.01),
        Slider("logit_0", "Logit of class 0 (target)", low=-5, high=5, default=2.0, step=0.1),
        Slider("logit_1", "Logit of class 1", low=-5, high=5, default=1.0, step=0.1),
        Slider("logit_2", "Logit of class 2", low=-5, high=5, default=0.1, step=0.1),
    )
    recording = (
        sweep(p=(round(0.01 * i, 2) for i in range(1, 100))),
        sweep(
            logit_0=range(-5, 6),
            logit_1=range(-5, 6),
            logit_2=(-5, -3, -1, 0.1, 1, 3, 5),
        ),
    )

    def compute(self, settings: Settings) -> State:
        p = torch.tensor(settings["p"], dtype=torch.float64, requires_grad=True)
        log_loss, squared = -torch.log(p), (1 - p) ** 2
        (log_slope,) = torch.autograd.grad(log_loss, p)
        (squared_slope,) = torch.autograd.grad(squared, p)
        values = [settings[f"logit_{i}"] for i in range(3)]
        logits = torch.tensor(values, dtype=torch.float64, requires_grad=True)
        cross_entropy = F.cross_entropy(logits, torch.tensor(0))
        (gradients,) = torch.autograd.grad(cross_entropy, logits)
        return State(
            p=p.item(),
            log_loss=log_loss.item(),
            log_slope=log_slope.item(),
            squared=squared.item(),
            squared_slope=squared_slope.item(),
            logits=tuple(values),
            probabilities=tuple(torch.softmax(logits.detach(), dim=0).tolist()),
            cross_entropy=cross_entropy.item(),
            gradients=tuple(gradients.tolist()),
        )

    def layout(self, figure: Figure) -> Artists:
        curves, bars = figure.subplots(1, 2, width_ratios=(1.15, 1))
        return {**_layout_curves(curves), **_layout_bars(bars)}

    def update(self, artists: Artists, state: State) -> None:
        artists["point"].set_data([state.p], [state.log_loss])
        artists["squared point"].set_data([state.p], [state.squared])
        artists["drop"].set_data([state.p, state.p], [0, state.log_loss])
        reach = 0.5 / (1 + abs(state.log_slope) / 3)  # steep tangents are drawn shorter
        ends = [state.p - reach, state.p + reach]
        artists["tangent"].set_data(
            ends, [state.log_loss + state.log_slope * (end - state.p) for end in ends]
        )
        artists["readout"].set_text(f"\u2212log {state.p:.2f} = {state.log_loss:.3f}")
        artists["slope"].set_text(f"slope {_signed(state.log_slope, 2)}")
        artists["squared readout"].set_text(f"(1 \u2212 {state.p:.2f})\u00b2 = {state.squared:.4f}")
        artists["squared slope"].set_text(f"slope {_signed(state.squared_slope, 2)}")
        right = state.probabilities[0]
        artists["from logits"].set_data([right], [min(state.cross_entropy, _TOP)])
        for i, bar in enumerate(artists["bars"]):
            bar.set_height(state.probabilities[i])
            artists["probabilities"][i].set_y(state.probabilities[i] + 0.02)
            artists["probabilities"][i].set_text(_exact(state.probabilities[i]))
            artists["logits"][i].set_text(f"logit {_signed(state.logits[i], 1)}")
            artists["gradients"][i].set_text(_signed(state.gradients[i], 3))
        artists["loss"].set_text(
            f"loss = \u2212log {_exact(right)} = {_exact(state.cross_entropy)}"
        )

    def describe(self, state: State) -> str:
        return (
            f"P(correct) = {state.p:.2f} costs -log p = {state.log_loss:.3f} "
            f"with slope {state.log_slope:.2f}; squared error costs {state.squared:.4f} "
            f"with slope {state.squared_slope:.2f}. "
            f"Logits [{', '.join(f'{logit:.1f}' for logit in state.logits)}] "
            f"become probabilities [{', '.join(map(_exact, state.probabilities))}], "
            f"and the loss for target 0 is {_exact(state.cross_entropy)}."
        )


def _layout_curves(axes) -> dict:
    p = torch.linspace(0.004, 1, 400, dtype=torch.float64)
    axes.set(
        title="Confident mistakes cost most",
        xlabel="P(correct): probability given to the right answer",
        ylabel="loss (nats)",
        xlim=(0, 1),
        ylim=(0, _TOP),
    )
    axes.plot(p, -torch.log(p), color=LOSS.color, lw=2.8)
    axes.plot(p, (1 - p) ** 2, color=AZURE, lw=2.4, ls="--")
    (tangent,) = axes.plot([], [], color=BACKWARD.color, ls=BACKWARD.linestyle, lw=2.2, zorder=3)
    (drop,) = axes.plot([], [], color=GREY, ls=":", lw=1.4, zorder=2.5)
    (point,) = axes.plot([], [], LOSS.marker, color=LOSS.color, ms=10, mec="white", zorder=5)
    (squared,) = axes.plot([], [], "D", color=AZURE, ms=8, mec="white", zorder=4)
    (from_logits,) = axes.plot(
        [], [], "o", ms=16, mfc="none", mec=INK, mew=1.6, zorder=4, clip_on=False
    )
    # The legend is where no curve goes: to the right of -log p, above the squared error.
    axes.plot([0.34, 0.42], [4.6, 4.6], color=LOSS.color, lw=2.8)
    axes.plot([0.38], [4.6], LOSS.marker, color=LOSS.color, ms=10, mec="white")
    axes.plot([0.34, 0.42], [4.15, 4.15], color=BACKWARD.color, ls=BACKWARD.linestyle)
    axes.plot([0.34, 0.42], [3.45, 3.45], color=AZURE, lw=2.4, ls="--")
    axes.plot([0.38], [3.45], "D", color=AZURE, ms=8, mec="white")
    axes.plot([0.38], [2.3], "o", ms=13, mfc="none", mec=INK, mew=1.6)
    axes.text(0.46, 2.3, "the three logits' P(correct)", va="center")

    def note(y: float, color: str, **kwargs):
        return axes.text(0.46, y, "", color=color, va="center", **kwargs)

    return {
        "tangent": tangent,
        "drop": drop,
        "point": point,
        "squared point": squared,
        "from logits": from_logits,
        "readout": note(4.6, LOSS.ink, fontweight="bold"),
        "slope": note(4.15, BACKWARD.ink),
        "squared readout": note(3.45, INK, fontweight="bold"),
        "squared slope": note(3.0, INK),
    }


def _layout_bars(axes) -> dict:
    places = range(3)
    axes.set(
        title="Softmax turns logits into probabilities",
        ylabel="probability",
        xlim=(-0.55, 2.55),
        ylim=(0, 1.22),
        yticks=[0, 0.25, 0.5, 0.75, 1],
    )
    axes.set_xticks(places, _CLASSES)
    axes.grid(axis="x", visible=False)
    axes.tick_params(axis="x", length=0)
    bars = list(axes.bar(places, [0.5] * 3, width=0.62, color=FORWARD.color))
    for other in bars[1:]:
        other.set(facecolor="#BFD9EA", edgecolor=FORWARD.color, hatch="///", linewidth=1.0)
    # Data along x, a share of the axes' height along y: rows below the class names.
    below = axes.get_xaxis_transform()

    def row(y: float, color: str) -> list:
        return [axes.text(i, y, "", ha="center", color=color, transform=below) for i in places]

    rule = "gradient = probability \u2212 (1 for the target, else 0)"
    axes.text(1, -0.27, rule, ha="center", color=BACKWARD.ink, fontsize=10, transform=below)
    return {
        "bars": bars,
        "probabilities": [
            axes.text(i, 0, "", ha="center", color=FORWARD.color, fontweight="bold") for i in places
        ],
        "logits": row(-0.125, INK),
        "gradients": row(-0.19, BACKWARD.ink),
        "loss": axes.text(2.5, 1.13, "", ha="right", color=LOSS.ink, fontweight="bold"),
    }


def _signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}".replace("-", "\u2212")


def _exact(value: float) -> str:
    """Three decimals, or six where three would say 0 or 1."""
    return f"{value:.3f}" if 0.0005 <= value <= 0.9995 or value >= 1.0005 else f"{value:.6f}"
