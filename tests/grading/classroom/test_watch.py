"""``watch`` on real submissions through the exchange folder: graded as they come, each once, the page
given back; a better attempt stays, and pages wait for the due date where they should."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from traitlets.config import Config

from course_lib.chapters import find_chapter
from grading.classroom import watch as watching
from grading.classroom.grade_class import grade_submissions
from grading.classroom.watch import Watched
from grading.classroom.workers import LocalWorkers
from grading.intake.submissions import submissions
from grading.nbgrader.course import load_course
from grading.paths import CourseFolder
from tests.grading.class_of_three import CHAPTER
from tests.grading.nbgrader_commands import Learner, nbgrader

pytestmark = [pytest.mark.usefixtures("sandbox"), pytest.mark.slow]


def _score(course: Path, learner: str) -> float:
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        return gradebook.find_submission(CHAPTER.id, learner).score


def _due_in(course: Path, days: int) -> None:
    due = f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d %H:%M:%S} UTC"
    nbgrader(course, "db", "assignment", "add", CHAPTER.id, f"--duedate={due}")


def _set(course: Path, *lines: str) -> None:
    with (course / "nbgrader_config.py").open("a") as config:
        config.writelines(f"{line}\n" for line in lines)


def test_a_round_reads_the_settings_once_for_all_chapters(handed_in, tmp_path, monkeypatch):
    course = tmp_path / "course"
    shutil.copytree(handed_in, course)
    other = CourseFolder(course).release(find_chapter("01"))
    other.parent.mkdir()
    other.touch()
    read, looks = [], []

    def reading(course: Path) -> Config:
        read.append(load_course(course))
        return read[-1]

    monkeypatch.setattr(watching, "load_course", reading)
    monkeypatch.setattr(Watched, "look", lambda self, config: looks.append((self.chapter, config)))
    watching.watch([], course, once=True)
    assert [chapter.number for chapter, _ in looks] == ["00", "01"]
    assert len(read) == 2  # at the start, and in the round
    assert all(config is read[-1] for _, config in looks)


def test_work_is_graded_as_it_comes_and_given_back(handed_in, tmp_path):
    course = tmp_path / "course"
    shutil.copytree(handed_in, course)
    for name in ("bob", "cleo"):
        shutil.rmtree(course / "submitted" / name)
    _set(course, 'c.Watch.counts = "best"')
    nbgrader(course, "release_assignment", CHAPTER.id)
    dora, eve = (Learner(name, tmp_path / name, course / "exchange") for name in ("dora", "eve"))
    dora.fetch()
    eve.fetch()
    dora.submit()
    (eve.home / CHAPTER.id / f"{CHAPTER.id}.ipynb").write_text("no notebook")
    eve.nbgrader("submit", CHAPTER.id)

    said: list[str] = []
    with LocalWorkers(1) as workers:
        watched = Watched(CHAPTER, course, workers, said.append)
        assert watched.look(load_course(course))
        assert sorted(line.split(", ", 1)[1] for line in said) == [
            "ann: 6 points",  # put into her folder by hand
            "dora: 6 points",
            "eve: not graded: the file is not valid JSON (line 1, column 1: Expecting value)",
        ]
        assert not watched.look(load_course(course))
        dora.nbgrader("fetch_feedback", CHAPTER.id)
        assert len(dora.pages) == 1

        # A worse attempt gets its page, and the better one stays in the gradebook.
        dora.submit(wrong=True)
        watched = Watched(CHAPTER, course, workers, said.append)  # as after a restart
        assert watched.look(load_course(course))
        assert said[3:] == [f"{CHAPTER.id}, dora: 4 points"]
        assert _score(course, "dora") == 6.0
        dora.nbgrader("fetch_feedback", CHAPTER.id)
        assert len(dora.pages) == 2
        found = submissions(course / "submitted", CHAPTER)
        [result] = grade_submissions(
            CHAPTER, course, [one for one in found if one.learner == "dora"]
        )
        assert (result.work, result.outcome.score) == ("unchanged", 6.0)

        # Before the due date no page is given back; then it is, and nothing is graded again.
        _set(course, 'c.Watch.counts = "last"', 'c.Watch.feedback = "after due date"')
        _due_in(course, days=1)
        dora.submit(wrong=True)
        assert watched.look(load_course(course))
        assert _score(course, "dora") == 4.0
        dora.nbgrader("fetch_feedback", CHAPTER.id)
        assert len(dora.pages) == 2
        _due_in(course, days=-1)
        assert not watched.look(load_course(course))
        dora.nbgrader("fetch_feedback", CHAPTER.id)
        assert len(dora.pages) == 3
    assert len(said) == 5
