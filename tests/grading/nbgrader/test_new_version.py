"""A chapter gets a new version when a class has been graded: scores and comments of the cells that stay
are kept, everybody hears what changes, and no moment is without a release."""

import shutil

import nbformat
import pytest
from nbgrader.api import Gradebook

from grading.authoring import release as release_module
from grading.authoring.release import release
from grading.errors import Problem
from grading.intake.matching import grade_id_of
from grading.paths import CourseFolder, solved_notebook
from tests.grading.class_of_three import CHAPTER, grade, hand_in_class

pytestmark = [pytest.mark.usefixtures("sandbox"), pytest.mark.slow]


def _version(folder, without: str) -> None:
    """The chapter without one exercise or question, as a source folder."""
    notebook = nbformat.read(solved_notebook(CHAPTER), as_version=4)
    notebook.cells = [
        cell for cell in notebook.cells if grade_id_of(cell) not in (without, f"{without}__test")
    ]
    path = solved_notebook(CHAPTER, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


@pytest.fixture
def any_source(monkeypatch):
    """Versions are made here, not from the chapter's text."""
    monkeypatch.setattr(release_module, "check_up_to_date", lambda *_: None)


def _gradebook(course) -> Gradebook:
    return Gradebook(f"sqlite:///{course / 'gradebook.db'}")


def _scores(course) -> dict[str, tuple[float, float]]:
    with _gradebook(course) as gradebook:
        return {
            one.student.id: (one.score, one.max_score)
            for one in gradebook.assignment_submissions(CHAPTER.id)
        }


def test_a_new_version_keeps_what_stays_and_grades_again(tmp_path, any_source):
    course = tmp_path / "course"
    first, second = tmp_path / "first", tmp_path / "second"
    _version(first, without="q00_1")
    _version(second, without="q00_2")
    hand_in_class(course)
    for one in (course / "submitted" / "cleo", course / "gradebook.db"):
        one.rename(tmp_path / one.name)
    release([CHAPTER.id], course, source_folder=first, notebooks_folder=None)
    grade(course)
    assert _scores(course) == {"ann": (5.0, 5.0), "bob": (4.0, 5.0)}
    with _gradebook(course) as gradebook:
        notebook = gradebook.find_submission_notebook(CHAPTER.id, CHAPTER.id, "bob")
        given = {grade.name: grade for grade in notebook.grades}
        given["order_the_beats__test"].manual_score = 0.5
        given["q00_2__test"].manual_score = 0.25
        notebook.comments[0].manual_comment = "Kept."
        kept = notebook.comments[0].name
        gradebook.db.commit()

    told = []
    release(
        [CHAPTER.id],
        course,
        source_folder=second,
        notebooks_folder=None,
        changing=lambda chapter, changes: told.extend(changes.lines()),
    )
    assert told == [
        "The graded cells change for 2 learners who handed in: ann, bob.",
        "+ q00_1__test: 1 more, 0 for those who handed in without it",
        "- q00_2__test: 1 fewer, everybody's score for it goes",
        "! lost: bob: 0.25 points by hand for q00_2__test",
    ]
    results = grade(course)
    assert results["ann"].outcome.score == 5.0
    assert _scores(course)["ann"] == (5.0, 5.0)
    with _gradebook(course) as gradebook:
        notebook = gradebook.find_submission_notebook(CHAPTER.id, CHAPTER.id, "bob")
        given = {grade.name: (grade.auto_score, grade.manual_score) for grade in notebook.grades}
        assert given["order_the_beats__test"][1] == 0.5
        assert given["q00_1__test"] == (0.0, None)
        assert "q00_2__test" not in given
        assert {one.name: one.manual_comment for one in notebook.comments}[kept] == "Kept."


def test_the_last_release_stands_until_there_is_a_new_one(handed_in, tmp_path, any_source):
    course = tmp_path / "course"
    shutil.copytree(handed_in, course)
    released = CourseFolder(course).release(CHAPTER)
    before = released.read_bytes()
    _version(tmp_path, without="q00_1")
    path = solved_notebook(CHAPTER, tmp_path)
    notebook = nbformat.read(path, as_version=4)
    broken = next(cell for cell in notebook.cells if grade_id_of(cell) == "order_the_beats")
    broken.source = broken.source.replace("### END SOLUTION", "")
    nbformat.write(notebook, path)
    with pytest.raises(Problem, match="could not release"):
        release([CHAPTER.id], course, source_folder=tmp_path, notebooks_folder=None)
    assert released.read_bytes() == before
    assert not CourseFolder(course).releasing.exists()
