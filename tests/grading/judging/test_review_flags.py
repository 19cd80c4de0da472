"""Which cells an instructor is told to look at: those that name parts of the checks, and no honest
solution or set-up cell."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from course_lib.chapters import CHAPTERS
from grading.judging.review_flags import review_flags
from grading.paths import solved_notebook


@pytest.mark.parametrize(
    "source",
    [
        "from course_lib.exercises import observe",
        "import course_lib.exercises.checking.forbid as f",
        "frame = sys._getframe(1)",
        "sys.modules['course_lib'] = None",
        "print.__code__ = 1",
        "import ctypes",
    ],
)
def test_a_cell_that_reaches_into_the_checks_is_named(source):
    [note] = review_flags(new_notebook(cells=[new_code_cell("x = 1"), new_code_cell(source)]))
    assert note.startswith("Cell 2 mentions ")


def test_a_note_is_one_line_and_there_are_few():
    cells = [new_code_cell("import ctypes\n" * 50) for _ in range(50)]
    notes = review_flags(new_notebook(cells=cells))
    assert len(notes) == 5
    assert not any("\n" in note for note in notes)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.id)
def test_right_solutions_are_not_named(chapter):
    notebook = nbformat.read(solved_notebook(chapter), as_version=4)
    for cell in notebook.cells:
        cell.metadata.pop("tags", None)  # as an editor may leave it
    assert review_flags(notebook) == []
