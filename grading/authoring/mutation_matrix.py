"""The test of the tests: every stub, right variant and misconception of an exercise, judged.

Called by ``python -m grading verify`` and by the tests.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from course_lib.exercises.checking.model import Exercise
from course_lib.exercises.checking.observe import observe
from grading.answers import find_answer
from grading.answers.model import as_subjects
from grading.chapter_text.reference import reference, stub
from grading.judging.cases import case_set
from grading.judging.judge import judge_exercise
from grading.judging.outcomes import ItemOutcome

#: Two case sets: what passes or is named by luck on one shows on the other.
SEEDS = (11, 12)


@dataclass(frozen=True)
class MatrixRow:
    """One solution, judged. ``kind`` is "stub", "right" or "misconception"."""

    exercise: str
    kind: str
    label: str
    score: float
    max_score: float
    misconception: str | None
    ok: bool
    detail: str = ""


def exercise_rows(exercise: Exercise) -> Iterator[MatrixRow]:
    """The rows of one exercise: the stub, the reference, the variants, the misconceptions."""
    answer = find_answer(exercise.name)
    yield _row(exercise, "stub", "untouched stub", stub(exercise.name), _earns_nothing)
    yield _row(exercise, "stub", "returns nothing", _does_nothing(exercise), _earns_nothing)
    yield _row(exercise, "right", "reference", reference(exercise.name), _is_full)
    for variant in answer.variants:
        subjects = as_subjects(variant, exercise.name)
        label = subjects[0].__name__.strip("_").replace("_", " ")
        yield _row(exercise, "right", label, subjects, _is_full)
    for misconception in answer.misconceptions:

        def is_named(outcome: ItemOutcome, name: str = misconception.name) -> bool:
            return outcome.misconception == name and outcome.score < outcome.max_score

        subjects = as_subjects(misconception.solution, exercise.name)
        yield _row(exercise, "misconception", misconception.name, subjects, is_named)


def _row(exercise: Exercise, kind: str, label: str, subjects: tuple, expected: Any) -> MatrixRow:
    # A misconception may be written with what a learner may not use.
    watched = replace(exercise, forbidden=()) if kind == "misconception" else exercise
    for seed in SEEDS:
        cases = case_set(exercise.name, seed)
        observed = [observe(watched, subjects, case) for case in cases.cases]
        outcome = judge_exercise(exercise.name, seed, observed)
        ok = expected(outcome)
        if not ok:
            break
    detail = "" if ok else f"named {outcome.misconception!r}: {outcome.message}"
    return MatrixRow(
        exercise.name,
        kind,
        label,
        outcome.score,
        outcome.max_score,
        outcome.misconception,
        ok,
        detail,
    )


def _earns_nothing(outcome: ItemOutcome) -> bool:
    return outcome.score == 0


def _is_full(outcome: ItemOutcome) -> bool:
    return outcome.score == outcome.max_score and outcome.misconception is None


def _does_nothing(exercise: Exercise) -> tuple:
    def nothing(*args: Any, **kwargs: Any) -> None:
        return None

    return (nothing,) * len(exercise.subjects)
