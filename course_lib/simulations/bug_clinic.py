"""Eight sick training runs (chapter 09): ``course_lib.panel("bug_clinic")``.

Each patient has one of the cheat sheet's eight bugs. The picture shows its real symptom beside the
healthy run; the reader guesses, then reveals the bug, the line and the fix.
"""

from dataclasses import dataclass
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.beats import INK, LOSS
from course_lib.simulations.base import Artists, Choice, Settings, Toggle, sweep
from course_lib.simulations.clinic_runs import Run, run
from course_lib.simulations.clinic_words import BUGS, PATIENTS, Bug, bug_of
from course_lib.simulations.common import DASHES

_QUARTERS = (0, 0.25, 0.5, 0.75, 1)
_WIDTH = 48  # characters in a line of the sheet on the right
_MOST_NOTES = 2
_STOP = 0.9  # height of the cross and its error: above the healthy curve


@dataclass(frozen=True)
class State:
    """``guess`` is a row of the cheat sheet, 0 for none."""

    patient: int
    run: Run
    bug: Bug
    guess: int
    revealed: bool


class BugClinic:
    name = "bug_clinic"
    title = "Bug clinic: eight sick training runs beside healthy ones"
    size = (10.2, 4.7)
    controls = (
        Choice(
            "patient",
            "Patient",
            tuple((number, str(number)) for number in range(1, len(PATIENTS) + 1)),
            1,
        ),
        Choice(
            "guess",
            "Your guess",
            ((0, "no guess yet"), *((bug.row, bug.name) for bug in BUGS)),
            0,
        ),
        Toggle("reveal", "Reveal the bug", False),
    )
    recording = (
        sweep(
            patient=range(1, len(PATIENTS) + 1),
            reveal=(False, True),
            guess=range(len(BUGS) + 1),
        ),
    )

    def compute(self, settings: Settings) -> State:
        bug = bug_of(int(settings["patient"]))
        guess, revealed = int(settings["guess"]), bool(settings["reveal"])
        return State(int(settings["patient"]), run(bug.row), bug, guess, revealed)

    def layout(self, figure: Figure) -> Artists:
        # The axes stay as they are for all patients, and only the words at their marks change: a
        # change of limits would redraw everything. So no layout engine can see how much room those
        # words need, and everything is placed by hand.
        figure.set_layout_engine("none")
        curves = figure.add_axes((0.09, 0.135, 0.49, 0.76))
        curves.set(xlim=(0, 1), ylim=(0, 1.02), xticks=_QUARTERS, yticks=_QUARTERS)
        curves.set(xticklabels=[], yticklabels=[])
        artists = _marks(curves)
        artists["title"] = curves.text(
            0, 1.06, "", va="bottom", fontsize=11.5, fontweight="bold", in_layout=False
        )
        lines = {"clip_on": False, "zorder": 3}
        (artists["sick"],) = curves.plot([], [], color=LOSS.color, lw=2, **lines)
        (artists["healthy"],) = curves.plot([], [], color=INK, lw=1.8, ls=DASHES, **lines)
        (artists["stopped"],) = curves.plot([], [], "X", color=LOSS.color, ms=13, mec="w", **lines)
        artists["error"] = curves.text(
            0.06, _STOP, "", va="center", family="DejaVu Sans Mono", fontsize=9.5, zorder=5,
            bbox={"fc": "white", "ec": LOSS.color, "boxstyle": "round,pad=0.5"}, in_layout=False,
        )  # fmt: skip
        return artists | _sheet(figure)

    def update(self, artists: Artists, state: State) -> None:
        shown = state.run
        artists["title"].set_text(state.bug.sees)
        for axis, scale in (("x", shown.x), ("y", shown.y)):
            artists[f"{axis} label"].set_text(scale.label)
            for place, mark in enumerate(scale.marks):
                artists[f"{axis} mark {place}"].set_text(f"{mark:,g}")
        for which, curve in (("sick", shown.sick), ("healthy", shown.healthy)):
            artists[which].set_data(*_on_picture(shown, curve))
        artists["stopped"].set_data([0] if shown.error else [], [_STOP] if shown.error else [])
        artists["error"].set_text(fill(shown.error, 44))
        artists["error"].set_visible(bool(shown.error))
        artists["patient"].set_text(f"Patient {state.patient}")
        for place in range(_MOST_NOTES):
            for column, words in enumerate(shown.notes[place]):
                artists[f"note {place} {column}"].set_text(words)
        for key, words in _words(state).items():
            artists[key].set_text(words)

    def describe(self, state: State) -> str:
        notes = "; ".join(
            f"{what}: {sick}, in the healthy run {healthy}"
            for what, sick, healthy in state.run.notes
        )
        error = f" PyTorch says: {state.run.error}" if state.run.error else ""
        seen = f"Patient {state.patient}: {state.bug.sees}. {notes[0].upper()}{notes[1:]}.{error}"
        bug = state.bug
        if state.revealed:
            return (
                f"{seen} The bug: {bug.name}. {_verdict(state)} {bug.why} "
                f"Instead of: {_in_one_line(bug.code)}, write: {_in_one_line(bug.repair)}"
            )
        return f"{seen} Your guess: {BUGS[state.guess - 1].name}." if state.guess else seen


