"""Who may write: one grading of a chapter at a time, since two would tear the same pages, and one ``watch``
of a course. A process that ends, in whatever way, lets go."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

import typer

from course_lib.chapters import Chapter
from grading.errors import Problem
from grading.paths import CourseFolder


def only_writer(course: Path, chapter: Chapter) -> contextlib.AbstractContextManager[None]:
    """Wait until no other process grades the chapter."""
    return _turn(
        CourseFolder(course).turn(chapter),
        f"Another command is grading {chapter.id}; waiting for it ...",
    )


def only_watcher(course: Path) -> contextlib.AbstractContextManager[None]:
    """Wait until no other process watches the course: then this one takes over."""
    return _turn(CourseFolder(course).watch, "Another watch is running; standing by ...")


@contextlib.contextmanager
def _turn(path: Path, waiting: str) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise Problem(f"cannot write {path}: {error.strerror}.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            typer.echo(waiting, err=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
