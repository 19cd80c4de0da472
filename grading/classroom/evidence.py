"""``python -m grading observed CHAPTER LEARNER``: the evidence for a mark, case by case: what went in,
what was expected, what came. From the stored run; no kernel is started, nothing is written."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from course_lib.exercises.checking.model import Observation
from course_lib.exercises.checking.wire import Foreign
from grading.classroom.cache import ResultStore, job_key
from grading.classroom.pipeline import Submission, evidence, prepare
from grading.classroom.secret import course_secret
from grading.errors import Failure, Problem, chapter_called
from grading.intake.reading import Unreadable, printable
from grading.intake.released import read_release
from grading.intake.submissions import submissions
from grading.judging.cases import case_set
from grading.paths import CourseFolder
from grading.runner.replies import Reply
from grading.runner.run import Query

_WIDTH = 100


def observed(name: str, learner: str, course: Path, exercise: str | None = None) -> Iterator[str]:
    """The lines to print. Raises ``Problem`` when there is no stored run of that submission."""
    chapter = chapter_called(name)
    folder = CourseFolder(course)
    found = [one for one in submissions(folder.submitted, chapter) if one.learner == learner]
    if not found:
        raise Problem(f"no submission from {learner!r} in {folder.submitted}/.")
    release = read_release(folder.release(chapter))
    try:
        submission = Submission(found[0].notebook(chapter), found[0].companions())
        prepared = prepare(submission, release, course_secret(course))
    except Unreadable as error:
        raise Problem(f"the submission from {learner} cannot be read: {error}") from None
    names = [query.name for query in prepared.job.queries.values()]
    if exercise is not None and exercise not in names:
        raise Problem(f"no exercise {exercise!r} in {chapter.id}. It has {', '.join(names)}.")
    record = ResultStore(folder.runs).get(job_key(prepared.job))
    if record is None:
        raise Problem(
            f"no run of this submission with this version of the course is stored: "
            f"`python -m grading grade {chapter.number}` makes "
            "it (a run that a time limit cut short is not kept, nor one without a sandbox)."
        )
    for grade_id, query in prepared.job.queries.items():
        if exercise in (None, query.name):
            yield f"== {query.name}"
            yield from _of(query, record.answers[grade_id], prepared.seeds.get(grade_id))


def _of(query: Query, answer: list[Reply] | Failure, seed: int | None) -> Iterator[str]:
    observed = evidence(query, answer)
    if isinstance(observed, Failure):
        yield _said(observed)
        return
    if seed is None:
        yield f"   answered {_shown(observed)}"
        return
    cases = case_set(query.name, seed)
    pairs = zip(cases.cases, cases.expected, observed, strict=True)
    for number, (case, expected, got) in enumerate(pairs, 1):
        yield f"-- case {number}: {_shown(case)}"
        if isinstance(got, Failure):
            yield _said(got)
        else:
            yield from _compared(expected, cases.exercise.read(case, got))


def _said(failure: Failure) -> str:
    return f"   {failure.status}: {printable(failure.message)}"


def _compared(expected: Observation, got: Observation) -> Iterator[str]:
    for field, value in expected.values.items():
        came = _shown(got.values[field]) if field in got.values else "not observed"
        yield f"   {field}: expected {_shown(value)}"
        yield f"   {' ' * len(field)}       came {came}"
    if got.error is not None:
        yield f"   raised {_shown([got.error.type, got.error.message, got.error.line])}"


def _shown(value: Any) -> str:
    """A value in one line of bounded length: it may be a learner's."""
    if isinstance(value, torch.Tensor):
        text = f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)} {value.flatten()[:6].tolist()}"
    elif isinstance(value, Foreign):
        text = f"a {value.type_name} {value.text}"
    elif isinstance(value, dict):
        text = ", ".join(f"{key}={_shown(item)}" for key, item in list(value.items())[:12])
    elif isinstance(value, list | tuple):
        text = f"{type(value).__name__} of {len(value)}: " + ", ".join(map(_shown, value[:8]))
    else:
        text = repr(value)
    text = printable(text)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."
