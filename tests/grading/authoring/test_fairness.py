"""The same work is judged the same, whatever the case set; check and grade agree."""

import pytest

from course_lib.exercises import find_exercise
from course_lib.exercises.checking.check import NOT_RIGHT, RIGHT, CheckResult
from grading.answers import find_answer
from grading.answers.edit import edit
from grading.authoring.fairness import FIRST_SEED, Judged, exercise_fairness
from grading.authoring.solutions import Solution
from grading.judging.cases import case_set
from grading.judging.outcomes import AspectOutcome, ItemOutcome


def outcome(*points: float, name: str | None = None) -> ItemOutcome:
    aspects = tuple(AspectOutcome(f"aspect {i}", p, 1.0) for i, p in enumerate(points))
    score = sum(points)
    status = "passed" if score == len(points) else "partial"
    return ItemOutcome("x__test", score, float(len(points)), status, name, "", aspects)


def judged(state: str, *outcomes: ItemOutcome) -> Judged:
    return Judged(None, outcomes, CheckResult("x", state))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (outcome(1, 1), outcome(1, 0)),
        (outcome(0, 1), outcome(1, 0)),
        (outcome(1, 0, name="a"), outcome(1, 0)),
        (outcome(1, 0, name="a"), outcome(1, 0, name="b")),
    ],
    ids=["points", "aspects", "named in one", "another name"],
)
def test_sets_that_differ_are_found(one, other):
    assert judged(NOT_RIGHT, one, one).uneven == ""
    assert "in 2 sets" in judged(NOT_RIGHT, one, other, one).uneven


def test_check_and_grade_that_differ_are_found():
    right, wrong = outcome(1, 1), outcome(1, 0, name="late")
    assert judged(RIGHT, right, right).disagreement == ""
    assert judged(NOT_RIGHT, wrong, wrong).disagreement == ""
    assert "gives 1 of 2: late" in judged(RIGHT, right, wrong).disagreement
    assert "'Not right yet', grading gives 2 of 2" in judged(NOT_RIGHT, right).disagreement


def test_a_listed_exception_needs_to_be_one(monkeypatch):
    answer = find_answer("count_updates")
    monkeypatch.setattr(
        "grading.authoring.fairness.find_answer",
        lambda _: answer.__class__(**{**vars(answer), "uneven": {"reference": "a made-up reason"}}),
    )
    _, found = exercise_fairness("count_updates", sets=2, mutants=0)
    assert [(each.label, each.what, each.ok) for each in found] == [("reference", "uneven", False)]


def test_what_a_solution_keeps_from_call_to_call_ends_with_the_set(monkeypatch):
    """A submission meets one set, in a process of its own."""
    [case] = case_set("count_updates", FIRST_SEED).cases
    calls = len(case["questions"])
    tired = edit("drop_last=False):", "drop_last=False, calls=[]):").edit(
        "    full, rest", f"    calls.append(1)\n    assert len(calls) <= {calls}\n    full, rest"
    )
    solution = Solution(find_exercise("count_updates"), "right", "tired after a set", tired)
    monkeypatch.setattr("grading.authoring.fairness.known_solutions", lambda _: [solution])
    assert exercise_fairness("count_updates", sets=4, mutants=0) == (1, [])


@pytest.mark.parametrize("name", ["count_updates", "order_the_beats", "sgd_step"])
def test_known_solutions_and_mutants_are_judged_the_same(name):
    count, found = exercise_fairness(name, sets=3, mutants=6)
    assert count > 8
    assert [each for each in found if not each.ok] == []
