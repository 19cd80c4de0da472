"""The test of the tests: every stub, right variant and misconception of an exercise, judged.

Called by ``python -m grading verify`` and by the tests.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from course_lib.exercises.checking.model import Exercise
from grading.authoring.solutions import Solution, known_solutions
from grading.judging.outcomes import ItemOutcome

#: Two case sets: what passes or is named by luck on one shows on the other.
SEEDS = (11, 12)


@dataclass(frozen=True)
class MatrixRow:
    """One solution with its verdict: whether that is as expected, and if not what was."""

    solution: Solution
    outcome: ItemOutcome
    ok: bool
    detail: str


def exercise_rows(
    exercise: Exercise, seeds: Sequence[int] = SEEDS, of_mistakes: Sequence[int] = ()
) -> Iterator[MatrixRow]:
    """The rows of one exercise: the stub, the reference, the variants, the misconceptions. What is right
    meets the case sets ``seeds``, and everything else those ``of_mistakes``, where there are any."""
    for solution in known_solutions(exercise):
        yield _row(solution, (solution.kind != "right" and of_mistakes) or seeds)


def _row(solution: Solution, seeds: Sequence[int]) -> MatrixRow:
    for seed in seeds:
        outcome = solution.graded(seed, free=solution.kind == "misconception")
        ok = _is_as_expected(solution, outcome)
        if not ok:
            break
    detail = "" if ok else f"named {outcome.misconception!r}: {outcome.message}"
    return MatrixRow(solution, outcome, ok, detail)


def _is_as_expected(solution: Solution, outcome: ItemOutcome) -> bool:
    match solution.kind:
        case "stub":
            return outcome.score == 0
        case "right":
            return outcome.score == outcome.max_score and outcome.misconception is None
        case _:
            return outcome.misconception == solution.label and outcome.score < outcome.max_score
