"""How fast a class is graded, beside stock ``nbgrader autograde`` on the same submissions.

Run by ``make bench-grading``; no part of the tests. One run: a class of honest submissions is made,
stock nbgrader grades it, then ours with one worker and with two, and with two workers whose kernels
are started anew, each in a fresh course directory and a process of its own, start-up included. The
marks in all gradebooks have to be equal. Feedback pages are timed apart: stock makes them with
another command. At the end each stage is timed, one submission at a time. ``--write`` puts the
tables into the handbook.
"""

import argparse
import contextlib
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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import psutil

from course_lib.chapters import Chapter, find_chapter
from grading.authoring.release import release
from grading.classroom.pipeline import Submission, conclude, prepare
from grading.classroom.secret import course_secret
from grading.intake.matching import grade_id_of, is_solution
from grading.intake.released import read_release
from grading.intake.submissions import submissions
from grading.nbgrader.course import load_course
from grading.nbgrader.writer import Writer
from grading.paths import REPOSITORY, CourseFolder, released_notebook, solved_notebook
from grading.runner import run as run_module
from grading.runner.run import RunRecord, run
from grading.runner.zygote import close_idle

HANDBOOK = REPOSITORY / "docs" / "handbook.md"
END = "<!-- End of what it writes. -->"
STAGES_MEASURED = 5
#: A course that runs submissions as nbgrader does, unprotected: these are our own.
STOCK = f"""\
import os
import sys

sys.path.insert(0, {str(REPOSITORY)!r})
from grading.nbgrader.config import CELL_TIMEOUT, COURSE_ID, prepare_process

prepare_process()
os.environ.setdefault("COURSE_HOME", os.path.abspath(".progress"))
c = get_config()
c.CourseDirectory.course_id = COURSE_ID
c.Execute.timeout = CELL_TIMEOUT
"""


@dataclass(frozen=True)
class Measured:
    """Seconds of wall time, and the memory of all processes together at its largest, in MB."""

    seconds: float
    megabytes: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--chapter", default="05")
    parser.add_argument("--learners", type=int, default=40)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    compile_course()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        text, equal = _compare(find_chapter(options.chapter), options.learners, Path(folder))
    print(text)
    if not equal:
        raise SystemExit("The marks are not equal.")
    if options.write:
        write("bench-grading", text)


