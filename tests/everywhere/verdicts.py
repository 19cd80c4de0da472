"""The verdicts on every stub, right solution and misconception, with secrets never used before.

``python -m tests.everywhere.verdicts [--secrets 30] [--json] [EXERCISE ...]`` judges the whole matrix on
that many fresh case sets and prints what is judged as something else; its status is 1 when there is any.
``--seeds 1 2`` takes these instead, for a comparison between environments.
"""

import argparse
import json
import secrets
import sys
from collections.abc import Iterator

from course_lib.chapters import CHAPTERS
from course_lib.exercises import chapter_exercises
from course_lib.exercises.checking.model import Exercise
from grading.authoring.mutation_matrix import MatrixRow, exercise_rows

EXERCISES = [exercise for chapter in CHAPTERS for exercise in chapter_exercises(chapter)]


def verdicts(exercises: list[Exercise], seeds: list[int]) -> Iterator[tuple[int, MatrixRow]]:
    """Each row of the matrix on each seed alone."""
    for exercise in exercises:
        for seed in seeds:
            for row in exercise_rows(exercise, (seed,)):
                yield seed, row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("exercises", nargs="*", help="names; all when there are none")
    parser.add_argument("--secrets", type=int, default=30)
    parser.add_argument("--seeds", type=int, nargs="*")
    parser.add_argument("--json", action="store_true", help="every verdict, as JSON")
    options = parser.parse_args()
    chosen = [each for each in EXERCISES if not options.exercises or each.name in options.exercises]
    seeds = options.seeds or [secrets.randbits(63) for _ in range(options.secrets)]
    found, wrong = {}, 0
    for seed, row in verdicts(chosen, seeds):
        solution, outcome = row.solution, row.outcome
        key = f"{solution.exercise.name} / {solution.kind} / {solution.label} / {seed}"
        found[key] = [outcome.score, outcome.misconception]
        if not row.ok:
            wrong += 1
            print(f"{key}: {row.detail}", file=sys.stderr, flush=True)
    if options.json:
        json.dump(found, sys.stdout, indent=1)
    else:
        print(f"{len(found)} verdicts on {len(seeds)} case sets, {wrong} not as they should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
