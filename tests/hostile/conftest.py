"""One released course, what grading makes of the two honest learners alone, and a batch for every
module, which names its cases ``CASES``."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grading.authoring.release import release
from grading.classroom.secret import course_secret
from grading.classroom.workers import LocalWorkers
from grading.runner.sandbox import unavailable
from tests.hostile.handing_in import (
    CHAPTER,
    HONEST,
    HONEST_SCORES,
    SHORT,
    Batch,
    fresh_course,
    grade_batch,
    left_by,
)


@pytest.fixture(scope="session")
def sandbox(needs: Callable[[bool, str], None], needs_program: Callable[..., Path]) -> None:
    """Nothing here runs but in a sandbox."""
    needs_program("bwrap", package="bubblewrap")
    reason = unavailable()
    needs(not reason, reason)


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    course = tmp_path_factory.mktemp("hostile") / "course"
    release([CHAPTER.id], course, notebooks_folder=None)
    course_secret(course)  # the same for all copies: what is said of a mistake names its case
    return course


@pytest.fixture(scope="session")
def workers() -> Iterator[LocalWorkers]:
    """The processes that grade all batches: what a case leaves behind in one of them would meet the
    batches that follow."""
    with LocalWorkers() as processes:
        yield processes


@pytest.fixture(scope="session")
def undisturbed(
    sandbox: None, released: Path, workers: LocalWorkers, tmp_path_factory
) -> dict[str, dict]:
    """What comes of the honest learners where nobody else hands in."""
    course = fresh_course(released, tmp_path_factory.mktemp("undisturbed") / "course")
    grade_batch(course, [], workers)
    left = {learner: left_by(course, learner) for learner in HONEST}
    scores = [left[learner]["rows"]["score"] for learner in HONEST]
    # Where all grading fails, nobody is harmed by another.
    assert scores == HONEST_SCORES
    return left


@pytest.fixture(scope="module")
def batch(sandbox: None, released: Path, workers: LocalWorkers, tmp_path_factory, request) -> Batch:
    """The module's cases, graded; of these only what was selected (``-k``)."""
    items = [item for item in request.session.items if item.module is request.module]
    called = [item.callspec.params for item in items if hasattr(item, "callspec")]
    selected = [params["case"] for params in called if "case" in params]
    course = fresh_course(released, tmp_path_factory.mktemp("batch") / "course")
    return grade_batch(course, selected, workers, getattr(request.module, "LIMITS", SHORT))
