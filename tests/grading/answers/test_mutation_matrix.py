"""The test of the tests: stubs earn nothing, right solutions everything, and each misconception is
caught under its own name. And: keys of quizzes that state behaviour are proved by running it.

Mistakes meet one case set here, two in ``grading verify``, thirty in the weekly ``grading fairness``.
"""

import pytest

from course_lib.chapters import CHAPTERS
from course_lib.exercises import chapter_exercises
from course_lib.quiz import chapter_questions
from grading.answers import chapter_keys, find_answer
from grading.authoring.mutation_matrix import SEEDS, exercise_rows

pytestmark = pytest.mark.apart("exercise")

EXERCISES = [exercise for chapter in CHAPTERS for exercise in chapter_exercises(chapter)]
KEYS = [key for chapter in CHAPTERS for key in chapter_keys(chapter)]


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_every_solution_is_judged_as_what_it_is(exercise):
    wrong = [row for row in exercise_rows(exercise, of_mistakes=SEEDS[:1]) if not row.ok]
    lines = [f"{row.solution.kind} {row.solution.label}: {row.detail}" for row in wrong]
    assert not wrong, "\n".join(lines)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_every_exercise_has_three_right_variants_and_named_misconceptions(exercise):
    answer = find_answer(exercise.name)
    assert len(answer.variants) >= 3
    assert len({misconception.name for misconception in answer.misconceptions}) >= 2
    assert all(len(misconception.sentence) > 30 for misconception in answer.misconceptions)


@pytest.mark.parametrize("key", [key for key in KEYS if key.proof], ids=lambda key: key.id)
def test_running_the_snippet_gives_the_key(key):
    assert key.proof() == key.key


def test_the_keys_belong_to_the_questions_and_explain_every_option():
    for chapter in CHAPTERS:
        questions, keys = chapter_questions(chapter), chapter_keys(chapter)
        assert [question.id for question in questions] == [key.id for key in keys]
        assert all(set(key.why) == set("ABCD") and key.key in "ABCD" for key in keys)


def test_the_keys_are_spread_over_the_letters():
    letters = [key.key for key in KEYS]
    for letter in "ABCD":
        assert letters.count(letter) >= len(letters) // 8
