"""Which earlier characters a position looks at (chapter 10): ``course_lib.panel("attention_map")``.

Two small transformers learn sums of two digits, such as 7+9=16, character by character: one with the
causal mask, one without. Both train on all 100 sums at once, in float64, so that what is shown is the
same on every machine. Attention, losses and generated text are kept every few steps.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn import functional as F

from course_lib.beats import FORWARD, GREY, INK, LOSS, STEP
from course_lib.models import Transformer
from course_lib.simulations.base import Artists, Choice, Settings, Slider, Toggle, sweep
from course_lib.simulations.common import bold_inside

CHARACTERS = "0123456789+="
TEXTS = tuple(f"{a}+{b}={a + b:02d}" for a in range(10) for b in range(10))
#: The sum whose attention is shown, and where its answer starts.
SHOWN = TEXTS.index("7+9=16")
ANSWER = 4
TIME = 5  # what the model reads of six characters; it predicts the next one at each
HEADS = 2
STEPS, EVERY = 200, 10
#: Nobody can guess the second number: that alone costs log(10), on one of five characters.
FLOOR = math.log(10) / TIME
_BLUES = LinearSegmentedColormap.from_list("weight", ("#F7F7F7", FORWARD.color, "#00314F"))


@dataclass(frozen=True)
class Snapshot:
    """``weights`` ``[heads, time, time]`` of the shown sum; ``written``, what the model makes of the
    shown question; ``right``, the share of all 100 questions whose answer it writes."""

    weights: np.ndarray
    written: str
    right: float


@dataclass(frozen=True)
class Run:
    losses: np.ndarray  # of each step, [STEPS]
    snapshots: tuple[Snapshot, ...]  # before the first step, and after every EVERY


@dataclass(frozen=True)
class State:
    step: int
    place: int
    head: int
    mask: bool
    runs: dict[bool, Run]  # without and with the mask

    @property
    def snapshot(self) -> Snapshot:
        return self.runs[self.mask].snapshots[self.step // EVERY]

    @property
    def loss(self) -> float:
        """Of the step that was taken last; before the first, of that one."""
        return float(self.runs[self.mask].losses[max(0, self.step - 1)])


class AttentionMap:
    name = "attention_map"
    title = "Attention map: where a position looks"
    size = (10.4, 4.5)
    controls = (
        Slider("place", "Position", low=1, high=TIME, default=ANSWER, step=1, integer=True),
        Choice("head", "Head", tuple((h, f"{h}") for h in range(1, HEADS + 1)), default=1),
        Slider("step", "Training step", low=0, high=STEPS, default=STEPS, step=EVERY, integer=True),
        Toggle("mask", "Causal mask", default=True),
    )
    recording = (
        sweep(
            place=range(1, TIME + 1),
            head=range(1, HEADS + 1),
            step=range(0, STEPS + 1, 20),
            mask=(False, True),
        ),
    )

    def compute(self, settings: Settings) -> State:
        mask = bool(settings["mask"])
        step = int(settings["step"]) // EVERY * EVERY
        place, head = int(settings["place"]) - 1, int(settings["head"]) - 1
        return State(step, place, head, mask, {each: train(each) for each in (False, True)})

    def layout(self, figure: Figure) -> Artists:
        table, row, losses = figure.subplots(1, 3, width_ratios=(1, 0.8, 1.15))
        return {**_layout_table(table), **_layout_row(row), **_layout_losses(losses)}

    def update(self, artists: Artists, state: State) -> None:
        weights = state.snapshot.weights[state.head]
        artists["table"].set_data(weights)
        artists["frame"].set_xy((-0.5, state.place - 0.5))
        artists["row title"].set_text(f"\u201c{_read(state)}\u201d looks at")
        for place, (bar, words) in enumerate(zip(artists["bars"], artists["shares"], strict=True)):
            weight = weights[state.place, place]
            bar.set_width(weight)
            hidden = state.mask and place > state.place
            words.set_text("masked" if hidden else f"{weight:.2f}")
            words.set_x(weight + 0.03)
            words.set_color(GREY if hidden else INK)
        steps = np.arange(1, STEPS + 1)
        artists["with mask"].set_data(steps, state.runs[True].losses)
        artists["without mask"].set_data(steps, state.runs[False].losses)
        artists["here"].set_data([max(1, state.step)], [state.loss])
        artists["written"].set_text(
            f"Asked {TEXTS[SHOWN][:ANSWER]} it writes {state.snapshot.written}\n"
            f"{100 * state.snapshot.right:.0f} of 100 sums right"
        )

    def describe(self, state: State) -> str:
        weights = state.snapshot.weights[state.head][state.place]
        looks = ", ".join(
            f"{weight:.2f} at {character!r} (position {place + 1})"
            for place, (character, weight) in enumerate(
                zip(TEXTS[SHOWN][:TIME], weights, strict=True)
            )
            if not (state.mask and place > state.place)
        )
        return (
            f"{'With' if state.mask else 'Without'} the causal mask, after {state.step} steps, head "
            f"{state.head + 1}: position {state.place + 1} of {TEXTS[SHOWN]}, which has read {_read(state)!r}, "
            f"puts the weights {looks}. The training loss is {state.loss:.2f}; asked {TEXTS[SHOWN][:ANSWER]} the "
            f"model writes {state.snapshot.written}, and {100 * state.snapshot.right:.0f} of 100 sums come "
            "out right."
        )


def _read(state: State) -> str:
    return TEXTS[SHOWN][: state.place + 1]


def _layout_table(axes: Axes) -> dict[str, Artist]:
    labels = list(TEXTS[SHOWN][:TIME])
    table = axes.imshow(np.zeros((TIME, TIME)), cmap=_BLUES, vmin=0, vmax=1)
    axes.set_xticks(range(TIME), labels)
    axes.set_yticks(range(TIME), [f"{i + 1}: {label}" for i, label in enumerate(labels)])
    axes.grid(visible=False)
    axes.set(title="Weights (dark: 1)", xlabel="looked at", ylabel="position that looks")
    frame = axes.add_patch(
        Rectangle((-0.5, 0), TIME, 1, fill=False, ec=LOSS.color, lw=2.6, clip_on=False, zorder=4)
    )
    return {"table": table, "frame": frame}


def _layout_row(axes: Axes) -> dict[str, Artist | list[Artist]]:
    bars = axes.barh(range(TIME), [0.5] * TIME, height=0.62, color=FORWARD.color)
    axes.set(xlim=(0, 1.32), ylim=(TIME - 0.5, -0.5), xlabel="weight", xticks=(0, 0.5, 1))
    axes.set_yticks(range(TIME), list(TEXTS[SHOWN][:TIME]))
    axes.grid(visible=False, axis="y")
    words = [axes.text(0, i, "", va="center") for i in range(TIME)]
    return {"bars": list(bars), "shares": words, "row title": axes.set_title(" ")}


def _layout_losses(axes: Axes) -> dict[str, Artist]:
    axes.set(
        xlim=(0, STEPS), ylim=(0, 2.8), xlabel="training step", ylabel="cross-entropy per character"
    )
    axes.set_title("The lower loss is the worse model")
    axes.axhline(FLOOR, color=INK, lw=1.4, ls=":")
    axes.text(STEPS, FLOOR - 0.05, "cost of guessing a number", ha="right", va="top")
    (with_mask,) = axes.plot([], [], color=LOSS.color, label="with the mask")
    (without,) = axes.plot([], [], color=STEP.color, ls=STEP.linestyle, label="without")
    (here,) = axes.plot([], [], "o", ms=14, mfc="none", mec=INK, mew=1.8, clip_on=False, zorder=5)
    axes.legend(loc="upper right", bbox_to_anchor=(1, 0.8))
    words = bold_inside(axes, 0.98, 0.98)
    return {"with mask": with_mask, "without mask": without, "here": here, "written": words}


class _Attention:
    """Attention that keeps the weights of its last call, ``[batch, heads, time, time]``."""

    def __init__(self, mask: bool) -> None:
        self.mask = mask
        self.weights = torch.empty(0)

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        if self.mask:
            later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(diagonal=1)
            scores = scores.masked_fill(later, -math.inf)
        self.weights = scores.softmax(dim=-1)
        return self.weights @ v


#: Weights start at multiples of one over this.
_GRID = 2**11


@lru_cache
def train(mask: bool) -> Run:
    """The whole run: all 100 sums in every step."""
    attention = _Attention(mask)
    model = Transformer(len(CHARACTERS), TIME, attention, width=32, heads=HEADS, seed=0).double()
    with torch.no_grad():  # what is drawn differs in the last bit between kinds of kernels
        for parameter in model.parameters():
            parameter.copy_((parameter * _GRID).round() / _GRID)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    tokens = torch.tensor([[CHARACTERS.index(character) for character in text] for text in TEXTS])
    x, y = tokens[:, :-1], tokens[:, 1:]
    losses, snapshots = [], [_snapshot(model, attention, tokens)]
    for step in range(1, STEPS + 1):
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step % EVERY == 0:
            snapshots.append(_snapshot(model, attention, tokens))
    return Run(np.array(losses), tuple(snapshots))


@torch.no_grad()
def _snapshot(model: Transformer, attention: _Attention, tokens: Tensor) -> Snapshot:
    written = tokens[:, :ANSWER]
    while written.shape[1] < tokens.shape[1]:
        likely = model(written)[:, -1].argmax(dim=-1, keepdim=True)
        written = torch.cat([written, likely], dim=1)
    model(tokens[SHOWN : SHOWN + 1, :-1])
    answer = "".join(CHARACTERS[i] for i in written[SHOWN, ANSWER:])
    right = (written == tokens).all(dim=1).double().mean().item()
    return Snapshot(attention.weights[0].numpy(), answer, right)
