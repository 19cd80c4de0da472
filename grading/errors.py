"""What can go wrong, as two types: a ``Problem`` for an author or instructor, a ``Failure`` for a mark.

A ``Problem`` is raised all over ``grading``; the command line prints it as one clear line on stderr
and ends with exit status 2, never with a traceback. A ``Failure`` stands where an observation of a
learner's code is missing.
"""

from dataclasses import dataclass
from typing import Literal

from course_lib.chapters import CHAPTERS, Chapter, find_chapter
from course_lib.errors import Problem

__all__ = ["Failure", "Problem", "Status", "chapter_called", "chapters_called"]

#: What can be said of a test cell.
Status = Literal["passed", "partial", "failed", "error", "timeout", "missing", "not_attempted"]


@dataclass(frozen=True)
class Failure:
    """Why there is no observation: ``status`` is the item's, ``message`` is for the learner."""

    status: Status
    message: str


def chapter_called(name: str) -> Chapter:
    """The chapter with this name or number; ``Problem`` when there is none."""
    try:
        return find_chapter(name)
    except LookupError as error:
        raise Problem(str(error)) from None


def chapters_called(names: list[str]) -> list[Chapter]:
    """The chapters with these names or numbers, in the order of the course; all when none is named."""
    named = {chapter_called(name).id for name in names}
    return [chapter for chapter in CHAPTERS if not names or chapter.id in named]
