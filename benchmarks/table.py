"""The figures that a reader waits for, with their goals, in one run; the handbook's table is written by this.

``make bench-table`` measures every row on this checkout, and with ``BESIDE=../older-checkout`` on that one as well,
in turn. No part of the tests, and for an otherwise idle machine: it prints the load that it found. ``--only class
start`` takes some of the groups, ``--learners`` and ``--moves`` smaller sizes; ``--write`` puts the table between its
marks in ``docs/handbook.md``.
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
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.grading import STOCK, compile_course, make_class, marks_of, write
from course_lib.chapters import find_chapter
from grading.paths import REPOSITORY, CourseFolder

CHAPTER = find_chapter("05")
JOBS = 2
#: Kernel start, set-up cell, first panel: as a front end runs them.
_MINUTE = """\
import json, sys, time
import nbformat
from jupyter_client.manager import start_new_kernel
cells = nbformat.read(sys.argv[1], as_version=4).cells
tagged = lambda name: next(c.source for c in cells if name in c.metadata.get("tags", []))
set_up = next(c.source for c in cells if "import course_lib" in c.source)
begun = time.perf_counter()
manager, client = start_new_kernel(kernel_name="python3")
for source in (set_up, tagged("panel")):
    reply = client.execute_interactive(source, output_hook=lambda message: None, timeout=120)
    assert reply["content"]["status"] == "ok", reply["content"]
print(time.perf_counter() - begun)
client.stop_channels()
manager.shutdown_kernel(now=True)
"""
_IMPORT = """\
import time
import torch
begun = time.perf_counter()
import course_lib
from course_lib import check, check_quiz, hint, panel, solution
print(time.perf_counter() - begun)
"""
_FIRST_LINE = """\
import subprocess, sys, time
begun = time.perf_counter()
process = subprocess.Popen([sys.executable, "-m", *sys.argv[1:]], stdout=subprocess.PIPE)
assert process.stdout.readline()
print(time.perf_counter() - begun)
process.stdout.read()
process.wait()
"""


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    learners: int = 300
    stock_learners: int = 40
    repeats: int = 5
    moves: int = 12
    openings: int = 3
    panels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """A figure: its group and key, in words, its goal, and whether a larger one is better. With ``share`` the
    goal is that share of what the older checkout needs."""

    group: str
    key: str
    text: str
    unit: str
    goal: float = 0.0
    more: bool = False
    share: float = 0.0


@dataclass(frozen=True)
class Checkout:
    """A copy of the course whose commands are measured."""

    path: Path

    def run(self, *command: str, **options) -> str:
        """What the command printed; its failure ends the benchmark."""
        environment = {**os.environ, "PYTHONPATH": str(self.path)}
        done = subprocess.run(
            command, cwd=self.path, env=environment, capture_output=True, text=True, **options
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-2000:]}")
        return done.stdout

    def seconds(self, *command: str) -> float:
        begun = time.perf_counter()
        self.run(*command)
        return time.perf_counter() - begun

    def grade(self, course: Path) -> float:
        """Seconds of ``grade``, start-up and feedback pages included."""
        command = ("-m", "grading", "grade", CHAPTER.number, "--jobs", str(JOBS))
        return self.seconds(sys.executable, *command, "--course", str(course))

    def course(self, made: Path, to: Path) -> Path:
        """A copy of a course directory that reads this checkout's settings."""
        shutil.copytree(made, to)
        config = CourseFolder(to).config
        text = config.read_text(encoding="utf-8")
        config.write_text(
            text.replace(repr(str(REPOSITORY)), repr(str(self.path))), encoding="utf-8"
        )
        return to


Figures = Mapping[str, float]
Measure = Callable[[Checkout, Sizes, Path], Figures]


