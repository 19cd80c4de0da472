"""Makes nbgrader agree with us about a time of submission. Called by ``grade``.

Formgrader and ``collect`` read ``timestamp.txt`` themselves: one that nbgrader reads in another way, or
not at all, would leave the submission "needs autograding" for ever or take the page down. What the
file said stays beside it.
"""

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from nbgrader.utils import parse_utc
from traitlets.config import Config

from grading.intake.submissions import ORIGINAL_TIME, TIME
from grading.intake.times import utc_text, zone_called
from grading.intake.whole_file import write_whole


def course_zone(config: Config) -> ZoneInfo | None:
    """The course's own time zone, if its settings name one."""
    names = (config.PlatformExtractor.get("timezone"), config.Exchange.get("timezone"))
    zones = (zone_called(name) for name in names if isinstance(name, str) and name)
    return next(filter(None, zones), None)


def agree(folder: Path, data: bytes, time: datetime | None) -> None:
    """``data`` is what the folder's file says, ``time`` what it means, None for an unknown time."""
    file, original = folder / TIME, folder / ORIGINAL_TIME
    if not file.is_file() or file.is_symlink() or _as_nbgrader(data) == time:
        return
    with contextlib.suppress(OSError):  # then nbgrader keeps its own opinion; ours is what counts
        file.replace(original)
        if time is not None:
            write_whole(file, utc_text(time).encode())
            file.chmod(0o644)


def _as_nbgrader(data: bytes) -> datetime | None:
    """The time that nbgrader reads, in UTC; now, which nothing equals, when it stumbles."""
    try:
        text = data.decode().strip()
        found = parse_utc(text) if text else None
    except Exception:  # dateutil raises whatever the text provokes
        return datetime.now(UTC)
    return None if found is None else found.replace(tzinfo=UTC)
