"""What the last grading of a chapter said, learner by learner: ``<course>/results/graded``.

Written by ``grade`` when a result is in the gradebook, so that an unchanged one is not written
again; read by ``report``. Plain JSON, a file each.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from course_lib.chapters import Chapter
from grading.classroom.versions import digest
from grading.intake.whole_file import write_whole
from grading.judging.outcomes import NotebookOutcome
from grading.paths import CourseFolder


@dataclass(frozen=True)
class Mark:
    """``key`` is the hash of all that led to the result, "" when it is to be found again; ``by_hand``
    the hash of the scores and comments by hand on the feedback page; ``problem`` says why there is
    no outcome, ``time_problem`` why it is unknown whether it was late."""

    learner: str
    key: str = ""
    by_hand: str = ""
    outcome: NotebookOutcome | None = None
    problem: str = ""
    time_problem: str = ""


class Marks:
    """The marks of one chapter in a course directory."""

    def __init__(self, course: Path, chapter: Chapter) -> None:
        self.folder = CourseFolder(course).marks(chapter)

    def get(self, learner: str) -> Mark | None:
        """The learner's mark; None when there is none that can be read."""
        return stored(self._path(learner), Mark)

    def put(self, mark: Mark) -> None:
        write_whole(self._path(mark.learner), msgspec.json.encode(mark))

    def forget(self, learner: str) -> None:
        self._path(learner).unlink(missing_ok=True)

    def all(self) -> Iterator[Mark]:
        """Every learner's mark, in no order."""
        return filter(None, (stored(path, Mark) for path in self.folder.glob("*.json")))

    def _path(self, learner: str) -> Path:
        # A learner's name may be longer than a file name can be, and differ in case only.
        return self.folder / f"{digest(learner)}.json"


def stored(path: Path, kind: type) -> Any:
    """What a file holds; None when there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError, RecursionError):
        return None
