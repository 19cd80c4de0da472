"""The answers pack is what the secret halves say, and with it the check names mistakes truly."""

import json
import shutil

import pytest
import torch

from course_lib import answers
from course_lib.chapters import CHAPTERS, find_chapter
from course_lib.exercises import chapter_exercises, find_exercise
from course_lib.exercises.checking.check import RIGHT, run_check
from grading.answers import find_answer
from grading.answers.model import as_subjects
from grading.authoring.answers_pack import (
    FOLDER,
    before_after_answers,
    exercise_answers,
    quiz_answers,
    same,
    without_runs,
    write_pack,
)
from grading.chapter_text.reference import reference

REMEDY = "run `python -m grading build` and commit answers/"
EXERCISES = [each for chapter in CHAPTERS for each in chapter_exercises(chapter)]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))


def stored(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def test_keys_solutions_and_sentences_are_those_of_the_secret_halves():
    for chapter in CHAPTERS:
        assert stored(f"quiz_{chapter.number}") == quiz_answers(chapter), REMEDY
    for exercise in EXERCISES:
        wanted = exercise_answers(exercise, run=False)
        assert without_runs(stored(exercise.name)) == wanted, f"{exercise.name}: {REMEDY}"


def test_the_keys_before_and_after_the_course_are_those_of_the_secret_half():
    for when in ("before", "after"):
        assert stored(f"quiz_{when}") == before_after_answers(when), REMEDY


def test_there_is_no_file_of_something_that_is_gone():
    known = {exercise.name for exercise in EXERCISES}
    known |= {f"quiz_{chapter.number}" for chapter in CHAPTERS}
    known |= {"quiz_before", "quiz_after"}
    assert {path.stem for path in FOLDER.glob("*.json")} == known


#: One that returns a value, one that trains, and one with milestones.
@pytest.mark.parametrize("name", ["count_updates", "train_one_epoch", "trace_shapes"])
def test_mistakes_look_as_they_do_in_the_pack(name):
    assert same(stored(name), exercise_answers(find_exercise(name))), REMEDY


def test_what_is_current_stays_untouched_and_what_is_not_is_written(tmp_path):
    chapter = find_chapter("00")
    names = [f"quiz_{chapter.number}", "quiz_before", "quiz_after"]
    names += [*(each.name for each in chapter_exercises(chapter))]
    for name in names:
        shutil.copy(FOLDER / f"{name}.json", tmp_path)
    assert not write_pack(chapter, tmp_path)
    changed = stored("order_the_beats")
    changed["mistakes"][0]["seen"][0][0] = "else"
    (tmp_path / "order_the_beats.json").write_text(json.dumps(changed))
    assert write_pack(chapter, tmp_path)
    assert same(
        json.loads((tmp_path / "order_the_beats.json").read_text()), stored("order_the_beats")
    )


@pytest.mark.parametrize("name", ["count_updates", "train_one_epoch", "trace_shapes"])
def test_the_check_names_known_mistakes_and_none_by_another_name(name):
    answers.use_answers()
    named = 0
    for wrong in find_answer(name).misconceptions:
        result = run_check(name, *as_subjects(wrong.solution, name))
        names = {m.name for m in find_answer(name).misconceptions if m.sentence == result.mistake}
        assert result.mistake == "" or wrong.name in names, wrong.name
        named += bool(result.mistake)
    assert named > len(find_answer(name).misconceptions) / 2


def _turned_round(model, loader, loss_fn, optimizer):
    for x, y in loader:
        loss_fn(model(x.T), y).backward()


def _no_such_argument(logits, dim=-1):
    return torch.exp(logits, dim=dim)


@pytest.mark.parametrize(
    ("name", "function", "error"),
    [
        ("train_one_epoch", _turned_round, "RuntimeError"),
        ("softmax", _no_such_argument, "TypeError"),
    ],
)
def test_another_error_of_the_same_type_is_no_known_mistake(name, function, error):
    answers.use_answers()
    mistakes = answers.exercise_answers(name).mistakes
    assert any(each.seen and each.seen[0][:2] == ["raised", error] for each in mistakes)
    result = run_check(name, function)
    assert f"it raised {error}" in " ".join(repr(result).split())
    assert result.mistake == ""


def test_right_work_has_no_mistake_and_without_the_pack_none_is_named():
    wrong = find_answer("train_one_epoch").misconceptions[0]
    assert (
        run_check("train_one_epoch", *as_subjects(wrong.solution, "train_one_epoch")).mistake == ""
    )
    answers.use_answers()
    result = run_check("train_one_epoch", *reference("train_one_epoch"))
    assert (result.state, result.mistake) == (RIGHT, "")
    result = run_check("train_one_epoch", *as_subjects(wrong.solution, "train_one_epoch"))
    assert result.mistake == wrong.sentence
    assert wrong.sentence in " ".join(repr(result).split())
    assert wrong.sentence[:30] in result._repr_html_()
