"""How tests hand in a notebook: samples, damage to them, and grading in the sandbox."""

import json
from collections.abc import Mapping
from pathlib import Path

from nbformat import NotebookNode

from course_lib.chapters import find_chapter
from grading.classroom.pipeline import Graded, Submission, conclude, prepare
from grading.intake.matching import grade_id_of
from grading.judging.outcomes import ItemOutcome
from grading.runner.limits import Limits
from grading.runner.run import RunRecord, run
from grading.sample_class import SAMPLES

CHAPTER = find_chapter("05")
SECRET = b"for tests only, thirty-two bytes"
EXERCISES = ("train_one_epoch", "fit", "train_with_accumulation")
QUESTIONS = ("q05_1", "q05_2", "q05_3")


def sample(learner: str) -> Path:
    return SAMPLES / CHAPTER.id / f"{learner}.py"


def place_of(notebook: NotebookNode, grade_id: str) -> int:
    return next(i for i, cell in enumerate(notebook.cells) if grade_id_of(cell) == grade_id)


def cell_named(notebook: NotebookNode, grade_id: str) -> NotebookNode:
    return notebook.cells[place_of(notebook, grade_id)]


def as_bytes(notebook: NotebookNode) -> bytes:
    return json.dumps(notebook).encode()  # as it is: nbformat would mend things while writing


def in_sandbox(
    notebook: NotebookNode,
    release: NotebookNode,
    companions: Mapping[str, bytes] | None = None,
    warm: bool = True,
    **limits: float,
) -> tuple[dict[str, ItemOutcome], Graded, RunRecord]:
    """Grade in the sandbox: items by name, everything, and what the run brought back."""
    prepared = prepare(
        Submission(as_bytes(notebook), companions or {}),
        release,
        SECRET,
        Limits(**limits),
        warm=warm,
    )
    record = run(prepared.job)
    graded = conclude(CHAPTER, prepared, record)
    items = {item.grade_id.removesuffix("__test"): item for item in graded.outcome.items}
    return items, graded, record
