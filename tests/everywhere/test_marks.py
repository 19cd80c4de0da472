"""Marks do not depend on the processor: neither the matrix's nor a class's, and not where the grader
has one kind and a worker another. With ``COURSE_EVERYWHERE=1``, as in the weekly workflow: the whole matrix
under three capabilities takes many minutes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib.chapters import find_chapter
from grading.authoring.release import release
from grading.classroom.grade_class import grade_submissions
from grading.classroom.workers import ClusterWorkers
from grading.intake.released import read_release
from grading.intake.submissions import submissions
from grading.sample_class import sample_files, submission
from tests.everywhere.places import CAPABILITIES, capabilities

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "COURSE_EVERYWHERE" not in os.environ, reason="set COURSE_EVERYWHERE=1: it takes long"
    ),
]

CHAPTER = find_chapter("05")
#: One case set more than those of the matrix, which runs under this environment's own kernels.
SEED = "20261129"


def verdicts(repository: Path, capability: str) -> dict[str, list]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.everywhere.verdicts", "--json", "--seeds", SEED],
        cwd=repository,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ATEN_CPU_CAPABILITY": capability},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


def test_the_matrix_is_judged_alike_under_every_capability(repository: Path) -> None:
    first, *others = [verdicts(repository, name) for name in CAPABILITIES if name in capabilities()]
    assert len(first) > 200
    for other in others:
        assert other == first


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """The sample class of chapter 05, handed in."""
    folder = tmp_path / "course"
    release([CHAPTER.id], folder, notebooks_folder=None)
    released = read_release(folder / "release" / CHAPTER.id / f"{CHAPTER.id}.ipynb")
    for sample in sample_files(CHAPTER):
        place = folder / "submitted" / sample.stem / CHAPTER.id
        place.mkdir(parents=True)
        (place / f"{CHAPTER.id}.ipynb").write_bytes(submission(sample, released))
    return folder


def _marks(course: Path, workers: ClusterWorkers | None = None) -> dict[str, list]:
    """By learner, points and misconception of each exercise. Without a sandbox: there the processor is
    the machine's, while here a variable plays another one."""
    found = submissions(course / "submitted", CHAPTER)
    marks = {}
    for result in grade_submissions(
        CHAPTER, course, found, sandbox=False, workers=workers, warm=False
    ):
        items = result.outcome.items if result.outcome else ()
        marks[result.learner] = [(item.score, item.misconception) for item in items]
    return marks


@pytest.fixture
def cluster():
    """``cluster(capability)``: the address of a scheduler with one worker that has these kernels."""
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    started = []

    def start(capability: str) -> str:
        one = distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            env={"ATEN_CPU_CAPABILITY": capability, "OMP_NUM_THREADS": "1"},
        )
        started.append(one)
        return one.scheduler_address

    yield start
    for one in started:
        one.close()


def _capability() -> str:
    import torch

    return torch.backends.cpu.get_cpu_capability()


def test_a_worker_with_another_processor_changes_no_mark(course, cluster, tmp_path) -> None:
    import torch
    from distributed import Client

    here = torch.backends.cpu.get_cpu_capability()
    address = cluster("default")
    with Client(address, set_as_default=False) as client:
        assert set(client.run(_capability).values()) == {"DEFAULT"}
    if here == "DEFAULT":
        pytest.skip("this processor has one kind of kernels only")
    own = _marks(course)
    assert any(score for marks in own.values() for score, _ in marks)
    shutil.rmtree(course / "results")  # else nothing would run again
    with ClusterWorkers(address) as workers:
        assert _marks(course, workers) == own
