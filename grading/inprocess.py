"""Grades in the learner's own process: what the hidden lines of a test cell call.

This is the unprotected way, for ``nbgrader validate`` of a solved notebook and for the solved notebooks
themselves, which so replay their own full marks. Nothing that grades submissions runs these lines.
"""

from typing import Any

from course_lib.exercises.checking.observe import observe
from grading.judging.cases import case_set
from grading.judging.judge import judge_exercise, judge_own, judge_quiz

#: It needs no secret: there is one fixed set of cases.
SEED = 20_051


def grade(name: str, *subjects: Any) -> int | float:
    """The points of the exercise ``name``; the explanation is printed when they are not full."""
    cases = case_set(name, SEED)
    observed = [observe(cases.exercise, subjects, case) for case in cases.cases]
    return _points(judge_exercise(name, SEED, observed))


def grade_quiz(id: str, answer: Any) -> int | float:
    """The point of a quiz answer."""
    return _points(judge_quiz(id, answer))


def grade_own(id: str, answer: Any) -> int | float:
    """The point of the learner's own question, drawn for the name in the answer."""
    return _points(judge_own(id, answer))


def _points(outcome) -> int | float:
    if outcome.status != "passed":
        name = f"{outcome.misconception}: " if outcome.misconception else ""
        print(f"{name}{outcome.message}")
    return int(outcome.score) if outcome.score == int(outcome.score) else outcome.score
