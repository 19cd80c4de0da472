"""What every panel says at many of its settings, for a comparison between environments.

``python -m tests.everywhere.panel_words [--noise SEED]`` prints it as JSON: simulation -> settings ->
sentence. A panel's sentence holds all the numbers that its picture shows.
"""

import argparse
import json
import math
import sys
from typing import Any

from course_lib.panels.controls import build, read
from course_lib.simulations import SIMULATIONS, load
from course_lib.simulations.base import Control, Simulation, Slider, defaults

#: Of a slider with more places, so many are looked at.
PLACES = 5


def places(control: Control) -> list[Any]:
    """Settings that the control can be moved to: its ends, and places in between."""
    if not isinstance(control, Slider):
        widget = build(control)
        return (
            [value for _, value in widget.options] if hasattr(widget, "options") else [False, True]
        )
    widget = build(control)
    low, high = (control.low, control.high)
    if control.log:
        low, high = math.log10(low), math.log10(high)
    steps = round((high - low) / control.step)
    found = []
    for place in sorted({round(i * steps / (PLACES - 1)) for i in range(PLACES)}):
        value = low + place * control.step
        widget.value = 10**value if control.log else round(value) if control.integer else value
        found.append(read(control, widget))
    return found


def walk(simulation: Simulation) -> list[dict[str, Any]]:
    """The defaults, and each control moved alone."""
    start = defaults(simulation)
    settings = [start]
    for control in simulation.controls:
        settings += [{**start, control.name: place} for place in places(control)]
    return [each for i, each in enumerate(settings) if each not in settings[:i]]


def words(simulation: Simulation) -> dict[str, str]:
    """Sentences by settings; presets are played to their end."""
    start = defaults(simulation)
    said = {}
    for settings in walk(simulation):
        changed = {name: value for name, value in settings.items() if value != start[name]}
        said[json.dumps(changed)] = simulation.describe(simulation.compute(settings))
    for preset in getattr(simulation, "presets", ()):
        state = simulation.compute({**start, **preset.settings})
        if preset.stop_at:
            state = simulation.step(state, preset.stop_at)
        said[preset.label] = simulation.describe(state)
    return said


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--noise", type=int)
    parser.add_argument("names", nargs="*", default=list(SIMULATIONS))
    options = parser.parse_args()
    if options.noise is not None:
        from tests.everywhere import noise

        noise.install(options.noise)
    said = {name: words(load(name)) for name in options.names or SIMULATIONS}
    json.dump(said, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
