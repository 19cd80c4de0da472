"""``python -m grading demo`` (``make demo``): the instructor's whole cycle on the sample class, in a
fresh course directory: release, hand in, grade, feedback."""

import os
import shutil
import time
from concurrent.futures import Future
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from course_lib.chapters import Chapter
from grading.authoring.release import check_up_to_date, release
from grading.classroom.cache import job_key
from grading.classroom.grade_class import grade_submissions
from grading.classroom.pipeline import Submission, prepare
from grading.classroom.results import Result
from grading.classroom.secret import course_secret
from grading.classroom.workers import LocalWorkers
from grading.errors import Problem
from grading.intake.reading import Unreadable
from grading.intake.released import read_release
from grading.intake.submissions import submissions
from grading.paths import REPOSITORY, CourseFolder
from grading.runner.limits import Limits
from grading.runner.run import Job
from grading.runner.sandbox import unavailable
from grading.sample_class import sample_files, sampled_chapters, submission

DEMO_FOLDER = REPOSITORY / "demo"


def demo(
    course: Path = DEMO_FOLDER, wanted: list[Chapter] | None = None
) -> dict[str, list[Result]]:
    """Grade the sample class in ``course``, which is emptied first, and print what was found."""
    console, start = Console(), time.monotonic()
    chapters = [chapter for chapter in wanted or sampled_chapters() if _is_built(chapter, console)]
    if not chapters:
        raise Problem("no chapter with samples has been built: run `python -m grading build`.")
    _empty(course)
    names = ", ".join(chapter.number for chapter in chapters)
    console.print(f"Releasing chapter {names} into {_shown(course)}")
    release([chapter.id for chapter in chapters], course, notebooks_folder=None)
    reason = unavailable()
    if reason:
        console.print(f"Grading without a sandbox: {reason}. These samples are the course's own.")
    for chapter in chapters:
        _hand_in(chapter, course)
    results: dict[str, list[Result]] = {}
    with LocalWorkers() as local:
        ahead = RunAhead(local)
        for chapter in chapters:
            ahead.start(chapter, course, not reason)
        for chapter in chapters:
            handed_in = submissions(CourseFolder(course).submitted, chapter)
            graded = []
            for result in grade_submissions(chapter, course, handed_in, not reason, ahead):
                graded.append(result)
                console.print(f"  {chapter.number} {result.learner}: {_points(result)}")
            results[chapter.id] = sorted(graded, key=lambda result: result.learner)
    _print_points(chapters, results, console)
    _print_misconceptions(chapters, results, console)
    console.print("Feedback pages:")
    pages = [result.feedback for column in results.values() for result in column]
    for page in sorted(filter(None, pages)):
        console.print(f"  {_shown(page)}", soft_wrap=True, highlight=False)
    console.print(f"Done in {time.monotonic() - start:.0f} s. Look around in {_shown(course)}")
    return results


class RunAhead:
    """Workers that begin before they are asked: most chapters have one sample, and a core would
    stand idle while it runs."""

    def __init__(self, workers: LocalWorkers) -> None:
        self.workers = workers
        self._begun: dict[str, Future[bytes]] = {}

    def start(self, chapter: Chapter, course: Path, sandbox: bool) -> None:
        """Begin the runs that grading this chapter will ask for."""
        release = read_release(CourseFolder(course).release(chapter))
        secret = course_secret(course)
        for one in submissions(CourseFolder(course).submitted, chapter):
            try:
                submission = Submission(one.notebook(chapter), one.companions())
                job = prepare(submission, release, secret, sandbox=sandbox).job
            except Unreadable:
                continue  # grading will find it, and say so
            self._begun[job_key(job)] = self.workers.submit(job)

    def get_ready(self, jobs: int, sandbox: bool, warm: Limits | None) -> None:
        pass  # it has begun

    def slots(self) -> int:
        return self.workers.slots()

    def submit(self, job: Job, alone: bool = False) -> "Future[bytes]":
        begun = self._begun.pop(job_key(job), None)
        return begun or self.workers.submit(job, alone)


def _is_built(chapter: Chapter, console: Console) -> bool:
    """An author's chapter in the middle of a change is left out."""
    try:
        check_up_to_date(chapter)
    except Problem as problem:
        console.print(f"Skipping chapter {chapter.number}: {problem}", highlight=False)
        return False
    return True


def _empty(course: Path) -> None:
    """Only what an earlier demo made is removed."""
    if course.exists():
        if any(course.iterdir()) and not CourseFolder(course).config.is_file():
            raise Problem(f"{course} holds files that are not from a demo; move it away first.")
        shutil.rmtree(course)


def _hand_in(chapter: Chapter, course: Path) -> None:
    released = read_release(CourseFolder(course).release(chapter))
    for sample in sample_files(chapter):
        folder = CourseFolder(course).submission(sample.stem, chapter)
        folder.mkdir(parents=True)
        (folder / f"{chapter.id}.ipynb").write_bytes(submission(sample, released))


def _print_points(
    chapters: list[Chapter], results: dict[str, list[Result]], console: Console
) -> None:
    """Learners by chapters, in 80 columns: a chapter's points possible stand in its heading."""
    table = Table(title="The sample class: points by chapter", title_justify="left")
    table.add_column("learner", no_wrap=True)
    for chapter in chapters:
        possible = [r.outcome.max_score for r in results[chapter.id] if r.outcome is not None]
        heading = f"{chapter.number}\n/{possible[0]:g}" if possible else chapter.number
        table.add_column(heading, justify="right", no_wrap=True)
    for learner in sorted({result.learner for column in results.values() for result in column}):
        theirs = {
            chapter: "!" if result.outcome is None else f"{result.outcome.score:g}"
            for chapter, column in results.items()
            for result in column
            if result.learner == learner
        }
        table.add_row(learner, *(theirs.get(chapter.id, "") for chapter in chapters))
    console.print(table)


def _print_misconceptions(
    chapters: list[Chapter], results: dict[str, list[Result]], console: Console
) -> None:
    table = Table(title="Misconceptions by name", title_justify="left")
    table.add_column("learner", no_wrap=True)
    table.add_column("ch.", no_wrap=True)
    table.add_column("exercise", overflow="fold")
    table.add_column("what the code does", overflow="fold")
    graded = [(chapter.number, result) for chapter in chapters for result in results[chapter.id]]
    found = [
        (result.learner, number, item.grade_id.removesuffix("__test"), item.misconception)
        for number, result in graded
        if result.outcome is not None
        for item in result.outcome.items
        if item.misconception
    ]
    for _, rows in groupby(sorted(found, key=itemgetter(0)), itemgetter(0)):
        for place, (learner, *rest) in enumerate(rows):
            table.add_row("" if place else learner, *map(escape, rest))
        table.add_section()
    console.print(table)
    for number, result in graded:
        if result.outcome is None:
            line = f"! {number} {result.learner}: {result.problem}"
            console.print(escape(line), soft_wrap=True, highlight=False)


def _points(result: Result) -> str:
    outcome = result.outcome
    return "not graded" if outcome is None else f"{outcome.score:g} / {outcome.max_score:g}"


def _shown(path: Path) -> str:
    """A path as short as it can be typed from here."""
    relative = os.path.relpath(path)
    return relative if not relative.startswith("..") else str(path)