def rows(sizes: Sizes) -> list[Row]:
    """The table, in its order."""
    learners = sizes.learners
    return [
        Row("class", "first", f"{learners} submissions, pages included", "s", 110 * learners / 300),
        Row("class", "again", f"the {learners} again, nothing changed", "s", 1.5),
        Row("class", "one", f"the {learners} again, one of them changed", "s", 4.0),
        Row(
            "stock",
            "ratio",
            f"{sizes.stock_learners} submissions beside stock `autograde` and `generate_feedback`",
            "times",
            25.0,
            more=True,
        ),
        Row("start", "help", "start of `grade --help`", "s", 0.3),
        Row("start", "status", "start of `course_lib status`", "s", 0.3),
        Row("start", "doctor", "first line of `course_lib doctor`", "s", 0.3),
        Row("import", "import", "`import course_lib` and its names, beyond torch", "s", share=1.1),
        Row("minute", "minute", "kernel start, set-up, first panel of chapter 00", "s", share=0.5),
        Row("browser", "pixels", "key to new pixels in Chromium, median panel", "ms", 60.0),
        Row("browser", "interact", "the same beside `interact`, median panel", "of it", 1 / 3),
        Row("browser", "opening", "opening chapter 05 beside an empty notebook", "s more", 1.0),
    ]


def measure_class(checkout: Checkout, sizes: Sizes, folder: Path) -> Figures:
    made = _made(folder, sizes.learners)
    course = checkout.course(made, folder / f"class-{abs(hash(checkout))}")
    found = {"first": checkout.grade(course), "again": checkout.grade(course)}
    marks = marks_of(course, CHAPTER)
    changed = next(CourseFolder(course).submitted.glob(f"*/{CHAPTER.id}/*.ipynb"))
    changed.write_text(changed.read_text(encoding="utf-8").replace("# by learner", "# of learner"))
    found["one"] = checkout.grade(course)
    _hold_equal(made, marks, sizes.learners)
    _hold_equal(made, marks_of(course, CHAPTER), sizes.learners)
    return found


def measure_stock(checkout: Checkout, sizes: Sizes, folder: Path) -> Figures:
    """Stock nbgrader is measured once: it is the same beside every checkout."""
    made = _made(folder, sizes.stock_learners)
    noted = made / "stock.json"
    if not noted.is_file():
        course = Path(shutil.copytree(made, folder / "stock"))
        CourseFolder(course).config.write_text(STOCK, encoding="utf-8")
        begun = time.perf_counter()
        for step in ("autograde", "generate_feedback"):
            subprocess.run(
                [sys.executable, "-m", "nbgrader", step, CHAPTER.id],
                cwd=course,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
                check=True,
                capture_output=True,
            )
        noted.write_text(json.dumps(time.perf_counter() - begun))
        _hold_equal(made, marks_of(course, CHAPTER), sizes.stock_learners)
    course = checkout.course(made, folder / f"beside-stock-{abs(hash(checkout))}")
    seconds = checkout.grade(course)
    _hold_equal(made, marks_of(course, CHAPTER), sizes.stock_learners)
    return {"ratio": json.loads(noted.read_text()) / seconds}


def measure_start(checkout: Checkout, sizes: Sizes, folder: Path) -> Figures:
    def median(*command: str) -> float:
        return statistics.median(
            checkout.seconds(sys.executable, "-m", *command) for _ in range(sizes.repeats)
        )

    first_lines = (
        float(checkout.run(sys.executable, "-c", _FIRST_LINE, "course_lib", "doctor"))
        for _ in range(sizes.repeats)
    )
    return {
        "help": median("grading", "grade", "--help"),
        "status": median("course_lib", "status"),
        "doctor": statistics.median(first_lines),
    }


def measure_import(checkout: Checkout, sizes: Sizes, folder: Path) -> Figures:
    found = [float(checkout.run(sys.executable, "-c", _IMPORT)) for _ in range(sizes.repeats)]
    return {"import": statistics.median(found)}


def measure_minute(checkout: Checkout, sizes: Sizes, folder: Path) -> Figures:
    notebook = str(checkout.path / "notebooks" / "00_why_a_training_loop.ipynb")
    command = (sys.executable, "-c", _MINUTE, notebook)
    found = [float(checkout.run(*command).splitlines()[-1]) for _ in range(sizes.repeats)]
    return {"minute": statistics.median(found)}


def measure_browser(checkout: Checkout, sizes: Sizes, folder: Path) -> Figures:
    script = REPOSITORY / "benchmarks" / "in_browser.py"  # an older checkout may lack it
    command = [sys.executable, "-P", str(script), "--json", "--moves", str(sizes.moves)]
    command += ["--openings", str(sizes.openings)]
    command += ["--panels", *sizes.panels] if sizes.panels else []
    found = json.loads(checkout.run(*command).splitlines()[-1])
    pairs = [(ours, interact) for _, ours, interact in found["panels"]]
    if not pairs:
        raise SystemExit("no key changed a picture")
    return {
        "pixels": statistics.median(ours for ours, _ in pairs),
        "interact": statistics.median(ours / interact for ours, interact in pairs),
        "opening": found["opening"],
    }


