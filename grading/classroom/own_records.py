"""What learners let their instructor have of their own records: ``hand_in(..., progress=True)`` puts it into
the notebook's metadata. Read by ``report`` as data of a stranger: bounded, checked, never a mark."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec

from course_lib.chapters import CHAPTERS
from course_lib.exercises import all_exercises
from course_lib.gain import IDEAS
from course_lib.quiz import LETTERS
from grading.intake.reading import Unreadable, printable, read_notebook
from grading.intake.submissions import submissions
from grading.paths import CourseFolder

_LETTERS = re.compile(rf"[{''.join(LETTERS)}-]{{{len(IDEAS)}}}")
#: More tries or hints than anybody has patience for.
_MOST = 100_000
_PARTS = {"before", "after", "exercises"}
_KEY = b'"progress"'


class Effort(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one exercise took: checks up to the first right one, and hints."""

    passed: bool
    tries: Annotated[int, msgspec.Meta(ge=0, le=_MOST)]
    hints: Annotated[int, msgspec.Meta(ge=0, le=_MOST)]


@dataclass(frozen=True)
class OwnRecord:
    """``before`` and ``after`` are ten letters each, "" where they are not there."""

    before: str = ""
    after: str = ""
    exercises: Mapping[str, Effort] = field(default_factory=dict)


def own_records(course: Path) -> tuple[dict[str, OwnRecord], list[str]]:
    """The records by learner, and a line for each that cannot be used. Where several notebooks of a learner
    have one, the last chapter's counts, and what it lacks is taken from those before."""
    found: dict[str, OwnRecord] = {}
    problems: list[str] = []
    folder = CourseFolder(course).submitted
    for chapter in CHAPTERS:
        for one in submissions(folder, chapter):
            with suppress(Unreadable):  # `grade` says so
                try:
                    record = _record_in(one.notebook(chapter))
                except ValueError as error:
                    problems.append(f"{printable(one.learner)}, {chapter.number}: {error}")
                    continue
                if record is not None:
                    earlier = found.get(one.learner, OwnRecord())
                    found[one.learner] = OwnRecord(
                        record.before or earlier.before,
                        record.after or earlier.after,
                        {**earlier.exercises, **record.exercises},
                    )
    return found, problems


def _record_in(notebook: bytes) -> OwnRecord | None:
    """The record in a notebook; None where it has none. ``ValueError`` where it is not one that
    ``hand_in`` makes."""
    if _KEY not in notebook:  # nearly all: not worth reading the whole
        return None
    course = read_notebook(notebook).metadata.get("course")
    raw = course.get("progress") if isinstance(course, dict) else None
    if raw is None:
        return None
    if not isinstance(raw, dict) or not raw.keys() <= _PARTS:
        raise ValueError("its record has parts that hand_in does not write; left out")
    letters = []
    for when in ("before", "after"):
        given = raw.get(when, "")
        if given != "" and not (isinstance(given, str) and _LETTERS.fullmatch(given)):
            raise ValueError(f"its answers {when} the course are not ten letters; left out")
        letters.append(given)
    return OwnRecord(*letters, _exercises(raw.get("exercises", {})))


def _exercises(raw: Any) -> dict[str, Effort]:
    if not isinstance(raw, dict) or not raw.keys() <= all_exercises().keys():
        raise ValueError("its record names exercises that are not of this course; left out")
    found = {}
    for name, one in raw.items():
        try:
            found[name] = msgspec.convert(one, Effort)
        except msgspec.ValidationError:
            raise ValueError(f"its record of {name} cannot be read; left out") from None
    return found
