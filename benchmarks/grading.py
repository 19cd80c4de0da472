"""How fast a class is graded, beside stock ``nbgrader autograde`` on the same submissions.

Run by ``make bench-grading``; no part of the tests. One run: a class of honest submissions is made,
stock nbgrader grades it, then ours with one worker and with two, each in a fresh course directory
and a process of its own, start-up included. The marks in the two gradebooks have to be equal.
Feedback pages are timed apart: stock makes them with another command.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import psutil

from course_lib.chapters import Chapter, find_chapter
from grading.engine.cache import record_bytes
from grading.engine.grade import Submission, conclude, prepare, read_release
from grading.engine.matching import grade_id_of, is_solution
from grading.engine.run import run
from grading.nbgrader.course import load_course
from grading.nbgrader.writer import Writer
from grading.places import REPOSITORY, solved_notebook
from grading.release import release
from grading.secret import course_secret
from grading.submissions import submissions

STAGES_MEASURED = 3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--chapter", default="05")
    parser.add_argument("--learners", type=int, default=40)
    parser.add_argument("--ours", nargs=2, metavar=("COURSE", "JOBS"), help=argparse.SUPPRESS)
    parser.add_argument("--no-feedback", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    chapter = find_chapter(options.chapter)
    if options.ours:
        _grade_here(chapter, Path(options.ours[0]), int(options.ours[1]), not options.no_feedback)
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        _compare(chapter, options.learners, Path(folder))


def _compare(chapter: Chapter, learners: int, folder: Path) -> None:
    made = folder / "made"
    _make_class(chapter, learners, made)
    busy = os.getloadavg()[0]
    courses = {name: folder / name for name in ("stock", "one", "two")}
    for course in courses.values():
        shutil.copytree(made, course)
    nbgrader = [sys.executable, "-m", "nbgrader"]
    stock, stock_memory = _timed([*nbgrader, "autograde", chapter.id], courses["stock"])
    stock_pages, _ = _timed([*nbgrader, "generate_feedback", chapter.id], courses["stock"])
    one, _ = _timed(_ours(chapter, courses["one"], 1, "--no-feedback"), REPOSITORY)
    two, two_memory = _timed(_ours(chapter, courses["two"], 2, "--no-feedback"), REPOSITORY)
    pages, _ = _timed(_ours(chapter, courses["two"], 2), REPOSITORY)
    again, _ = _timed(_ours(chapter, courses["two"], 2), REPOSITORY)
    pages = max(0.0, pages - again)
    marks = [_marks(course, chapter) for course in courses.values()]
    equal = len(marks[0]) == learners and marks[0] == marks[1] == marks[2]
    print(
        f"Chapter {chapter.number}, {learners} submissions, {len(os.sched_getaffinity(0))} cores, "
        f"Python {platform.python_version()}; load average when it began: {busy:.1f}.\n"
    )
    print("| | seconds | a submission | beside stock |\n|---|---:|---:|---:|")
    for name, seconds in (
        ("stock `nbgrader autograde`", stock),
        ("`grade --jobs 1`", one),
        ("`grade --jobs 2`", two),
        ("`grade` again, nothing changed", again),
        ("stock `nbgrader generate_feedback`", stock_pages),
        ("our feedback pages", pages),
    ):
        base = stock_pages if "feedback" in name else stock
        ratio = base / seconds if seconds else float("inf")
        print(f"| {name} | {seconds:.1f} | {seconds / learners:.2f} | {ratio:.1f} times |")
    print(f"\nEqual marks: {'yes' if equal else 'NO'}. Two workers: {one / two:.2f} times one.")
    print(f"Largest process, MB: stock {stock_memory:.0f}, ours {two_memory:.0f}.\n", flush=True)
    print(f"| stage, one at a time ({STAGES_MEASURED} submissions) | seconds |\n|---|---:|")
    for name, seconds in _stages(chapter, made).items():
        print(f"| {name} | {seconds:.3f} |")
    if not equal:
        raise SystemExit("The marks are not equal.")


def _make_class(chapter: Chapter, learners: int, course: Path) -> None:
    """Honest work: everything right, but every fourth learner left one task as it was."""
    release([chapter.id], course, notebooks_folder=None)
    released = read_release(course / "release" / chapter.id / f"{chapter.id}.ipynb")
    solved = nbformat.read(solved_notebook(chapter), as_version=4)
    sources = {grade_id_of(cell): cell.source for cell in solved.cells if is_solution(cell)}
    for number in range(learners):
        notebook = nbformat.from_dict(released)
        names = list(sources)
        left = names[number // 4 % len(names)] if number % 4 == 3 else None
        for cell in notebook.cells:
            name = grade_id_of(cell)
            if name in sources and name != left:
                cell.source = f"{sources[name]}\n# by learner {number}"
        folder = course / "submitted" / f"learner-{number:03d}" / chapter.id
        folder.mkdir(parents=True)
        (folder / f"{chapter.id}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")


def _ours(chapter: Chapter, course: Path, jobs: int, *options: str) -> list[str]:
    command = [sys.executable, "-m", "benchmarks.grading", "--chapter", chapter.number]
    return [*command, "--ours", str(course), str(jobs), *options]


def _grade_here(chapter: Chapter, course: Path, jobs: int, feedback: bool) -> None:
    from grading.grade_class import grade_class

    if not feedback:
        Writer.feedback = lambda self, learner: None  # type: ignore[method-assign]
    grade_class(chapter.number, course, jobs=jobs)


def _timed(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds, and the memory of the largest process in MB."""
    print("measuring:", " ".join(command[1:]), file=sys.stderr, flush=True)
    path = os.pathsep.join((str(REPOSITORY), os.environ.get("PYTHONPATH", "")))
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command, cwd=folder, stdout=said, stderr=said, env={**os.environ, "PYTHONPATH": path}
        )
        largest = _Largest(process.pid)
        largest.start()
        status = process.wait()
        seconds = time.perf_counter() - start
        largest.join()
        if status:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{said.read()[-2000:]}")
    return seconds, largest.megabytes


