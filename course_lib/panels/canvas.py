"""A simulation's picture, drawn once and then changed: the background stays, the artists move.

Used by the panels; needs neither widgets nor pyplot. A full Matplotlib draw of one of our pictures
takes some 60 ms; restoring the background and drawing the moving artists takes some 10 ms.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter

from course_lib.known_state import known_state
from course_lib.panels import png
from course_lib.panels.stamps import TextStamps
from course_lib.simulations.base import Artists, Simulation
from course_lib.style import DPI, house_style


class Canvas:
    """The figure of one simulation. ``draw(state)`` returns the picture as PNG bytes."""

    def __init__(self, simulation: Simulation, state: Any, stamps: bool = True) -> None:
        """Lay the figure out once, with ``state`` on it, and freeze the layout.

        Without ``stamps`` all words are drawn: slower, and to the last pixel the same whatever was
        shown before.
        """
        self.simulation = simulation
        self.figure = Figure(
            figsize=simulation.size, dpi=DPI, layout="constrained", facecolor="white"
        )
        self._agg = FigureCanvasAgg(self.figure)
        with known_state(), house_style():
            self.artists: Artists = simulation.layout(self.figure)
            simulation.update(self.artists, state)
            self.figure.draw_without_rendering()  # only the layout
        self.figure.set_layout_engine("none")
        for axes in self.figure.axes:
            # Otherwise each full draw would place the titles again, and lose the hidden ones.
            axes._autotitlepos = False
        several = (each if isinstance(each, Sequence) else [each] for each in self.artists.values())
        self._moving = sorted(chain.from_iterable(several), key=lambda artist: artist.zorder)
        self._stamps = TextStamps(self._agg.get_renderer()) if stamps else None
        self._background: Any = None
        self._axes_seen: list[tuple] = []
        #: How often everything had to be redrawn; for tests and benchmarks.
        self.full_redraws = 0

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height of the picture."""
        return self._agg.get_width_height()

    def draw(self, state: Any) -> bytes:
        """The picture of ``state`` as an opaque PNG."""
        return png.encode(self.pixels_of(state))

    @known_state()
    def pixels_of(self, state: Any) -> np.ndarray:
        """The picture of ``state``, ``[height, width, 4]`` uint8; the next one overwrites it."""
        self.simulation.update(self.artists, state)
        axes_now = [self._signature(axes) for axes in self.figure.axes]
        if self._background is None or axes_now != self._axes_seen:
            self._draw_background()
            self._axes_seen = axes_now
        else:
            self._agg.restore_region(self._background)
        for artist in self._moving:
            if self._stamps is None:
                artist.draw(self._agg.get_renderer())
            else:
                self._stamps.draw(artist)
        return np.asarray(self._agg.buffer_rgba())

    def _draw_background(self) -> None:
        """Draw everything except the moving artists, and remember the pixels."""
        shown = [artist for artist in self._moving if artist.get_visible()]
        for artist in shown:
            artist.set_visible(False)
        try:
            with house_style():  # new ticks take their looks from the settings at drawing time
                self._agg.draw()
        finally:
            for artist in shown:
                artist.set_visible(True)
        self._background = self._agg.copy_from_bbox(self.figure.bbox)
        self.full_redraws += 1

    def _signature(self, axes: Axes) -> tuple:
        """Everything in the background of ``axes`` that an update may have changed."""
        titles = (axes.title, axes._left_title, axes._right_title)
        return (
            axes.get_visible(),
            axes.get_xlim(),
            axes.get_ylim(),
            tuple(title.get_text() for title in titles if title not in self._moving),
            *(_axis_signature(axis) for axis in (axes.xaxis, axes.yaxis)),
        )


def _axis_signature(axis: Any) -> tuple:
    formatter = axis.get_major_formatter()
    words = tuple(formatter.seq) if isinstance(formatter, FixedFormatter) else id(formatter)
    return (
        axis.get_visible(),
        axis.get_scale(),
        axis.get_label_text(),
        words,
        tuple(axis.get_majorticklocs()),
    )
