"""What the tests of the engine share: chapter 05 as released, and a solved notebook."""

from collections.abc import Callable

import nbformat
import pytest

from grading.engine.grade import read_release
from grading.engine.matching import grade_id_of
from grading.engine.sandbox import unavailable
from grading.places import released_notebook
from grading.sample_class import submission
from tests.grading.handing_in import CHAPTER, sample


@pytest.fixture(scope="session")
def release() -> nbformat.NotebookNode:
    return read_release(released_notebook(CHAPTER))


@pytest.fixture(scope="session")
def sandbox(needs: Callable[[bool, str], None]) -> None:
    """Only where submissions can run in bubblewrap."""
    reason = unavailable()
    needs(not reason, reason)


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
