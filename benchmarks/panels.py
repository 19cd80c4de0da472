"""How fast the panels are, beside ``ipywidgets.interact`` drawing the same pictures.

Run by ``make bench``; no part of the tests. For each simulation: the time from a control's message
to the new picture, in the kernel, without a browser; then the same settings through ``interact``,
which lays the same figure out anew each time and shows it inline. Goal: at most a third of
interact's time, and a median under 33 ms. For live runs: the share of the time that goes into
training, and pictures a second, for a page that ticks every 50 ms.
"""

import contextlib
import io
import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import ipywidgets
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from course_lib.panels import LivePanel, controls, panel
from course_lib.panels.live import INTERVAL
from course_lib.simulations import SIMULATIONS, load
from course_lib.simulations.base import Choice, Control, Simulation, Slider
from course_lib.style import DPI, house_style

MOVES = 40
LIVE_SECONDS = 6.0
WARM_UP = 2.5  # seconds in which a run speeds up on purpose; not counted


def main() -> None:
    torch.set_num_threads(1)
    InteractiveShell.instance()  # interact shows its pictures through IPython's display
    print(
        f"{'simulation':<20}{'panel ms':>10}{'interact ms':>13}{'ratio':>8}   goal: < 33, <= 0.33"
    )
    for name in SIMULATIONS:
        ours, theirs = moves_of_panel(name), moves_of_interact(name)
        a, b = 1000 * statistics.median(ours), 1000 * statistics.median(theirs)
        verdict = "met" if a < 33 and a / b <= 1 / 3 else "missed"
        print(f"{name:<20}{a:>10.1f}{b:>13.1f}{a / b:>8.2f}   {verdict}")
    for name in SIMULATIONS:
        live = panel(name)
        if isinstance(live, LivePanel):
            share, rate = live_run(live)
            print(f"{name}: {share:.0%} of the time training, {rate:.1f} pictures a second")


def positions(control: Control) -> list[Any]:
    """Widget values along a control, as a drag would visit them, over and over."""
    if isinstance(control, Slider):
        low, high = control.low, control.high
        parts = [i / 9 for i in (0, 2, 5, 7, 9, 8, 6, 4, 3, 1)]
        if control.log:
            low, high = math.log10(low), math.log10(high)
        # Like a handle: in whole steps from the left end.
        values = [low + control.step * round((high - low) * part / control.step) for part in parts]
        values = [10**value for value in values] if control.log else values
        return [round(value) if control.integer else value for value in values]
    if isinstance(control, Choice):
        return [value for value, _ in control.options]
    return [not control.default, control.default]


def moves(simulation: Simulation) -> list[tuple[Control, Any]]:
    """``MOVES`` changes: each control in turn goes along its positions."""
    each = max(2, MOVES // len(simulation.controls))
    return [
        (control, values[i % len(values)])
        for control in simulation.controls
        for values in [positions(control)]
        for i in range(each)
    ]


def message(control: Control, value: Any) -> dict[str, Any]:
    """What the page sends when the control's widget changes."""
    if isinstance(control, Choice):
        return {"index": [option for option, _ in control.options].index(value)}
    return {"value": value}


def moves_of_panel(name: str) -> list[float]:
    ours = panel(name)
    seconds = []
    for control, value in moves(ours.simulation):
        before = ours._picture.value
        widget = ours.controls[control.name]
        elapsed = timed(lambda w=widget, c=control, v=value: w.set_state(message(c, v)))
        if ours.error is not None:
            raise ours.error
        if ours._picture.value != before:  # else the control already stood there
            seconds.append(elapsed)
    return seconds


def moves_of_interact(name: str) -> list[float]:
    simulation = load(name)

    def draw(**settings: Any) -> None:
        state = simulation.compute(settings)
        figure = Figure(figsize=simulation.size, dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        with house_style():
            simulation.update(simulation.layout(figure), state)
            png = io.BytesIO()
            figure.savefig(png, format="png", dpi=DPI)  # as plt.show() does inline
        display({"image/png": png.getvalue()}, raw=True)

    widgets = {control.name: controls.build(control) for control in simulation.controls}
    seconds = []
    with contextlib.redirect_stdout(io.StringIO()):  # where display and clear_output write to here
        ipywidgets.interactive_output(draw, widgets)
        for control, value in moves(simulation):
            widget = widgets[control.name]
            old = widget.value
            elapsed = timed(lambda w=widget, c=control, v=value: w.set_state(message(c, v)))
            if widget.value != old:
                seconds.append(elapsed)
    return seconds


def live_run(live: LivePanel) -> tuple[float, float]:
    """Share of the time in ``step``, and pictures a second, once a run has sped up."""
    training = 0.0
    step = live.simulation.step

    def measured(state: Any, n: int) -> Any:
        nonlocal training
        start = time.perf_counter()
        try:
            return step(state, n)
        finally:
            training += time.perf_counter() - start

    live.simulation.step = measured
    live.buttons["Train"].click()
    _tick_for(live, WARM_UP)
    training = 0.0
    start = time.perf_counter()
    pictures = _tick_for(live, LIVE_SECONDS)
    total = time.perf_counter() - start
    if live.error is not None:
        raise live.error
    return training / total, pictures / total


def _tick_for(live: LivePanel, seconds: float) -> int:
    """Be the page's clock; returns the number of ticks."""
    end, ticks = time.perf_counter() + seconds, 0
    while (now := time.perf_counter()) < end:
        live.play.set_state({"value": live.play.value + 1})
        ticks += 1
        time.sleep(max(0.0, INTERVAL / 1000 - (time.perf_counter() - now)))
    return ticks


def timed(action: Callable[[], None]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
