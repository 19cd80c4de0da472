"""Every panel has a prediction before it, and every prediction an outcome that code computes after it."""

import re
from itertools import pairwise

import nbformat
import pytest

from course_lib.chapters import CHAPTERS
from grading.chapter_text.cells import read_chapter
from grading.paths import solved_notebook, text_source

_PREDICTED = re.compile(r'^predict\("(\w+)", ""', re.MULTILINE)

each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.number)


def _code(chapter):
    return [cell for cell in read_chapter(text_source(chapter)) if cell.kind == "code"]


@each_chapter
def test_predictions_are_numbered_through_and_nothing_else_asks(chapter):
    text = "\n".join(cell.text for cell in _code(chapter))
    ids = _PREDICTED.findall(text)
    assert ids == [f"p{chapter.number}_{number}" for number in range(1, len(ids) + 1)]
    assert "my_" not in text


@each_chapter
def test_every_panel_has_a_prediction_before_it(chapter):
    for before, cell in pairwise(_code(chapter)):
        assert cell.role != "panel" or _PREDICTED.search(before.text), cell.where


@each_chapter
def test_every_prediction_has_one_outcome_computed_by_the_run_after_it(chapter):
    """In the stored outputs: so it was reached, once, and said something."""
    notebook = nbformat.read(solved_notebook(chapter), as_version=4)
    asked, said = [], []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        new = _PREDICTED.findall(cell.source)
        asked += new
        for output in cell.outputs:
            found = re.findall(r"^  (p\w+): it was: \S", output.get("text", ""), re.MULTILINE)
            assert set(found) <= set(asked) - set(new)
            said += found
    assert sorted(said) == sorted(asked)
    assert asked
