"""A recorded panel on a page: its HTML, and the scripts that hold what it shows.

``figure()`` is what stands in the page and can be read without any script; ``data()`` gives the
index and the parts with the sentences, which ``static/panels.js`` asks for. Used by ``pages.py``
and ``export.py``.
"""

import hashlib
import json
import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from recording import Moment, Recording, settings_of

from course_lib.simulations import load
from course_lib.simulations.base import Choice, Control, Simulation, Slider, Toggle, defaults

#: The name of a live panel's slider through its film; no control is called so.
FILM = "film"
#: Up to this many characters in all, a choice shows its options side by side, as the widget does.
_SIDE_BY_SIDE = 44
#: Characters of a part, about: a few dozen sentences.
_PART = 24_000
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Dimension:
    """A control, or the film's slider, with the values that were recorded, in their order."""

    name: str
    label: str
    values: tuple[Any, ...]
    shown: tuple[str, ...]

    @property
    def is_film(self) -> bool:
        return self.name == FILM


def dimensions(recording: Recording) -> list[Dimension]:
    """One for each control, in their order, and the film's last."""
    simulation = load(recording.name)
    found = []
    for place, control in enumerate(simulation.controls):
        recorded = {row.moment.values[place] for row in recording.rows}
        match control:
            case Choice(options=options):
                values = tuple(value for value, _ in options if value in recorded)
            case _:
                values = tuple(sorted(recorded))
        shown = tuple(shown_value(control, value) for value in values)
        found.append(Dimension(control.name, label_of(control), values, shown))
    if recording.start.frame is not None:
        frames = tuple(sorted({row.moment.frame for row in recording.rows}))
        found.append(Dimension(FILM, "Step of the run", frames, tuple(f"{n:,}" for n in frames)))
    return found


def label_of(control: Control) -> str:
    """The words beside the control."""
    unit = getattr(control, "unit", "")
    return f"{control.label} ({unit})" if unit else control.label


def shown_value(control: Control, value: Any) -> str:
    """The value as the widget's read-out has it."""
    match control:
        case Choice(options=options):
            return dict(options)[value]
        case Toggle():
            return "on" if value else "off"
    if control.integer:
        return f"{value:.0f}"
    if control.log:
        return f"{value:.{control.digits}g}"
    decimals = max(0, -math.floor(math.log10(control.step) + 1e-9))
    return f"{value:.{decimals}f}"


def data(recording: Recording) -> tuple[str, dict[str, str]]:
    """The script with the panel's index, and by a file's name the scripts of its parts."""
    parts, ends = {}, []
    names = []
    for first, rows in _parts(recording):
        text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
        name = hashlib.sha256(text.encode()).hexdigest()[:12] + ".js"
        parts[name] = f'courseRecordings.push({{part:"{name}",rows:{text}}});'
        names.append(name)
        ends.append(first + len(rows))
    dims = dimensions(recording)
    places = {row.moment: place for place, row in enumerate(recording.rows)}
    index = {
        "panel": recording.name,
        "size": recording.size,
        "opening": recording.opening,
        "dims": [
            {"name": dim.name, "label": dim.label, "stops": dim.shown}
            | ({"film": True} if dim.is_film else {})
            for dim in dims
        ],
        "codes": "".join(_code(row.moment, dims) for row in recording.rows),
        "start": places[recording.start],
        "presets": list(_presets(recording, places)),
        "parts": names,
        "ends": ends,
    }
    text = json.dumps(index, ensure_ascii=False, separators=(",", ":"))
    return f"(window.courseRecordings=window.courseRecordings||[]).push({text});", parts


def preset_moment(recording: Recording, settings: dict[str, Any]) -> Moment:
    """The recorded moment that a preset goes to; of a film, its first one.

    A preset may ask for a value between two places of a slider: then it is the nearest one.
    Raises ``LookupError`` when it is not recorded.
    """
    simulation = load(recording.name)
    wanted = {**defaults(simulation), **settings}
    values = []
    for place, control in enumerate(simulation.controls):
        value = wanted[control.name]
        if isinstance(control, Slider):
            recorded = {row.moment.values[place] for row in recording.rows}
            value = min(recorded, key=lambda each: abs(each - value))
        values.append(value)
    found = [row.moment for row in recording.rows if row.moment.values == tuple(values)]
    if not found:
        raise LookupError(f"{recording.name}: the recording leaves out the preset {settings}")
    return min(found, key=lambda moment: moment.frame or 0)


def figure(recording: Recording, folder: str, colab: str) -> str:
    """The panel's HTML. ``folder`` is the address of the pictures, ``colab`` that of the notebook."""
    simulation = load(recording.name)
    sentence = next(row.sentence for row in recording.rows if row.moment == recording.start)
    width, height = recording.size
    rows = "".join(_rows(recording, simulation, colab))
    film = _film_row(recording)
    return f"""\
<figure class="course-recorded" data-panel="{recording.name}">
<div class="course-heading" role="heading" aria-level="3">{escape(simulation.title)}</div>
<div class="course-news" role="status"></div>
<fieldset class="course-controls" aria-label="Controls of the panel" disabled>
<div class="course-rows">{rows}</div>
<div class="course-buttons">{_buttons(simulation)}</div>
{film}</fieldset>
<div class="course-picture" role="group" aria-label="Picture of the panel"><img
 src="{folder}{recording.opening}" alt="{escape(sentence)}"
 width="{width}" height="{height}" decoding="async"></div>
<p class="course-sentence">{escape(sentence)}</p>
<p class="course-note" hidden></p>
<p class="course-status" role="alert"></p>
<figcaption>{_caption(recording, simulation, colab)}</figcaption>
</figure>"""


