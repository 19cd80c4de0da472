"""What became of each submission, and everyone's in one file for programs: ``grade CHAPTER --json FILE``."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from course_lib.chapters import Chapter
from grading.errors import Problem
from grading.intake.whole_file import write_whole
from grading.judging.outcomes import NotebookOutcome

#: What a result took: a kernel, only judging, or nothing at all.
Work = Literal["run", "judged", "unchanged"]


@dataclass(frozen=True)
class Result:
    """What became of one submission: an outcome with its feedback page, or why there is none.
    ``time_problem`` says why it is unknown whether it was late."""

    learner: str
    outcome: NotebookOutcome | None = None
    feedback: Path | None = None
    problem: str = ""
    work: Work = "run"
    time_problem: str = ""


def write_results(file: Path, chapter: Chapter, results: Sequence[Result]) -> None:
    """``learners`` has the object of ``grade-notebook --json`` for each learner; who has none is in
    ``not_graded`` with the reason, and ``time_unknown`` says why it is unknown whether one was late.
    The file is whole or as it was before."""
    tree = {
        "notebook": chapter.id,
        "learners": {one.learner: one.outcome.as_json() for one in results if one.outcome},
        "not_graded": {one.learner: one.problem for one in results if not one.outcome},
        "time_unknown": {one.learner: one.time_problem for one in results if one.time_problem},
    }
    # A folder's name may be no text at all: then it is written with replacements, as it is shown.
    text = json.dumps(tree, ensure_ascii=False, indent=1)
    try:
        write_whole(file, text.encode("utf-8", "replace") + b"\n")
    except OSError as error:
        raise Problem(f"cannot write {file}: {error.strerror or error}.") from None
