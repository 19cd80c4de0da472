"""``python -m grading demo`` (``make demo``): the instructor's whole cycle on the sample class, in a
fresh course directory: release, hand in, grade, feedback."""

import os
import shutil
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from course_lib.chapters import Chapter
from grading.engine.grade import read_release
from grading.engine.sandbox import unavailable
from grading.engine.workers import LocalWorkers
from grading.grade_class import Result, grade_submissions
from grading.places import REPOSITORY
from grading.problems import Problem
from grading.release import check_up_to_date, release
from grading.sample_class import sample_files, sampled_chapters, submission
from grading.submissions import submissions

DEMO_FOLDER = REPOSITORY / "demo"


def demo(
    course: Path = DEMO_FOLDER, wanted: list[Chapter] | None = None
) -> dict[str, list[Result]]:
    """Grade the sample class in ``course``, which is emptied first, and print what was found."""
    console, start = Console(), time.monotonic()
    chapters = [chapter for chapter in wanted or sampled_chapters() if _is_built(chapter, console)]
    if not chapters:
        raise Problem("no chapter with samples is built: run `python -m grading build`.")
    _empty(course)
    names = ", ".join(chapter.number for chapter in chapters)
    console.print(f"Releasing chapter {names} into {_shown(course)}")
    release([chapter.id for chapter in chapters], course, notebooks_folder=None)
    reason = unavailable()
    if reason:
        console.print(f"Grading without a sandbox: {reason}. These samples are the course's own.")
    results: dict[str, list[Result]] = {}
    with LocalWorkers() as workers:
        for chapter in chapters:
            _hand_in(chapter, course)
            handed_in = submissions(course / "submitted", chapter)
            results[chapter.id] = []
            for result in grade_submissions(chapter, course, handed_in, not reason, workers):
                results[chapter.id].append(result)
                console.print(f"  {chapter.number} {result.learner}: {_points(result)}")
    _print_table(chapters, results, console)
    _print_pages(results, console)
    console.print(f"Done in {time.monotonic() - start:.0f} s. Look around: {_shown(course)}")
    return results


def _is_built(chapter: Chapter, console: Console) -> bool:
    """An author's chapter in the middle of a change is left out."""
    try:
        check_up_to_date(chapter)
    except Problem as problem:
        console.print(f"Without chapter {chapter.number}: {problem}", highlight=False)
        return False
    return True


def _empty(course: Path) -> None:
    """Only what an earlier demo made is removed."""
    if course.exists():
        if any(course.iterdir()) and not (course / "nbgrader_config.py").is_file():
            raise Problem(f"{course} holds other things than a demo; move it away first.")
        shutil.rmtree(course)


def _hand_in(chapter: Chapter, course: Path) -> None:
    released = read_release(course / "release" / chapter.id / f"{chapter.id}.ipynb")
    for sample in sample_files(chapter):
        folder = course / "submitted" / sample.stem / chapter.id
        folder.mkdir(parents=True)
        (folder / f"{chapter.id}.ipynb").write_bytes(submission(sample, released))


def _print_table(
    chapters: list[Chapter], results: dict[str, list[Result]], console: Console
) -> None:
    table = Table(title="The sample class", title_justify="left", show_lines=True)
    table.add_column("learner", no_wrap=True)
    for chapter in chapters:
        table.add_column(f"{chapter.number} {chapter.title}", overflow="fold")
    learners = sorted({result.learner for column in results.values() for result in column})
    for learner in learners:
        cells = [_cell(_result_of(learner, results[chapter.id])) for chapter in chapters]
        table.add_row(learner, *cells)
    console.print(table)


def _result_of(learner: str, column: list[Result]) -> Result | None:
    return next((result for result in column if result.learner == learner), None)


def _points(result: Result) -> str:
    outcome = result.outcome
    return "not graded" if outcome is None else f"{outcome.score:g} / {outcome.max_score:g}"


def _cell(result: Result | None) -> str:
    if result is None:
        return ""
    if result.outcome is None:
        return f"! {escape(result.problem)}"
    outcome = result.outcome
    lines = [_points(result)]
    for item in outcome.items:
        if item.misconception:
            name = item.grade_id.removesuffix("__test")
            lines.append(f"{escape(name)}: {escape(item.misconception)}")
    return "\n".join(lines)


def _print_pages(results: dict[str, list[Result]], console: Console) -> None:
    console.print("Feedback pages:")
    for column in results.values():
        for result in column:
            if result.feedback is not None:
                console.print(f"  {_shown(result.feedback)}", soft_wrap=True, highlight=False)


def _shown(path: Path) -> str:
    """A path as short as it can be typed from here."""
    relative = os.path.relpath(path)
    return relative if not relative.startswith("..") else str(path)
