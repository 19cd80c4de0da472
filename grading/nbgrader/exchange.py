"""The shared exchange folder: what learners hand in is copied from there (``nbgrader collect`` and
``watch``), and feedback pages go there. Whatever is in it is a stranger's."""

import os
import pwd
import shutil
import stat
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange import ExchangeError
from nbgrader.exchange.default import ExchangeCollect, ExchangeReleaseFeedback
from nbgrader.utils import ignore_patterns
from traitlets.config import Config

from grading.errors import Problem
from grading.intake.submissions import SECRET
from grading.intake.times import UnknownTime, read_time
from grading.intake.whole_file import new_folder
from grading.nbgrader.reasons import reason_of


@dataclass(frozen=True)
class Attempt:
    """A submission as it lies in the exchange folder."""

    learner: str
    time: datetime
    folder: Path


class CollectFiles(ExchangeCollect):
    """Takes ordinary files alone. nbgrader follows links, as the instructor: the gradebook would be
    copied to whoever put a link to it into the exchange folder. And a pipe would end the collection."""

    def do_copy(self, src: str, dest: str, log: Any = None) -> None:
        source = Path(src)
        learner = source.name.rsplit("+", 3)[0]
        if not _may_be_from(learner, source):
            self.log.error("Not collected, %r cannot be from %r: look who made it", src, learner)
            return
        _copy_files(source, Path(dest), self.coursedir, self.log.warning)


def attempts(config: Config, assignment: str) -> list[Attempt]:
    """Everything that was handed in and is there as a whole, in the order of its times."""
    collect = ExchangeCollect(config=config, coursedir=CourseDirectory(config=config))
    inbound = Path(collect.root) / collect.coursedir.course_id / "inbound"
    if not inbound.is_dir():
        return []
    found = []
    for folder in inbound.iterdir():
        learner, *rest = folder.name.rsplit("+", 3)
        # nbgrader writes the secret last.
        if len(rest) != 3 or rest[0] != assignment or not (folder / SECRET).is_file():
            continue
        with suppress(UnknownTime):
            if _may_be_from(learner, folder):
                name = unicodedata.normalize("NFC", learner)  # as ``submissions`` calls them
                found.append(Attempt(name, read_time(rest[1].encode()), folder))
    return sorted(found, key=lambda attempt: (attempt.time, attempt.folder.name))


def take(config: Config, attempt: Attempt, to: Path) -> None:
    """Let the folder ``to`` hold the attempt: at every moment there is the old one or the new."""
    coursedir = CourseDirectory(config=config)
    try:
        with new_folder(to) as folder:
            _copy_files(attempt.folder, folder, coursedir, lambda *_: None)
    except (OSError, RuntimeError) as error:
        raise Problem(f"cannot take {attempt.folder.name}: {reason_of(error)}.") from None


def release_page(config: Config, learner: str, assignment: str) -> None:
    """Put a learner's feedback page where ``fetch_feedback`` finds it."""
    coursedir = CourseDirectory(config=config, student_id=learner, assignment_id=assignment)
    try:
        ExchangeReleaseFeedback(config=config, coursedir=coursedir).start()
    except (ExchangeError, OSError) as error:
        raise Problem(f"cannot release the page of {learner}: {reason_of(error)}.") from None


def _may_be_from(learner: str, folder: Path) -> bool:
    """Where the learner has an account on this machine, only that account speaks for them. And no one is
    called "..": the name becomes a folder's."""
    if not learner or learner.startswith("."):
        return False
    with suppress(KeyError, OSError):
        return folder.lstat().st_uid == pwd.getpwnam(learner).pw_uid
    return True


def _copy_files(
    source: Path, to: Path, coursedir: CourseDirectory, warn: Callable[..., None]
) -> None:
    """Copy the ordinary files that the course's settings do not leave out."""
    ignored = ignore_patterns(
        exclude=coursedir.ignore, include=coursedir.include, max_file_size=coursedir.max_file_size
    )
    left = 1000 * coursedir.max_dir_size
    to.mkdir(parents=True, exist_ok=True)
    # Opened by descriptors: the owner may put a link in a file's place at any moment.
    for top, folders, names, descriptor in os.fwalk(source, follow_symlinks=False):
        left_out = ignored(top, [*folders, *names])
        folders[:] = [name for name in folders if name not in left_out]
        place = to / os.path.relpath(top, source)
        place.mkdir(exist_ok=True)
        for name in names:
            if name in left_out:
                continue
            copied = _copy(name, descriptor, place / name, left)
            if copied is None:
                warn("Not collected, it is not an ordinary file: %s/%s", top, name)
            else:
                left -= copied


def _copy(name: str, folder: int, to: Path, most: float) -> int | None:
    """The file's size; None when it is not an ordinary file. ``RuntimeError`` when it is too large."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return None
        if found.st_size > most:
            raise RuntimeError("it is larger than CourseDirectory.max_dir_size")
        with os.fdopen(descriptor, "rb", closefd=False) as source, to.open("xb") as copy:
            shutil.copyfileobj(source, copy)
    finally:
        os.close(descriptor)
    return found.st_size
