"""Verdicts of the test of the tests that were right before, so that nothing is judged twice.

They are kept in ``.cache/matrix`` by all that they depend on: the version by which grading itself keeps a
class's results, and the matrix. Only what was right is kept, and under ``CI=true`` nothing counts.
"""

import os
from pathlib import Path

from course_lib.exercises import chapter_of
from course_lib.exercises.checking.model import Exercise
from grading.authoring import mutation_matrix
from grading.classroom.versions import digest, judge_version
from grading.paths import REPOSITORY

FOLDER = REPOSITORY / ".cache" / "matrix"


def _place(exercise: Exercise) -> Path:
    matrix = Path(mutation_matrix.__file__).read_bytes()
    return FOLDER / f"{exercise.name}-{digest(judge_version(chapter_of(exercise.name)), matrix)}"


def was_right(exercise: Exercise) -> bool:
    """Was every row of this exercise right, with everything as it is now?"""
    return os.environ.get("CI") != "true" and _place(exercise).exists()


def is_right(exercise: Exercise) -> None:
    """Every row of this exercise was right just now; what is kept of older versions goes."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    place = _place(exercise)
    for old in FOLDER.glob(f"{exercise.name}-*"):
        if old != place:
            old.unlink(missing_ok=True)
    place.touch()
