"""What a chapter asks can be answered on its page; in a graded course's site nothing is given away."""

import json
import re

import pytest
from pages import chapter_page
from questions import answering, outcomes

from course_lib import answers
from course_lib.quiz import chapter_questions
from grading.paths import released_notebook, solved_notebook
from tests.site.conftest import panels_of


@pytest.fixture(autouse=True)
def pack(monkeypatch):
    monkeypatch.setattr(answers, "_in_use", True)


def page(chapter, graded: bool) -> str:
    released = released_notebook(chapter).read_text(encoding="utf-8")
    solved = None if graded else solved_notebook(chapter).read_text(encoding="utf-8")
    notebook = json.loads(chapter_page(chapter, released, panels_of(released), solved))
    return "\n".join(
        "".join(output["data"].get("text/html", ""))
        for cell in notebook["cells"]
        for output in cell.get("outputs", ())
        if "data" in output
    )


def test_every_question_and_prediction_of_a_chapter_answers(chapter):
    html = page(chapter, graded=False)
    asked = set(re.findall(r'data-quiz="(\w+)"', html))
    assert {question.id for question in chapter_questions(chapter)} <= asked
    source = released_notebook(chapter).read_text(encoding="utf-8")
    assert set(re.findall(r'data-prediction="(\w+)"', html)) == set(
        re.findall(r'predict\(\\"(\w+)\\"', source)
    )


def test_the_site_of_a_graded_course_has_no_answers(chapter):
    html = page(chapter, graded=True)
    assert "data-quiz" not in html
    assert "data-came" not in html


def test_what_came_is_read_from_the_solved_notebook():
    text = "loss 0.3\n  p02_1: it was: 1, 2. (You made no prediction.)\n"
    solved = {"cells": [{"outputs": [{"output_type": "stream", "text": text}]}]}
    assert outcomes(solved) == {"p02_1": "1, 2"}


@pytest.mark.parametrize("source", ["x = 1", "%matplotlib inline", 'predict("p99_1", "", "a / b")'])
def test_a_cell_that_asks_nothing_gets_nothing(source):
    assert answering(source, {}) == ""


def test_choices_may_have_a_name_in_the_cell():
    html = answering('c = "a / b"\npredict("p02_1", "", f"it: {c}")', {"p02_1": "a"})
    assert 'value="a"' in html
    assert 'value="b"' in html


def test_what_came_is_text_and_no_markup():
    html = answering('predict("p02_1", "", "the loss: <b> / fall")', {"p02_1": '"><b>'})
    assert "<b>" not in html
