"""A gradebook that somebody else has, reasons that must not get lost, and folders that nbgrader
cannot work in: one line that says what to do."""

import contextlib
import logging
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy.exc
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from grading.__main__ import app
from grading.errors import Problem
from grading.nbgrader import locks
from grading.nbgrader.config import prepare_process
from grading.nbgrader.course import load_course, make_course
from grading.nbgrader.locks import GradebookLocked, wait_for_gradebook
from grading.nbgrader.reasons import LoggedErrors, reason_in, reason_of
from tests.grading.class_of_three import CHAPTER, grade


@contextlib.contextmanager
def _held(file: Path) -> Iterator[None]:
    """Another program writes."""
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.close()


@pytest.fixture
def book(tmp_path) -> Path:
    file = tmp_path / "gradebook.db"
    with contextlib.closing(sqlite3.connect(file)) as made:
        made.execute("CREATE TABLE t (x)")
        made.commit()
    return file


# --- somebody else has it ------------------------------------------------------------------------


def test_a_gradebook_in_use_is_waited_for_with_one_line(book, monkeypatch):
    monkeypatch.setattr(locks, "_QUIET", 0.0)
    said: list[str] = []
    looked = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        looked.set()

    with _held(book):
        waiting = threading.Thread(target=wait_for_gradebook, args=(f"sqlite:///{book}", say))
        waiting.start()
        assert looked.wait(60)
        assert waiting.is_alive()
    waiting.join(60)
    assert not waiting.is_alive()
    [line] = said
    assert "in use by another program; waiting" in line


def test_a_gradebook_that_is_never_let_go_is_one_line(book, monkeypatch):
    monkeypatch.setattr(locks, "PATIENCE", 0.0)
    with _held(book), pytest.raises(GradebookLocked, match="goes on where it was") as locked:
        wait_for_gradebook(f"sqlite:///{book}")
    assert "\n" not in str(locked.value)
    wait_for_gradebook(f"sqlite:///{book}")


@pytest.mark.parametrize("url", ["sqlite://", "postgresql+psycopg://a:b@c/d", "nonsense"])
def test_other_databases_wait_by_themselves(url):
    wait_for_gradebook(url)


def test_what_is_no_database_is_left_to_its_reader(book):
    book.write_bytes(b"no database at all" * 100)
    wait_for_gradebook(f"sqlite:///{book}")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["grade", "report"])
def test_a_command_on_a_locked_gradebook_ends_in_one_line_and_loses_nothing(
    graded, tmp_path, monkeypatch, command
):
    course = Path(shutil.copytree(graded[0], tmp_path / "course"))
    monkeypatch.setattr(locks, "PATIENCE", 0.0)
    with _held(course / "gradebook.db"):
        result = CliRunner().invoke(app, [command, "00", "--course", str(course)])
        if command == "report":  # it does not need the gradebook
            assert result.exit_code == 0, result.output
        else:
            assert result.exit_code == 2
            assert result.stderr.strip().count("\n") == 0
            assert "in use by another program" in result.stderr
    monkeypatch.undo()
    assert {result.work for result in grade(course).values()} == {"unchanged"}


@pytest.mark.slow
def test_a_gradebook_locked_in_mid_class_stops_it_and_nobody_is_blamed(
    graded, tmp_path, monkeypatch
):
    course = Path(shutil.copytree(graded[0], tmp_path / "course"))
    folder = course / "submitted" / "bob" / CHAPTER.id
    (folder / "timestamp.txt").write_text("2026-01-02 03:04:05 UTC")  # bob is written anew
    real = locks._can_write
    looks = iter([True, True])  # free at the start, when the class is read
    monkeypatch.setattr(locks, "_can_write", lambda file: next(looks, False) and real(file))
    monkeypatch.setattr(locks, "PATIENCE", 0.0)
    with pytest.raises(GradebookLocked):
        grade(course)
    monkeypatch.undo()
    results = grade(course)
    assert results["bob"].problem == ""
    assert results["bob"].outcome == graded[1]["bob"].outcome


def test_a_gradebook_that_is_no_database_is_one_line(tmp_path):
    course = tmp_path / "course"
    make_course(course)
    (course / "gradebook.db").write_bytes(b"no database at all" * 100)
    result = CliRunner().invoke(app, ["export", "00", "--to", "csv", "--course", str(course)])
    assert result.exit_code == 2
    assert result.stderr.strip().count("\n") == 0
    assert "file is not a database" in result.stderr


# --- the reason, and not what stands below it --------------------------------------------------------

