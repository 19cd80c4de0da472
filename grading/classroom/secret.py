"""The secret that chooses which cases a submission meets. Whoever knows it can compute the hidden
cases, so it lies with the instructor's data, readable by its owner only."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from grading.errors import Problem
from grading.paths import REPOSITORY, CourseFolder

_BYTES = 32


def course_secret(course: Path) -> bytes:
    """The secret of a course directory, made at the first call."""
    return _read_or_make(CourseFolder(course).secret)


def own_secret(course: Path) -> bytes:
    """The course's secret where there is one, else this clone's own: for single notebooks."""
    if CourseFolder(course).secret.is_file():
        return course_secret(course)
    try:
        return _read_or_make(REPOSITORY / ".cache" / "secret")
    except Problem:  # a read-only clone: cases that cannot be foreseen, and differ next time
        return secrets.token_bytes(_BYTES)


def _read_or_make(path: Path) -> bytes:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(_BYTES))
        secret = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise Problem(f"cannot use the secret in {path}: {error}.") from None
    if len(secret) < _BYTES:
        raise Problem(f"{path} is too short to be a secret: delete it and grade again.")
    return secret
