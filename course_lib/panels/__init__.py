"""Widgets for any simulation: ``panel("loss_landscape")``. Called by the chapters' cells.

The set-up cells import ``panel``; Matplotlib and ipywidgets come with the first one that is shown.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from course_lib.display import write
from course_lib.predictions import missing

if TYPE_CHECKING:
    from course_lib.panels.live import LivePanel
    from course_lib.panels.widgets import Panel
    from course_lib.simulations.base import Simulation

__all__ = ["LivePanel", "Panel", "panel"]

_HOME = {"LivePanel": "course_lib.panels.live", "Panel": "course_lib.panels.widgets"}


def panel(simulation: "str | Simulation", *, ask: str = "", **settings: Any) -> "Panel":
    """The widgets of a simulation, given by name or as an object.

    ``ask`` names predictions to be made before, as "p01_2 p01_3": the panel asks for those that are
    missing, and works all the same. ``settings`` replace the defaults of its controls: ``panel("loss_landscape", p=0.1)``.
    Raises ``LookupError`` for an unknown name and ``ValueError`` for an invalid setting.
    """
    from course_lib.panels.live import LivePanel
    from course_lib.panels.widgets import Panel
    from course_lib.simulations import load
    from course_lib.simulations.base import LiveSimulation

    if isinstance(simulation, str):
        simulation = load(simulation)
    if wanted := missing(ask.split()):
        write(f"What do you expect? Predict first, above: {', '.join(wanted)}.")
    if isinstance(simulation, LiveSimulation):
        return LivePanel(simulation, **settings)
    return Panel(simulation, **settings)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'course_lib.panels' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
