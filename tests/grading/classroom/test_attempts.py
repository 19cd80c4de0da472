"""Policies of ``watch``: which attempts are graded, which one counts, what a setting may be."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from traitlets.config import Config

from course_lib.chapters import find_chapter
from grading.classroom.attempts import (
    Note,
    Notes,
    Policies,
    next_attempts,
    over_the_limit,
    policies_of,
)
from grading.errors import Problem
from grading.nbgrader.exchange import Attempt

CHAPTER = find_chapter("00")
NOON = datetime(2026, 10, 12, 12, tzinfo=UTC)


def attempt(learner: str, hours: float) -> Attempt:
    return Attempt(learner, NOON + timedelta(hours=hours), Path(f"{learner}{hours}"))


ANN = [attempt("ann", hours) for hours in (0, 1, 2)]
BOB = attempt("bob", 1)
ALL = sorted([*ANN, BOB], key=lambda one: one.time)


@pytest.fixture
def notes(tmp_path) -> Notes:
    return Notes(tmp_path, CHAPTER)


def test_the_newest_attempt_is_graded_when_the_last_counts(notes):
    assert next_attempts(ALL, notes, "last") == {"ann": ANN[2], "bob": BOB}


def test_each_attempt_has_its_turn_when_the_best_counts(notes):
    assert next_attempts(ALL, notes, "best") == {"ann": ANN[0], "bob": BOB}
    notes.put(Note(ANN[0].folder.name, "ann", 2.0))
    assert next_attempts(ALL, notes, "best") == {"ann": ANN[1], "bob": BOB}


def test_what_is_noted_is_not_graded_again_after_a_restart(notes, tmp_path):
    for one in ALL:
        notes.put(Note(one.folder.name, one.learner, 1.0))
    again = Notes(tmp_path, CHAPTER)
    assert next_attempts(ALL, again, "last") == next_attempts(ALL, again, "best") == {}


def test_the_best_attempt_is_the_later_of_two_with_the_same_points(notes):
    assert notes.best("ann", ALL) is None
    for one, score in zip(ANN, (3.0, 3.0, None), strict=True):
        notes.put(Note(one.folder.name, "ann", score))
    assert notes.best("ann", ALL) == ANN[1]


def test_a_day_has_so_many_attempts_where_the_course_is():
    late = [attempt("ann", hours) for hours in (9, 9.5, 10.5)]  # 21:00, 21:30 and 22:30 UTC
    assert list(over_the_limit(late, 2, UTC)) == [late[2]]
    assert list(over_the_limit(late, 2, ZoneInfo("Europe/Berlin"))) == []
    assert list(over_the_limit(ALL, 0, UTC)) == []
    assert list(over_the_limit(ALL, 1, UTC)) == [ANN[1], ANN[2]]


def test_policies_are_read_from_the_settings():
    assert policies_of(Config()) == Policies(0, "last", "at once")
    config = Config(Watch={"attempts_per_day": 3, "counts": "best", "feedback": "after due date"})
    assert policies_of(config) == Policies(3, "best", "after due date")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("counts", "first", "'last' or 'best'"),
        ("attempts_per_day", -1, "a number"),
        ("attempts", 3, "no setting 'attempts'"),
    ],
)
def test_a_setting_that_is_none_is_said_in_one_line(name, value, said):
    with pytest.raises(Problem, match=said):
        policies_of(Config(Watch={name: value}))
