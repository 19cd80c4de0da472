"""Formgrader, nbgrader's own pages for instructors, on a class that our commands graded: a real server,
asked as a browser asks it. And what is changed there survives the next grading."""

import re
import shutil
from collections.abc import Iterator

import pytest

from course_lib.chapters import find_chapter
from tests.grading.class_of_three import POINTS, grade
from tests.grading.formgrader_server import Formgrader, formgrader_in

pytestmark = [pytest.mark.usefixtures("sandbox"), pytest.mark.slow]

CHAPTER = find_chapter("00")


@pytest.fixture(scope="module")
def formgrader(graded, tmp_path_factory) -> Iterator[Formgrader]:
    home = tmp_path_factory.mktemp("home")
    course = home / "course"
    shutil.copytree(graded[0], course)
    with formgrader_in(course, home) as running:
        yield running


def test_it_lists_the_assignment_and_every_submission_with_its_points(formgrader):
    [assignment] = [one for one in formgrader.get("assignments") if one["name"] == CHAPTER.id]
    assert (assignment["num_submissions"], assignment["max_score"]) == (3, 6.0)
    rows = {row["student"]: row for row in formgrader.get(f"submissions/{CHAPTER.id}")}
    assert {name: row["score"] for name, row in rows.items()} == POINTS
    assert all(row["autograded"] and not row["needs_manual_grade"] for row in rows.values())


def test_every_page_opens(formgrader):
    for path in (
        "manage_assignments",
        f"manage_submissions/{CHAPTER.id}",
        "gradebook",
        f"gradebook/{CHAPTER.id}",
        f"gradebook/{CHAPTER.id}/{CHAPTER.id}",
        "manage_students",
        "manage_students/bob",
    ):
        assert "formgrader" in formgrader.page(path)


def test_a_submission_shows_the_work_the_verdict_and_the_misconception(formgrader):
    page = formgrader.page(f"submissions/{formgrader.notebook_of(CHAPTER.id, 'bob')}/?index=0")
    text = re.sub("<[^>]+>", "", page)
    assert "def order_the_beats():" in text
    assert "loss before forward" in text.lower()
    assert "order_the_beats__test" in text


def test_what_is_given_there_by_hand_survives_grading_again(formgrader):
    notebook = formgrader.notebook_of(CHAPTER.id, "bob")
    assert formgrader.grade(notebook, "q00_1__test") == (0.0, None)
    formgrader.give(notebook, 0.5, "q00_1__test", "Talked it over.", "first_bad_step")

    folder = formgrader.course / "submitted" / "bob" / CHAPTER.id
    (folder / "timestamp.txt").write_text("2026-01-02 03:04:05 UTC")
    results = grade(formgrader.course)
    assert {name: result.work for name, result in results.items()}["bob"] == "judged"

    notebook = formgrader.notebook_of(CHAPTER.id, "bob")
    assert formgrader.grade(notebook, "q00_1__test") == (0.0, 0.5)
    rows = {row["student"]: row["score"] for row in formgrader.get(f"submissions/{CHAPTER.id}")}
    assert rows == POINTS | {"bob": 4.5}
    assert "Talked it over." in results["bob"].feedback.read_text(encoding="utf-8")
