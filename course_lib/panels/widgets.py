"""A simulation with its sliders, its picture and its sentence, as widgets.

``course_lib.panel("loss_landscape")`` makes one. What is shown comes only from the simulation's
declared controls; nothing here knows a particular simulation. Runs that go on are in ``live.py``.
"""

import base64
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import ipywidgets as widgets

from course_lib.panels import controls, markup
from course_lib.panels.canvas import Canvas
from course_lib.simulations.base import Preset, Simulation, defaults

_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class Panel:
    """Widgets around ``simulation``, starting from its defaults changed by ``settings``.

    ``box`` is the root widget, ``controls`` maps a control's name to its widget, ``buttons`` a
    button's label to its widget; ``settings``, ``state``, ``sentence`` and ``png`` are what is
    currently shown; ``error`` is the last callback's exception or ``None``.
    """

    def __init__(self, simulation: Simulation, **settings: Any) -> None:
        known = {control.name: control for control in simulation.controls}
        for name, value in settings.items():
            if name not in known:
                raise ValueError(
                    f"{simulation.name} has no control called {name!r}; it has {', '.join(known)}"
                )
            controls.check(known[name], value)
        self.simulation = simulation
        self.error: BaseException | None = None
        # ipykernel may call back from a second thread, which Matplotlib does not support.
        self._lock = threading.RLock()
        self._quiet = False
        self._start = {**defaults(simulation), **settings}
        self.state = simulation.compute(self._start)
        self._canvas = Canvas(simulation, self.state)
        self.controls = {name: controls.build(control) for name, control in known.items()}
        self._show_settings(self._start)
        self.buttons: dict[str, widgets.Button] = {}
        self._build_box()
        self._draw()
        for widget in self.controls.values():
            widget.observe(self._on_change, names="value")

    @property
    def settings(self) -> dict[str, Any]:
        """The values that the controls now show."""
        return {
            control.name: controls.read(control, self.controls[control.name])
            for control in self.simulation.controls
        }

    def reset(self) -> None:
        """Back to the settings that the panel started with."""
        self._show_settings(self._start)
        self._restart()

    def apply(self, preset: Preset) -> None:
        """Run a preset: the starting settings, changed by the preset's."""
        self._show_settings({**self._start, **preset.settings})
        self._restart()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """The widgets and, for readers without a kernel, the picture and its sentence."""
        return {
            _WIDGET_VIEW: {"version_major": 2, "version_minor": 0, "model_id": self.box.model_id},
            "image/png": base64.b64encode(self.png).decode("ascii"),
            "text/plain": repr(self),
        }

    def __repr__(self) -> str:
        return f"{self.simulation.title}\n{self.sentence}"

    # What follows runs in callbacks or builds the widgets.

    def _build_box(self) -> None:
        self._heading = widgets.HTML(markup.heading(self.simulation.title))
        self._picture = widgets.HTML().add_class("course-picture")
        self._sentence = widgets.HTML().add_class("course-sentence")
        self._status = widgets.HTML().add_class("course-status")
        for html in (self._heading, self._picture, self._sentence, self._status):
            html.layout.width = "auto"
        rows = [self._heading]
        if self.controls:
            rows.append(_row(*self.controls.values()))
        rows.append(_row(*self._button_row()))
        rows += [self._picture, self._sentence, self._status]
        self.box = widgets.VBox(rows, layout=widgets.Layout(width="100%", overflow="visible"))
        self.box.add_class("course-panel")

    def _button_row(self) -> list[widgets.Widget]:
        presets = getattr(self.simulation, "presets", ())
        row = [self._button("Reset", self.reset)]
        return row + [self._button(preset.label, partial(self.apply, preset)) for preset in presets]

    def _button(self, label: str, action: Callable[[], None]) -> widgets.Button:
        button = widgets.Button(description=label)
        button.layout.width = "auto"
        button.layout.min_width = "76px"
        button.add_class("course-button-" + "-".join(label.lower().split()))
        button.on_click(lambda _: self._guarded(action))
        self.buttons[label] = button
        return button

    def _on_change(self, _: Any) -> None:
        if not self._quiet:
            self._guarded(self._settings_changed)

    def _settings_changed(self) -> None:
        self._restart()

    def _restart(self) -> None:
        self.state = self.simulation.compute(self.settings)
        self._draw()

    def _draw(self) -> None:
        """Update picture and sentence to show the state."""
        self.png = self._canvas.draw(self.state)
        self.sentence = self.simulation.describe(self.state)
        self._picture.value = markup.picture(
            self.png, self.sentence, self._canvas.pixels, **self._marks()
        )
        self._sentence.value = markup.sentence(self.sentence)

    def _marks(self) -> dict[str, Any]:
        """For the picture's markup: is a new sentence read out, and does the page start a clock?"""
        return {}

    def _show_settings(self, settings: Mapping[str, Any]) -> None:
        """Change several controls without drawing; the caller draws once afterwards."""
        self._quiet = True
        try:
            for name, value in settings.items():
                self.controls[name].value = value
        finally:
            self._quiet = False

    def _guarded(self, action: Callable[[], None]) -> None:
        """Do ``action``; an error goes to the status line: a callback has nowhere to print."""
        with self._lock:
            try:
                action()
                self.error = None
            except Exception as error:
                self.error = error
            self._status.value = markup.status(self.error)


def _row(*children: widgets.Widget) -> widgets.HBox:
    layout = widgets.Layout(flex_flow="row wrap", align_items="center", overflow="visible")
    return widgets.HBox(children, layout=layout)