MEASURES: dict[str, Measure] = {
    "class": measure_class,
    "stock": measure_stock,
    "start": measure_start,
    "import": measure_import,
    "minute": measure_minute,
    "browser": measure_browser,
}


def _made(folder: Path, learners: int) -> Path:
    made = folder / f"made-{learners}"
    if not made.is_dir():
        make_class(CHAPTER, learners, made)
    return made


def _hold_equal(made: Path, marks: Mapping[str, object], learners: int) -> None:
    """The first marks of a class are those that all others have to equal."""
    noted = made / "marks.json"
    if not noted.is_file():
        noted.write_text(json.dumps(marks))
    if len(marks) != learners or json.loads(noted.read_text()) != marks:
        raise SystemExit(f"The marks of {learners} submissions are not equal.")


def measured(
    checkouts: Sequence[Checkout], groups: Sequence[str], sizes: Sizes
) -> list[dict[str, float]]:
    """The figures of each checkout under ``group.key``; each group on all of them before the next. A group that
    cannot be measured is said on stderr, and its figures are missing."""
    found: list[dict[str, float]] = [{} for _ in checkouts]
    for checkout in checkouts:
        compile_course(checkout.path)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for group in groups:
            for figures, checkout in zip(found, checkouts, strict=True):
                print(f"measuring {group} in {checkout.path}", file=sys.stderr, flush=True)
                try:
                    taken = MEASURES[group](checkout, sizes, Path(folder))
                except SystemExit as reason:
                    print(f"{group} in {checkout.path}: {reason}", file=sys.stderr, flush=True)
                    continue
                figures |= {f"{group}.{key}": value for key, value in taken.items()}
    return found


def table(found: Mapping[str, float], before: Mapping[str, float], sizes: Sizes) -> str:
    """The rows that were measured, as Markdown."""
    lines = [
        "| figure | before | now | goal | times as good | met |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for row in rows(sizes):
        key = f"{row.group}.{row.key}"
        if key not in found:
            continue
        now, then = found[key], before.get(key)
        goal: float | None = row.goal
        if row.share:
            goal = None if then is None else row.share * then
        met = goal is not None and (now >= goal if row.more else now <= goal)
        better, worse = (now, then) if row.more else (then, now)
        gain = None if then is None or min(now, then) <= 0 else better / worse
        bound = "" if goal is None else f"at {'least' if row.more else 'most'} {_number(goal)}"
        verdict = "" if goal is None else "yes" if met else "no"
        lines.append(
            f"| {row.text} | {_number(then)} | {_number(now)} {row.unit} | {bound} "
            f"| {_number(gain)} | {verdict} |"
        )
    return "\n".join(lines)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(MEASURES), default=list(MEASURES))
    parser.add_argument("--beside", type=Path, help="an older checkout")
    parser.add_argument("--learners", type=int, default=Sizes.learners)
    parser.add_argument("--stock-learners", type=int, default=Sizes.stock_learners)
    parser.add_argument("--repeats", type=int, default=Sizes.repeats)
    parser.add_argument("--moves", type=int, default=Sizes.moves)
    parser.add_argument("--openings", type=int, default=Sizes.openings)
    parser.add_argument("--panels", nargs="*", default=[])
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args(arguments)
    sizes = Sizes(
        options.learners,
        options.stock_learners,
        options.repeats,
        options.moves,
        options.openings,
        tuple(options.panels),
    )
    load = os.getloadavg()[0]
    checkouts = [Checkout(REPOSITORY)]
    checkouts += [Checkout(options.beside.resolve())] if options.beside else []
    found, *others = measured(checkouts, options.only, sizes)
    cores = len(os.sched_getaffinity(0))
    text = (
        f"{cores} cores, Python {platform.python_version()}; load average when it began: {load:.1f}.\n\n"
        + table(found, others[0] if others else {}, sizes)
    )
    print(text)
    if options.write:
        write("bench-table", text)
    if {row.group for row in rows(sizes)} & set(options.only) != {
        key.split(".")[0] for key in found
    }:
        raise SystemExit("Not everything could be measured: see above.")


if __name__ == "__main__":
    main()