def write(command: str, text: str, handbook: Path = HANDBOOK) -> None:
    """Put ``text`` between the marks of ``make command``."""
    mark = f"<!-- Written by `make {command}`. -->"
    before, begin, rest = handbook.read_text(encoding="utf-8").partition(mark)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{handbook} lacks the marks {mark} and {END}.")
    handbook.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def _compare(chapter: Chapter, learners: int, folder: Path) -> tuple[str, bool]:
    """The tables as Markdown, and whether all marks are equal."""
    made = folder / "made"
    make_class(chapter, learners, made)
    busy = os.getloadavg()[0]
    courses = {name: folder / name for name in ("stock", "one", "two", "cold")}
    for course in courses.values():
        shutil.copytree(made, course)

    def ours(name: str, jobs: int, *options: str) -> Measured:
        command = [sys.executable, "-m", "benchmarks.grade_timed", chapter.number]
        return _timed([*command, str(courses[name]), str(jobs), *options], REPOSITORY)

    CourseFolder(courses["stock"]).config.write_text(STOCK, encoding="utf-8")
    nbgrader = [sys.executable, "-m", "nbgrader"]
    stock = _timed([*nbgrader, "autograde", chapter.id], courses["stock"])
    stock_pages = _timed([*nbgrader, "generate_feedback", chapter.id], courses["stock"])
    one, two = ours("one", 1, "no-pages"), ours("two", 2, "no-pages")
    cold = ours("cold", 2, "no-pages", "cold")
    with_pages, again = ours("two", 2), ours("two", 2)
    pages = max(0.0, with_pages.seconds - again.seconds)
    marks = [marks_of(course, chapter) for course in courses.values()]
    equal = len(marks[0]) == learners and all(other == marks[0] for other in marks)
    lines = [
        f"Chapter {chapter.number}, {learners} submissions, {len(os.sched_getaffinity(0))} cores, "
        f"Python {platform.python_version()}; load average when it began: {busy:.1f}.\n",
        "| | seconds | a submission | beside stock |\n|---|---:|---:|---:|",
    ]
    for name, seconds in (
        ("stock `nbgrader autograde`", stock.seconds),
        ("`grade --jobs 1`", one.seconds),
        ("`grade --jobs 2`", two.seconds),
        ("`grade --jobs 2 --cold-kernels`", cold.seconds),
        ("`grade` again, nothing changed", again.seconds),
        ("stock `nbgrader generate_feedback`", stock_pages.seconds),
        ("our feedback pages", pages),
    ):
        base = stock_pages.seconds if "feedback" in name else stock.seconds
        ratio = base / seconds if seconds else float("inf")
        lines.append(f"| {name} | {seconds:.1f} | {seconds / learners:.2f} | {ratio:.1f} times |")
    lines.append(
        f"\nEqual marks: {'yes' if equal else 'NO'}. Two workers: "
        f"{one.seconds / two.seconds:.2f} times as fast as one; warm kernels: "
        f"{cold.seconds / two.seconds:.2f} times as fast as cold ones.\n"
        f"Memory of all processes, MB: stock {stock.megabytes:.0f}, one worker "
        f"{one.megabytes:.0f}, two {two.megabytes:.0f} (a worker: "
        f"{two.megabytes - one.megabytes:.0f}), two with cold kernels {cold.megabytes:.0f}.\n"
    )
    warm_stages, cold_stages = _stages(chapter, made, True), _stages(chapter, made, False)
    lines.append(f"| stage, one at a time ({STAGES_MEASURED} submissions) | warm, s | cold, s |")
    lines.append("|---|---:|---:|")
    for name, seconds in warm_stages.items():
        lines.append(f"| {name} | {seconds:.3f} | {cold_stages[name]:.3f} |")
    return "\n".join(lines), equal


def compile_course(checkout: Path = REPOSITORY) -> None:
    """As Python does at the first start, unless it may not: otherwise every kernel compiles the course."""
    texts = "sample_class/.*/|grading/chapters/"  # cells, some of them broken on purpose
    command = [sys.executable, "-m", "compileall", "-q", "-x", texts, "course_lib", "grading"]
    subprocess.run(command, cwd=checkout, check=True)


def make_class(chapter: Chapter, learners: int, course: Path) -> None:
    """A course directory with ``learners`` submissions of honest work."""
    release([chapter.id], course, notebooks_folder=None)
    for number in range(learners):
        folder = course / "submitted" / f"learner-{number:03d}" / chapter.id
        folder.mkdir(parents=True)
        (folder / f"{chapter.id}.ipynb").write_bytes(honest_notebook(chapter, number))


def honest_notebook(chapter: Chapter, number: int) -> bytes:
    """Honest work: everything right, but every fourth learner left one task as it was."""
    sources = _solutions(chapter)
    notebook = nbformat.from_dict(read_release(released_notebook(chapter)))
    names = list(sources)
    left = names[number // 4 % len(names)] if number % 4 == 3 else None
    for cell in notebook.cells:
        name = grade_id_of(cell)
        if name in sources and name != left:
            cell.source = f"{sources[name]}\n# by learner {number}"
    return json.dumps(notebook).encode()


@cache
def _solutions(chapter: Chapter) -> dict[str, str]:
    solved = nbformat.read(solved_notebook(chapter), as_version=4)
    return {grade_id_of(cell): cell.source for cell in solved.cells if is_solution(cell)}


def _timed(command: list[str], folder: Path) -> Measured:
    print("measuring:", " ".join(command[1:]), file=sys.stderr, flush=True)
    path = os.pathsep.join((str(REPOSITORY), os.environ.get("PYTHONPATH", "")))
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command, cwd=folder, stdout=said, stderr=said, env={**os.environ, "PYTHONPATH": path}
        )
        memory = _Memory(process.pid)
        memory.start()
        status = process.wait()
        seconds = time.perf_counter() - start
        memory.join()
        if status:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{said.read()[-2000:]}")
    return Measured(seconds, memory.megabytes)


