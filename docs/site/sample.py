"""A small part of each recording, for tests that build the site: seconds instead of minutes.

What the chapters claim, the presets, and each control moved through its recorded values from where
the panel opens: a few of a slider's, all of a choice's. Where each setting is a training of its own, of
which pictures make a film, a slider's ends have to do.
"""

from collections.abc import Iterator
from typing import Any

from claims import CLAIMS
from recording import Moment, moments, settings_of, start_of

from course_lib.simulations import SIMULATIONS, load
from course_lib.simulations.base import Simulation, Slider, defaults

#: Of a slider's values, the ends and so many around the one that the panel opens with.
_AROUND = 1
#: Of a film, so many pictures at most.
_FILM = 4


def sample() -> dict[str, list[Moment]]:
    """By a simulation's name, the moments to record, in the order of the whole recording."""
    return {name: _sampled(load(name)) for name in SIMULATIONS}


def _sampled(simulation: Simulation) -> list[Moment]:
    whole = moments(simulation)
    films: dict[tuple[Any, ...], list[Moment]] = {}
    for moment in whole:
        films.setdefault(moment.values, []).append(moment)
    frames = {claim.frame for claim in CLAIMS if claim.panel == simulation.name}
    start = start_of(simulation, whole)
    frames |= {start.frame}
    wanted = dict.fromkeys(values for values in _wanted(simulation, whole) if values in films)
    kept = {
        moment
        for values in wanted
        for place, moment in enumerate(films[values])
        if moment.frame in frames
        or place % (-(-len(films[values]) // _FILM)) == 0
        or moment is films[values][-1]
    }
    return [moment for moment in whole if moment in kept]


def _wanted(simulation: Simulation, whole: list[Moment]) -> Iterator[tuple[Any, ...]]:
    start = defaults(simulation)
    names = list(start)
    around = 0 if any(moment.frame for moment in whole) else _AROUND
    changes: list[dict[str, Any]] = [{}]
    changes += [claim.settings for claim in CLAIMS if claim.panel == simulation.name]
    changes += [dict(preset.settings) for preset in getattr(simulation, "presets", ())]
    for place, control in enumerate(simulation.controls):
        values = sorted({moment.values[place] for moment in whole}, key=_order)
        # A value between two places of a slider is shown at the nearest one.
        if isinstance(control, Slider):
            changes = [
                {**each, control.name: min(values, key=lambda v: abs(v - each[control.name]))}
                if control.name in each
                else each
                for each in changes
            ]
            at = values.index(start[control.name])
            values = [values[0], *values[max(0, at - around) : at + around + 1], values[-1]]
        changes += [{control.name: value} for value in values]
    alone = {settings_key(settings_of(simulation, moment), start): moment for moment in whole}
    for change in changes:
        found = alone.get(settings_key({**start, **change}, start))
        if found is not None:
            yield found.values
        elif len(change) == 1:
            # Recorded only beside other settings: the first of these.
            ((name, value),) = change.items()
            yield next(m.values for m in whole if m.values[names.index(name)] == value)


def settings_key(settings: dict[str, Any], start: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(settings[name] for name in start)


def _order(value: Any) -> Any:
    return (isinstance(value, str), value)
