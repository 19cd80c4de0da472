"""nbgrader's settings for this course. A course directory's ``nbgrader_config.py`` calls
``configure``; so do nbgrader's own commands and formgrader, which read that file."""

import os
import sys
from pathlib import Path
from typing import Any

from course_lib.chapters import CHAPTERS
from grading.paths import REPOSITORY, CourseFolder

COURSE_ID = "pytorch-training-loop"
#: Seconds for one cell under plain ``nbgrader autograde``.
CELL_TIMEOUT = 120


def configure(c: Any, root: Path) -> None:
    """Set up ``c`` (a traitlets ``Config``) for the course directory ``root``."""
    prepare_process()
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

    # release_assignment, fetch, submit and collect go through this folder; put a shared one here
    # (writable by everyone) where learners work on the same machine.
    c.Exchange.root = str(CourseFolder(root).exchange)

    # `nbgrader zip_collect`: a learning platform's archive names the learner first, up to a "_", in
    # the file's name or in a folder's: ann_4711_05_complete_loop.ipynb, ann_4711_file_/05_comp...
    chapters = "|".join(chapter.id for chapter in CHAPTERS)
    c.FileNameCollectorPlugin.named_regexp = (
        r".*[/\\]extracted[/\\][^/\\]+[/\\](?P<student_id>[^/\\_]+)_"
        rf".*?(?P<file_id>{chapters})[^/\\]*\.ipynb$"
    )
    c.ZipCollectApp.extractor_plugin = "grading.nbgrader.extractor.BoundedExtractor"


def prepare_process() -> None:
    """Make the environment fit for nbgrader, whether or not the virtual environment is activated.

    nbgrader calls ``alembic`` from PATH when it creates its database, and the kernels of plain
    ``nbgrader autograde`` import this repository.
    """
    _put_first("PATH", str(Path(sys.executable).parent))
    _put_first("PYTHONPATH", str(REPOSITORY))


def _put_first(variable: str, folder: str) -> None:
    folders = [part for part in os.environ.get(variable, "").split(os.pathsep) if part]
    if folder not in folders:
        os.environ[variable] = os.pathsep.join([folder, *folders])