def _marks(axes: Axes) -> dict[str, object]:
    """The words at the axes: they change with the patient; the axes themselves do not."""
    words = {"fontsize": 10, "in_layout": False}
    artists: dict[str, object] = {
        "x label": axes.text(0.5, -0.105, "", ha="center", va="top", **words),
        "y label": axes.text(-0.15, 0.5, "", ha="center", va="center", rotation=90, **words),
    }
    for place, quarter in enumerate(_QUARTERS):
        artists[f"x mark {place}"] = axes.text(quarter, -0.03, "", ha="center", va="top", **words)
        artists[f"y mark {place}"] = axes.text(-0.02, quarter, "", ha="right", va="center", **words)
    return artists


def _sheet(figure: Figure) -> dict[str, object]:
    """The patient's sheet, on the right."""
    sheet = figure.add_axes((0.62, 0, 0.37, 1))
    sheet.set(xlim=(0, 1), ylim=(0, 1))
    sheet.set_axis_off()
    columns = (0, 0.53, 0.77)

    def text(x: float, y: float, **options: object) -> object:
        return sheet.text(x, y, "", **{"va": "top", "fontsize": 10, "in_layout": False} | options)

    artists = {"patient": text(0, 0.965, fontsize=13, fontweight="bold")}
    for x, words, color, style in (
        (columns[1], "patient", LOSS.color, "-"),
        (columns[2], "healthy", INK, DASHES),
    ):
        sheet.plot([x, x + 0.15], [0.945, 0.945], color=color, ls=style, lw=2)
        sheet.text(x, 0.915, words, va="top", fontsize=10)
    for place in range(_MOST_NOTES):
        for column, x in enumerate(columns):
            artists[f"note {place} {column}"] = text(x, 0.855 - 0.06 * place)
    sheet.plot([0, 1], [0.715, 0.715], color="#C4C4C4", lw=1)
    artists["guess"] = text(0, 0.685)
    artists["bug"] = text(0, 0.685, fontsize=11.5, fontweight="bold")
    artists["words"] = text(0, 0.625, linespacing=1.3)
    artists["code"] = text(0, 0.03, va="bottom", family="DejaVu Sans Mono", fontsize=9.5)
    artists["code"].set_linespacing(1.35)
    return artists


def _words(state: State) -> dict[str, str]:
    """The lower half of the sheet, before and after the bug is revealed."""
    bug, guessed = state.bug, BUGS[state.guess - 1] if state.guess else None
    empty = dict.fromkeys(("guess", "bug", "words", "code"), "")
    if not state.revealed:
        guess = f"Your guess: {guessed.name}." if guessed else "What is wrong here? Make a guess."
        return empty | {"guess": f"{guess}\nThen reveal the bug, the line and the fix."}
    return empty | {
        "bug": f"It is: {bug.name}",
        "words": f"{fill(_verdict(state), _WIDTH)}\n\n{fill(bug.why, _WIDTH)}",
        "code": f"{_marked('-', bug.code)}\n{_marked('+', bug.repair)}",
    }


def _verdict(state: State) -> str:
    """The verdict on the guess, when the bug is revealed."""
    if not state.guess:
        return f"Row {state.bug.row} of the cheat sheet."
    guessed = BUGS[state.guess - 1]
    if guessed is state.bug:
        return f"Your guess is right: row {state.bug.row} of the cheat sheet."
    return f"You guessed: {guessed.name}. In that case {guessed.otherwise}."


def _in_one_line(code: str) -> str:
    return " / ".join(line.strip() for line in code.splitlines())


def _marked(sign: str, code: str) -> str:
    return "\n".join(f"{sign} {line}" for line in code.splitlines())


def _on_picture(shown: Run, curve: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A curve's points in the axes' own units: 0 to 1 from the first mark to the last."""
    first, last = shown.x.marks[0], shown.x.marks[-1]
    # An epoch's or a batch's number is known at its end; a step's loss at its start.
    start = 0 if shown.x.label == "optimizer step" else 1
    x = (np.arange(len(curve)) + start - first) / (last - first)
    low, high = shown.y.marks[0], shown.y.marks[-1]
    if shown.y.log:
        curve, low, high = np.log10(np.maximum(curve, low)), np.log10(low), np.log10(high)
    return x, np.clip((curve - low) / (high - low), 0, 1)
