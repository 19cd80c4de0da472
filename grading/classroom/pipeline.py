"""From the bytes of a submission to its verdicts: repair, run, judge. Called by the commands
``grade`` and ``grade-notebook``; touches no database.

``prepare`` and ``conclude`` need the answers and stay in the grader's process; ``run`` between them
needs nothing but its job and may be sent anywhere.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import nbformat
from nbformat import NotebookNode

from course_lib.chapters import Chapter
from course_lib.drills.own import own_template
from course_lib.exercises import all_exercises, chapter_of
from course_lib.exercises.checking.wire import WireError, pack
from grading.errors import Failure, Problem
from grading.intake.demonstrations import demonstrations
from grading.intake.matching import TEST_SUFFIX, grade_id_of, is_solution, is_test
from grading.intake.reading import printable
from grading.intake.repair import Repaired, repair
from grading.intake.submissions import Submission
from grading.judging.cases import case_set, choose_seed
from grading.judging.judge import (
    failure_from,
    judge_exercise,
    judge_own,
    judge_quiz,
    observation_from,
    quiz_answer_from,
)
from grading.judging.outcomes import ItemOutcome, NotebookOutcome
from grading.judging.review_flags import review_flags
from grading.runner.limits import Limits
from grading.runner.replies import Reply
from grading.runner.run import UNUSABLE, Job, Query, RunRecord

#: The longest message to a learner, in characters.
_MESSAGE = 1_500
#: What git and nbmerge leave where two versions of a cell differ.
_MERGE = re.compile(r"^<{7}( |$).*^>{7}( |$)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Prepared:
    """A repaired submission with the job to run and the case sets that it meets."""

    repaired: Repaired
    job: Job
    seeds: Mapping[str, int]
    untouched: frozenset[str]


@dataclass(frozen=True)
class Graded:
    """The verdicts, and the notebook with the outputs that the learner's cells had."""

    outcome: NotebookOutcome
    notebook: NotebookNode


def prepare(
    submission: Submission,
    release: NotebookNode,
    secret: bytes,
    limits: Limits | None = None,
    sandbox: bool = True,
    warm: bool = True,
) -> Prepared:
    """Repair a submission and choose its cases. Raises ``Unreadable``."""
    repaired = repair(submission.notebook, release)
    queries: dict[str, Query] = {}
    seeds: dict[str, int] = {}
    for cell in release.cells:
        if not is_test(cell):
            continue
        grade_id = grade_id_of(cell)
        name = grade_id.removesuffix(TEST_SUFFIX)
        exercise = all_exercises().get(name)
        if exercise is None:
            queries[grade_id] = Query("quiz", name, (name,))
            continue
        seeds[grade_id] = choose_seed(secret, name, submission.notebook)
        cases = case_set(name, seeds[grade_id]).cases
        queries[grade_id] = Query(
            "exercise",
            name,
            exercise.subjects,
            pack(list(cases)),
            len(cases),
        )
    companions = dict(submission.companions)
    chapter = next(
        (chapter_of(query.name).id for query in queries.values() if query.kind == "exercise"),
        "",
    )
    job = Job(
        repaired.notebook,
        queries,
        chapter,
        companions,
        limits or Limits(),
        sandbox,
        demonstrations(repaired.notebook, release),
        warm,
    )
    return Prepared(repaired, job, seeds, _untouched(repaired.notebook, release))


def foresee(prepared: Prepared) -> None:
    """Work out what ``conclude`` will compare with: once for a case set."""
    for grade_id, seed in prepared.seeds.items():
        case_set(prepared.job.queries[grade_id].name, seed).expected  # noqa: B018 - it is kept


