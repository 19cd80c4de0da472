"""What the gradebook holds now, read in one go for a whole class. Called by ``grade``, which
writes only what is not there yet."""

import json
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

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
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from grading.errors import Problem
from grading.judging.outcomes import NotebookOutcome
from grading.nbgrader.gradebook import open_gradebook


@dataclass
class _Learner:
    automatic: dict[str, float | None] = field(default_factory=dict)
    by_hand: list[list[object]] = field(default_factory=list)


class Standing:
    """The scores and comments of one assignment, as they were when this was made. ``Problem`` when it is not
    in the gradebook."""

    def __init__(self, config: Config, assignment: str) -> None:
        self._coursedir = CourseDirectory(config=config)
        self._assignment = assignment
        self._learners: dict[str, _Learner] = {}
        with open_gradebook(self._coursedir) as gradebook:
            try:
                found = gradebook.find_assignment(assignment)
            except MissingEntry:
                course = self._coursedir.root
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
        notebook = self._page("autograded", learner, "ipynb")
        return self._of(learner).automatic == scores and notebook.is_file()

    def feedback(self, learner: str) -> Path:
        """Where the learner's page is, or would be."""
        return self._page("feedback", learner, "html")

    def by_hand(self, learner: str) -> str:
        """The hash of all scores and comments that people gave."""
        given = json.dumps(sorted(self._of(learner).by_hand, key=repr))
        return sha256(given.encode()).hexdigest()

    def _of(self, learner: str) -> _Learner:
        return self._learners.setdefault(learner, _Learner())

    def _page(self, step: str, learner: str, kind: str) -> Path:
        name = getattr(self._coursedir, f"{step}_directory")
        folder = self._coursedir.format_path(name, learner, self._assignment)
        return Path(folder) / f"{self._assignment}.{kind}"

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
            self._of(learner).automatic[name] = automatic
            if manual is not None or extra is not None:
                self._of(learner).by_hand.append([name, manual, extra])
        for learner, name, comment in rows(Comment.manual_comment):
            if comment is not None:
                self._of(learner).by_hand.append([name, comment])
