"""A learner alone with chapters 01 and 02: predicts, errs, orders lines, asks for another one, sees
reasons, and is asked again about what was wrong."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from course_lib.answers import quiz_answer, use_answers
from course_lib.quiz import LETTERS
from tests.browser.accessibility import findings
from tests.browser.conftest import END_KERNELS
from tests.browser.notebook_page import Lab, NotebookPage

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A learner who has done nothing yet."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))


@pytest.fixture
def own_lab(own_home: None, fresh_lab: Lab) -> Lab:
    return fresh_lab


def predict(notebook: NotebookPage, id: str, expected: str):
    """Write the prediction between its quotes, and run its cell."""
    cell = notebook.cell_saying(f'predict("{id}", ""')
    source = notebook.source(cell).replace(f'"{id}", ""', f'"{id}", "{expected}"')
    notebook.write_cell(cell, source)
    return notebook.run_cell(cell)


def answer(notebook: NotebookPage, id: str, letter: str):
    notebook.write_cell(id, f'{id} = "{letter}"')
    notebook.run_cell(id)
    return notebook.run_cell(f"{id}__test")


def test_a_learner_alone_is_answered_and_asked_again(own_lab: Lab, page: Page):
    use_answers()
    notebook = NotebookPage(page, own_lab, "01_forward_pass")
    notebook.run_cell("setup")
    for text in ("import digits", "class MLP"):
        notebook.run_cell(notebook.cell_saying(text))

    expect(predict(notebook, "p01_1", "32x128, 32x128, 32x10")).to_contain_text("you expect")
    ran = notebook.run_cell(notebook.cell_saying('outcome("p01_1"'))
    expect(ran).to_contain_text("As you expected.")
    expect(notebook.run_cell("panel-shape_tracker")).to_contain_text("Predict first, above: p01_2")
    predict(notebook, "p01_6", "[784, 128]")
    ran = notebook.run_cell(notebook.cell_saying('outcome("p01_6"'))
    expect(ran).to_contain_text("A surprise.")

    for id in ("q01_1", "q01_2"):
        known = quiz_answer(id)
        wrong = next(letter for letter in LETTERS if letter != known.key)
        expect(answer(notebook, id, wrong)).to_contain_text(f"{wrong} is not right")
    said = answer(notebook, "q01_1", quiz_answer("q01_1").key)
    expect(said).to_contain_text(f"{quiz_answer('q01_1').key} is right")
    assert findings(page) == []
    notebook.keep_picture("alone_quiz")
    with notebook.dark_theme():
        assert findings(page) == []
        notebook.keep_picture("alone_quiz_dark")

    scratch = notebook.cell_saying('predict("p01_8"')
    notebook.write_cell(scratch, 'another("q01_1")')
    expect(notebook.run_cell(scratch)).to_contain_text("How many numbers does it learn?")
    notebook.write_cell(
        scratch, 'hint("trace_shapes"); hint("trace_shapes"); parts("trace_shapes")'
    )
    cell = notebook.run_cell(scratch)
    rest, own = cell.locator("select").nth(0), cell.locator("select").nth(1)
    expect(own.locator("option")).to_have_count(0)
    for taken in (1, 2):
        rest.focus()
        rest.press("Home")
        cell.get_by_role("button", name="Take").press("Enter")
        expect(own.locator("option")).to_have_count(taken)
    cell.get_by_role("button", name="Check").press("Enter")
    expect(cell).to_contain_text("Not right yet")
    notebook.keep_picture("alone_parts")
    page.evaluate(END_KERNELS)

    notebook = NotebookPage(page, own_lab, "02_loss_functions")
    notebook.run_cell("setup")
    recall = notebook.cell_saying('recall("02"')
    expect(notebook.run_cell(recall)).to_contain_text("(q01_2)")
    notebook.write_cell(recall, f'recall("02", "{quiz_answer("q01_2").key}", "")')
    expect(notebook.run_cell(recall)).to_contain_text(f"{quiz_answer('q01_2').key} is right")
    assert findings(page) == []
    notebook.keep_picture("alone_recall")
    page.evaluate(END_KERNELS)
