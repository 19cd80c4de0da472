"""Widgets for any simulation: ``panel("loss_landscape")``. Called by the chapters' cells."""

from typing import Any

from course_lib.panels.live import LivePanel
from course_lib.panels.panel import Panel
from course_lib.simulations import load
from course_lib.simulations.base import LiveSimulation, Simulation

__all__ = ["LivePanel", "Panel", "panel"]


def panel(simulation: str | Simulation, **settings: Any) -> Panel:
    """The widgets of a simulation, given by name or as an object.

    ``settings`` replace the defaults of its controls: ``panel("loss_landscape", p=0.1)``.
    Raises ``LookupError`` for an unknown name and ``ValueError`` for an invalid setting.
    """
    if isinstance(simulation, str):
        simulation = load(simulation)
    if isinstance(simulation, LiveSimulation):
        return LivePanel(simulation, **settings)
    return Panel(simulation, **settings)