class _Memory(threading.Thread):
    """Watches a process and all below it. A page that several share counts once."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.megabytes = pid, 0.0

    def run(self) -> None:
        try:
            top = psutil.Process(self.pid)
            while top.is_running() and top.status() != psutil.STATUS_ZOMBIE:
                processes = [top, *top.children(recursive=True)]
                self.megabytes = max(self.megabytes, sum(map(_share, processes)) / 2**20)
                time.sleep(1)
        except psutil.Error:
            return


def _share(process: psutil.Process) -> int:
    try:
        return process.memory_full_info().pss
    except psutil.AccessDenied:  # a zygote's; the rest of it is shared with its kernel
        return process.memory_info().rss - process.memory_info().shared
    except psutil.Error:
        return 0


def marks_of(course: Path, chapter: Chapter) -> dict[str, dict[str, float | None]]:
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        return {
            submission.student.id: {grade.name: grade.auto_score for grade in notebook.grades}
            for submission in gradebook.assignment_submissions(chapter.id)
            for notebook in submission.notebooks
        }


def _stages(chapter: Chapter, course: Path, warm: bool) -> dict[str, float]:
    """Median seconds of each stage for the first submissions, in this process."""
    released = read_release(course / "release" / chapter.id / f"{chapter.id}.ipynb")
    secret, writer = course_secret(course), Writer(course, load_course(course), chapter.id)
    spent: dict[str, list[float]] = {}

    def stage(name: str, function: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = function()
        spent.setdefault(name, []).append(time.perf_counter() - start)
        return result

    # The first starts the zygote, and works out what is expected: once per class.
    handed_in = submissions(course / "submitted", chapter)
    for number, one in enumerate(handed_in[: STAGES_MEASURED + 1]):
        if number == 1:
            spent.clear()
        submission = Submission(one.notebook(chapter), one.companions())
        prepare(submission, released, secret)
        prepared = stage(
            "repair", lambda s=submission: prepare(s, released, secret, None, True, warm)
        )
        ready = _Ready()
        with ready:
            start = time.perf_counter()
            record = run(prepared.job)
            whole = time.perf_counter() - start
        spent.setdefault("kernel ready", []).append(ready.seconds)
        spent.setdefault("run the cells and ask", []).append(whole - ready.seconds - ready.after)
        spent.setdefault("end the kernel, clean up", []).append(ready.after)
        data = stage("pack the record", lambda r=record: r.packed())
        graded = stage(
            "judge", lambda p=prepared, d=data: conclude(chapter, p, RunRecord.unpacked(d))
        )
        stage("reset the last attempt", lambda o=one: writer.begin(o.learner, None))
        stage(
            "write the gradebook",
            lambda o=one, g=graded: writer.write(o.learner, g.notebook, g.outcome, None),
        )
        stage("make the feedback page", lambda o=one: writer.feedback(o.learner))
    close_idle()
    return {name: statistics.median(seconds) for name, seconds in spent.items()}


class _Ready:
    """Notes how long kernels took until they were ready, and to be cleaned up after."""

    def __init__(self) -> None:
        self.seconds = self.after = 0.0

    def __enter__(self) -> None:
        self._open_kernel = run_module.open_kernel
        run_module.open_kernel = self._timed

    def __exit__(self, *error: object) -> None:
        run_module.open_kernel = self._open_kernel

    @contextlib.contextmanager
    def _timed(self, *arguments: Any) -> Iterator[Any]:
        start = time.perf_counter()
        with self._open_kernel(*arguments) as kernel:
            self.seconds += time.perf_counter() - start
            try:
                yield kernel
            finally:
                start = time.perf_counter()
        self.after += time.perf_counter() - start


if __name__ == "__main__":
    main()