def _caption(recording: Recording, simulation: Simulation, colab: str) -> str:
    words = f"Recorded from PyTorch: {len(recording.rows):,} moments of real runs."
    if hasattr(simulation, "adjust"):
        words += (
            " Here a run keeps its settings from the first step to the last; in the notebook a "
            "new learning rate acts in the middle of it."
        )
    return f'{words} For everything in between, <a href="{colab}">open the notebook in Colab</a>.'


def _rows(recording: Recording, simulation: Simulation, colab: str) -> Iterator[str]:
    start = settings_of(simulation, recording.start)
    for control, dim in zip(simulation.controls, dimensions(recording), strict=False):
        stop = dim.values.index(start[control.name])
        here = f"{recording.name}-{control.name}"
        label = escape(dim.label)
        if len(dim.values) < 2:
            yield (
                f'<div class="course-row course-unrecorded" data-control="{control.name}">'
                f'<span class="course-label">{label}</span><span>{escape(dim.shown[0])}</span>'
                f'<span class="course-why">not recorded on this page, '
                f'<a href="{colab}">change it in Colab</a></span></div>'
            )
            continue
        match control:
            case Slider():
                inside = _slider(here, label, dim, stop)
            case Choice():
                inside = _choice(here, label, control, dim, stop)
            case Toggle():
                ticked = " checked" if dim.values[stop] else ""
                inside = (
                    f'<label class="course-tick"><input type="checkbox"{ticked}>{label}</label>'
                )
        yield f'<div class="course-row" data-control="{control.name}">{inside}</div>'


def _slider(here: str, label: str, dim: Dimension, stop: int) -> str:
    return (
        f'<label for="{here}">{label}</label>'
        f'<input type="range" id="{here}" min="0" max="{len(dim.values) - 1}" value="{stop}" '
        f'aria-valuetext="{escape(dim.shown[stop])}" autocomplete="off">'
        f'<output for="{here}" aria-live="off">{escape(dim.shown[stop])}</output>'
    )


def _choice(here: str, label: str, control: Choice, dim: Dimension, stop: int) -> str:
    places = [
        (dim.values.index(value) if value in dim.values else None, escape(shown))
        for value, shown in control.options
    ]
    if sum(len(shown) for _, shown in control.options) > _SIDE_BY_SIDE:
        options = "".join(
            f"<option disabled>{shown} (not recorded)</option>"
            if place is None
            else f'<option value="{place}"{" selected" * (place == stop)}>{shown}</option>'
            for place, shown in places
        )
        return (
            f'<label for="{here}">{label}</label>'
            f'<select id="{here}" autocomplete="off">{options}</select>'
        )
    buttons = "".join(
        f'<button type="button" disabled title="not recorded">{shown}</button>'
        if place is None
        else f'<button type="button" value="{place}" '
        f'aria-pressed="{str(place == stop).lower()}">{shown}</button>'
        for place, shown in places
    )
    return (
        f'<span class="course-label" id="{here}">{label}</span>'
        f'<span class="course-buttons" role="group" aria-labelledby="{here}">{buttons}</span>'
    )


def _film_row(recording: Recording) -> str:
    *_, dim = dimensions(recording)
    if not dim.is_film:
        return ""
    stop = dim.values.index(recording.start.frame)
    inside = _slider(f"{recording.name}-{FILM}", dim.label, dim, stop)
    return f'<div class="course-row" data-control="{FILM}">{inside}</div>\n'


def _buttons(simulation: Simulation) -> str:
    buttons = []
    if hasattr(simulation, "step"):
        buttons = [
            '<button type="button" class="course-first" data-do="toggle">Train</button>',
            '<button type="button" data-do="step">Step</button>',
        ]
    buttons.append('<button type="button" data-do="reset">Reset</button>')
    for place, preset in enumerate(getattr(simulation, "presets", ())):
        label = escape(preset.label)
        buttons.append(f'<button type="button" data-do="preset {place}">{label}</button>')
    return "".join(buttons)


def _presets(recording: Recording, places: dict[Moment, int]) -> Iterator[dict[str, int]]:
    *_, dim = dimensions(recording)
    for preset in getattr(load(recording.name), "presets", ()):
        moment = preset_moment(recording, dict(preset.settings))
        target = {"at": places[moment]}
        if preset.stop_at is not None:
            target["until"] = bisect_right(dim.values, preset.stop_at) - 1
        yield target


def _parts(recording: Recording) -> Iterator[tuple[int, list[list[str]]]]:
    """Rows of about one part's length, with the place of the first."""
    rows: list[list[str]] = []
    first = length = 0
    for place, row in enumerate(recording.rows):
        rows.append([row.sentence, " ".join(row.layers)])
        length += len(row.sentence)
        if length > _PART:
            yield first, rows
            rows, first, length = [], place + 1, 0
    if rows:
        yield first, rows


def _code(moment: Moment, dims: list[Dimension]) -> str:
    values = [*moment.values, moment.frame]
    stops = (dim.values.index(value) for dim, value in zip(dims, values, strict=False))
    return "".join(_DIGITS[stop // 36] + _DIGITS[stop % 36] for stop in stops)
