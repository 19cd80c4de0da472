"""What the gradebook holds now, read in one go for a whole class. Called by ``grade``, which
writes only what is not there yet."""

import json
from collections import defaultdict
from hashlib import sha256

from nbgrader.api import (
    Assignment,
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    MissingEntry,
    SubmittedAssignment,
    SubmittedNotebook,
)
from traitlets.config import Config

from grading.errors import Problem
from grading.judging.outcomes import NotebookOutcome
from grading.nbgrader.course import step_folder
from grading.nbgrader.gradebook import open_gradebook


class Standing:
    """The scores and comments of one assignment, as they were when this was made. ``Problem`` when it is not
    in the gradebook."""

    def __init__(self, config: Config, assignment: str) -> None:
        self._config, self._assignment = config, assignment
        self._automatic: dict[str, dict[str, float | None]] = defaultdict(dict)
        self._by_hand: dict[str, list[list[object]]] = defaultdict(list)
        with open_gradebook(config) as gradebook:
            try:
                found = gradebook.find_assignment(assignment)
            except MissingEntry:
                course = config.CourseDirectory.root
                raise Problem(
                    f"{assignment} is not in the gradebook of {course}: "
                    f"run `python -m grading release {assignment} --course {course}`."
                ) from None
            #: Late penalties follow from it.
            self.due = "" if found.duedate is None else found.duedate.isoformat()
            self._read(gradebook, assignment)

    def holds(self, learner: str, outcome: NotebookOutcome) -> bool:
        """Is exactly this outcome in the gradebook and in ``autograded/``?"""
        scores = {item.grade_id: item.score for item in outcome.items}
        folder = step_folder(self._config, "autograded", learner, self._assignment)
        notebook = folder / f"{self._assignment}.ipynb"
        return self._automatic.get(learner, {}) == scores and notebook.is_file()

    def by_hand(self, learner: str) -> str:
        """The hash of all scores and comments that people gave."""
        given = json.dumps(sorted(self._by_hand.get(learner, []), key=repr))
        return sha256(given.encode()).hexdigest()

    def _read(self, gradebook: Gradebook, assignment: str) -> None:
        def rows(*columns):
            table = columns[0].class_
            return (
                gradebook.db.query(SubmittedAssignment.student_id, BaseCell.name, *columns)
                .select_from(table)
                .join(SubmittedNotebook, table.notebook_id == SubmittedNotebook.id)
                .join(
                    SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id
                )
                .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
                .join(BaseCell, table.cell_id == BaseCell.id)
                .filter(Assignment.name == assignment)
            )

        grades = rows(Grade.auto_score, Grade.manual_score, Grade.extra_credit)
        for learner, name, automatic, manual, extra in grades:
            self._automatic[learner][name] = automatic
            if manual is not None or extra is not None:
                self._by_hand[learner].append([name, manual, extra])
        for learner, name, comment in rows(Comment.manual_comment):
            if comment is not None:
                self._by_hand[learner].append([name, comment])
