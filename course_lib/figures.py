"""The chapters' own figures: made without pyplot, shown as a picture with its sentence.

Used in code cells. ``show_figure`` prints the sentence below the picture, so that everybody gets
the message: on GitHub, in a screen reader, in a plain terminal.
"""

import io

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.style import DPI, house_style


def new_axes(width: float = 7.0, height: float = 3.6, columns: int = 1, **options):
    """A figure of this size in inches and its axes: ``(figure, axes)``, an array of axes when
    ``columns`` is more than 1. ``options`` go to ``Figure.subplots``."""
    with house_style():
        figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        return figure, figure.subplots(1, columns, **options)


class _Picture:
    def __init__(self, figure: Figure, sentence: str) -> None:
        self.figure, self.sentence = figure, sentence

    def _repr_mimebundle_(self, **kwargs: object) -> dict[str, object]:
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
        return {"image/png": buffer.getvalue(), "text/plain": "Picture; its message follows."}


def show_figure(figure: Figure, sentence: str) -> None:
    """Show the figure and print ``sentence``, which says in words what it shows."""
    from IPython.display import display

    display(_Picture(figure, sentence))
    print(sentence)


def finish(axes: Axes, title: str, x: str, y: str) -> None:
    """Title (the figure's message) and axis labels (with units), in the house style."""
    with house_style():
        axes.set_title(title)
        axes.set(xlabel=x, ylabel=y)
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
