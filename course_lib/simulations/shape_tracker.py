"""What passes through a network (chapter 01): ``course_lib.panel("shape_tracker")``.

Real digits go through a real network, and forward hooks record what comes out of each module.
Above, the tensors themselves, drawn in proportion to their shapes; below, what each layer costs.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from course_lib.beats import FORWARD, GREY, INK
from course_lib.data import digits
from course_lib.models import MLP
from course_lib.simulations.base import Artists, Settings, Slider, sweep

LAYERS = ("fc1", "relu", "fc2")
#: Largest values of the two sliders.
MOST_EXAMPLES, MOST_HIDDEN = 256, 512
#: Middles of the four tensors and of the three modules between them; the picture is 100 wide.
_TENSORS = (9.0, 39.5, 64.5, 94.0)
_MODULES = (25.0, 52.0, 80.5)
_FORMULAS = ("x @ W.T + b", "max(x, 0)", "x @ W.T + b")
_NAMES = ("x: pictures", "sums", "after ReLU", "logits")
#: Width and height of the largest tensor: 784 numbers of 256 examples.
_WIDEST, _HIGHEST = 17.0, 17.0
#: Below: a column of the state, its axis in the picture, the decades shown.
_COSTS = (
    ("parameters", "count (independent of the batch)", (1, 3e7)),
    ("kibibytes", "KiB (grows with the batch)", (1e-3, 1e6)),
    ("multiply_adds", "count (grows with the batch)", (1, 1e13)),
)


@dataclass(frozen=True)
class Layer:
    """What a forward hook found out about one module."""

    name: str
    shape: tuple[int, ...]
    output: np.ndarray
    parameters: int
    kibibytes: float
    multiply_adds: int


@dataclass(frozen=True)
class State:
    x: np.ndarray
    layers: tuple[Layer, ...]
    zeros: float

    @property
    def tensors(self) -> list[np.ndarray]:
        return [self.x, *(layer.output for layer in self.layers)]

    def total(self, cost: str) -> float:
        return sum(getattr(layer, cost) for layer in self.layers)


class ShapeTracker:
    name = "shape_tracker"
    title = "Shape tracker: a batch on its way through the network"
    size = (10.2, 5.9)
    controls = (
        Slider("batch_size", "Batch size", 1, MOST_EXAMPLES, default=32, step=1, integer=True),
        Slider("hidden", "Hidden width", 1, MOST_HIDDEN, default=128, step=1, integer=True),
    )
    recording = (sweep(hidden=[2**i for i in range(10)], batch_size=[2**i for i in range(9)]),)

    def compute(self, settings: Settings) -> State:
        return _track(int(settings["batch_size"]), int(settings["hidden"]))

    def layout(self, figure: Figure) -> Artists:
        grid = figure.add_gridspec(2, 3, height_ratios=(1.5, 1))
        artists = _layout_flow(figure.add_subplot(grid[0, :]))
        for column, (cost, label, limits) in enumerate(_COSTS):
            axes = figure.add_subplot(grid[1, column])
            axes.set(xlabel=label, xscale="log", xlim=limits, ylim=(2.6, -0.6), yticks=range(3))
            axes.set_yticklabels(LAYERS)
            axes.grid(visible=False, axis="y")
            artists[f"{cost} title"] = axes.set_title(" ")
            for row, layer in enumerate(LAYERS):
                (artists[f"{cost} {layer}"],) = axes.plot(
                    [], [], color=FORWARD.color, lw=9, solid_capstyle="butt"
                )
                artists[f"{cost} {layer} words"] = axes.text(
                    1, row, "", va="center", in_layout=False
                )
        return artists

    def update(self, artists: Artists, state: State) -> None:
        for i, (middle, tensor) in enumerate(zip(_TENSORS, state.tensors, strict=True)):
            width, height = _drawn_size(tensor.shape)
            left, low = middle - width / 2, -height / 2
            artists[f"tensor {i}"].set_data(tensor)
            artists[f"tensor {i}"].set_extent((left, left + width, low, -low))
            artists[f"frame {i}"].set_bounds(left, low, width, height)
            artists[f"shape {i}"].set_text(str(list(tensor.shape)))
        hidden = state.layers[0].shape[1]
        artists["stored 0"].set_text(f"weight\n[{hidden}, 784]")
        artists["stored 2"].set_text(f"weight\n[10, {hidden}]")
        artists["zeros"].set_text(f"{state.zeros:.0%} are 0")
        artists["parameters title"].set_text(f"{state.total('parameters'):,} parameters")
        artists["kibibytes title"].set_text(f"{_memory(state.total('kibibytes'))} of outputs")
        artists["multiply_adds title"].set_text(f"{state.total('multiply_adds'):,} multiply-adds")
        for cost, _, limits in _COSTS:
            for row, layer in enumerate(state.layers):
                value = getattr(layer, cost)
                end = max(value, limits[0])
                artists[f"{cost} {layer.name}"].set_data([limits[0], end], [row, row])
                words = artists[f"{cost} {layer.name} words"]
                words.set_text(f"{value:,}" if isinstance(value, int) else _memory(value))
                words.set_x(end * (limits[1] / limits[0]) ** 0.02)

    def describe(self, state: State) -> str:
        way = " -> ".join(str(list(tensor.shape)) for tensor in state.tensors)
        first = state.layers[0]
        return (
            f"Shapes {way}. The network has {state.total('parameters'):,} parameters, "
            f"{first.parameters:,} of them in fc1; its outputs take "
            f"{_memory(state.total('kibibytes'))}, and this batch needs "
            f"{state.total('multiply_adds'):,} multiply-adds. "
            f"After ReLU {state.zeros:.0%} of the numbers are 0."
        )


@lru_cache(maxsize=1)
def _pictures() -> Tensor:
    return digits(size=28)[0][:MOST_EXAMPLES]


@lru_cache(maxsize=64)
def _track(batch_size: int, hidden: int) -> State:
    """Run one batch and record each module's output with forward hooks."""
    model = MLP(784, hidden, 10, seed=0)  # the chapter's network
    layers: list[Layer] = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        # Each output of a linear layer is a sum of one product per input.
        products = inputs[0].shape[-1] if isinstance(module, nn.Linear) else 0
        layers.append(
            Layer(
                name=LAYERS[len(layers)],
                shape=tuple(output.shape),
                output=output.detach().numpy(),
                parameters=sum(p.numel() for p in module.parameters()),
                kibibytes=output.numel() * output.element_size() / 1024,
                multiply_adds=output.numel() * products,
            )
        )

    for module in model.layers:
        module.register_forward_hook(note)
    x = _pictures()[:batch_size]
    with torch.no_grad():
        model(x)
    zeros = float((layers[1].output == 0).mean())
    return State(x.numpy(), tuple(layers), zeros)


