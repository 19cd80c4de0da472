"""The look that all of the course's figures share: ``with house_style(): ...``.

Used by the panels' canvas, the static twins, the benchmarks and the chapters' own figures.
Colours with a meaning are not here but in ``course_lib.beats``.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import matplotlib

from course_lib.beats import INK

#: Pixels per inch of every picture: 10 pt text is then about 14 pixels high.
DPI = 100

HOUSE_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 9.0,
    "axes.labelsize": 10.5,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": "#8A8A8A",
    "axes.linewidth": 0.9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.8,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "xtick.color": "#5A5A5A",
    "ytick.color": "#5A5A5A",
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 3.5,
    "ytick.major.size": 3.5,
    "xtick.minor.size": 0.0,
    "ytick.minor.size": 0.0,
    "text.color": INK,
    "lines.linewidth": 2.2,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 10,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.constrained_layout.w_pad": 0.09,
    "figure.constrained_layout.h_pad": 0.09,
}


#: Settings of windows, files and time zones: nothing of how a picture looks.
_OF_THE_SESSION = (
    "backend", "interactive", "toolbar", "timezone", "webagg", "tk.", "docstring.", "date.epoch",
    "figure.max_open_warning", "figure.raise_window", "savefig.directory",
)  # fmt: skip


@contextmanager
def house_style() -> Iterator[None]:
    """Matplotlib's settings as the course wants them, until the ``with`` block ends.

    They start from Matplotlib's own defaults: a learner's matplotlibrc may ask for LaTeX, which is
    not installed, or for a dark background.
    """
    with matplotlib.rc_context(_defaults() | HOUSE_STYLE):
        yield


@cache
def _defaults() -> dict[str, Any]:
    """How Matplotlib draws without any settings; where it draws is the learner's choice."""
    found = {}
    for name in matplotlib.rcParamsDefault:
        if not name.startswith(_OF_THE_SESSION):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                # What Matplotlib warns of is on its way out, and nothing of ours needs it.
                with suppress(matplotlib.MatplotlibDeprecationWarning):
                    found[name] = matplotlib.rcParamsDefault[name]
    return found
