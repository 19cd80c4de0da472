"""A class from release to fetched feedback pages by nbgrader's own commands. What would run a
submission is ours: the marks are those of ``grade``, and a submission gets at nothing."""

import csv
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from grading.authoring.release import release
from grading.classroom.rename import rename
from tests.grading.class_of_three import CHAPTER
from tests.grading.formgrader_server import formgrader_in
from tests.grading.nbgrader_commands import Attack, Learner, nbgrader

pytestmark = [pytest.mark.usefixtures("sandbox"), pytest.mark.slow]


def _final_scores(course: Path) -> dict[str, float]:
    nbgrader(course, "export")
    with open(course / "grades.csv", newline="") as file:
        return {
            row["student_id"]: float(row["score"])
            for row in csv.DictReader(file)
            if row["timestamp"] or float(row["score"])
        }


def _by_hand(course: Path, learner: str, points: float, comment: str) -> None:
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        notebook = gradebook.find_submission_notebook(CHAPTER.id, CHAPTER.id, learner)
        next(g for g in notebook.grades if g.name == "q00_1__test").manual_score = points
        next(c for c in notebook.comments if c.name == "first_bad_step").manual_comment = comment
        gradebook.db.commit()


def test_the_round_by_nbgraders_own_commands(tmp_path, listener):
    course = tmp_path / "course"
    release([CHAPTER.id], course, notebooks_folder=None)
    config = course / "nbgrader_config.py"
    config.write_text(config.read_text() + '\nc.LateSubmissionPlugin.penalty_method = "zero"\n')
    nbgrader(course, "release_assignment", CHAPTER.id)

    people = [Learner(name, tmp_path / name, course / "exchange") for name in ("ann", "bob", "mal")]
    ann, bob, mal = people
    attack = Attack(tmp_path, course, listener)
    attack.assert_dangerous()
    assert CHAPTER.id in ann.nbgrader("list")
    for learner in people:
        learner.fetch()
    ann.submit()
    bob.submit(wrong=True)
    mal.submit(wrong=True, also=attack.code)

    nbgrader(course, "collect", CHAPTER.id)
    nbgrader(course, "autograde", CHAPTER.id)
    assert _final_scores(course) == {"ann": 6.0, "bob": 4.0, "mal": 4.0}
    attack.assert_in_vain(course, "mal")
    submitted = course / "submitted" / "mal" / CHAPTER.id / f"{CHAPTER.id}.ipynb"
    assert "VALIDATION FAILED ON 2 CELL(S)" in nbgrader(course, "validate", str(submitted))
    attack.assert_nothing_happened()

    # Bob hands in again, too late; Ann is given a comment and loses a point.
    due = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f UTC")
    nbgrader(course, "db", "assignment", "add", CHAPTER.id, f"--duedate={due}")
    bob.submit()
    _by_hand(course, "ann", 0.0, "Talk to me about this one.")
    nbgrader(course, "collect", CHAPTER.id, "--update")
    nbgrader(course, "autograde", CHAPTER.id, "--student=b*")
    assert _final_scores(course) == {"ann": 5.0, "bob": 0.0, "mal": 4.0}

    nbgrader(course, "generate_feedback", CHAPTER.id, "--force")
    nbgrader(course, "release_feedback", CHAPTER.id)
    for learner in people:
        learner.nbgrader("fetch_feedback", CHAPTER.id)
    assert [len(learner.pages) for learner in people] == [1, 1, 1]
    assert "Talk to me about this one." in ann.pages[0].read_text(encoding="utf-8")
    assert "Talk to me" not in bob.pages[0].read_text(encoding="utf-8")
    assert "GAINED []" in mal.pages[0].read_text(encoding="utf-8")

    nbgrader(course, "db", "student", "remove", "mal", "--force")
    for step in ("submitted", "autograded", "feedback"):
        shutil.rmtree(course / step / "mal")
    rename("ann", "Ann Arbor", course)
    nbgrader(course, "autograde", CHAPTER.id)
    assert _final_scores(course) == {"Ann Arbor": 5.0, "bob": 0.0}


def test_without_bubblewrap_autograde_refuses(handed_in, tmp_path, monkeypatch):
    course = tmp_path / "course"
    shutil.copytree(handed_in, course)
    monkeypatch.setenv("PATH", str(tmp_path))
    nbgrader(course, "autograde", CHAPTER.id, status=1)
    assert not (course / "autograded").exists()


def test_the_round_through_formgrader(tmp_path, listener):
    course = tmp_path / "course"
    release([CHAPTER.id], course, notebooks_folder=None)
    config = course / "nbgrader_config.py"
    config.write_text(config.read_text() + '\nc.LateSubmissionPlugin.penalty_method = "zero"\n')
    ann, mal, eve = (
        Learner(name, tmp_path / name, course / "exchange") for name in ("ann", "mal", "eve")
    )
    attack = Attack(tmp_path, course, listener)
    attack.assert_dangerous()
    with formgrader_in(course, tmp_path) as pages:
        for button in ("assign", "release"):
            assert pages.press(f"assignment/{CHAPTER.id}/{button}")["success"]
        for learner in (ann, mal, eve):
            learner.fetch()
        ann.submit()
        mal.submit(wrong=True, also=attack.code)
        (eve.home / CHAPTER.id / f"{CHAPTER.id}.ipynb").write_text("no notebook")
        eve.nbgrader("submit", CHAPTER.id)

        def autograde(learner: str) -> dict:
            return pages.press(f"submission/{CHAPTER.id}/{learner}/autograde")

        assert pages.press(f"assignment/{CHAPTER.id}/collect")["success"]
        assert "ann: 6 of 6 points" in autograde("ann")["log"]
        assert autograde("mal")["success"]
        attack.assert_in_vain(course, "mal")
        unreadable = autograde("eve")
        assert not unreadable["success"]
        assert "eve not graded: the file is not valid JSON" in unreadable["log"]

        notebook = pages.notebook_of(CHAPTER.id, "ann")
        pages.give(notebook, 0.5, "q00_1__test", "Well put.", "first_bad_step")
        ann.submit(wrong=True)
        due = {"duedate_notimezone": "2026-01-01T00:00:00", "duedate_timezone": "+0000"}
        pages.put(f"assignment/{CHAPTER.id}", due)
        assert pages.press(f"assignment/{CHAPTER.id}/collect")["success"]
        assert autograde("ann")["success"]
        notebook = pages.notebook_of(CHAPTER.id, "ann")
        assert pages.grade(notebook, "q00_1__test") == (0.0, 0.5)
        assert _final_scores(course)["ann"] == 0.0  # late

        for button in ("generate_feedback", "release_feedback"):
            assert pages.press(f"assignment/{CHAPTER.id}/{button}")["success"]
        for learner in (ann, mal):
            learner.nbgrader("fetch_feedback", CHAPTER.id)
        assert [len(learner.pages) for learner in (ann, mal)] == [1, 1]
        assert "Well put." in ann.pages[0].read_text(encoding="utf-8")
