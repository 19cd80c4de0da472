"""What judging takes; no part of the tests.

``python -m benchmarks.judging [CHAPTER ...]`` is the CPU time of the judge for one exercise, observed
beforehand. It judges every known solution: right ones, and known mistakes, for which words are looked
for. The last column is without that.

``python -m benchmarks.judging [CHAPTER ...] --beside ../older-checkout`` is what the right solution of each exercise
takes, there and here in turn: to be asked all cases and judged, and to be checked.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from benchmarks.table import Checkout
from course_lib.chapters import CHAPTERS, find_chapter
from course_lib.exercises import chapter_exercises
from course_lib.exercises.checking.observe import observe
from grading.authoring.solutions import known_solutions
from grading.judging import judge as judge_module
from grading.judging.cases import case_set
from grading.paths import REPOSITORY

SEED = 11
#: Milliseconds, the least of three turns: what an older checkout calls by these names, too.
_OF_RIGHT_SOLUTIONS = f"""\
import json, os, sys, tempfile, time
from course_lib.exercises import all_exercises, chapter_of
from course_lib.exercises.checking.check import run_check
from course_lib.exercises.checking.observe import observe
from grading.chapter_text.reference import reference
from grading.judging.cases import case_set
from grading.judging.judge import judge_exercise

def spent(function):
    begun = time.perf_counter()
    value = function()
    return 1000 * (time.perf_counter() - begun), value

found = {{}}
with tempfile.TemporaryDirectory() as home:
    os.environ["COURSE_HOME"] = home
    for name, exercise in all_exercises().items():
        if sys.argv[1:] and chapter_of(name).number not in sys.argv[1:]:
            continue
        subjects, cases, turns = reference(name), case_set(name, {SEED}).cases, []
        for _ in range(4):
            asking, observed = spent(lambda: [observe(exercise, subjects, case) for case in cases])
            judging, item = spent(lambda: judge_exercise(name, {SEED}, observed))
            checking, _ = spent(lambda: run_check(name, *subjects))
            assert item.score == item.max_score, name
            turns.append((asking + judging, checking))
        found[name] = [min(each) for each in zip(*turns[1:])]  # the first does what is done once
print(json.dumps(found))
"""


def _plain(cases, observed, faults):
    """What the comparison says, as if nobody looked for words."""
    return {fault.aspect.name: (fault.problem, fault.problem) for fault in faults}


def _seconds(name, observed) -> float:
    start = time.process_time()
    judge_module.judge_exercise(name, SEED, observed)
    return time.process_time() - start


def compare(older: Path, chapters: Sequence[str]) -> None:
    """Print the table of both checkouts. An exercise that only one of them has is left out."""
    command = (sys.executable, "-c", _OF_RIGHT_SOLUTIONS, *chapters)
    before, now = (
        json.loads(Checkout(path).run(*command).splitlines()[-1])
        for path in (older.resolve(), REPOSITORY)
    )
    print("| exercise | asked and judged before, ms | now, ms | checked before, ms | now, ms |")
    print("|---|---:|---:|---:|---:|")
    both = [name for name in now if name in before]
    for name in both:
        (judged, checked), (judged_now, checked_now) = before[name], now[name]
        print(f"| {name} | {judged:.0f} | {judged_now:.0f} | {checked:.0f} | {checked_now:.0f} |")
    for index, what in enumerate(("asked and judged", "checked")):
        ratio = sum(now[name][index] for name in both) / sum(before[name][index] for name in both)
        slowest = max(now, key=lambda name, index=index: now[name][index])
        most = f"{slowest} takes longest, {now[slowest][index]:.0f} ms"
        print(f"\nAll {len(both)} {what}: {ratio:.2f} times the time before; {most}.")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("chapters", nargs="*")
    parser.add_argument("--beside", type=Path, help="an older checkout")
    options = parser.parse_args(arguments)
    if options.beside is not None:
        compare(options.beside, [find_chapter(each).number for each in options.chapters])
        return
    chapters = [find_chapter(each) for each in options.chapters] or CHAPTERS
    print("| exercise | right, ms | a mistake, ms | without its words, ms |\n|---|---:|---:|---:|")
    all_with, all_without = [], []
    for chapter in chapters:
        for exercise in chapter_exercises(chapter):
            cases = case_set(exercise.name, SEED).cases
            spent: dict[str, list[float]] = {"right": [], "with": [], "without": []}
            for solution in known_solutions(exercise):
                free = replace(exercise, forbidden=())
                subjects = solution.subjects
                observed = [observe(free, subjects, case) for case in cases]
                _seconds(exercise.name, observed)  # what is computed once per class
                if solution.kind == "right":
                    spent["right"].append(_seconds(exercise.name, observed))
                    continue
                spent["with"].append(_seconds(exercise.name, observed))
                with patch.object(judge_module, "in_words", _plain):
                    spent["without"].append(_seconds(exercise.name, observed))
            row = [1000 * statistics.mean(seconds) for seconds in spent.values()]
            print(f"| {exercise.name} | {row[0]:.1f} | {row[1]:.1f} | {row[2]:.1f} |", flush=True)
            all_with += spent["with"]
            all_without += spent["without"]
    ratio = sum(all_with) / sum(all_without)
    print(f"\nAll mistakes: {ratio:.2f} times the time without words.")


if __name__ == "__main__":
    main()
