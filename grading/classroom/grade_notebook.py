"""``python -m grading grade-notebook FILE``: the verdicts on one notebook, now, without a database."""

import json
import re
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from course_lib.chapters import CHAPTERS, Chapter
from grading.classroom.pipeline import Submission, conclude, prepare
from grading.classroom.secret import own_secret
from grading.errors import Problem, chapter_called
from grading.intake.reading import Unreadable
from grading.intake.recognise import Recogniser
from grading.intake.released import read_release
from grading.judging.outcomes import VERDICTS, NotebookOutcome
from grading.paths import COURSE_FOLDER, NOTEBOOKS_FOLDER, CourseFolder, released_notebook
from grading.runner.run import run
from grading.runner.sandbox import UNPROTECTED, check_protection

_STYLES = {"passed": "green", "partial": "yellow", "not_attempted": "dim"}


def grade_notebook(
    file: Path,
    chapter_name: str | None = None,
    as_json: bool = False,
    sandbox: bool = True,
    course: Path = COURSE_FOLDER,
    warm: bool = True,
) -> NotebookOutcome:
    """Grade ``file`` and print the result. ``Problem`` when it cannot be read."""
    check_protection(sandbox)
    if file.exists() and not (file.is_file() or file.is_dir()):  # a pipe would be waited for
        raise Problem(f"{file}: not a file.")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise Problem(f"{file}: {error.strerror or error}.") from None
    try:
        chapter = _chapter(file, data, chapter_name)
        # What learners of this course directory got; without one, what the repository releases.
        released = CourseFolder(course).release(chapter)
        release = read_release(released if released.is_file() else released_notebook(chapter))
        prepared = prepare(Submission(data), release, own_secret(course), None, sandbox, warm)
    except Unreadable as error:
        raise Problem(f"{file}: {error}.") from None
    graded = conclude(chapter, prepared, run(prepared.job))
    console = Console(stderr=True)
    if not sandbox:
        console.print(f"Graded without a sandbox. {UNPROTECTED}", style="yellow")
    if as_json:
        print(json.dumps(graded.outcome.as_json(), ensure_ascii=False))
    else:
        print_outcome(graded.outcome, Console())
    return graded.outcome


def _chapter(file: Path, data: bytes, name: str | None) -> Chapter:
    """The chapter that was named, else that the file's name names, else that its cells are of."""
    if name is not None:
        return chapter_called(name)
    for chapter in CHAPTERS:
        if chapter.id in file.name:
            return chapter
    recognised = Recogniser(NOTEBOOKS_FOLDER).chapter(data)
    if recognised is None:
        raise Problem(f"{file}: no cell of any chapter was recognised; name one with --chapter.")
    return chapter_called(recognised)


def print_outcome(outcome: NotebookOutcome, console: Console) -> None:
    """The verdicts as a table for a person."""
    title = f"{outcome.notebook}: {outcome.score:g} of {outcome.max_score:g} points"
    table = Table(title=title, title_justify="left", expand=False)
    table.add_column("item")
    table.add_column("points", justify="right")
    table.add_column("verdict", no_wrap=True)
    table.add_column("what was found", overflow="fold")
    for item in outcome.items:
        symbol, word = VERDICTS[item.status]
        text = re.sub(r"\s+", " ", item.message)
        style = _STYLES.get(item.status, "red")
        table.add_row(
            item.grade_id.removesuffix("__test"),
            f"{item.score:g} / {item.max_score:g}",
            f"[{style}]{symbol} {word}[/]",
            escape(f"{item.misconception}: {text}" if item.misconception else text),
        )
    console.print(table)
    for problem in outcome.problems:
        console.print(f"- {escape(problem)}", highlight=False)
