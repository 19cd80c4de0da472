"""Two editions from the same sources: ``notebooks/`` answers quizzes, a graded course's says "noted"."""

import nbformat
import pytest

from course_lib import answers, check_quiz
from course_lib.chapters import find_chapter
from grading.authoring.release import release
from grading.paths import CourseFolder, released_notebook

from .test_released import leaks

CHAPTER = find_chapter("00")


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> CourseFolder:
    """A course directory of the graded edition, released twice: the second time without saying so."""
    root = tmp_path_factory.mktemp("graded") / "course"
    untouched = root.parent / "notebooks"
    for graded in (True, False):
        release([CHAPTER.id], root, notebooks_folder=untouched, graded=graded)
    assert not untouched.exists()
    return CourseFolder(root)


def cells(path) -> dict:
    return {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}


def test_the_editions_differ_in_the_setup_cell_alone(course):
    graded, own = cells(course.release(CHAPTER)), cells(released_notebook(CHAPTER))
    assert graded.keys() == own.keys()
    assert [id for id in graded if graded[id].source != own[id].source] == ["setup"]


def test_the_graded_edition_neither_installs_nor_uses_answers_and_holds_none(course):
    text = course.release(CHAPTER).read_text(encoding="utf-8")
    source = cells(course.release(CHAPTER))["setup"].source
    own = cells(released_notebook(CHAPTER))["setup"].source
    for word in ("use_answers", "subdirectory=answers"):
        assert word in own
        assert word not in source
    assert leaks(CHAPTER, text) == []


@pytest.mark.parametrize("graded", [True, False], ids=["graded", "self-study"])
def test_what_the_quiz_says_in_each(course, capsys, tmp_path, monkeypatch, graded):
    """On a machine that has the pack: what the notebook does is what counts."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    assert answers.folder() is not None
    path = course.release(CHAPTER) if graded else released_notebook(CHAPTER)
    exec(cells(path)["setup"].source, {})
    check_quiz("q00_1", "A")
    words = capsys.readouterr().out
    assert ("A is noted" in words) == graded
    assert ("right" in words) != graded
