"""Operate every panel: each control, each button, and the clock of live runs.

Run by ``test_colab.py`` in an environment with Colab's versions, from the repository's root; needs
nothing but what ``course_lib`` needs. Prints a line per simulation and ends with status 1 when a
picture or a sentence did not answer.
"""

import sys
from typing import Any

import ipywidgets
import matplotlib

from course_lib.panels import LivePanel, Panel, panel
from course_lib.simulations import SIMULATIONS
from course_lib.simulations.base import Choice, Control, Slider

#: Ticks of a live run after Train or a preset.
TICKS = 4


def main() -> int:
    print(f"ipywidgets {ipywidgets.__version__}, matplotlib {matplotlib.__version__}")
    problems = [problem for name in SIMULATIONS for problem in check(name)]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def check(name: str) -> list[str]:
    """What is wrong with the panel of ``name``; empty when nothing is."""
    made = panel(name)
    problems = [] if "image/png" in made._repr_mimebundle_() else [f"{name}: no static picture"]
    for control in made.simulation.controls:
        answers = [_move(made, control, value) for value in _others(control)]
        if made.error is not None:
            problems.append(f"{name}, {control.name}: {made.error!r}")
        elif not any(answers):
            problems.append(f"{name}, {control.name}: picture and sentence stayed the same")
        made.buttons["Reset"].click()
    for label in list(made.buttons):
        before = made.png
        made.buttons[label].click()
        if isinstance(made, LivePanel) and made.running:
            for _ in range(TICKS):
                made.play.set_state({"value": made.play.value + 1})
            if not made.steps or made.png == before:
                problems.append(f"{name}, {label}: nothing was trained or drawn")
        if made.error is not None:
            problems.append(f"{name}, button {label}: {made.error!r}")
        made.buttons["Reset"].click()
    print(f"{name}: {len(made.controls)} controls, {len(made.buttons)} buttons")
    return problems


def _others(control: Control) -> list[Any]:
    """What the page sends for the values of ``control`` other than its default."""
    if isinstance(control, Slider):
        values = (control.low, control.high)
        return [{"value": value} for value in values if value != control.default]
    if isinstance(control, Choice):
        options = enumerate(value for value, _ in control.options)
        return [{"index": i} for i, value in options if value != control.default]
    return [{"value": not control.default}]


def _move(made: Panel, control: Control, message: dict[str, Any]) -> bool:
    """Whether picture or sentence, in the page's own widgets, changed at this message."""
    before = made._picture.value, made._sentence.value
    made.controls[control.name].set_state(message)
    return before[0] != made._picture.value or before[1] != made._sentence.value


if __name__ == "__main__":
    sys.exit(main())
