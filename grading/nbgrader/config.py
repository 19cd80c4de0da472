"""nbgrader's settings for this course. A course directory's ``nbgrader_config.py`` calls
``configure``; so do nbgrader's own commands and formgrader, which read that file."""

import os
import sys
from pathlib import Path
from typing import Any

from grading.intake.platforms import PLATFORMS
from grading.intake.times import zone_called
from grading.nbgrader.takeover import take_over
from grading.paths import REPOSITORY, CourseFolder

COURSE_ID = "pytorch-training-loop"
#: Seconds for one cell under ``nbgrader validate``.
CELL_TIMEOUT = 120


def configure(c: Any, root: Path, platform: str = "any", timezone: str = "") -> None:
    """Set up ``c`` (a traitlets ``Config``) for the course directory ``root``.

    ``platform`` is where `nbgrader zip_collect` gets its archives from, ``timezone`` that of its
    times where it names none. Raises ``ValueError`` for one that is not known.
    """
    if platform not in PLATFORMS:
        raise ValueError(f"platform {platform!r} is not one of {', '.join(sorted(PLATFORMS))}")
    if timezone and zone_called(timezone) is None:
        raise ValueError(f"timezone {timezone!r} is not a name like Europe/Berlin")
    prepare_process()
    take_over(root)
    # Checks in submissions must not count as the instructor's own progress as a learner.
    os.environ.setdefault("COURSE_HOME", str(CourseFolder(root).progress))
    c.CourseDirectory.course_id = COURSE_ID
    c.CourseDirectory.root = str(root)

    # As nbgrader's own list, with our two steps in place of ClearSolutions and ClearOutput, and
    # without header and test templates, which this course does not use.
    c.GenerateAssignment.preprocessors = [
        "nbgrader.preprocessors.LockCells",
        "grading.nbgrader.preprocessors.ClearSolutionRegions",
        "grading.nbgrader.preprocessors.KeepPanelOutputs",
        "nbgrader.preprocessors.CheckCellMetadata",
        "nbgrader.preprocessors.ComputeChecksums",
        "nbgrader.preprocessors.SaveCells",
        "nbgrader.preprocessors.ClearHiddenTests",
        "nbgrader.preprocessors.ComputeChecksums",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]
    c.ClearHiddenTests.begin_test_delimeter = "### BEGIN HIDDEN TESTS"
    c.ClearHiddenTests.end_test_delimeter = "### END HIDDEN TESTS"
    c.Execute.timeout = CELL_TIMEOUT
    c.Execute.interrupt_on_timeout = True

    # Where ``take_over`` does not reach, nothing of a submission runs either.
    c.Autograde.sanitize_preprocessors = ["grading.nbgrader.preprocessors.Refuse"]

    # release_assignment, fetch, submit and collect go through this folder; put a shared one here
    # (writable by everyone) where learners work on the same machine.
    c.Exchange.root = str(CourseFolder(root).exchange)
    c.ExchangeFactory.collect = "grading.nbgrader.exchange.CollectFiles"

    # `nbgrader zip_collect`. It clears its own folder of unpacked files, and what it would print
    # about each file hides the lines that need a look.
    c.ZipCollectApp.extractor_plugin = "grading.nbgrader.extractor.PlatformExtractor"
    c.ZipCollectApp.force = True
    c.ZipCollectApp.log_level = "ERROR"
    c.PlatformExtractor.platform = platform
    c.PlatformExtractor.timezone = timezone


def prepare_process() -> None:
    """Make the environment fit for nbgrader, whether or not the virtual environment is activated.

    nbgrader calls ``alembic`` from PATH when it creates its database, and the kernels of
    ``nbgrader validate`` and our own commands import this repository.
    """
    _put_first("PATH", str(Path(sys.executable).parent))
    _put_first("PYTHONPATH", str(REPOSITORY))


def _put_first(variable: str, folder: str) -> None:
    folders = [part for part in os.environ.get(variable, "").split(os.pathsep) if part]
    if folder not in folders:
        os.environ[variable] = os.pathsep.join([folder, *folders])
