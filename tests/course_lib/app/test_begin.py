"""The set-up cell: it says when the library is older, and nothing otherwise."""

import json

import pytest

import course_lib
from course_lib.app.begin import older_than, set_up
from course_lib.chapters import CHAPTERS
from grading.paths import released_notebook


@pytest.mark.parametrize("notebook", ["0.1.0", "0.0.9", "0.1"])
def test_nothing_is_said_when_the_library_is_as_new(notebook, monkeypatch, capsys):
    monkeypatch.setattr("course_lib.app.begin.__version__", "0.1.0")
    set_up(notebook)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("library", ["0.0.9", "0.1", "0.0.10.post1"])
def test_an_older_library_is_said_in_one_line(library, monkeypatch, capsys):
    monkeypatch.setattr("course_lib.app.begin.__version__", library)
    set_up("0.1.1")
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "version 0.1.1" in said
    assert library in said
    assert "Update" in said
    assert older_than("0.1.1") == said.strip()


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.number)
def test_a_notebook_says_which_version_it_belongs_to(chapter):
    notebook = json.loads(released_notebook(chapter).read_text(encoding="utf-8"))
    version = course_lib.__version__
    assert notebook["metadata"]["course"] == {"chapter": chapter.id, "version": version}
    setup = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    assert f'set_up(notebook="{version}")' in "".join(setup["source"])
