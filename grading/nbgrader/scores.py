"""The final scores of a chapter, as the gradebook has them. Read by ``export``."""

from dataclasses import dataclass
from datetime import UTC, datetime

from nbgrader.api import MissingEntry
from traitlets.config import Config

from grading.nbgrader.gradebook import open_gradebook


@dataclass(frozen=True)
class Score:
    """One submission. ``final`` has scores by hand and the late penalty in it; ``graded`` is False
    while a check waits for a grade: then the score is not one."""

    learner: str
    final: float
    max_score: float
    penalty: float
    submitted: datetime | None
    graded: bool


def scores_of(config: Config, assignment: str) -> list[Score]:
    """Everyone who handed in ``assignment``, by name; empty when the gradebook does not know it."""
    with open_gradebook(config) as gradebook:
        try:
            maximum = gradebook.find_assignment(assignment).max_score
        except MissingEntry:
            return []
        found = [
            Score(
                learner=one.student_id,
                final=max(0.0, one.score - one.late_submission_penalty),
                max_score=maximum,
                penalty=one.late_submission_penalty,
                submitted=one.timestamp,
                graded=not one.needs_manual_grade,
            )
            for one in gradebook.assignment_submissions(assignment)
        ]
    return sorted(found, key=lambda score: score.learner)


def due_date(config: Config, assignment: str) -> datetime | None:
    """When ``assignment`` is due, in UTC; None when it is not said."""
    with open_gradebook(config) as gradebook:
        try:
            due = gradebook.find_assignment(assignment).duedate
        except MissingEntry:
            return None
    return None if due is None else due.replace(tzinfo=UTC)
