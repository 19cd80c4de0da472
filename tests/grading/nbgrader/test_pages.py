"""One exporter for a whole class gives the pages that nbgrader's own command gives one by one."""

import copy

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbconvert.exporters import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory

from course_lib.chapters import find_chapter
from grading.nbgrader.pages import PageExporter
from grading.paths import solved_notebook

_HOSTILE = '<img src="x" onerror="alert(1)"><script>alert(2)</script>'


@pytest.fixture(scope="module")
def notebook() -> nbformat.NotebookNode:
    """A solved chapter as it is when its scores are in it."""
    notebook = nbformat.read(solved_notebook(find_chapter("05")), as_version=4)
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader |= {"comment": None, "score": 1.0, "points": 2.0}
    return notebook


def _changed(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Another learner's: pictures with and without words, text that would be HTML, another language."""
    changed = copy.deepcopy(notebook)
    picture = new_output("display_data", {"image/png": "iVBORw0KGgo=", "text/plain": _HOSTILE})
    printed = new_output("stream", name="stdout", text=_HOSTILE)
    changed.cells[3:3] = [
        new_markdown_cell('<img src="a.png"> and <img alt="words" src="b.png"> ![c](c.png)'),
        new_code_cell("x = 1  # <img src='x'>", outputs=[picture, printed]),
        new_code_cell("%%bash\necho $HOME", metadata={"magics_language": "bash"}),
        new_code_cell("%%bash\necho $HOME"),
        new_markdown_cell("same"),
        new_markdown_cell(
            "![here](attachment:a.png)", attachments={"a.png": {"image/png": "iVBORw0KGgo="}}
        ),
        new_markdown_cell(
            "![here](attachment:a.png)", attachments={"a.png": {"image/png": "AAAA"}}
        ),
    ]
    for cell in changed.cells:
        if cell.cell_type == "code" and "def " in cell.source:
            cell.source += "\n# by another learner"
    return changed


def test_pages_are_those_of_nbgraders_own_command(notebook):
    converter = GenerateFeedback(coursedir=CourseDirectory())
    settings = {"parent": converter, "config": converter.config}
    ours = PageExporter(**settings)
    for each in (notebook, _changed(notebook), notebook):
        pages = []
        for exporter in (HTMLExporter(**settings), ours):
            about = {"score": 3.0, "max_score": 12.0, "late_penalty": 0.0, "notebook": "n"}
            page, _ = exporter.from_notebook_node(copy.deepcopy(each), {"nbgrader": about})
            pages.append(BeautifulSoup(page, features="html.parser"))
        expected, got = pages
        assert len(expected.select("div.output_png, pre")) > 20
        assert str(got) == str(expected)
