"""The chapters' own figures: made without pyplot, shown as a picture with its sentence.

Used in code cells. ``show_figure`` prints the sentence below the picture, so that everyone gets
the message: on GitHub, in a screen reader, in a plain terminal.
"""

import io

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from course_lib.beats import BEATS, ZERO_GRAD
from course_lib.style import DPI, house_style


def new_axes(width: float = 7.0, height: float = 3.6, columns: int = 1, **options):
    """Make a figure of this size in inches and its axes: ``(figure, axes)``, with an array of axes
    if ``columns`` is more than 1. ``options`` go to ``Figure.subplots``."""
    with house_style():
        figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        return figure, figure.subplots(1, columns, **options)


class _Picture:
    def __init__(self, figure: Figure, sentence: str) -> None:
        self.figure, self.sentence = figure, sentence

    def _repr_mimebundle_(self, **kwargs: object) -> dict[str, object]:
        buffer = io.BytesIO()
        for text in self.figure.findobj(Text):
            text.set_usetex(False)  # words that a cell has added have the learner's settings
        with house_style():
            self.figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
        return {"image/png": buffer.getvalue(), "text/plain": "Picture; its message follows."}


def show_figure(figure: Figure, sentence: str) -> None:
    """Show the figure and print ``sentence``, which says in words what it shows."""
    from IPython.display import display

    display(_Picture(figure, sentence))
    print(sentence)


def show_beats() -> None:
    """Show the four beats and the chore of clearing with their colours and symbols."""
    figure, axes = new_axes(7, 1.9)
    events = [*BEATS, ZERO_GRAD]
    for place, beat in enumerate(events):
        axes.plot(place, 0, marker=beat.marker, ms=20, mew=3, color=beat.color)
        axes.text(place, -0.55, f"{beat.name}\n({beat.meaning})", ha="center", va="top")
    axes.set(xlim=(-0.6, 4.6), ylim=(-1.6, 0.7), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    finish(axes, "Four beats and one chore", "", "")
    show_figure(
        figure,
        "Forward is blue with a triangle to the right, loss vermilion with a circle, backward green\n"
        "with a triangle to the left, step purple with a square. The chore, clearing old gradients,\n"
        "is grey with a cross.",
    )


def finish(axes: Axes, title: str, x: str, y: str) -> None:
    """Add title (the figure's message) and axis labels (with units), in the house style."""
    with house_style():
        axes.set_title(title)
        axes.set(xlabel=x, ylabel=y)
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
