"""The CPU time of the judge for one exercise, observed beforehand; no part of the tests.

``python -m benchmarks.judging [CHAPTER ...]`` judges every known solution: right ones, and known
mistakes, for which words are looked for. The last column is without that.
"""

import statistics
import sys
import time
from dataclasses import replace
from unittest.mock import patch

from course_lib.chapters import CHAPTERS, find_chapter
from course_lib.exercises import chapter_exercises
from course_lib.exercises.checking.observe import observe
from grading.authoring.solutions import known_solutions
from grading.judging import judge as judge_module
from grading.judging.cases import case_set
from grading.judging.wording import Words

SEED = 11


def _plain(cases, observed, faults):
    """What the comparison says, as if nobody looked for words."""
    return {fault.aspect.name: Words(fault.problem, fault.problem) for fault in faults}


def _seconds(name, observed) -> float:
    start = time.process_time()
    judge_module.judge_exercise(name, SEED, observed)
    return time.process_time() - start


def main() -> None:
    chapters = [find_chapter(each) for each in sys.argv[1:]] or CHAPTERS
    print("| exercise | right, ms | a mistake, ms | without its words, ms |\n|---|---:|---:|---:|")
    all_with, all_without = [], []
    for chapter in chapters:
        for exercise in chapter_exercises(chapter):
            cases = case_set(exercise.name, SEED).cases
            spent: dict[str, list[float]] = {"right": [], "with": [], "without": []}
            for solution in known_solutions(exercise):
                free = replace(exercise, forbidden=())
                observed = [observe(free, solution.subjects, case) for case in cases]
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
