"""The picture of a class: scores, points per exercise, misconceptions. Called by ``report``."""

from pathlib import Path
from textwrap import shorten

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from course_lib.beats import FORWARD, GREY, INK, LOSS
from course_lib.style import DPI, house_style
from grading.classroom.class_report import ClassReport, ranked_misconceptions, summary

_MOST_MISCONCEPTIONS = 12
_ROW = 0.3  # inches that a bar with its label takes


def write_picture(found: ClassReport, path: Path) -> None:
    """Write the report as a PNG."""
    with house_style():
        figure = draw(found)
        figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None})


def draw(found: ClassReport) -> Figure:
    """The report as a figure: three parts, each with its message as title."""
    misconceptions = ranked_misconceptions(found)[:_MOST_MISCONCEPTIONS]
    rows = [max(8, len(found.items)), max(2, len(misconceptions))]
    figure = Figure(figsize=(10, _ROW * sum(rows) + 2.4), dpi=DPI, layout="constrained")
    title = f"{found.chapter.number}. {found.chapter.title}\n{summary(found)}"
    figure.suptitle(title, x=0.01, ha="left", fontsize=12.5, fontweight="bold", color=INK)
    # Parts of their own: long names below do not push the pictures above aside.
    top, bottom = figure.subfigures(2, 1, height_ratios=[row + 3 for row in rows])
    scores, points = top.subplots(1, 2, width_ratios=[1, 1])
    _draw_scores(scores, found)
    _draw_points(points, found)
    _draw_misconceptions(bottom.subplots(), misconceptions)
    return figure


def _draw_scores(axes: Axes, found: ClassReport) -> None:
    labels, counts = zip(*found.bands(), strict=True)
    axes.bar(labels, counts, color=FORWARD.color, width=0.8)
    axes.set_title("Learners by points")
    axes.set(xlabel="points", ylabel="learners")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=False, axis="x")


def _draw_points(axes: Axes, found: ClassReport) -> None:
    names = [item.name for item in found.items]
    shares = [100 * item.mean / item.max_score for item in found.items]
    bars = axes.barh(names, shares, color=FORWARD.color, height=0.7)
    labels = [f"{item.mean:.3g} of {item.max_score:g}" for item in found.items]
    axes.bar_label(bars, labels, padding=4, color=INK, fontsize=9.5)
    axes.set_title("Mean points per task")
    axes.set(xlabel="% of its points", xlim=(0, 128), xticks=range(0, 101, 25))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")


def _draw_misconceptions(axes: Axes, rows: list[tuple[int, str, str]]) -> None:
    axes.set_title("Misconceptions, by number of learners")
    if not rows:
        axes.text(0.0, 0.8, "None recognised.", transform=axes.transAxes, color=GREY)
        axes.set_axis_off()
        return
    labels = [shorten(text, 48, placeholder="...") for _, text, _ in rows]
    positions = range(len(rows))
    bars = axes.barh(positions, [count for count, _, _ in rows], color=LOSS.color, height=0.62)
    where = [f"{count}  in {name}" for count, _, name in rows]
    axes.bar_label(bars, where, padding=4, color=INK, fontsize=9.5)
    axes.set_yticks(positions, labels)
    axes.set(xlabel="learners", xlim=(0, max(count for count, _, _ in rows) * 1.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
