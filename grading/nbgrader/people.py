"""Gives a learner another name in the gradebook; nbgrader has no command for it. Called by ``rename``."""

from nbgrader.api import MissingEntry, Student
from traitlets.config import Config

from grading.errors import Problem
from grading.nbgrader.gradebook import open_gradebook

_KEPT = ("first_name", "last_name", "email", "lms_user_id")


def rename_student(config: Config, old: str, new: str) -> bool:
    """Move everything that the gradebook has of ``old`` to ``new``. False when it does not know
    ``old``; ``Problem`` when it knows ``new`` already."""
    with open_gradebook(config) as gradebook:
        if any(student.id == new for student in gradebook.students):
            raise Problem(f"the gradebook has a learner {new!r} already.")
        try:
            student = gradebook.find_student(old)
        except MissingEntry:
            return False
        renamed = Student(id=new, **{name: getattr(student, name) for name in _KEPT})
        gradebook.db.add(renamed)
        for submission in list(student.submissions):
            submission.student = renamed
        gradebook.db.flush()
        gradebook.db.delete(student)
        gradebook.db.commit()
    return True
