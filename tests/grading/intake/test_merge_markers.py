"""A cell in which two versions were merged and nobody chose: the learner reads that, and not what Python
makes of "<<<<<<<"."""

import json

import nbformat
import pytest

from course_lib.chapters import find_chapter
from grading.classroom.pipeline import Submission, conclude, prepare
from grading.errors import Failure
from grading.intake.matching import grade_id_of
from grading.intake.released import read_release
from grading.paths import released_notebook
from grading.runner.run import RunRecord

CHAPTER = find_chapter("00")
SECRET = b"for tests only, thirty-two bytes"
MERGED = """\
def order_the_beats():
<<<<<<< local
    return ["forward", "loss", "backward", "step"]
=======
    return ["forward", "backward", "loss", "step"]
>>>>>>> remote
"""


def _message(source: str) -> str:
    """What is said of ``order_the_beats`` with this cell, which defines nothing."""
    release = read_release(released_notebook(CHAPTER))
    notebook = nbformat.from_dict(release)
    for cell in notebook.cells:
        if grade_id_of(cell) == "order_the_beats":
            cell.source = source
    prepared = prepare(Submission(json.dumps(notebook).encode()), release, SECRET)
    missing = Failure("missing", "order_the_beats is not defined.")
    graded = conclude(CHAPTER, prepared, RunRecord(dict.fromkeys(prepared.job.queries, missing)))
    items = {item.grade_id: item for item in graded.outcome.items}
    return items["order_the_beats__test"].message


@pytest.mark.parametrize(
    "source",
    [
        MERGED,
        MERGED.replace("<<<<<<< local", "<<<<<<< HEAD").replace(">>>>>>> remote", ">>>>>>> 4f1c"),
        MERGED.replace("<<<<<<< local", "<<<<<<<").replace(">>>>>>> remote", ">>>>>>>"),
        MERGED.replace("=======", "||||||| base\n    pass\n======="),
    ],
)
def test_merge_markers_are_named(source):
    assert "holds merge markers (<<<<<<<)" in _message(source)


@pytest.mark.parametrize(
    "source", ["x = 1", "# <<<<<<< not one", 'text = """\n<<<<<<< local\n"""', "1 <<<<<<< 2"]
)
def test_other_cells_are_told_what_is_missing(source):
    assert "merge" not in _message(source)
