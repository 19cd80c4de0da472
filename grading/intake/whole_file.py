"""Writes a file whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that at every moment there is the old one, or the new one, whole. Only its
    owner can read it: results say what hidden tests found."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which takes the place of ``path`` when nothing went wrong."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=path.parent, prefix=".new-", ignore_cleanup_errors=True
    ) as place:
        filled, old = Path(place) / "new", Path(place) / "old"
        filled.mkdir()
        yield filled
        if os.path.lexists(path):
            path.rename(old)
        filled.rename(path)