def _memory(kibibytes: float) -> str:
    return f"{1024 * kibibytes:.0f} B" if kibibytes < 1 else f"{kibibytes:,.4g} KiB"


def _drawn_size(shape: tuple[int, ...]) -> tuple[float, float]:
    """Width and height: roots, so that 10 is visible beside 784, and 1 beside 256."""
    examples, numbers = shape
    return _WIDEST * (numbers / 784) ** 0.5, _HIGHEST * (examples / MOST_EXAMPLES) ** 0.35


def _layout_flow(axes) -> dict:
    axes.set_axis_off()
    axes.set_title("Examples stay apart: each layer changes the last dimension only")
    artists: dict = {}
    for i, middle in enumerate(_TENSORS):
        map_, low, high = ("RdBu", -0.8, 0.8) if i else ("Greys", 0, 1)
        artists[f"tensor {i}"] = axes.imshow(
            np.zeros((2, 2)), extent=(0, 1, 0, 1), aspect="auto", cmap=map_, vmin=low, vmax=high
        )
        frame = Rectangle((0, 0), 1, 1, fill=False, ec=FORWARD.color, lw=1.6, zorder=3)
        artists[f"frame {i}"] = axes.add_patch(frame)
        artists[f"shape {i}"] = axes.text(
            middle, 10.2, "", ha="center", color=FORWARD.color, fontweight="bold", fontsize=11.5
        )
        axes.text(middle, -11.3, _NAMES[i], ha="center")
    for i, middle in enumerate(_MODULES):
        axes.annotate(
            "",
            (middle + 4.4, 0),
            (middle - 4.4, 0),
            arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 1.6},
        )
        axes.text(middle, 5.2, LAYERS[i], ha="center", fontweight="bold")
        axes.text(middle, 2.0, _FORMULAS[i], ha="center")
        if i != 1:
            artists[f"stored {i}"] = axes.text(middle, -2.0, "", ha="center", va="top", color=GREY)
    artists["zeros"] = axes.text(_TENSORS[2], -14.6, "", ha="center")
    axes.text(_TENSORS[0], -14.6, "one example per row", ha="center")
    axes.text(_TENSORS[1], -14.6, "blue above 0, red below", ha="center")
    axes.set(xlim=(0, 100), ylim=(-15.5, 13))
    return artists
