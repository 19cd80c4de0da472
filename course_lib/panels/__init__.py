"""Widgets for any simulation: ``panel("loss_landscape")``. Called by the chapters' cells."""

from typing import Any

from course_lib.display import write
from course_lib.panels.live import LivePanel
from course_lib.panels.panel import Panel
from course_lib.predictions import missing
from course_lib.simulations import load
from course_lib.simulations.base import LiveSimulation, Simulation

__all__ = ["LivePanel", "Panel", "panel"]


def panel(simulation: str | Simulation, *, ask: str = "", **settings: Any) -> Panel:
    """The widgets of a simulation, given by name or as an object.

    ``ask`` names predictions to be made before, as "p01_2 p01_3": the panel asks for those that are
    missing, and works all the same. ``settings`` replace the defaults of its controls: ``panel("loss_landscape", p=0.1)``.
    Raises ``LookupError`` for an unknown name and ``ValueError`` for an invalid setting.
    """
    if isinstance(simulation, str):
        simulation = load(simulation)
    if wanted := missing(ask.split()):
        write(f"What do you expect? Predict first, above: {', '.join(wanted)}.")
    if isinstance(simulation, LiveSimulation):
        return LivePanel(simulation, **settings)
    return Panel(simulation, **settings)
