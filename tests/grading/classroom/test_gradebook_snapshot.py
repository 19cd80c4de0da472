"""What the gradebook holds decides what is written again: by whom a score was given has to be seen."""

from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from traitlets.config import Config

from course_lib.chapters import find_chapter
from grading.judging.outcomes import ItemOutcome, NotebookOutcome
from grading.nbgrader.config import prepare_process
from grading.nbgrader.gradebook_snapshot import Standing

CHAPTER = find_chapter("00")
ANN = "ann"
OUTCOME = NotebookOutcome(CHAPTER.id, (ItemOutcome("one", 2.0, 3.0, "partial"),))


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course in which Ann has two points."""
    prepare_process()
    with _book(tmp_path) as book:
        book.add_assignment(CHAPTER.id)
        book.add_notebook(CHAPTER.id, CHAPTER.id)
        book.add_grade_cell("one", CHAPTER.id, CHAPTER.id, max_score=3.0, cell_type="code")
        book.add_student(ANN)
        book.add_submission(CHAPTER.id, ANN)
        _grade(book).auto_score = 2.0
        book.db.commit()
    return tmp_path


def _book(course: Path) -> Gradebook:
    return Gradebook(f"sqlite:///{course / 'gradebook.db'}", "course")


def _grade(book: Gradebook):
    [notebook] = book.find_submission(CHAPTER.id, ANN).notebooks
    [grade] = notebook.grades
    return grade


def _standing(course: Path) -> Standing:
    config = Config()
    config.CourseDirectory.root = str(course)
    config.CourseDirectory.course_id = "course"
    config.CourseDirectory.db_url = f"sqlite:///{course / 'gradebook.db'}"
    return Standing(config, CHAPTER.id)


@pytest.mark.parametrize(("field", "value"), [("manual_score", 1.0), ("extra_credit", 0.5)])
def test_what_a_person_gives_is_seen(course, field, value):
    before = _standing(course).by_hand(ANN)
    assert before == _standing(course).by_hand("nobody")
    with _book(course) as book:
        setattr(_grade(book), field, value)
        book.db.commit()
    after = _standing(course).by_hand(ANN)
    assert after != before
    assert after == _standing(course).by_hand(ANN)


def test_an_automatic_score_is_nobodys_hand(course):
    before = _standing(course).by_hand(ANN)
    with _book(course) as book:
        _grade(book).auto_score = 3.0
        book.db.commit()
    assert _standing(course).by_hand(ANN) == before


def test_an_outcome_is_held_when_scores_and_page_are_there(course):
    assert not _standing(course).holds(ANN, OUTCOME)
    page = course / "autograded" / ANN / CHAPTER.id / f"{CHAPTER.id}.ipynb"
    page.parent.mkdir(parents=True)
    page.write_text("{}")
    assert _standing(course).holds(ANN, OUTCOME)
    with _book(course) as book:
        _grade(book).auto_score = 1.0
        book.db.commit()
    assert not _standing(course).holds(ANN, OUTCOME)
