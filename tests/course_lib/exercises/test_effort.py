"""Every exercise says how hard it is and how long it takes, and a chapter has time for its own."""

import pytest

from course_lib.chapters import CHAPTERS
from course_lib.exercises import all_exercises, chapter_exercises
from course_lib.exercises.effort import EFFORT


def test_every_exercise_has_a_difficulty_and_minutes():
    assert set(all_exercises()) <= set(EFFORT)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.number)
def test_the_exercises_leave_half_of_the_printed_minutes_for_the_rest(chapter):
    taken = sum(EFFORT[each.name].minutes for each in chapter_exercises(chapter))
    assert 0 < taken <= 0.6 * chapter.minutes


def test_harder_exercises_are_not_the_shorter_ones():
    minutes = {
        level: [each.minutes for each in EFFORT.values() if each.difficulty == level]
        for level in ("easy", "medium", "hard")
    }
    assert max(minutes["easy"]) <= min(minutes["hard"])
    assert max(minutes["medium"]) <= max(minutes["hard"])
