"""Beats in the reader's own order (chapter 05): ``course_lib.panel("beat_sequencer")``.

Up to eight lines, chosen from the loop's five, are run for real by ``beat_runs``. Nothing is
predicted here: the verdict is read off the run.
"""

import textwrap
from dataclasses import dataclass
from itertools import permutations, product
from math import isfinite
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from course_lib.beats import BY_LETTER, GREY, INK, LOOP, LOSS, YELLOW
from course_lib.simulations.base import Artists, Choice, Preset, Settings, sweep
from course_lib.simulations.beat_runs import (
    BATCHES,
    RaisedError,
    Run,
    gradients_per_step,
    run_order,
)
from course_lib.simulations.common import DASHES, within

SLOTS = 8
USUAL = "FLZBS"
#: The logarithmic axis stays as it is: what leaves it is drawn at its edge.
_LIMITS = (1e-2, 1e4)
_MONO = "DejaVu Sans Mono"


@dataclass(frozen=True)
class State:
    """``slots``: eight letters, "" where a slot is empty."""

    slots: tuple[str, ...]
    run: Run

    @property
    def stopped_slot(self) -> int | None:
        """The slot whose line raised an error."""
        if self.run.failure is None:
            return None
        filled = [i for i, letter in enumerate(self.slots) if letter]
        return filled[self.run.failure.place]


def arrange(letters: str) -> dict[str, str]:
    """The settings for an order such as "FLZBS"; the rest of the eight lines is empty."""
    if len(letters) > SLOTS or not set(letters) <= set(BY_LETTER):
        raise ValueError(f"an order is up to {SLOTS} letters of {USUAL}, not {letters!r}")
    return {f"line_{i + 1}": letters[i : i + 1] for i in range(SLOTS)}


#: Beside the usual order: what the chapter asks to try.
_ORDERS = {
    "No zero_grad": "FLBS",
    "Clear before step": "FLBZS",
    "Step first": "SFLZB",
    "Step after forward": "FSLZB",
    "Backward twice": "FLZBBS",
    "Step twice": "FLZBSS",
}


def _recorded() -> list[dict[str, str]]:
    """What the site shows of six to the power of eight arrangements: the five lines in any order,
    with one line emptied, one more repeated, or one changed in an order that the chapter names."""
    letters = ("", *BY_LETTER)
    found = {"".join(order): None for order in permutations(USUAL)}
    found |= dict.fromkeys(_ORDERS.values())
    known = [USUAL, *_ORDERS.values(), "ZFLBS", "FZLBS", "FLBSZ"]
    spaced = {tuple(order.ljust(SLOTS)): None for order in found}
    for order in known:
        slots = order.ljust(SLOTS)
        for i, letter in product(range(6), letters):
            spaced[(*slots[:i], letter or " ", *slots[i + 1 :])] = None
    for order in found:
        for i in range(len(order) if order.startswith("F") else 0):
            spaced[tuple((order[:i] + " " + order[i + 1 :]).ljust(SLOTS))] = None
    return [{f"line_{i + 1}": letter.strip() for i, letter in enumerate(slots)} for slots in spaced]


class BeatSequencer:
    name = "beat_sequencer"
    title = "Beat sequencer: arrange the lines of the loop, and run them"
    size = (10.2, 4.5)
    controls = tuple(
        Choice(
            f"line_{i + 1}",
            f"Line {i + 1}",
            (("", "(empty)"), *((beat.letter, f"{beat.letter}: {beat.line}") for beat in LOOP)),
            default=USUAL[i : i + 1],
        )
        for i in range(SLOTS)
    )
    presets = tuple(Preset(label, arrange(order)) for label, order in _ORDERS.items())
    recording = tuple(
        sweep(**{name: (letter,) for name, letter in slots.items()}) for slots in _recorded()
    )

    def compute(self, settings: Settings) -> State:
        slots = tuple(settings[control.name] for control in self.controls)
        return State(slots, run_order("".join(slots)))

    def layout(self, figure: Figure) -> Artists:
        lines, curve = figure.subplots(1, 2, width_ratios=(1, 1.25))
        return {**_layout_lines(lines), **_layout_curve(curve)}

    def update(self, artists: Artists, state: State) -> None:
        run = state.run
        for i, letter in enumerate(state.slots):
            for beat in LOOP:
                artists[f"symbols {beat.letter}"][i].set_visible(beat.letter == letter)
            artists["source"][i].set_text(BY_LETTER[letter].line if letter else "")
            for artist in (artists["stop row"][i], artists["stop"][i]):
                artist.set_visible(i == state.stopped_slot)
        artists["reason"].set_text(textwrap.fill(_reason(run), 50))
        losses = within(run.losses, _LIMITS)
        artists["curve"].set_data(np.arange(len(losses)), losses)
        artists["end"].set_data([len(losses) - 1], losses[-1:])
        bad = run.first_bad
        artists["bad"].set_data([] if bad is None else [bad], [] if bad is None else [_LIMITS[1]])
        artists["bad words"].set_text("" if bad is None else f"infinite or NaN\nafter batch {bad}")
        artists["bad words"].set_x((bad or 0) + 7)
        artists["message"].set_text(_wrapped(run.failure) if run.failure else "")
        artists["message box"].set_visible(run.failure is not None)
        artists["verdict"].set_text(_verdict(run))

    def describe(self, state: State) -> str:
        run = state.run
        order = " ".join(run.order) or "no lines at all"
        if run.failure is not None:
            return f"Order {order}: {_verdict(run)}: {run.failure.message}"
        batches = len(run.losses) - 1
        if run.outcome == "unchanged":
            return f"Order {order}: {_verdict(run)} in {batches} batches. {_reason(run)}"
        return (
            f"Order {order}: {_verdict(run)}, as measured on all 128 points before and after "
            f"{batches} batches. {_reason(run)}"
        )


