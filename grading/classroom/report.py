"""``python -m grading report CHAPTER``: who needs help, and with what, after the last grading.

Score distribution, points per exercise, and how many learners wrote each misconception: as a table,
as CSV (``--csv``) and as one picture (``--png``). Reads what ``grade`` noted; grades nothing.
"""

import csv
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from course_lib.chapters import Chapter, find_chapter
from course_lib.quiz import chapter_questions
from grading.classroom.cells import plain_cell
from grading.classroom.marks import Mark, Marks
from grading.errors import Problem
from grading.intake.matching import TEST_SUFFIX
from grading.intake.reading import printable
from grading.intake.submissions import is_folder
from grading.judging.outcomes import VERDICTS, NotebookOutcome


@dataclass(frozen=True)
class Item:
    """How a class did on one exercise or question. ``misconceptions`` has the most frequent first;
    ``statuses`` counts learners by verdict."""

    name: str
    mean: float
    max_score: float
    statuses: dict[str, int]
    misconceptions: dict[str, int]

    @property
    def right(self) -> int:
        return self.statuses.get("passed", 0)


@dataclass(frozen=True)
class ClassReport:
    """What the pictures and tables are made from. ``scores`` has an entry per graded learner."""

    chapter: Chapter
    scores: tuple[float, ...]
    max_score: float
    items: tuple[Item, ...]
    not_graded: dict[str, str]
    unknown_times: dict[str, str]

    def bands(self) -> list[tuple[str, int]]:
        """The score distribution: each possible whole score, or tenths of the points when they are
        many, with the number of learners in it."""
        width = 1 if self.max_score <= 15 else self.max_score / 10
        top = round(self.max_score / width)
        count = Counter(min(int(score / width), top) for score in self.scores)
        if width == 1:
            return [(str(band), count[band]) for band in range(top + 1)]
        labels = [f"{band * width:g}-" for band in range(top)] + [f"{self.max_score:g}"]
        return [(label, count[band]) for band, label in enumerate(labels)]


def report(
    name: str, course: Path, csv_file: Path | None = None, png_file: Path | None = None
) -> ClassReport:
    """Print the report on the chapter called ``name``, and write the files that are asked for."""
    try:
        chapter = find_chapter(name)
    except LookupError as error:
        raise Problem(str(error)) from None
    found = class_report(chapter, Marks(course, chapter), course / "submitted")
    if found is None:
        raise Problem(
            f"{course} holds no marks of {chapter.id}: "
            f"run `python -m grading grade {chapter.number} --course {course}`."
        )
    console = Console()
    _print(found, console)
    try:
        if csv_file is not None:
            write_csv(found, csv_file)
            console.print(f"CSV: {csv_file}", soft_wrap=True, highlight=False)
        if png_file is not None:
            from grading.classroom.report_picture import write_picture

            write_picture(found, png_file)
            console.print(f"Picture: {png_file}", soft_wrap=True, highlight=False)
    except OSError as error:
        raise Problem(f"cannot write {error.filename}: {error.strerror}.") from None
    return found


def class_report(chapter: Chapter, marks: Marks, submitted: Path) -> ClassReport | None:
    """The report on everyone who was graded and whose submission is still there."""
    there = [
        mark
        for mark in sorted(marks.all(), key=lambda mark: mark.learner)
        if is_folder(submitted / mark.learner / chapter.id)
    ]
    if not there:
        return None
    outcomes = [mark.outcome for mark in there if mark.outcome is not None]
    return ClassReport(
        chapter,
        tuple(outcome.score for outcome in outcomes),
        max((outcome.max_score for outcome in outcomes), default=0.0),
        tuple(_items(outcomes)),
        {mark.learner: _reason(mark) for mark in there if mark.outcome is None},
        {mark.learner: mark.time_problem for mark in there if mark.time_problem},
    )


def _reason(mark: Mark) -> str:
    return mark.problem or "not graded"


def _items(outcomes: list[NotebookOutcome]) -> Iterator[Item]:
    names = dict.fromkeys(item.grade_id for outcome in outcomes for item in outcome.items)
    for name in names:
        mine = [item for outcome in outcomes for item in outcome.items if item.grade_id == name]
        named = Counter(item.misconception for item in mine if item.misconception)
        yield Item(
            name.removesuffix(TEST_SUFFIX),
            statistics.fmean(item.score for item in mine),
            max(item.max_score for item in mine),
            dict(Counter(item.status for item in mine)),
            dict(sorted(named.items(), key=lambda pair: (-pair[1], pair[0]))),
        )


