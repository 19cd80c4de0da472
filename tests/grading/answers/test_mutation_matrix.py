"""The test of the tests: stubs earn nothing, right solutions everything, and each misconception is
caught under its own name. And: keys of quizzes that state behaviour are proved by running it.

What was right once is not judged again until something that it depends on changes (``remembered``).
Mistakes meet one case set here, two in ``grading verify``, thirty in the weekly ``grading fairness``.
"""

import pytest

from course_lib.chapters import CHAPTERS
from course_lib.exercises import chapter_exercises
from course_lib.quiz import chapter_questions
from grading.answers import chapter_keys, find_answer
from grading.authoring.mutation_matrix import SEEDS, exercise_rows
from tests.grading import remembered
from tests.grading.versioned import clear_versions

pytestmark = pytest.mark.apart("exercise")

EXERCISES = [exercise for chapter in CHAPTERS for exercise in chapter_exercises(chapter)]
KEYS = [key for chapter in CHAPTERS for key in chapter_keys(chapter)]


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_every_solution_is_judged_as_what_it_is(exercise):
    if remembered.was_right(exercise):
        return
    wrong = [row for row in exercise_rows(exercise, of_mistakes=SEEDS[:1]) if not row.ok]
    assert not wrong, "\n".join(f"{row.kind} {row.label}: {row.detail}" for row in wrong)
    remembered.is_right(exercise)


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


# --- remembered ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "still"),
    [
        ("grading/answers/compare.py", False),
        ("grading/judging/judge.py", False),
        ("course_lib/exercises/checking/observe.py", False),
        ("grading/classroom/report.py", True),
    ],
)
def test_a_verdict_counts_until_what_it_depends_on_changes(
    other_repository, tmp_path, monkeypatch, module, still
):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(remembered, "FOLDER", tmp_path / "matrix")
    exercise, other = EXERCISES[0], EXERCISES[1]
    assert not remembered.was_right(exercise)
    remembered.is_right(exercise)
    assert remembered.was_right(exercise)
    assert not remembered.was_right(other)
    with (other_repository / module).open("a") as file:
        file.write("# changed\n")
    clear_versions()
    assert remembered.was_right(exercise) is still


def test_in_ci_every_verdict_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(remembered, "FOLDER", tmp_path)
    remembered.is_right(EXERCISES[0])
    monkeypatch.setenv("CI", "true")
    assert not remembered.was_right(EXERCISES[0])