def _verdict(run: Run) -> str:
    before, after = _number(run.losses[0]), _number(run.losses[-1])
    match run.outcome:
        case "error":
            where = BY_LETTER[run.order[run.failure.place]].name
            return f"Batch {run.failure.batch} stops at {where}: {run.failure.kind}"
        case "unchanged":
            return "Standing still: no weight ever moves"
        case "exploding":
            return f"Exploding: the loss goes from {before} to {after}"
        case "learning":
            return f"Learning: the loss goes from {before} to {after}"
        case "not better":
            return f"Moving, not learning: from {before} to {after}"


def _reason(run: Run) -> str:
    """Why, in one sentence: what the order of the lines says about this outcome."""
    lines, failure = run.order, run.failure
    if failure is not None:
        if failure.kind == "NameError":
            return "This line needs something that no earlier line has made."
        if "inplace" in failure.message:
            return "step() changed weights that this backward() still needs."
        return "One forward pass builds one graph, and backward() uses it up."
    if run.outcome == "unchanged":
        if not lines:
            return "There is nothing to run."
        if "S" not in lines:
            return "Nothing calls step()."
        if "B" not in lines:
            return "Without backward() there are no gradients to step along."
        return "step() finds no gradients: they are cleared after backward()."
    if "Z" not in lines:
        return "No gradient is ever cleared: each step uses the sum of all so far."
    if np.array_equal(run.losses, run_order(USUAL).losses) and lines != USUAL:
        return "Identical to the usual order, bit for bit."
    used = [batches_ago for batches_ago in gradients_per_step(lines) if batches_ago]
    if len(used) > lines.count("B"):
        return f"{len(used)} steps per batch: a gradient is used more than once."
    if any(len(batches_ago) > 1 for batches_ago in used):
        return "A step uses the sum of several gradients."
    if (1,) in used:
        return "step() uses the previous batch's gradients: one batch late."
    return "Gradients of this batch alone, then one step along them."


def _wrapped(failure: RaisedError) -> str:
    lines = textwrap.wrap(f"{failure.kind}: {failure.message}", 55)
    return "\n".join(lines if len(lines) <= 8 else [*lines[:7], lines[7] + " \u2026"])


def _number(value: float) -> str:
    if not isfinite(value):
        return "infinity" if value > 0 else "NaN"
    return f"{value:.3f}" if 1e-3 <= value < 10 else f"{value:.3g}"


def _layout_lines(axes: Axes) -> dict:
    axes.set(xlim=(0, 1), ylim=(0, 1), title="The loop as you arranged it")
    axes.axis("off")
    row = 0.092
    places = [0.94 - row * (i + 1) for i in range(SLOTS)]

    def words(x: float, y: float, text: str = "", **looks: Any):
        # Not in the layout: the words follow the axes, not the other way round.
        return axes.text(x, y, text, **{"va": "center", "in_layout": False, **looks})

    words(0, 0.94, f"for x, y in batches:  # {BATCHES} of them", family=_MONO)
    for i, y in enumerate(places):
        words(0.05, y, f"{i + 1}", color=GREY, ha="right")
    axes.plot([0, 1], [0.145, 0.145], color="#D0D0D0", lw=0.9)
    symbols = {
        f"symbols {beat.letter}": [
            words(0.125, y, beat.symbol, color=beat.color, fontsize=14, ha="center") for y in places
        ]
        for beat in LOOP
    }
    return {
        **symbols,
        "stop row": [_box(axes, (0.075, y - row / 2), 0.925, row, YELLOW) for y in places],
        "source": [words(0.19, y, family=_MONO) for y in places],
        "stop": [words(0.985, y, "stops", ha="right", fontweight="bold") for y in places],
        "reason": words(0, 0.11, va="top", linespacing=1.35),
    }


def _layout_curve(axes: Axes) -> dict:
    axes.set(xlabel="batch", ylabel="mean squared error on all points")
    axes.set(xlim=(0, BATCHES), yscale="log", ylim=_LIMITS)
    usual = run_order(USUAL).losses
    dashes = {"color": INK, "lw": 1.3, "ls": DASHES, "zorder": 2}
    axes.plot(np.arange(len(usual)), usual, **dashes)
    inside = {"transform": axes.transAxes, "in_layout": False}
    axes.figure.legend(
        [Line2D([], [], **dashes)],
        [f"the usual order, {' '.join(USUAL)}"],
        loc="outside lower right",
    )
    ends = {"mec": "white", "clip_on": False, "in_layout": False}
    made = {
        "verdict": axes.set_title(" ", in_layout=False),
        "bad words": axes.text(0, _LIMITS[1] / 2, "", va="top", fontweight="bold", in_layout=False),
        "message box": _box(axes, (0.012, 0.535), 0.985, 0.45, "white", transform=axes.transAxes),
        "message": axes.text(
            0.03, 0.965, "", va="top", family=_MONO, fontsize=9.5, linespacing=1.45, **inside
        ),
    }
    (made["curve"],) = axes.plot([], [], color=LOSS.color, lw=2.0, zorder=3)
    (made["end"],) = axes.plot([], [], LOSS.marker, color=LOSS.color, ms=9, zorder=4, **ends)
    (made["bad"],) = axes.plot([], [], "X", color=INK, ms=11, zorder=6, **ends)
    return made


def _box(axes: Axes, corner: tuple[float, float], width: float, height: float, color: str, **looks):
    looks = {"facecolor": color, "alpha": 0.6 if color == YELLOW else 1, "zorder": 1, **looks}
    return axes.add_patch(Rectangle(corner, width, height, linewidth=0, **looks))
