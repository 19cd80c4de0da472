"""``python -m course_lib progress export|import FILE``, and ``keep_progress()`` for Colab: a learner's
record outlives the machine. Nothing leaves it unasked.
"""

import os
from pathlib import Path

from course_lib import progress
from course_lib.display import Text, show
from course_lib.errors import Problem

#: Where Colab shows a learner's own Drive, once it is mounted.
DRIVE = "/content/drive/MyDrive"


def export_to(file: Path) -> int:
    """Write the record to ``file``; returns the exit status."""
    text = progress.export()
    if not text:
        raise Problem("there is no progress to export yet: run a check or a quiz first")
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Problem(f"cannot write {file}: {error.strerror or error}") from error
    print(f"{len(text.splitlines())} events are in {file}.")
    return 0


def import_from(file: Path) -> int:
    """Add what ``file`` holds to the record; returns the exit status."""
    try:
        if file.stat().st_size > progress.MOST_BYTES:
            raise Problem(f"{file} is too large to be an exported record")
        added = progress.merge(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Problem(f"cannot read {file}: {error.strerror or error}") from error
    except ValueError as error:
        raise Problem(f"{file} is not an exported record: {error}") from error
    print(f"{added} new events. python -m course_lib status shows where you are.")
    return 0


def keep_progress(folder: str = DRIVE) -> None:
    """Keep the record in ``folder`` from now on, by default in your Google Drive: what is there and
    what is here are joined. Call it after mounting the Drive, in each session."""
    if not Path(folder).is_dir():
        show(
            Text(
                f"{folder} is not there. On Colab, mount your Drive first: "
                'from google.colab import drive; drive.mount("/content/drive")'
            )
        )
        return
    here = progress.export()
    os.environ["COURSE_HOME"] = str(Path(folder) / progress.FOLDER)
    if here:
        progress.merge(here)
    show(Text(f"Your progress is kept in {progress.path()}."))
