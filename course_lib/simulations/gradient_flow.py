"""One gradient, step by step (chapter 03): ``course_lib.panel("gradient_flow")``.

Left, the graph of (w x + b - target)^2: forward values on the nodes, and below them what the
backward pass adds, edge by edge. Right, the loss as a function of w, with the tangent whose slope
is the gradient. Every number is read from autograd.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from course_lib.beats import BACKWARD, FORWARD, GREY, LOSS
from course_lib.simulations.base import Artists, Settings, Slider, sweep

#: Name of each node and the centre of its box; the picture is 14 units wide and 6 high.
_PLACES = {
    "w": (1.0, 4.6),
    "x": (1.0, 2.4),
    "product": (4.0, 3.5),
    "b": (7.0, 0.8),
    "prediction": (7.0, 3.5),
    "target": (10.0, 0.8),
    "error": (10.0, 3.5),
    "loss": (13.0, 3.5),
}
#: From each node to the one computed from it.
_EDGES = (
    ("w", "product"),
    ("x", "product"),
    ("product", "prediction"),
    ("b", "prediction"),
    ("prediction", "error"),
    ("target", "error"),
    ("error", "loss"),
)
_LABELS = {"product": "w \u00b7 x"}
_OPERATIONS = {
    "product": "multiply",
    "prediction": "add b",
    "error": "minus target",
    "loss": "square",
}
_INPUTS = ("x", "target")
_PARAMETERS = ("w", "b")
#: Nodes whose local derivative depends on the settings; adding passes a gradient on as it is.
_CHANGING = ("w", "error")
_WIDTH, _HEIGHT = 1.86, 1.5
#: Upper limits of the right picture: the lowest one that shows the point is used.
_TOPS = (40.0, 160.0, 480.0)
_W_LIMITS = (-2.0, 4.0)
_NUDGE = 0.1


@dataclass(frozen=True)
class State:
    """``values`` and ``gradients`` by node; ``factors`` (local derivatives of what is computed
    from a node) by node. Inputs have neither of the last two. ``curve`` is the loss at the places
    ``_CURVE_W``; ``rise`` is its change when w rises by the nudge."""

    values: Mapping[str, float]
    gradients: Mapping[str, float]
    factors: Mapping[str, float]
    curve: torch.Tensor
    rise: float


class GradientFlow:
    name = "gradient_flow"
    title = "Gradient flow: values forward, gradients backward"
    size = (11.2, 4.5)
    controls = (
        Slider("w", "Weight w", low=_W_LIMITS[0], high=_W_LIMITS[1], default=2.0, step=0.1),
        Slider("x", "Input x", low=-3, high=3, default=3.0, step=0.1),
        Slider("b", "Bias b", low=-3, high=3, default=1.0, step=0.1),
        Slider("target", "Target", low=-5, high=10, default=5.0, step=0.1),
    )
    recording = (
        sweep(
            w=(-2.0, -1.0, 0.0, 1.0, 1.3, 2.0, 3.0, 4.0),
            x=(-3.0, -1.0, 0.0, 1.0, 3.0),
            b=(-3.0, 0.0, 1.0, 3.0),
            target=(0.0, 5.0, 10.0),
        ),
    )

    def compute(self, settings: Settings) -> State:
        nodes = _forward(settings)
        for node in nodes.values():
            if node.requires_grad:
                node.retain_grad()
        nodes["loss"].backward(retain_graph=True)
        gradients = {name: node.grad.item() for name, node in nodes.items() if name not in _INPUTS}
        factors = {
            source: torch.autograd.grad(nodes[result], nodes[source], retain_graph=True)[0].item()
            for source, result in _EDGES
            if source not in _INPUTS
        }
        with torch.no_grad():
            curve = _forward({**settings, "w": _CURVE_W})["loss"]
            nudged = _forward({**settings, "w": settings["w"] + _NUDGE})["loss"]
        return State(
            values={name: node.item() for name, node in nodes.items()},
            gradients=gradients,
            factors=factors,
            curve=curve,
            rise=nudged.item() - nodes["loss"].item(),
        )

    def layout(self, figure: Figure) -> Artists:
        graph, plot = figure.subplots(1, 2, width_ratios=(2.15, 1))
        return {**_layout_graph(graph), **_layout_plot(plot)}

    def update(self, artists: Artists, state: State) -> None:
        for name, value in state.values.items():
            artists[f"value {name}"].set_text(_number(value))
        for name, gradient in state.gradients.items():
            artists[f"gradient {name}"].set_text(f"grad {_number(gradient)}")
        for source in _CHANGING:
            artists[f"factor {source}"].set_text(f"\u00d7 {_factor(state.factors[source])}")
        w, loss = state.values["w"], state.values["loss"]
        slope = state.gradients["w"]
        top = next(top for top in _TOPS if loss <= top or top == _TOPS[-1])
        artists["curve"].axes.set_ylim(-0.06 * top, top)
        artists["curve"].set_data(_CURVE_W, state.curve)
        ends = torch.tensor(_W_LIMITS, dtype=torch.float64)
        artists["tangent"].set_data(ends, loss + slope * (ends - w))
        artists["point"].set_data([w], [loss])
        artists["slope"].set_text(f"The slope is dL/dw = {_number(slope)}")
        artists["nudge"].set_text(
            f"Raise w by {_NUDGE:g}:\nthe tangent says {_signed(slope * _NUDGE)},\n"
            f"the loss changes by {_signed(state.rise)}."
        )

    def describe(self, state: State) -> str:
        value = {name: _plain(number) for name, number in state.values.items()}
        gradient = {name: _plain(number) for name, number in state.gradients.items()}
        return (
            f"Forward: w = {value['w']}, x = {value['x']} and b = {value['b']} give the prediction "
            f"{value['prediction']}; with target {value['target']} the loss is {value['loss']}. "
            f"Backward: dL/dprediction = {gradient['prediction']}; times x = {value['x']} that "
            f"makes dL/dw = {gradient['w']}, and times 1 it is dL/db = {gradient['b']}. Raising w "
            f"by {_NUDGE:g} changes the loss by {_plain(state.rise)}; the tangent says "
            f"{_plain(_NUDGE * state.gradients['w'])}."
        )


_CURVE_W = torch.linspace(*_W_LIMITS, 121, dtype=torch.float64)


def _forward(settings: Settings) -> dict[str, torch.Tensor]:
    """The nodes, in the order in which they are computed; w and b require gradients."""
    names = (*_PARAMETERS, *_INPUTS)
    node = {name: torch.as_tensor(settings[name], dtype=torch.float64) for name in names}
    if torch.is_grad_enabled():
        for name in _PARAMETERS:
            node[name].requires_grad_()
    node["product"] = node["w"] * node["x"]
    node["prediction"] = node["product"] + node["b"]
    node["error"] = node["prediction"] - node["target"]
    node["loss"] = node["error"] ** 2
    return node


def _layout_graph(axes) -> dict:
    axes.set(xlim=(0, 14), ylim=(-0.2, 5.9), title="The graph that the forward pass records")
    axes.axis("off")
    artists = {}
    for name, (x, y) in _PLACES.items():
        parameter, given = name in _PARAMETERS, name in _INPUTS
        box = FancyBboxPatch(
            (x - _WIDTH / 2, y - _HEIGHT / 2),
            _WIDTH,
            _HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.18",
            facecolor="#F4F4F4" if given else "white",
            edgecolor=BACKWARD.color if parameter else "#8A8A8A",
            linewidth=2.2 if parameter else 1.1,
        )
        axes.add_patch(box)
        middle = {"ha": "center", "va": "center"}
        axes.text(x, y + 0.47, _LABELS.get(name, name), fontweight="bold", **middle)
        color = LOSS.ink if name == "loss" else FORWARD.ink
        artists[f"value {name}"] = axes.text(x, y + 0.02, "", color=color, **middle)
        if given:
            axes.text(x, y - 0.45, "input", color="#5A5A5A", **middle)
        else:
            artists[f"gradient {name}"] = axes.text(
                x, y - 0.45, "", color=BACKWARD.ink, fontsize=10, **middle
            )
        if name in _OPERATIONS:
            operation = _OPERATIONS[name]
            axes.text(x, y + 0.97, operation, color="#5A5A5A", style="italic", **middle)
    for source, result in _EDGES:
        factor = _draw_edge(axes, source, result)
        if source in _CHANGING:
            artists[f"factor {source}"] = factor
        elif source not in _INPUTS:
            factor.set_text("\u00d7 1")
    for y, words, color in (
        (1.5, "\u25b6 values", FORWARD.ink),
        (1.0, "\u25c0 gradients", BACKWARD.ink),
    ):
        axes.text(11.5, y, words, color=color, va="center")
    axes.text(11.5, 0.3, "framed:\nkept in .grad", color=BACKWARD.ink, va="center", weight="bold")
    artists["nudge"] = axes.text(0.07, 0.8, "", va="center", linespacing=1.4)
    return artists


def _draw_edge(axes, source: str, result: str):
    """The forward arrow and, unless the source is an input, the backward one beside it; returns
    the text for its factor."""
    (x0, y0), (x1, y1) = _PLACES[source], _PLACES[result]
    given = source in _INPUTS
    lift = 0.0 if given else 0.16
    if x0 == x1:  # from below: the two arrows are side by side
        start, end, aside = (x0, y0 + _HEIGHT / 2), (x1, y1 - _HEIGHT / 2), (-lift, 0.0)
        words = {"x": x0 + 0.35, "y": (start[1] + end[1]) / 2, "ha": "left", "va": "center"}
    else:
        slope = 0.35 * ((y0 > y1) - (y0 < y1))
        start, end = (x0 + _WIDTH / 2, y0 - slope), (x1 - _WIDTH / 2, y1 + slope)
        aside = (0.0, lift)
        words = {"x": (start[0] + end[0]) / 2, "y": y0 - 0.3, "ha": "center", "va": "top"}
        if slope:
            words = {"x": start[0] + 0.15, "y": start[1] + 0.3, "ha": "left", "va": "bottom"}
    style = {"arrowstyle": "-|>", "mutation_scale": 11, "shrinkA": 2, "shrinkB": 2}
    forward = [(x + aside[0], y + aside[1]) for x, y in (start, end)]
    color = GREY if given else FORWARD.color
    axes.add_patch(FancyArrowPatch(*forward, color=color, linewidth=1.3, **style))
    if given:
        return None
    backward = [(x - aside[0], y - aside[1]) for x, y in (end, start)]
    style |= {"linewidth": 1.9, "linestyle": (0, (4, 1.5))}
    axes.add_patch(FancyArrowPatch(*backward, color=BACKWARD.color, **style))
    return axes.text(s="", color=BACKWARD.ink, fontsize=10, **words)


def _layout_plot(axes) -> dict:
    axes.set(xlabel="w", ylabel="loss", xlim=_W_LIMITS, ylim=(-2.4, 40))
    made = {"slope": axes.set_title(" ")}
    (made["curve"],) = axes.plot([], [], color=LOSS.color, lw=2.6)
    (made["tangent"],) = axes.plot([], [], color=BACKWARD.color, ls=BACKWARD.linestyle, lw=2.2)
    (made["point"],) = axes.plot(
        [], [], LOSS.marker, color=LOSS.color, ms=10, mec="white", zorder=5
    )
    return made


def _number(value: float) -> str:
    """Two decimals, one from 100 on; never minus zero."""
    return _plain(value, 2 if abs(value) < 100 else 1).replace("-", "\u2212")


def _factor(value: float) -> str:
    """One decimal, none from 10 on: there is little room on an edge."""
    return _plain(value, 1 if abs(value) < 9.95 else 0).replace("-", "\u2212")


def _signed(value: float) -> str:
    return _plain(value, sign="+").replace("-", "\u2212")


def _plain(value: float, digits: int = 2, sign: str = "") -> str:
    return f"{round(value, digits) + 0.0:{sign}.{digits}f}"
