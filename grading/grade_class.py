"""``python -m grading grade CHAPTER``: all submissions of a chapter, into gradebook and feedback.

One learner's broken file, crash or failed write is a line in the report and nothing more.
"""

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from course_lib.chapters import Chapter, find_chapter
from grading.engine.grade import Graded, Prepared, Submission, conclude, prepare, read_release
from grading.engine.outcomes import NotebookOutcome
from grading.engine.reading import Unreadable
from grading.engine.run import RunRecord, run
from grading.engine.sandbox import UNPROTECTED, check_protection
from grading.nbgrader.course import load_course
from grading.nbgrader.writer import Writer, is_timestamp
from grading.problems import Problem
from grading.secret import course_secret
from grading.submissions import HandedIn, submissions


@dataclass(frozen=True)
class Result:
    """What became of one submission: an outcome with its feedback page, or why there is none."""

    learner: str
    outcome: NotebookOutcome | None = None
    feedback: Path | None = None
    problem: str = ""


def grade_class(name: str, course: Path, sandbox: bool = True) -> list[Result]:
    """Grade every submission of the chapter called ``name`` and print the marks."""
    check_protection(sandbox)
    try:
        chapter = find_chapter(name)
    except LookupError as error:
        raise Problem(str(error)) from None
    console = Console()
    if not sandbox:
        console.print(f"Grading without a sandbox. {UNPROTECTED}", style="yellow")
    handed_in = submissions(course / "submitted", chapter)
    if not handed_in:
        raise Problem(f"no submissions in {course / 'submitted'}/<learner>/{chapter.id}/.")
    results = list(
        track(
            grade_submissions(chapter, course, handed_in, sandbox),
            description=chapter.id,
            total=len(handed_in),
            console=Console(stderr=True),
            transient=True,
        )
    )
    _print_results(chapter, results, console)
    return results


def grade_submissions(
    chapter: Chapter,
    course: Path,
    handed_in: list[HandedIn],
    sandbox: bool = True,
    executor: Executor | None = None,
) -> Iterator[Result]:
    """Grade and write one submission after the other; runs go to ``executor`` if there is one."""
    writer = Writer(course, load_course(course), chapter.id)
    release = read_release(course / "release" / chapter.id / f"{chapter.id}.ipynb")
    secret = course_secret(course)
    waiting = []
    for one in handed_in:
        timestamp = _timestamp(one)
        writer.begin(one.learner, timestamp)
        try:
            data = one.notebook(chapter)
            submission = Submission(data, one.companions())
            prepared = prepare(submission, release, secret, sandbox=sandbox)
        except Unreadable as error:
            yield _unreadable(writer, one, chapter, error)
            continue
        if executor is None:
            yield _finish(writer, chapter, one, prepared, lambda p=prepared: run(p.job), timestamp)
        else:
            record = executor.submit(run, prepared.job)
            waiting.append((one, prepared, record.result, timestamp))
    for one, prepared, record, timestamp in waiting:
        yield _finish(writer, chapter, one, prepared, record, timestamp)


def _finish(
    writer: Writer,
    chapter: Chapter,
    one: HandedIn,
    prepared: Prepared,
    record,
    timestamp: str | None,
) -> Result:
    try:
        graded = _with_file_notes(conclude(chapter, prepared, _record(record)), one)
        writer.write(one.learner, graded.notebook, graded.outcome, timestamp)
        page = writer.feedback(one.learner)
    except Exception as error:  # whatever it was, the other learners' marks are to be written
        reason = str(error) if isinstance(error, Problem) else f"{type(error).__name__}: {error}"
        writer.begin(one.learner, timestamp)
        return Result(one.learner, problem=f"could not be graded: {reason}")
    return Result(one.learner, graded.outcome, page)


def _record(record) -> RunRecord:
    return record()


def _with_file_notes(graded: Graded, one: HandedIn) -> Graded:
    problems = (*one.mended, *graded.outcome.problems)
    return replace(graded, outcome=replace(graded.outcome, problems=problems))


def _unreadable(writer: Writer, one: HandedIn, chapter: Chapter, error: Unreadable) -> Result:
    try:
        data = one.notebook(chapter)
    except Unreadable:
        data = b""
    writer.set_aside(one.learner, data, str(error))
    return Result(one.learner, problem=f"not graded: {error}")


def _timestamp(one: HandedIn) -> str | None:
    text = one.timestamp()
    if text is not None and not is_timestamp(text):
        one.mended.append(f"The time of submission {text[:40]!r} could not be read.")
        return None
    return text


def _print_results(chapter: Chapter, results: list[Result], console: Console) -> None:
    table = Table(title=f"{chapter.id}: {chapter.title}", title_justify="left")
    table.add_column("learner")
    table.add_column("points", justify="right")
    table.add_column("misconceptions, and what could not be graded", overflow="fold")
    for result in results:
        if result.outcome is None:
            table.add_row(escape(result.learner), "-", f"[red]! {escape(result.problem)}[/]")
            continue
        outcome = result.outcome
        named = [item.misconception for item in outcome.items if item.misconception]
        scored = f"{outcome.score:g} / {outcome.max_score:g}"
        table.add_row(escape(result.learner), scored, escape(", ".join(named)))
    console.print(table)
