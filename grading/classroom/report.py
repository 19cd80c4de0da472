"""``python -m grading report CHAPTER``: who needs help, and with what, after the last grading.

Score distribution, points per exercise, and how many learners wrote each misconception: as a table,
as CSV (``--csv``) and as one picture (``--png``). Reads what ``grade`` noted; grades nothing.
"""

import csv
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from course_lib.quiz import chapter_questions
from grading.classroom.cells import plain_cell
from grading.classroom.class_report import (
    ClassReport,
    class_report,
    ranked_misconceptions,
    summary,
)
from grading.classroom.marks import Marks
from grading.errors import Problem, chapter_called
from grading.intake.reading import printable
from grading.judging.outcomes import VERDICTS
from grading.paths import CourseFolder


def report(
    name: str, course: Path, csv_file: Path | None = None, png_file: Path | None = None
) -> ClassReport:
    """Print the report on the chapter called ``name``, and write the files that are asked for."""
    chapter = chapter_called(name)
    found = class_report(chapter, Marks(course, chapter), CourseFolder(course).submitted)
    if found is None:
        raise Problem(
            f"{course} holds no marks for {chapter.id}: "
            f"run `python -m grading grade {chapter.number} --course {course}`."
        )
    console = Console()
    _print(found, console)
    try:
        if csv_file is not None:
            write_csv(found, csv_file)
            console.print(f"CSV: {csv_file}", soft_wrap=True, highlight=False)
        if png_file is not None:
            # Matplotlib takes a second.
            from grading.classroom.report_picture import write_picture

            write_picture(found, png_file)
            console.print(f"Picture: {png_file}", soft_wrap=True, highlight=False)
    except OSError as error:
        raise Problem(f"cannot write {error.filename}: {error.strerror}.") from None
    return found


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
        table.add_row("0", "none recognised", "")
    return table
