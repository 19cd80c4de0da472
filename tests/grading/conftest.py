"""What the tests of grading share: chapter 05 as released, a solved notebook, a graded class."""

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest

from grading.classroom import versions
from grading.classroom.results import Result
from grading.intake.matching import grade_id_of
from grading.intake.released import read_release
from grading.paths import released_notebook
from grading.runner.sandbox import unavailable
from grading.sample_class import submission
from tests.grading.class_of_three import grade, hand_in_class
from tests.grading.handing_in import CHAPTER, sample
from tests.grading.versioned import clear_versions, copy_code


@pytest.fixture(scope="session")
def release() -> nbformat.NotebookNode:
    return read_release(released_notebook(CHAPTER))


@pytest.fixture(scope="session")
def sandbox(needs: Callable[[bool, str], None]) -> None:
    """Only where submissions can run in bubblewrap."""
    reason = unavailable()
    needs(not reason, reason)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port of this machine that nobody may reach from a sandbox."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture
def other_repository(tmp_path, monkeypatch) -> Iterator[Path]:
    """A copy of the code from which versions are computed while the test runs."""
    monkeypatch.setattr(versions, "REPOSITORY", copy_code(tmp_path / "repository"))
    clear_versions()
    yield tmp_path / "repository"
    clear_versions()


@pytest.fixture
def solved(release) -> nbformat.NotebookNode:
    """A right submission, to be damaged."""
    return nbformat.reads(submission(sample("learner-01"), release).decode(), as_version=4)


@pytest.fixture
def bare(solved) -> nbformat.NotebookNode:
    """The same with nothing but set-up, solutions and checks: quick to run."""
    solved.cells = [
        cell
        for cell in solved.cells
        if grade_id_of(cell) or "setup" in cell.metadata.get("tags", [])
    ]
    return solved


@pytest.fixture(scope="session")
def handed_in(tmp_path_factory) -> Path:
    """A course directory in which a class of three handed in and nothing is graded."""
    course = tmp_path_factory.mktemp("class") / "course"
    hand_in_class(course)
    return course


@pytest.fixture(scope="session")
def graded(sandbox, handed_in) -> tuple[Path, dict[str, Result]]:
    """That class graded by one process, undisturbed: what every other way has to equal."""
    course = handed_in.parent / "graded"
    shutil.copytree(handed_in, course)
    return course, grade(course)
