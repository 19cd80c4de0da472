"""The graph that autograd records, walked backward (chapter 03): ``course_lib.panel("graph_walker")``.

Nodes and edges are ``loss.grad_fn`` and what ``next_functions`` leads to. Hooks on the nodes record
the order of the walk and the gradients while a real ``backward()`` runs.
"""

from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch import Tensor, nn

from course_lib.beats import BACKWARD, INK
from course_lib.data import generator_of
from course_lib.models import seeded
from course_lib.simulations.base import Artists, Choice, Settings, Slider, sweep

BATCH = 4
_COLUMNS, _ROWS = 6, 4
_WIDTH, _HEIGHT = 0.88, 0.66
#: Rows from the bottom: a bias, the chain, a transposed weight, the weight itself.
_BIAS_ROW, _CHAIN_ROW, _TRANSPOSE_ROW, _WEIGHT_ROW = range(_ROWS)


@dataclass(frozen=True)
class Visit:
    """One node of the graph. ``place`` is (column from the right, row); ``got`` the shape of the
    gradient that reaches it; ``norm`` the gradient's norm, for an accumulating node."""

    name: str
    place: tuple[int, int]
    got: tuple[int, ...]
    parameter: str
    norm: float


@dataclass(frozen=True)
class Walk:
    """``visits`` in the order in which backward() came to them; ``edges`` as pairs of their
    numbers, from a node to one to which it passes a gradient."""

    visits: tuple[Visit, ...]
    edges: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class State:
    """``done`` nodes have been visited."""

    walk: Walk
    done: int


def _plain() -> nn.Module:
    return nn.Sequential(OrderedDict(fc1=nn.Linear(2, 3), tanh=nn.Tanh(), fc2=nn.Linear(3, 1)))