def conclude(
    chapter: Chapter, prepared: Prepared, record: RunRecord, learner: str | None = None
) -> Graded:
    """Judge what came back and put the outputs into the notebook. ``learner`` is the name under which it
    was handed in, where that is known."""
    notebook = prepared.repaired.notebook
    items = []
    for cell in notebook.cells:
        if is_test(cell):
            items.append(_item(cell, prepared, record, learner))
        elif cell.cell_type == "code":
            kept = record.outputs.get(cell.id, [])
            cell.outputs = [nbformat.from_dict(output) for output in kept]
    order = list(prepared.job.queries)
    items.sort(key=lambda item: order.index(item.grade_id))
    notes = (*prepared.repaired.mended, *record.notes, *review_flags(notebook))
    problems = tuple(map(printable, notes))
    return Graded(NotebookOutcome(chapter.id, tuple(items), problems), notebook)


def _item(
    cell: NotebookNode, prepared: Prepared, record: RunRecord, learner: str | None
) -> ItemOutcome:
    grade_id = grade_id_of(cell)
    query = prepared.job.queries[grade_id]
    observed = evidence(query, record.answers[grade_id])
    first = observed[0] if isinstance(observed, list) else observed
    if isinstance(first, Failure) and first.status == "missing":
        observed = _why_missing(query.name, first, prepared, record)
    if query.kind == "quiz" and own_template(query.name) is not None:
        item = judge_own(query.name, observed, learner)
    elif query.kind == "quiz":
        item = judge_quiz(query.name, observed)
    else:
        item = judge_exercise(query.name, prepared.seeds[grade_id], observed)
    points = float(cell.metadata.nbgrader.points)
    if item.max_score != points:
        raise Problem(
            f"{query.name} has {item.max_score:g} points, the released notebook says "
            f"{points:g}: run `python -m grading release`."
        )
    if query.name in prepared.untouched and item.score == 0:
        return replace(item, status="not_attempted", misconception=None, message="Not attempted.")
    aspects = tuple(replace(a, problem=_sayable(a.problem)) for a in item.aspects)
    return replace(item, message=_sayable(item.message), aspects=aspects)


def _sayable(text: str) -> str:
    """One line of bounded length: what is said of a forged error may hold megabytes."""
    return printable(text if len(text) <= _MESSAGE else f"{text[:_MESSAGE]} ...")


def evidence(query: Query, answer: list[Reply] | Failure) -> Any:
    """What the judge takes: a list with an entry per case, a quiz answer, or a ``Failure``."""
    if isinstance(answer, Failure):
        return answer
    read = observation_from if query.kind == "exercise" else quiz_answer_from
    try:
        entries = [
            failure_from(reply.failure, reply.detail) if reply.failure else read(reply.packed)
            for reply in answer
        ]
    except WireError:
        return UNUSABLE
    return entries if query.kind == "exercise" else entries[0]


def _why_missing(name: str, failure: Failure, prepared: Prepared, record: RunRecord) -> Failure:
    """Where a name is not defined: was its cell deleted, or did it raise?"""
    if name in prepared.repaired.missing:
        return Failure("missing", f"The cell of {name} was missing from the submission.")
    for cell in prepared.repaired.notebook.cells:
        if grade_id_of(cell) != name:
            continue
        if _MERGE.search(cell.source):
            return Failure(
                "error",
                f"The cell of {name} holds merge markers (<<<<<<<): two versions of it were merged "
                "and the choice between them was never made. Keep one version and delete the marked lines.",
            )
        for output in record.outputs.get(cell.id, []):
            if output["output_type"] == "error":
                raised = f"{output['ename']}: {output['evalue']}"[:300]
                return Failure("error", f"Your cell raised {raised}, so {name} is not defined.")
    return failure


def _untouched(notebook: NotebookNode, release: NotebookNode) -> frozenset[str]:
    """The exercises whose cell is as it was released."""
    stubs = {grade_id_of(cell): cell.source for cell in release.cells if is_solution(cell)}
    return frozenset(
        grade_id_of(cell)
        for cell in notebook.cells
        if is_solution(cell) and cell.source.strip() == stubs[grade_id_of(cell)].strip()
    )
