"""Declared controls become widgets, and widget values become settings.

Used by ``widgets.py``. Only widgets that ipywidgets 7.7.1 (Colab) and 8 both have.
"""

import math
from typing import Any

import ipywidgets as widgets

from course_lib.simulations.base import Choice, Control, Slider, Toggle

#: Up to this many characters in total, a choice shows its options side by side; else in a list.
_SIDE_BY_SIDE = 44
_LABEL_WIDTH = "190px"


def build(control: Control) -> widgets.ValueWidget:
    """The widget of ``control``, labelled, with the default value."""
    match control:
        case Slider():
            widget = _slider(control)
        case Choice():
            options = [(shown, value) for value, shown in control.options]
            short = sum(len(shown) for shown, _ in options) <= _SIDE_BY_SIDE
            kind = widgets.ToggleButtons if short else widgets.Dropdown
            widget = kind(options=options, value=control.default, description=control.label)
        case Toggle():
            widget = widgets.Checkbox(
                value=control.default, description=control.label, indent=False
            )
        case _:
            raise TypeError(f"a control is a Slider, a Choice or a Toggle, not {control!r}")
    if not isinstance(control, Toggle):
        widget.style.description_width = _LABEL_WIDTH
    widget.layout.width = "auto" if isinstance(widget, widgets.ToggleButtons) else "440px"
    widget.layout.max_width = "100%"
    widget.add_class(f"course-control-{control.name}")
    return widget


def read(control: Control, widget: widgets.ValueWidget) -> Any:
    """The setting that the widget now shows."""
    value = widget.value
    if isinstance(control, Slider):
        # A log slider computes 10 ** exponent: drop the rounding, so that equal positions
        # give equal settings.
        return round(value) if control.integer else float(f"{value:.10g}")
    return value


def check(control: Control, value: Any) -> Any:
    """``value`` if ``control`` can show it; else raises ``ValueError``, saying what it takes."""
    match control:
        case Slider(low=low, high=high):
            fits = not isinstance(value, bool | str) and low <= value <= high
            wanted = f"a number from {low:g} to {high:g}"
        case Choice(options=options):
            fits = any(value == option for option, _ in options)
            wanted = "one of " + ", ".join(repr(option) for option, _ in options)
        case Toggle():
            fits = isinstance(value, bool)
            wanted = "True or False"
    if not fits:
        raise ValueError(f"{control.name} takes {wanted}, not {value!r}")
    return value


def _slider(control: Slider) -> widgets.ValueWidget:
    label = f"{control.label} ({control.unit})" if control.unit else control.label
    ends = control.low, control.high
    if control.log:
        kind, ends = widgets.FloatLogSlider, map(math.log10, ends)
        form = ".0f" if control.integer else f".{control.digits}g"
    elif control.integer:
        kind, form = widgets.IntSlider, "d"
    else:
        decimals = max(0, -math.floor(math.log10(control.step) + 1e-9))
        kind, form = widgets.FloatSlider, f".{decimals}f"
    low, high = ends
    return kind(
        value=control.default,
        min=low,
        max=high,
        step=control.step,
        description=label,
        readout_format=form,
    )
