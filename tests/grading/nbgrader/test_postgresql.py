"""The gradebook on a real PostgreSQL server gives the marks that it gives on SQLite.

The server is the test's own: a cluster in a temporary folder that listens on a Unix socket there
and on no network, run as an unprivileged user, and stopped at the end.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from course_lib.chapters import find_chapter
from grading.authoring.release import release
from grading.classroom.grade_class import grade_class
from grading.classroom.report import report
from grading.paths import CourseFolder
from tests.grading.class_of_three import POINTS

pytestmark = [pytest.mark.usefixtures("sandbox"), pytest.mark.slow]

CHAPTER = find_chapter("00")


def _programs() -> Path | None:
    """The folder of the server's programs; Debian keeps it out of PATH, one per version."""
    found = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if found:
        return Path(found).resolve().parent
    return folders[-1] if folders and (folders[-1] / "initdb").exists() else None


@pytest.fixture(scope="module")
def database(needs: Callable[[bool, str], None]) -> Iterator[str]:
    """The address of an empty database on a server that lives as long as this module."""
    programs = _programs()
    needs(programs is not None, "PostgreSQL is missing: apt install postgresql")
    pytest.importorskip("psycopg", reason="psycopg is not installed: PostgreSQL needs it")
    # A socket's path may have 107 characters, and the server's user has to reach it.
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as name:
        folder = Path(name)
        identity = {}
        if os.geteuid() == 0:  # which PostgreSQL refuses
            nobody = 65534
            os.chown(folder, nobody, nobody)
            identity = {"user": nobody, "group": nobody, "extra_groups": []}

        def call(program: str, *options: str) -> None:
            done = subprocess.run(
                [programs / program, *options],
                cwd=folder,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": name},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                **identity,
            )
            assert done.returncode == 0, done.stdout

        data, log = str(folder / "data"), str(folder / "log")
        call("initdb", "-D", data, "-U", "grader", "--auth=trust", "--no-sync")
        settings = f"-k {name} -c listen_addresses='' -c fsync=off"
        try:
            call("pg_ctl", "start", "-w", "-D", data, "-l", log, "-o", settings)
            call("createdb", "-h", name, "-U", "grader", "gradebook")
            yield f"postgresql+psycopg://grader@/gradebook?host={name}"
        finally:
            call("pg_ctl", "stop", "-w", "-m", "immediate", "-D", data)


def _rows(url: str) -> dict[str, dict[str, tuple[float | None, float | None]]]:
    with Gradebook(url) as gradebook:
        return {
            submission.student.id: {
                grade.name: (grade.auto_score, grade.manual_score) for grade in notebook.grades
            }
            for submission in gradebook.assignment_submissions(CHAPTER.id)
            for notebook in submission.notebooks
        }


@pytest.fixture(scope="module")
def courses(database, graded, tmp_path_factory) -> tuple[Path, Path]:
    """The class as graded into SQLite; and a course with its stored runs, to be graded into
    PostgreSQL."""
    lite = graded[0]
    large = tmp_path_factory.mktemp("large") / "course"
    made = shutil.ignore_patterns("gradebook.db", "autograded", "feedback", "staging")
    shutil.copytree(lite, large, ignore=made)
    with CourseFolder(large).config.open("a") as config:
        config.write(f"\nc.CourseDirectory.db_url = {database!r}\n")
    release([CHAPTER.id], large, notebooks_folder=None)
    return lite, large


def test_marks_on_postgresql_are_those_on_sqlite(courses, database, capsys):
    lite, large = courses
    results = {result.learner: result for result in grade_class(CHAPTER.id, large)}
    assert {name: result.outcome.score for name, result in results.items()} == POINTS
    assert _rows(database) == _rows(f"sqlite:///{lite / 'gradebook.db'}")
    assert not (large / "gradebook.db").exists()
    assert all(result.feedback.is_file() for result in results.values())
    again = grade_class(CHAPTER.id, large)
    assert {result.work for result in again} == {"unchanged"}
    assert report(CHAPTER.id, large).scores == report(CHAPTER.id, lite).scores


def test_scores_by_hand_and_due_dates_hold_on_postgresql(courses, database):
    large = courses[1]
    grade_class(CHAPTER.id, large)
    with Gradebook(database) as gradebook:
        gradebook.find_grade("q00_1__test", CHAPTER.id, CHAPTER.id, "bob").manual_score = 0.5
        gradebook.db.commit()
    file = large / "submitted" / "bob" / CHAPTER.id / "timestamp.txt"
    file.write_text("2026-01-02 03:04:05 UTC")
    assert {r.learner: r.work for r in grade_class(CHAPTER.id, large)}["bob"] == "judged"
    assert _rows(database)["bob"]["q00_1__test"] == (0.0, 0.5)