LOCKED = """\
[GenerateAssignmentApp | ERROR] There was an error processing assignment: x
[GenerateAssignmentApp | ERROR] Traceback (most recent call last):
      File "base.py", line 1969, in _exec_single_context
        self.dialect.do_execute(
    sqlite3.OperationalError: database is locked
"""
SQLALCHEMY = """\
Traceback (most recent call last):
  File "a.py", line 1, in f
    x()
sqlite3.OperationalError: database is locked

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "b.py", line 2, in g
    raise Other(
sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database is locked
[SQL: INSERT INTO grade (id) VALUES (?)]
[parameters: ('a',)]
(Background on this error at: https://sqlalche.me/e/20/e3q8)
There was an error accessing the nbgrader database. This may occur if you recently upgraded.
"""
HIDDEN = """\
[GenerateAssignmentApp | WARNING] Removing existing assignment: /course/release
[GenerateAssignmentApp | ERROR] Traceback (most recent call last):
  File "assign.py", line 3, in h
    raise RuntimeError(
RuntimeError: Cell with id fit has changed
[GenerateAssignmentApp | ERROR] There was an error processing assignment: /course/source
[GenerateAssignmentApp | ERROR] Please see the the above traceback for details on the specific errors.
nbgrader.converters.base.NbGraderException: Please see the the above traceback for details
"""


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (SQLALCHEMY, "(sqlite3.OperationalError) database is locked"),
        (HIDDEN, "Cell with id fit has changed"),
        ("[X | ERROR] No notebooks were matched by 'y'\n", "No notebooks were matched by 'y'"),
        ("Traceback (most recent call last):\n  File 'a'\nKeyError: 'x'\n", "KeyError: 'x'"),
        ("Traceback (most recent call last):\n  File 'a'\nRecursionError\n", "RecursionError"),
        ("one\ntwo\n", "two"),
        ("", ""),
    ],
)
def test_of_a_log_the_reason_is_what_was_raised(log, reason):
    assert reason_in(log) == reason


def test_indented_tracebacks_are_understood_too():
    assert reason_in(LOCKED) == "database is locked"


def test_of_an_exception_the_reason_is_what_it_says_first():
    error = sqlalchemy.exc.OperationalError("INSERT", {}, sqlite3.OperationalError("is locked"))
    assert reason_of(error) == "(sqlite3.OperationalError) is locked"
    assert reason_of(KeyError("x")) == "'x'"
    assert reason_of(ValueError()) == "ValueError"
    assert reason_of(ValueError("\n  first\nsecond")) == "first"


def test_what_is_logged_as_an_error_is_kept():
    log = logging.getLogger("tests.reasons")
    log.propagate = False
    errors = LoggedErrors()
    log.addHandler(errors)
    log.warning("no error")
    assert errors.reason == ""
    log.error(SQLALCHEMY)
    log.error("Please see the the above traceback for details")
    assert errors.reason == "(sqlite3.OperationalError) database is locked"


def test_release_says_why_nbgrader_refused(tmp_path, monkeypatch):
    def refuse(self, *names, **options):
        return {"success": False, "log": HIDDEN, "error": None}

    monkeypatch.setattr("nbgrader.apps.NbGraderAPI.generate_assignment", refuse)
    command = ["release", "00", "--course", str(tmp_path / "course")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert result.stderr.endswith(": Cell with id fit has changed\n")


# --- folders -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["[A] 2026", "c%20d", "(v2) $HOME", "a#b?c=d", "x{y}", "a*", "n\nl"]
)
def test_a_folder_that_nbgrader_cannot_work_in_is_one_line(tmp_path, name):
    course = tmp_path / name
    result = CliRunner().invoke(app, ["release", "00", "--course", str(course)])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "nbgrader does not take" in result.stderr
    assert not course.exists()
    with pytest.raises(Problem, match="does not take"):
        make_course(course / "below")


@pytest.mark.parametrize("name", ["A 2026", "it's (v2)", "ä ö", "a#b", "a,b=c;d", "p+q & r", "~x"])
def test_a_folder_with_any_other_name_works(tmp_path, name):
    course = tmp_path / name
    make_course(course)
    config = load_course(course)
    assert config.CourseDirectory.root == str(course)
    prepare_process()


def test_its_database_lies_in_it(tmp_path):
    course = tmp_path / "a#b & ä"
    make_course(course)
    load_course(course)
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        gradebook.add_student("ann")
    assert (course / "gradebook.db").is_file()


@pytest.mark.slow
def test_learners_whom_nbgrader_would_not_show_are_named(graded, tmp_path):
    course = Path(shutil.copytree(graded[0], tmp_path / "course"))
    for name in ("<b>bold<b>", "..ann", "a\nb"):
        shutil.copytree(course / "submitted" / "ann", course / "submitted" / name)
    (course / "submitted" / ".git").mkdir()
    result = CliRunner().invoke(app, ["grade", "00", "--course", str(course)])
    assert result.exit_code == 0, result.output
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        assert {student.id for student in gradebook.students} == {"ann", "bob", "cleo"}
    report = CliRunner().invoke(app, ["report", "00", "--course", str(course)])
    assert "Not graded: 3" in report.stdout
    assert report.stdout.count("rename") == 3