class _Shortcut(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(2, 3), nn.Linear(3, 3), nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(self.fc1(x))
        return self.fc3(hidden + self.fc2(hidden))


_NETWORKS = {"plain": _plain, "shortcut": _Shortcut}
_MOST_NODES, _MOST_EDGES = 15, 15


class GraphWalker:
    name = "graph_walker"
    title = "Graph walker: how backward() goes through the recorded graph"
    size = (10.6, 5.0)
    controls = (
        Choice(
            "network",
            "Network",
            (("plain", "Two layers"), ("shortcut", "With a shortcut")),
            default="plain",
        ),
        Slider("step", "Nodes visited", low=0, high=15, default=6, step=1, integer=True),
    )
    recording = (sweep(network=("plain", "shortcut"), step=range(16)),)

    def compute(self, settings: Settings) -> State:
        walk = walk_of(settings["network"])
        return State(walk, min(settings["step"], len(walk.visits)))

    def layout(self, figure: Figure) -> Artists:
        axes = figure.subplots()
        axes.set(xlim=(0, _COLUMNS), ylim=(-0.95, _ROWS - 0.02))
        axes.axis("off")
        artists: dict[str, Any] = {"title": axes.set_title(" ")}
        arrow = {"arrowstyle": "-|>", "mutation_scale": 11, "shrinkA": 0, "shrinkB": 1}
        rounded = "round,pad=0,rounding_size=0.07"
        artists["edges"] = [
            axes.add_patch(FancyArrowPatch((0, 0), (1, 1), zorder=2, **arrow))
            for _ in range(_MOST_EDGES)
        ]
        artists["boxes"] = [
            axes.add_patch(
                FancyBboxPatch((0, 0), 1, 1, boxstyle=rounded, mutation_aspect=1.3, zorder=3)
            )
            for _ in range(_MOST_NODES)
        ]
        middle = {"ha": "center", "va": "center", "zorder": 4, "fontsize": 9.5}
        for key in ("names", "notes"):
            artists[key] = [axes.text(0, 0, "", **middle) for _ in range(_MOST_NODES)]
        artists["now"] = axes.text(0.06, -0.46, "", color=INK, va="center", linespacing=1.5)
        axes.text(
            _COLUMNS - 0.06,
            -0.46,
            "\u25c0 backward walks from right to left\nbeside a parameter: the norm of its .grad",
            ha="right",
            va="center",
            color=BACKWARD.ink,
            linespacing=1.5,
        )
        return artists

    def update(self, artists: Artists, state: State) -> None:
        walk = state.walk
        for i in range(_MOST_NODES):
            shown = i < len(walk.visits)
            for key in ("boxes", "names", "notes"):
                artists[key][i].set_visible(shown)
            if shown:
                _show_node(artists, i, walk, state.done)
        for i, edge in enumerate(artists["edges"]):
            edge.set_visible(i < len(walk.edges))
            if i < len(walk.edges):
                _show_edge(edge, walk, walk.edges[i], state.done)
        artists["title"].set_text(
            f"backward() has visited {state.done} of {len(walk.visits)} nodes"
        )
        artists["now"].set_text(_now(state))

    def describe(self, state: State) -> str:
        visits = state.walk.visits
        filled = [visit.parameter for visit in visits[: state.done] if visit.parameter]
        waiting = [visit.parameter for visit in visits[state.done :] if visit.parameter]
        return (
            f"{state.done} of {len(visits)} nodes visited. {_now(state).replace(chr(10), ' ')} "
            f"Parameters whose .grad is filled: {', '.join(filled) or 'none'}; "
            f"still None: {', '.join(waiting) or 'none'}."
        )


@cache
def walk_of(network: str) -> Walk:
    """Run forward and backward on one batch, and record the walk."""
    generator = generator_of(0)
    with seeded(0), torch.enable_grad():
        model = _NETWORKS[network]()
        x = torch.randn(BATCH, 2, generator=generator)
        y = torch.randn(BATCH, 1, generator=generator)
        loss = nn.functional.mse_loss(model(x), y)
        places = _places(loss.grad_fn)
        arrived: list[tuple[Any, tuple[int, ...]]] = []
        for node in places:
            node.register_prehook(
                lambda gradients, node=node: arrived.append((node, tuple(gradients[0].shape)))
            )
        loss.backward()
    names = {id(p): name for name, p in model.named_parameters()}
    visits = []
    for node, shape in arrived:
        parameter = getattr(node, "variable", None)
        visits.append(
            Visit(
                node.name().rpartition("::")[2],
                places[node],
                shape,
                names.get(id(parameter), ""),
                0.0 if parameter is None else parameter.grad.norm().item(),
            )
        )
    number = {node: i for i, (node, _) in enumerate(arrived)}
    edges = tuple((number[node], number[each]) for node in number for each in _followers(node))
    return Walk(tuple(visits), edges)


def _followers(node: Any) -> list[Any]:
    return [following for following, _ in node.next_functions if following is not None]


def _places(root: Any) -> dict[Any, tuple[int, int]]:
    """A column and a row for each node that can be reached: the chain in one row, each layer's
    parameters beside it."""
    places: dict[Any, tuple[int, int]] = {}
    waiting = [(root, 0)]
    while waiting:
        node, column = waiting.pop(0)
        # The longest path to a node decides: a shortcut arrives where the long path does.
        places[node] = (max(column, places.get(node, (0, 0))[0]), _CHAIN_ROW)
        next_column = places[node][0] + 1
        waiting += [(each, next_column) for each in _followers(node) if not _is_side(each)]
    for node, (column, _) in list(places.items()):
        for side in filter(_is_side, _followers(node)):
            transposed = side.name() == "TBackward0"
            places[side] = (column, _TRANSPOSE_ROW if transposed else _BIAS_ROW)
            if transposed:
                places[_followers(side)[0]] = (column, _WEIGHT_ROW)
    return places


def _is_side(node: Any) -> bool:
    return node.name() == "TBackward0" or node.name().endswith("AccumulateGrad")


def _centre(walk: Walk, visit: Visit) -> tuple[float, float]:
    column, row = visit.place
    columns = 1 + max(other.place[0] for other in walk.visits)
    return (_COLUMNS + columns) / 2 - column - 0.5, row + 0.35


def _show_node(artists: Artists, i: int, walk: Walk, visited: int) -> None:
    visit, done, current = walk.visits[i], i < visited, i == visited - 1
    x, y = _centre(walk, visit)
    box = artists["boxes"][i]
    box.set_bounds(x - _WIDTH / 2, y - _HEIGHT / 2, _WIDTH, _HEIGHT)
    box.set(
        facecolor="#E3F5EE" if current else ("#EFF8F5" if done else "white"),
        edgecolor=BACKWARD.color if done else "#9A9A9A",
        linewidth=2.6 if current else 1.3,
    )
    name, note = artists["names"][i], artists["notes"][i]
    name.set_position((x, y + (0.15 if done or visit.parameter else 0.0)))
    name.set_text(visit.name)
    name.set_color(INK if done else "#5A5A5A")
    note.set_position((x, y - 0.14))
    if visit.parameter:
        note.set_text(f"{visit.parameter}: {f'{visit.norm:.2f}' if done else 'None'}")
    else:
        note.set_text(f"gets {_shape(visit.got)}" if done else "")
    note.set_color(BACKWARD.ink if done else "#5A5A5A")


def _show_edge(edge: FancyArrowPatch, walk: Walk, ends: tuple[int, int], done: int) -> None:
    start, end = (walk.visits[i] for i in ends)
    (x0, y0), (x1, y1) = _centre(walk, start), _centre(walk, end)
    columns = end.place[0] - start.place[0]
    if columns == 0:
        up = 1 if y1 > y0 else -1
        edge.set_positions((x0, y0 + up * _HEIGHT / 2), (x1, y1 - up * _HEIGHT / 2))
    elif columns == 1:
        edge.set_positions((x0 - _WIDTH / 2, y0), (x1 + _WIDTH / 2, y1))
    else:  # a shortcut goes around what is in between
        edge.set_positions((x0, y0 - _HEIGHT / 2), (x1, y1 - _HEIGHT / 2))
    edge.set_connectionstyle("arc3", rad=-0.16 if columns > 1 else 0.0)
    passed = ends[0] < done
    edge.set(color=BACKWARD.color if passed else "#B4B4B4", linewidth=2.0 if passed else 1.2)


_WORDS = {
    "MseLossBackward0": "The walk starts at the loss, with dL/dL = 1.\n"
    "It passes on the gradient of the predictions.",
    "AddmmBackward0": "A layer: it passes gradients to the bias,\n"
    "to the weight and, if one is needed, to the input.",
    "TanhBackward0": "The activation multiplies by its local derivative,\n1 \u2212 tanh\u00b2.",
    "TBackward0": "The layer used W.T, so the gradient is\ntransposed back to W's shape.",
    "AddBackward0": "A sum passes the same gradient on\nto both of its branches.",
}


def _now(state: State) -> str:
    """What the node just visited does."""
    if state.done == 0:
        return "Nothing visited yet.\nEvery .grad is None."
    visit = state.walk.visits[state.done - 1]
    if visit.parameter:
        return (
            f"A leaf: {_shape(visit.got)} is added to {visit.parameter}.grad,\n"
            f"whose norm is now {visit.norm:.2f}."
        )
    arrivals = sum(end == state.done - 1 for _, end in state.walk.edges)
    if arrivals > 1:
        return (
            f"{arrivals} gradients have arrived here and are added first;\n"
            "then multiplied by 1 \u2212 tanh\u00b2."
        )
    return _WORDS[visit.name]


def _shape(shape: tuple[int, ...]) -> str:
    return str(list(shape))
