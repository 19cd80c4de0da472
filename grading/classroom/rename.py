"""``python -m grading rename OLD NEW``: a learner's folders and everything in the gradebook under another
name. Marks are noted again by the next ``grade``, from the stored runs."""

import os
from pathlib import Path

from grading.errors import Problem
from grading.intake.reading import printable
from grading.nbgrader.course import load_course
from grading.nbgrader.people import rename_student
from grading.nbgrader.writer import STAGING
from grading.paths import CourseFolder


def rename(old: str, new: str, course: Path) -> None:
    """``Problem`` when there is no ``old``, or ``new`` is somebody already."""
    config = load_course(course)
    for name in (old, new):
        if not name or name != printable(name) or set(name) & set("/<>") or name.startswith("."):
            raise Problem(f"{printable(name)!r} cannot be a learner's name: it names a folder.")
    root = CourseFolder(course).root
    folders = [root / step for step in ("submitted", "autograded", "feedback", STAGING)]
    taken = [folder / new for folder in folders if os.path.lexists(folder / new)]
    if taken:
        raise Problem(f"{taken[0]} is there already.")
    theirs = [folder for folder in folders if (folder / old).is_dir()]
    known = rename_student(config, old, new)
    if not known and not theirs:
        raise Problem(f"there is no learner {printable(old)!r} in {course}.")
    for folder in theirs:
        (folder / old).rename(folder / new)
