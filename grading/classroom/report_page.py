"""The class on one HTML page, without names, to be projected. Called by ``report``; needs nothing else to
be shown, and every picture is there in words."""

import base64
import io
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.beats import FORWARD, INK, LOSS
from course_lib.quiz import LETTERS
from course_lib.style import DPI, house_style
from grading.classroom.class_gain import ClassGain
from grading.classroom.course_report import CourseReport

_MOST = 12


@dataclass(frozen=True)
class Picture:
    title: str
    words: str
    data: str


def write_page(found: CourseReport, path: Path) -> None:
    """Write the page."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    html = templates.get_template("course_report.html.jinja").render(
        report=found,
        summary=course_summary(found),
        gain_summary=gain_summary(found.gain) if found.gain else "",
        letters=LETTERS,
        pictures=[_chapters(found), _losses(found)],
    )
    path.write_text(html, encoding="utf-8")


def course_summary(found: CourseReport) -> str:
    """The report in one sentence."""
    numbers = ", ".join(chapter.number for chapter in found.chapters)
    return (
        f"{found.learners} learner{'' if found.learners == 1 else 's'}; chapters graded: {numbers}. "
        f"{len(found.behind)} had less than half of the points of the last chapters."
    )


def gain_summary(found: ClassGain) -> str:
    """What the class learned, in one sentence."""
    one = found.learners == 1
    gain = "" if found.gain is None else f": a normalised gain of {found.gain:.2f}"
    return (
        f"{found.learners} learner{'' if one else 's'} answered before_after both times; of 10 questions "
        f"{found.before:.1f} were right before the course, {found.after:.1f} after it{gain}."
    )


def _chapters(found: CourseReport) -> Picture:
    shares = [[100 * share for share in found.shares[one.id]] for one in found.chapters]
    medians = [statistics.median(column) for column in shares]
    numbers = [chapter.number for chapter in found.chapters]

    def draw(axes: Axes) -> None:
        axes.boxplot(
            shares,
            tick_labels=numbers,
            medianprops={"color": LOSS.color, "linewidth": 2.4},
            boxprops={"color": INK},
        )
        axes.set(xlabel="chapter", ylabel="% of its points", ylim=(-3, 103))

    words = "; ".join(f"{n}: {median:.0f} %" for n, median in zip(numbers, medians, strict=True))
    return Picture("Points by chapter", f"Median share of the points: {words}.", _png(draw, 3.6))


def _losses(found: CourseReport) -> Picture:
    rows = sorted(found.items, key=lambda item: -item.lost)[:_MOST]
    labels = [f"{item.name} ({item.chapter.number})" for item in rows]

    def draw(axes: Axes) -> None:
        bars = axes.barh(labels, [item.lost for item in rows], color=FORWARD.color, height=0.7)
        axes.bar_label(bars, [f"{item.lost:g}" for item in rows], padding=4, color=INK)
        axes.invert_yaxis()
        axes.set(xlabel="points that the class did not get")
        axes.grid(visible=False, axis="y")

    words = "; ".join(f"{one} {item.lost:g}" for one, item in zip(labels[:3], rows, strict=False))
    return Picture(
        "Where most points are lost",
        f"Most were lost in: {words}.",
        _png(draw, 1 + 0.3 * len(rows)),
    )


def _png(draw: Callable[[Axes], None], height: float) -> str:
    with house_style():
        figure = Figure(figsize=(10, height), dpi=DPI, layout="constrained")
        draw(figure.subplots())
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=DPI, metadata={"Software": None})
    return base64.b64encode(data.getvalue()).decode()
