"""The author's linter: what is missing or wrong is found."""

from dataclasses import replace

import pytest

from course_lib.chapters import find_chapter
from course_lib.exercises import chapter_exercises, find_exercise
from course_lib.quiz import Question
from grading.answers import find_answer, quiz_key
from grading.authoring import verify
from grading.authoring.verify import (
    answer_results,
    cells_results,
    exercise_results,
    key_results,
    quiz_results,
)
from grading.chapter_text.cells import SourceCell, read_chapter
from grading.errors import Problem
from grading.paths import text_source

FIT = find_exercise("fit")
STUB = '''def fit(model):
    """Trains."""
    ### BEGIN SOLUTION
    return 1
    ### END SOLUTION'''


def wrong(results):
    return {result.check for result in results if not result.ok}


def cell(text: str) -> SourceCell:
    return SourceCell("code", "solution", "fit", text, (), "made_up.py:1")


def test_a_complete_exercise_is_in_order():
    assert wrong(exercise_results(FIT, cell(STUB))) == set()


@pytest.mark.parametrize("hints", [("one", ""), ("same", "same")])
def test_an_exercise_without_two_hints_is_found(hints):
    assert wrong(exercise_results(replace(FIT, hints=hints), cell(STUB))) == {"hints"}


@pytest.mark.parametrize(
    "text",
    [
        STUB.replace('    """Trains."""\n', ""),
        STUB.replace("def fit", "def fitt"),
        STUB.replace("### END", "### STUB\n    # return (\n    ### END"),
    ],
    ids=["no docstring", "another name", "no Python"],
)
def test_a_stub_that_does_not_explain_itself_is_found(text):
    assert wrong(exercise_results(FIT, cell(text))) == {"docstring"}


def test_an_exercise_without_cells_is_named():
    chapter = find_chapter("05")
    cells = [each for each in read_chapter(text_source(chapter)) if each.name != "fit"]
    results = list(cells_results(chapter, cells, chapter_exercises(chapter)))
    assert wrong(results) == {"solution cells", "tests cells"}
    assert results[0].detail == "without a cell: fit; not in course_lib: none"


def test_too_few_right_variants_are_found(monkeypatch):
    answer = find_answer("fit")
    monkeypatch.setattr(
        verify, "find_answer", lambda name: replace(answer, variants=answer.variants[:2])
    )
    monkeypatch.setattr(verify, "exercise_rows", lambda exercise: ())
    assert wrong(answer_results(FIT)) == {"variants"}


@pytest.mark.parametrize(
    ("error", "detail"),
    [(Problem("no cell."), "no cell."), (KeyError("x"), "KeyError: 'x'")],
    ids=["a problem", "a crash"],
)
def test_an_answer_that_does_not_run_is_found_under_its_exercise(monkeypatch, error, detail):
    def rows(exercise):
        raise error

    monkeypatch.setattr(verify, "exercise_rows", rows)
    *_, last = answer_results(FIT)
    assert (last.item, last.ok, last.detail) == ("fit", False, detail)


def test_a_key_that_its_own_proof_contradicts_is_found():
    key = quiz_key("q05_1")
    assert wrong(key_results(key)) == set()
    other = "B" if key.key != "B" else "C"
    assert wrong(key_results(replace(key, key=other))) == {"proof"}


def test_a_proof_that_does_not_run_is_found():
    def broken() -> str:
        raise KeyError("x")

    results = list(key_results(replace(quiz_key("q05_1"), proof=broken)))
    assert wrong(results) == {"proof"}
    assert "KeyError" in results[-1].detail


def test_a_key_without_all_explanations_is_found():
    key = quiz_key("q05_1")
    assert wrong(key_results(replace(key, why={**key.why, "C": " "}))) == {"why"}


def test_missing_repeated_and_misnamed_questions_are_found():
    options = {"A": "one", "B": "two", "C": "three", "D": "three"}
    results = list(quiz_results("05", [Question("q05_9", "How many?", options)]))
    assert wrong(results) == {"questions", "id", "options", "key"}
