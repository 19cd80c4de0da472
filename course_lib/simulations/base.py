"""What a simulation is: headless, deterministic, drawn on a Matplotlib ``Figure``, without widgets.

``course_lib.panels`` turns any simulation into sliders and pictures; the benchmarks, the tests and
the static twins use the same five methods without a widget in sight.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol, runtime_checkable

from matplotlib.artist import Artist
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Slider:
    """A number. ``integer=True``: whole numbers only.

    ``log=True``: ``low``, ``high`` and ``default`` are values (not exponents), moved in equal
    ratios; ``step`` is then the step of the base-10 exponent, and ``digits`` are shown.
    """

    name: str
    label: str
    low: float
    high: float
    default: float
    step: float
    unit: str = ""
    log: bool = False
    integer: bool = False
    digits: int = 3


@dataclass(frozen=True)
class Choice:
    """One of several options: pairs of (value, what the reader sees)."""

    name: str
    label: str
    options: tuple[tuple[Any, str], ...]
    default: Any


@dataclass(frozen=True)
class Toggle:
    """On or off."""

    name: str
    label: str
    default: bool


Control = Slider | Choice | Toggle
Settings = Mapping[str, Any]
#: What ``layout`` returns: by name, an artist or several of one kind (the bars of a bar chart).
Artists = Mapping[str, Artist | Sequence[Artist]]


@dataclass(frozen=True)
class Preset:
    """A one-click experiment: the starting settings, changed by these.

    A live panel then plays a new run to ``stop_at`` steps, or until Pause.
    """

    label: str
    settings: Mapping[str, Any]
    stop_at: int | None = None


@dataclass(frozen=True)
class Sweep:
    """Settings that are recorded for readers without a kernel: each combination of ``values``.

    ``values`` holds, by a control's name, the values that it takes; a control without an entry
    stays at its default. ``frames`` are the steps at which a live run is recorded.
    """

    values: Mapping[str, tuple[Any, ...]]
    frames: tuple[int, ...] = ()

    def settings(self, start: Settings) -> Iterator[dict[str, Any]]:
        """Each combination, on top of the settings ``start``."""
        for combination in product(*self.values.values()):
            yield {**start, **dict(zip(self.values, combination, strict=True))}


def sweep(frames: Sequence[int] = (), **values: Sequence[Any]) -> Sweep:
    """``sweep(step=range(80), clip=(False, True))``: 160 settings."""
    return Sweep({name: tuple(each) for name, each in values.items()}, tuple(frames))


@runtime_checkable
class Simulation(Protocol):
    """``name`` is also the module's name; ``title`` is the panel's heading; ``size`` is in inches.

    ``layout`` draws everything once and returns the artists that ``update`` changes; all other
    artists are background. The panel notices on its own when an update moved an axis (limits,
    scale, ticks, labels, title), at the cost of a full redraw: keep axes fixed where you can, and
    return ``axes.title`` among the artists if its words change.

    Any simulation may also have ``presets``: each becomes a button. ``recording``, a tuple of
    ``Sweep``, says which settings the course's site shows. ``measured_from``, a fraction of the
    picture's width, says where the part begins that shows how long something took on this machine.
    """

    name: str
    title: str
    size: tuple[float, float]
    controls: tuple[Control, ...]

    def compute(self, settings: Settings) -> Any:
        """Run PyTorch with these settings (one value per control); same settings, same state."""

    def layout(self, figure: Figure) -> Artists:
        """Build axes, labels and artists on an empty figure; called once."""

    def update(self, artists: Artists, state: Any) -> None:
        """Write a state into the artists, without creating new ones."""

    def describe(self, state: Any) -> str:
        """One sentence with the numbers now shown: the text alternative to the picture."""


@runtime_checkable
class LiveSimulation(Simulation, Protocol):
    """A run that goes on: the panel owns the clock and decides how many steps to take.

    Optional: ``adjust(state, settings) -> state | None`` applies changed settings in the middle
    of a run, such as a new learning rate. ``None`` means that these settings need a new run, and
    the panel then calls ``compute``, as it always does without ``adjust``.
    """

    presets: tuple[Preset, ...]

    def step(self, state: Any, n: int) -> Any:
        """Train ``n`` more optimizer steps and return the new state."""


def defaults(simulation: Simulation) -> dict[str, Any]:
    """The default value of each control."""
    return {control.name: control.default for control in simulation.controls}