class _Largest(threading.Thread):
    """Watches a process and all below it; memory that is shared with files does not count."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.megabytes = pid, 0.0

    def run(self) -> None:
        try:
            top = psutil.Process(self.pid)
            while top.is_running() and top.status() != psutil.STATUS_ZOMBIE:
                for one in [top, *top.children(recursive=True)]:
                    try:
                        memory = one.memory_info()
                    except psutil.Error:
                        continue
                    shared = getattr(memory, "shared", 0)
                    self.megabytes = max(self.megabytes, (memory.rss - shared) / 2**20)
                time.sleep(0.5)
        except psutil.Error:
            return


def _marks(course: Path, chapter: Chapter) -> dict[str, dict[str, float | None]]:
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        return {
            submission.student.id: {grade.name: grade.auto_score for grade in notebook.grades}
            for submission in gradebook.assignment_submissions(chapter.id)
            for notebook in submission.notebooks
        }


def _stages(chapter: Chapter, course: Path) -> dict[str, float]:
    """Mean seconds of each stage for the first submissions, in this process."""
    released = read_release(course / "release" / chapter.id / f"{chapter.id}.ipynb")
    secret, writer = course_secret(course), Writer(course, load_course(course), chapter.id)
    spent: dict[str, list[float]] = {}

    def stage(name: str, function: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = function()
        spent.setdefault(name, []).append(time.perf_counter() - start)
        return result

    for one in submissions(course / "submitted", chapter)[:STAGES_MEASURED]:
        submission = Submission(one.notebook(chapter), one.companions())
        prepare(submission, released, secret)  # expected values are worked out once per class
        prepared = stage("repair", lambda s=submission: prepare(s, released, secret))
        record = stage("run in the sandbox", lambda p=prepared: run(p.job))
        stage("pack the record", lambda r=record: record_bytes(r))
        graded = stage("judge", lambda p=prepared, r=record: conclude(chapter, p, r))
        stage("reset the last attempt", lambda o=one: writer.begin(o.learner, None))
        stage(
            "write the gradebook",
            lambda o=one, g=graded: writer.write(o.learner, g.notebook, g.outcome, None),
        )
        stage("make the feedback page", lambda o=one: writer.feedback(o.learner))
    return {name: statistics.fmean(seconds) for name, seconds in spent.items()}


if __name__ == "__main__":
    main()
