"""Which attempts ``watch`` has dealt with, and which one counts: ``<course>/results/attempts``, a file each.

Written when an attempt is in the gradebook and its page is made, so that a stopped ``watch`` does the rest,
and nothing twice.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Literal, get_args

import msgspec
from traitlets.config import Config

from course_lib.chapters import Chapter
from grading.classroom.marks import stored
from grading.classroom.versions import digest
from grading.errors import Problem
from grading.intake.whole_file import write_whole
from grading.nbgrader.exchange import Attempt
from grading.paths import CourseFolder

Counts = Literal["last", "best"]
Feedback = Literal["at once", "after due date"]


@dataclass(frozen=True)
class Policies:
    """``c.Watch`` in ``nbgrader_config.py``. ``attempts_per_day`` is a learner's limit, 0 for none."""

    attempts_per_day: int = 0
    counts: Counts = "last"
    feedback: Feedback = "at once"


def policies_of(config: Config) -> Policies:
    """``Problem`` for a setting that is not one."""
    given = dict(config.Watch)
    allowed = {"counts": get_args(Counts), "feedback": get_args(Feedback)}
    for name, value in given.items():
        if name == "attempts_per_day":
            if not isinstance(value, int) or value < 0:
                raise Problem(f"c.Watch.{name} is {value!r}; it takes a number, 0 for no limit.")
        elif name not in allowed:
            known = ", ".join(("attempts_per_day", *allowed))
            raise Problem(f"c.Watch has no setting {name!r}. It has {known}.")
        elif value not in allowed[name]:
            choice = " or ".join(map(repr, allowed[name]))
            raise Problem(f"c.Watch.{name} is {value!r}; it takes {choice}.")
    return Policies(**given)


@dataclass(frozen=True)
class Note:
    """What became of an attempt; ``score`` is None when it has none, with the reason in ``problem``.
    ``shown`` says whether its page was released."""

    name: str
    learner: str
    score: float | None = None
    problem: str = ""
    shown: bool = False


class Notes:
    """The notes of one chapter, read once and kept up to date."""

    def __init__(self, course: Path, chapter: Chapter) -> None:
        self.folder = CourseFolder(course).attempts(chapter)
        # What cannot be read is dealt with again.
        notes = (stored(file, Note) for file in sorted(self.folder.glob("*.json")))
        self._notes = {note.name: note for note in notes if note is not None}

    def put(self, note: Note) -> None:
        write_whole(self.folder / f"{digest(note.name)}.json", msgspec.json.encode(note))
        self._notes[note.name] = note

    def get(self, attempt: Attempt) -> Note | None:
        return self._notes.get(attempt.folder.name)

    def best(self, learner: str, found: Iterable[Attempt]) -> Attempt | None:
        """The attempt with the most points; the later one of two that are equal."""
        scored = [
            (note.score, attempt.time, attempt)
            for attempt in found
            if attempt.learner == learner and (note := self.get(attempt)) and note.score is not None
        ]
        return max(scored, key=lambda one: one[:2])[2] if scored else None


def over_the_limit(found: Iterable[Attempt], limit: int, zone: tzinfo) -> Iterator[Attempt]:
    """Those that came when the learner had no attempt left on that day; ``found`` is in order."""
    days: dict[tuple[str, object], int] = defaultdict(int)
    for attempt in found:
        day = attempt.learner, attempt.time.astimezone(zone).date()
        days[day] += 1
        if limit and days[day] > limit:
            yield attempt


def next_attempts(found: Iterable[Attempt], notes: Notes, counts: Counts) -> dict[str, Attempt]:
    """Whose attempt is to be graded now, by learner: the newest when the last one counts, else each in
    its turn, the oldest first."""
    waiting: dict[str, Attempt] = {}
    for attempt in found:
        if notes.get(attempt) is None and (counts == "last" or attempt.learner not in waiting):
            waiting[attempt.learner] = attempt
    return waiting
