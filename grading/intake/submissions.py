"""Finds what learners handed in: ``<course>/submitted/<learner>/<chapter>/<chapter>.ipynb`` and the
files beside it. Reads with bounds and follows no link: a submission's folder is a stranger's."""

import contextlib
import errno
import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from course_lib.chapters import Chapter
from grading.intake.reading import MAX_BYTES, Unreadable, printable
from grading.intake.times import MOST

_COMPANION_BYTES = 20 * 2**20
_COMPANION_FILES = 200
#: How many of those that are not used are named.
_COMPANIONS_NAMED = 10
#: What is never handed to the kernel: other notebooks, nbgrader's own files, editors' folders.
TIME = "timestamp.txt"
#: What a time of submission said before it was written as nbgrader reads it.
ORIGINAL_TIME = "timestamp.original.txt"
#: By which `nbgrader fetch_feedback` finds a submission's page; `nbgrader submit` makes it.
SECRET = "submission_secret.txt"
_LEFT_OUT = (TIME, ORIGINAL_TIME, SECRET, ".ipynb_checkpoints", "__pycache__")


@dataclass(frozen=True)
class Submission:
    """Everything that a learner handed in: the notebook's bytes and files beside it by name."""

    notebook: bytes
    companions: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class HandedIn:
    """One learner's folder for a chapter. ``mended`` says what was unusual about its files;
    ``other`` is a second folder of the same learner, whose name only looks the same."""

    learner: str
    folder: Path
    mended: list[str] = field(default_factory=list)
    other: Path | None = None

    def notebook(self, chapter: Chapter) -> bytes:
        """The notebook's bytes. Raises ``Unreadable``."""
        if not os.access(self.folder, os.R_OK | os.X_OK):
            raise Unreadable("its folder cannot be read: change its permissions")
        if self.other is not None:
            raise Unreadable(
                "it was handed in twice, in two folders whose names look the same (an accented letter "
                "as one character, and as two): delete one of them"
            )
        path = self.folder / f"{chapter.id}.ipynb"
        if not os.path.lexists(path):
            path = self._other_name(chapter)
        return _read(path, MAX_BYTES)

    def timestamp(self) -> bytes | None:
        """What says when it was handed in (``intake.times`` reads it); None without such a file.
        Raises ``Unreadable``."""
        for name in (TIME, ORIGINAL_TIME):
            if os.path.lexists(self.folder / name):
                return _read(self.folder / name, MOST)
        return None

    def secret(self) -> str:
        """What nbgrader's ``submit`` made; "" without it."""
        try:
            data = _read(self.folder / SECRET, MOST)
        except Unreadable:
            return ""
        return data.decode() if re.fullmatch(rb"[0-9a-f]{32,}", data) else ""

    def companions(self) -> dict[str, bytes]:
        """The files beside the notebook, by their path inside the folder."""
        found: dict[str, bytes] = {}
        left, unused = _COMPANION_BYTES, 0
        for path in sorted(_files(self.folder)):
            try:
                data = _read(path, left)
            except Unreadable as error:
                unused += 1
                if unused <= _COMPANIONS_NAMED:
                    self.mended.append(f"{printable(path.name)} was not used: {error}.")
                continue
            if len(found) == _COMPANION_FILES:
                self.mended.append(f"Only {_COMPANION_FILES} of the files beside it were used.")
                break
            left -= len(data)
            found[str(path.relative_to(self.folder))] = data
        if unused > _COMPANIONS_NAMED:
            self.mended.append(f"{unused - _COMPANIONS_NAMED} more files were not used.")
        return found

    def _other_name(self, chapter: Chapter) -> Path:
        """A browser or learner may have renamed it: ``05_complete_loop (1).ipynb``."""
        notebooks = sorted(self.folder.glob("*.ipynb"))
        named = [path for path in notebooks if chapter.id in path.name] or notebooks
        if len(named) != 1:
            raise Unreadable(
                f"{chapter.id}.ipynb is missing"
                + (f", and {len(named)} notebooks could be meant" if named else "")
            )
        self.mended.append(f"The notebook was named {named[0].name!r}.")
        return named[0]


def submissions(folder: Path, chapter: Chapter) -> list[HandedIn]:
    """Everyone who has a folder for the chapter below ``folder`` (``<course>/submitted``)."""
    if not folder.is_dir():
        return []
    found: dict[str, list[Path]] = {}
    for learner in sorted(folder.iterdir()):
        if is_folder(learner) and is_folder(learner / chapter.id):
            found.setdefault(unicodedata.normalize("NFC", learner.name), []).append(learner)
    return [_one_learner(folder / name, folders, chapter) for name, folders in found.items()]


def _one_learner(composed: Path, folders: list[Path], chapter: Chapter) -> HandedIn:
    """macOS writes accented letters as two characters, others as one: it is one learner. The folder
    gets the composed name, since nbgrader would otherwise list two people."""
    first, *others = folders
    if others:
        return HandedIn(composed.name, composed / chapter.id, other=first / chapter.id)
    if first.name != composed.name and not os.path.lexists(composed / chapter.id):
        with contextlib.suppress(OSError):
            if is_folder(composed):
                (first / chapter.id).rename(composed / chapter.id)
            else:
                first.rename(composed)
    folder = composed if is_folder(composed / chapter.id) else first
    return HandedIn(composed.name, folder / chapter.id)


def is_folder(path: Path) -> bool:
    """A folder and no link to one. So is what may not be looked at: it is then reported, and not
    passed over."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except PermissionError:
        return True
    except OSError:
        return False


def _files(folder: Path) -> Iterator[Path]:
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        for name in names:
            if name not in _LEFT_OUT and not name.endswith(".ipynb"):
                yield Path(top) / name


def _read(path: Path, most: int) -> bytes:
    """A regular file's bytes; no link is followed, no pipe is waited for."""
    name = printable(path.name)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            # Asked of what was opened, before it becomes a file: Python makes none of a folder.
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Unreadable(f"{name} is not an ordinary file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(most + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Unreadable(f"{name} is a link, and links are not followed") from None
        raise Unreadable(f"{name} cannot be read ({error.strerror})") from None
    if len(data) > most:
        size = f"{most // 2**20} MB" if most >= 2**20 else f"{most} bytes"
        raise Unreadable(f"{name} is larger than {size}")
    return data
