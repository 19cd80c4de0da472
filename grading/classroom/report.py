"""``python -m grading report [CHAPTER]``: who needs help, and with what, after the last grading.

Of a chapter: score distribution, points per exercise, and how many learners wrote each misconception, as
a table, as CSV (``--csv``) and as one picture (``--png``). Of the whole course: items, misconceptions
over time and who falls behind, as a table, as CSV and as one page without names (``--html``). Reads what
``grade`` noted; grades nothing.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from course_lib.quiz import chapter_questions
from grading.classroom.cells import plain_cell
from grading.classroom.class_gain import ClassGain
from grading.classroom.class_report import (
    ClassReport,
    class_report,
    ranked_misconceptions,
    summary,
)
from grading.classroom.course_report import CourseReport, course_report
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
    _write("CSV", _write_csv, _rows(found), csv_file, console)
    if png_file is not None:
        # Matplotlib takes a second.
        from grading.classroom.report_picture import write_picture

        _write("Picture", write_picture, found, png_file, console)
    return found


def report_course(
    course: Path, csv_file: Path | None = None, html_file: Path | None = None
) -> CourseReport:
    """Print the report on all chapters that were graded, and write the files that are asked for."""
    found = course_report(course)
    if found is None:
        raise Problem(f"{course} holds no marks: run `python -m grading grade` first.")
    console = Console()
    from grading.classroom.report_page import (  # Matplotlib takes a second
        course_summary,
        gain_summary,
        write_page,
    )

    console.print(course_summary(found), highlight=False)
    for table in (_course_items(found), _course_misconceptions(found), _course_behind(found)):
        console.print(table)
    if found.gain is not None:
        console.print(gain_summary(found.gain), highlight=False)
        console.print(_course_gain(found.gain))
    if found.effort:
        console.print(_course_effort(found))
    for line in found.unread:
        console.print(f"! {escape(line)}", highlight=False)
    _write("CSV", _write_csv, _course_rows(found), csv_file, console)
    _write("Page", write_page, found, html_file, console)
    return found


def _write(
    what: str, write: Callable[[Any, Path], None], found: Any, file: Path | None, console: Console
) -> None:
    """Write a file that was asked for, and say where it is."""
    if file is None:
        return
    try:
        write(found, file)
    except OSError as error:
        raise Problem(f"cannot write {error.filename}: {error.strerror}.") from None
    console.print(f"{what}: {file}", soft_wrap=True, highlight=False)


def _write_csv(rows: Iterable[list[object]], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _course_rows(found: CourseReport) -> Iterator[list[object]]:
    """In long form: what is said, of which chapter and item, its name, and the number."""
    yield ["kind", "chapter", "item", "name", "value"]
    for item in found.items:
        place = [item.chapter.id, item.name]
        yield ["difficulty", *place, "", f"{item.difficulty:.4g}"]
        if item.discrimination is not None:
            yield ["discrimination", *place, "", f"{item.discrimination:.4g}"]
        yield ["points lost", *place, "", f"{item.lost:g}"]
        for letter, count in item.options.items():
            yield ["learners with option", *place, letter, count]
    for name, counts in found.misconceptions.items():
        for chapter, count in counts.items():
            yield ["learners with misconception", chapter, "", name, count]
    for idea in found.gain.ideas if found.gain else ():
        numbers = {
            "right before": idea.before,
            "right after": idea.after,
            "normalised gain": idea.gain,
            "discrimination before": idea.apart_before,
            "discrimination after": idea.apart_after,
        }
        for kind, number in numbers.items():
            if number is not None:
                yield [kind, "", "", idea.idea, f"{number:.4g}"]
    for one in found.effort:
        if one.tries is not None:
            yield ["median tries", "", one.name, "", f"{one.tries:g}"]
        yield ["share with a hint", "", one.name, "", f"{one.hinted:.4g}"]
    for one in found.behind:
        learner = plain_cell(printable(one.learner))
        yield ["falls behind", "", "", learner, f"{one.recent:.4g}"]


def _course_items(found: CourseReport) -> Table:
    numbers = _numbers("reached", "tells apart", "points lost")
    table = _table("Items", "chapter", "item", *numbers, "options (* is right)")
    for item in found.items:
        chosen = [
            f"{letter}{'*' if letter == item.key else ''} {count}"
            for letter, count in item.options.items()
        ]
        numbers = _share(item.difficulty), _number(item.discrimination), f"{item.lost:g}"
        table.add_row(item.chapter.number, item.name, *numbers, ", ".join(chosen))
    return table


def _course_misconceptions(found: CourseReport) -> Table:
    chapters = _numbers(*(chapter.number for chapter in found.chapters))
    title = "Learners with each misconception, by chapter"
    table = _table(title, Column("misconception", overflow="fold"), *chapters)
    for name, counts in found.misconceptions.items():
        table.add_row(escape(name), *(str(counts.get(one.id, "")) for one in found.chapters))
    return table


def _course_gain(found: ClassGain) -> Table:
    numbers = _numbers("before", "after", "gain", "tells apart before", "after")
    table = _table("Before and after", "idea", *numbers)
    for idea in found.ideas:
        apart = map(_number, (idea.gain, idea.apart_before, idea.apart_after))
        table.add_row(idea.idea, _share(idea.before), _share(idea.after), *apart)
    return table


def _table(title: str, *columns: str | Column) -> Table:
    return Table(*columns, title=title, title_justify="left")


def _numbers(*names: str) -> list[Column]:
    return [Column(name, justify="right") for name in names]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def _course_effort(found: CourseReport) -> Table:
    title = "Tries and hints, of those who handed them in"
    table = _table(title, "exercise", *_numbers("learners", "median tries", "took a hint"))
    for one in found.effort:
        tries = "-" if one.tries is None else f"{one.tries:g}"
        table.add_row(one.name, str(one.learners), tries, _share(one.hinted))
    return table


def _course_behind(found: CourseReport) -> Table:
    title = "Less than half of the points of the last three chapters"
    table = _table(title, "learner", *_numbers("these", "before"), "not handed in")
    for one in found.behind:
        shares = _share(one.recent), _share(one.before)
        table.add_row(escape(printable(one.learner)), *shares, ", ".join(one.missing))
    return table


def _rows(found: ClassReport) -> Iterator[list[object]]:
    """In long form: what is counted, where, its name, and the number."""
    yield ["kind", "item", "name", "value"]
    for label, count in found.bands():
        yield ["learners with score", "", label, count]
    for item in found.items:
        yield ["mean points", item.name, "", f"{item.mean:.4g}"]
        yield ["points", item.name, "", f"{item.max_score:g}"]
        for status in VERDICTS:
            if status in item.statuses:
                yield ["learners with verdict", item.name, status, item.statuses[status]]
        for misconception, count in item.misconceptions.items():
            yield ["learners with misconception", item.name, misconception, count]
    for learner in found.not_graded:
        yield ["not graded", "", plain_cell(printable(learner)), 1]
    for learner in found.unknown_times:
        yield ["time unknown", "", plain_cell(printable(learner)), 1]


def _print(found: ClassReport, console: Console) -> None:
    chapter = found.chapter
    console.print(f"[bold]{chapter.id}: {escape(chapter.title)}[/]", highlight=False)
    console.print(summary(found), highlight=False)
    if found.scores:
        console.print(_distribution(found))
        console.print(_points(found))
        console.print(_misconceptions(found))
    for what, learners, form in (
        ("Time of submission unknown, lateness left to you", found.unknown_times, "{}"),
        ("Not graded", found.not_graded, "[red]{}[/]"),
    ):
        if learners:
            console.print(f"{what}: {len(learners)}", highlight=False)
        for learner, reason in learners.items():
            line = f"! {escape(printable(learner))}: {escape(reason)}"
            console.print(form.format(line), highlight=False)


def _distribution(found: ClassReport) -> Table:
    table = _table("Scores", *_numbers("points", "learners"), "")
    most = max(count for _, count in found.bands())
    for label, count in found.bands():
        table.add_row(label, str(count), "\u2588" * round(30 * count / most))
    return table


def _points(found: ClassReport) -> Table:
    table = _table("Points", "item", *_numbers("mean"), Column("verdicts", overflow="fold"))
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
    misconception = Column("misconception", overflow="fold")
    table = _table("Misconceptions", *_numbers("learners"), misconception, "item")
    for count, misconception, name in ranked_misconceptions(found):
        table.add_row(str(count), escape(misconception), escape(name))
    if not table.row_count:
        table.add_row("0", "none recognised", "")
    return table
