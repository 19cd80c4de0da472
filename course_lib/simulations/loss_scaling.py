"""Gradients compared with float16's range (chapter 08b): ``course_lib.panel("loss_scaling")``.

Real gradients: one backward pass of an untrained network on 256 handwritten digits. In a deep
sigmoid network they shrink from layer to layer on the way back, and float16 loses the first layers.
The scale slider multiplies the gradients, as scaling the loss before ``backward()`` does.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from course_lib.beats import BACKWARD, BROWN, INK
from course_lib.data import digits
from course_lib.models import MLP
from course_lib.simulations.base import Artists, Choice, Settings, Slider, sweep

_EDGES = np.arange(-46, 26)  # of the histogram, as powers of two
_INFO = torch.finfo(torch.float16)
SMALLEST = _INFO.smallest_normal * _INFO.eps
_MOST_LAYERS = 9


@dataclass(frozen=True)
class Layer:
    """One weight's gradient at this scale: the shares of its non-zero entries that become zero and
    infinite in float16."""

    lost: float
    infinite: float


@dataclass(frozen=True)
class State:
    exponent: int
    counts: np.ndarray
    lost: float
    subnormal: float
    infinite: float
    layers: tuple[Layer, ...]


class LossScaling:
    name = "loss_scaling"
    title = "Loss scaling: where the gradients lie, and what float16 can hold"
    size = (10.2, 4.6)
    controls = (
        Slider("exponent", "Scale 2^", 0, 24, default=0, step=1, integer=True),
        Choice(
            "network",
            "Network",
            (("deep", "8 hidden sigmoid layers"), ("middle", "4 hidden sigmoid layers"),
             ("shallow", "1 hidden ReLU layer")),
            "deep",
        ),
    )  # fmt: skip

    recording = (sweep(network=("deep", "middle", "shallow"), exponent=range(25)),)

    def compute(self, settings: Settings) -> State:
        exponent = int(settings["exponent"])
        gradients = _gradients(str(settings["network"]))
        stored = (torch.cat(gradients) * 2.0**exponent).to(torch.float16)
        tiny = (stored != 0) & (stored.abs().double() < _INFO.smallest_normal)
        # A power of two moves the histogram by whole bins; what leaves it stays in the last one.
        sizes = (_sizes(str(settings["network"])) + exponent).clip(0, len(_EDGES) - 2)
        counts = np.bincount(sizes, minlength=len(_EDGES) - 1)
        return State(
            exponent,
            counts / len(stored),
            _share(stored == 0),
            _share(tiny),
            _share(stored.isinf()),
            tuple(
                Layer(_share(part == 0), _share(part.isinf()))
                for part in stored.split([len(gradient) for gradient in gradients])
            ),
        )

    def layout(self, figure: Figure) -> Artists:
        histogram, layers = figure.subplots(1, 2, width_ratios=(1.9, 1))
        histogram.set(xlim=(_EDGES[0], _EDGES[-1]), ylim=(0, 0.22))
        histogram.set(xlabel="size of a scaled gradient entry", ylabel="share of the entries")
        ticks = range(-40, 21, 10)
        histogram.set_xticks(ticks, [f"$2^{{{tick}}}$" for tick in ticks])
        for start, stop, color, hatch, text in (
            (_EDGES[0], np.log2(SMALLEST) - 1, "#F3D9CC", "//", "becomes 0"),
            (np.log2(SMALLEST) - 1, np.log2(_INFO.smallest_normal), "#FBEBC8", "", "subnormal"),
            (16, _EDGES[-1], "#F3D9CC", "\\\\", "inf"),
        ):
            histogram.axvspan(start, stop, fc=color, ec="#D8B9A6", hatch=hatch, lw=0, zorder=0)
            place = (start + stop) / 2
            histogram.text(place, 0.212, text, ha="center", va="top", fontsize=10)
        artists = {"title": histogram.set_title(" ")}
        (artists["bars"],) = histogram.plot(
            [], [], color=BACKWARD.color, lw=2.2, drawstyle="steps-post", zorder=3
        )
        layers.set(xlim=(0, 1), ylim=(_MOST_LAYERS - 0.5, -0.8), xlabel="share lost in float16")
        layers.set_xticks((0, 0.5, 1), ("0 %", "50 %", "100 %"))
        layers.set_yticks(range(_MOST_LAYERS), [str(row + 1) for row in range(_MOST_LAYERS)])
        layers.set_ylabel("layer, counted from the input")
        layers.grid(visible=False, axis="y")
        artists["layers title"] = layers.set_title(" ")
        for row in range(_MOST_LAYERS):
            (artists[f"zero {row}"],) = layers.plot(
                [], [], color=INK, lw=8, solid_capstyle="butt", zorder=2
            )
            (artists[f"inf {row}"],) = layers.plot(
                [], [], color=BROWN, lw=8, solid_capstyle="butt", zorder=2
            )
            artists[f"words {row}"] = layers.text(
                0.01, row, "", va="center", fontsize=9.5, zorder=4, in_layout=False
            )
        return artists

    def update(self, artists: Artists, state: State) -> None:
        artists["title"].set_text(_verdict(state))
        artists["bars"].set_data(_EDGES, [*np.minimum(state.counts, 0.218), 0])
        dead = sum(layer.lost == 1 for layer in state.layers)
        artists["layers title"].set_text(
            f"Layers without any gradient: {dead}" if dead else "Every layer gets a gradient"
        )
        for row in range(_MOST_LAYERS):
            layer = state.layers[row] if row < len(state.layers) else None
            lost, infinite = (layer.lost, layer.infinite) if layer else (0.0, 0.0)
            artists[f"zero {row}"].set_data([0, lost], [row, row])
            artists[f"inf {row}"].set_data([1 - infinite, 1], [row, row])
            artists[f"words {row}"].set_text(_layer_words(layer) if layer else "-")
            # Above a bar, or where it would start.
            artists[f"words {row}"].set_y(row - 0.4 if lost or infinite else row)

    def describe(self, state: State) -> str:
        dead = [str(place) for place, layer in enumerate(state.layers, 1) if layer.lost == 1]
        layers = f"layers {', '.join(dead)} get no gradient at all" if dead else (
            "every layer gets some gradient"
        )  # fmt: skip
        return (
            f"With scale 2^{state.exponent}, {_percent(state.lost)} of the non-zero gradients "
            f"become zero in float16, {_percent(state.subnormal)} are stored as subnormal numbers "
            f"and {_percent(state.infinite)} become infinite; {layers}."
        )


def _layer_words(layer: Layer) -> str:
    if layer.lost == 1:
        return "all zero"
    words = f"{_percent(layer.lost)} zero"
    return f"{words}, {_percent(layer.infinite)} inf" if layer.infinite else words


def _verdict(state: State) -> str:
    if state.infinite > 0.001:
        return f"Scale 2^{state.exponent}: {_percent(state.infinite)} overflow, the step is skipped"
    if state.lost > 0.01:
        return f"Scale 2^{state.exponent}: {_percent(state.lost)} of the gradients become zero"
    return f"Scale 2^{state.exponent}: nearly every gradient survives"


def _percent(share: float) -> str:
    if share == 0:
        return "0 %"
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"


def _share(mask: torch.Tensor) -> float:
    return mask.double().mean().item()


@lru_cache(maxsize=3)
def _sizes(network: str) -> np.ndarray:
    """The bin of each entry of the unscaled gradients: the floor of its binary logarithm."""
    return torch.cat(_gradients(network)).abs().log2().floor().long().numpy() - _EDGES[0]


@lru_cache(maxsize=3)
def _gradients(network: str) -> list[torch.Tensor]:
    """The non-zero entries of each weight's gradient, input layer first."""
    if network == "shallow":
        model = MLP(784, 128, 10, seed=0)
    else:
        hidden = 8 if network == "deep" else 4
        model = MLP(784, *[64] * hidden, 10, activation=nn.Sigmoid, seed=0)
    x, y = digits(size=28)
    nn.functional.cross_entropy(model(x[:256]), y[:256]).backward()
    return [p.grad[p.grad != 0] for p in model.parameters() if p.ndim == 2]