def write_csv(found: ClassReport, path: Path) -> None:
    """One table in long form: what is counted, where, its name, and the number."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["kind", "item", "name", "value"])
        for label, count in found.bands():
            writer.writerow(["learners with score", "", label, count])
        for item in found.items:
            writer.writerow(["mean points", item.name, "", f"{item.mean:.4g}"])
            writer.writerow(["points", item.name, "", f"{item.max_score:g}"])
            for status in VERDICTS:
                if status in item.statuses:
                    writer.writerow(
                        ["learners with verdict", item.name, status, item.statuses[status]]
                    )
            for misconception, count in item.misconceptions.items():
                writer.writerow(["learners with misconception", item.name, misconception, count])
        for learner in found.not_graded:
            writer.writerow(["not graded", "", plain_cell(printable(learner)), 1])
        for learner in found.unknown_times:
            writer.writerow(["time unknown", "", plain_cell(printable(learner)), 1])


def _print(found: ClassReport, console: Console) -> None:
    chapter = found.chapter
    graded, missing = len(found.scores), len(found.not_graded)
    console.print(f"[bold]{chapter.id}: {escape(chapter.title)}[/]", highlight=False)
    console.print(summary(found), highlight=False)
    if graded:
        console.print(_distribution(found))
        console.print(_points(found))
        console.print(_misconceptions(found))
    if found.unknown_times:
        console.print(
            f"Time of submission unknown, lateness left to you: {len(found.unknown_times)}",
            highlight=False,
        )
        for learner, reason in found.unknown_times.items():
            console.print(f"! {escape(printable(learner))}: {escape(reason)}", highlight=False)
    if missing:
        console.print(f"Not graded: {missing}", highlight=False)
        for learner, reason in found.not_graded.items():
            console.print(
                f"[red]! {escape(printable(learner))}: {escape(reason)}[/]", highlight=False
            )


def summary(found: ClassReport) -> str:
    """The report in one sentence."""
    if not found.scores:
        return f"Of {len(found.not_graded)} submissions none could be graded."
    median = statistics.median(found.scores)
    full = sum(score == found.max_score for score in found.scores)
    learners = f"{len(found.scores)} learner{'' if len(found.scores) == 1 else 's'}"
    return f"{learners}: median {median:g} of {found.max_score:g} points, {full} with all points."


def _distribution(found: ClassReport) -> Table:
    table = Table(title="Scores", title_justify="left")
    table.add_column("points", justify="right")
    table.add_column("learners", justify="right")
    table.add_column("")
    most = max(count for _, count in found.bands())
    for label, count in found.bands():
        table.add_row(label, str(count), "\u2588" * round(30 * count / most))
    return table


def _points(found: ClassReport) -> Table:
    table = Table(title="Points", title_justify="left")
    table.add_column("item")
    table.add_column("mean", justify="right")
    table.add_column("verdicts", overflow="fold")
    questions = {question.id: question.text for question in chapter_questions(found.chapter)}
    for item in found.items:
        words = [
            f"{symbol} {item.statuses[status]} {word}"
            for status, (symbol, word) in VERDICTS.items()
            if status in item.statuses
        ]
        name = f"{item.name} (quiz)" if item.name in questions else item.name
        table.add_row(escape(name), f"{item.mean:.3g} / {item.max_score:g}", "  ".join(words))
    return table


def _misconceptions(found: ClassReport) -> Table:
    table = Table(title="Misconceptions", title_justify="left")
    table.add_column("learners", justify="right")
    table.add_column("misconception", overflow="fold")
    table.add_column("item")
    for count, misconception, name in ranked_misconceptions(found):
        table.add_row(str(count), escape(misconception), escape(name))
    if not table.row_count:
        table.add_row("0", "none was recognised", "")
    return table


def ranked_misconceptions(found: ClassReport) -> list[tuple[int, str, str]]:
    """(learners, misconception, item), the most frequent first."""
    rows = [
        (count, misconception, item.name)
        for item in found.items
        for misconception, count in item.misconceptions.items()
    ]
    return sorted(rows, key=lambda row: (-row[0], row[1], row[2]))
