"""Puts what was collected where ``grade`` looks for it, and remembers it beside the downloads.

Called by ``grading.nbgrader.extractor``. A second download changes only what is new in it: newer
attempts replace older ones, which are kept; what an instructor mended by hand stays. The record,
``collected.json``, also tells ``export --feedback`` under which names the platform takes files back.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from course_lib.chapters import Chapter
from grading.intake.collect import Collection, Found, Left
from grading.intake.whole_file import new_folder, write_whole

RECORD_NAME = "collected.json"


@dataclass(frozen=True)
class Entry:
    """What was collected from one person: ``member`` is the file's path in the platform's archive."""

    learner: str
    key: str
    name: str
    number: str
    platform: str
    archive: str
    member: str
    digest: str
    attempt: list
    time: str | None
    late: bool


@dataclass
class Delivered:
    """Learners by what became of their submission, and files that were not taken."""

    new: list[str] = field(default_factory=list)
    newer: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    undated: list[str] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """For the instructor, what needs a look last."""
        for what, learners in (
            ("new", self.new),
            ("newer attempt", self.newer),
            ("unchanged", self.unchanged),
            ("kept, since what was collected before is newer", self.kept),
        ):
            if learners:
                yield f"  {what}: {len(learners)} ({', '.join(learners)})"
        for learner, note in self.notes.items():
            yield f"  {learner}: {note}"
        if self.undated:
            yield (
                f"  {len(self.undated)} times of submission are without a time zone and not used; "
                'name it in nbgrader_config.py: configure(..., timezone="Europe/Berlin")'
            )
        if self.left:
            yield f"Not collected: {len(self.left)}"
        for left in self.left:
            yield f"  ! {left.path}: {left.reason}"


class Record:
    """``collected.json`` of one chapter's downloads."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / RECORD_NAME
        self.entries: dict[tuple[str, str], Entry] = {}
        try:
            for tree in json.loads(self.path.read_bytes()):
                entry = Entry(**tree)
                self.entries[entry.platform, entry.key] = entry
        except (OSError, ValueError, TypeError):
            self.entries = {}

    def names(self, platform: str) -> dict[str, str]:
        """Learners by the platform's key."""
        return {key: e.learner for (where, key), e in self.entries.items() if where == platform}

    def put(self, entry: Entry) -> None:
        self.entries[entry.platform, entry.key] = entry

    def save(self) -> None:
        trees = [asdict(entry) for _, entry in sorted(self.entries.items())]
        write_whole(self.path, json.dumps(trees, indent=1, ensure_ascii=False).encode())


def deliver(
    collection: Collection,
    platform: str,
    chapter: Chapter,
    submitted: Path,
    record: Record,
    zone: ZoneInfo | None = None,
) -> Delivered:
    """Write the notebooks below ``submitted``; one that cannot be written is a line, no more."""
    delivered = Delivered(left=list(collection.left))
    try:
        for found in collection.found:
            entry = _entry(found, platform, zone)
            folder = submitted / found.learner / chapter.id
            try:
                what = _deliver(found, chapter, folder, record, entry)
            except OSError as error:
                reason = f"could not be written: {error.strerror or error}"
                delivered.left.append(Left(found.name, reason, found.learner))
                continue
            getattr(delivered, what).append(found.learner)
            if what != "kept":
                record.put(entry)
                if found.note:
                    delivered.notes[found.learner] = found.note
                if found.owner.time is not None and entry.time is None:
                    delivered.undated.append(found.learner)
    finally:
        if record.entries:
            record.save()
    return delivered


def _entry(found: Found, platform: str, zone: ZoneInfo | None) -> Entry:
    owner = found.owner
    return Entry(
        learner=found.learner,
        key=owner.key,
        name=owner.name,
        number=owner.number,
        platform=platform,
        archive=found.archive,
        member=found.name,
        digest=found.digest,
        attempt=list(found.attempt),
        time=in_utc(owner.time, zone),
        late=owner.late,
    )


def _deliver(found: Found, chapter: Chapter, folder: Path, record: Record, entry: Entry) -> str:
    """The name of the list in ``Delivered`` to which the learner belongs."""
    notebook = folder / f"{chapter.id}.ipynb"
    before = record.entries.get((entry.platform, entry.key))
    data = found.file.read_bytes()
    if before is not None and notebook.is_file():
        if before.digest == found.digest and before.time == entry.time:
            return "unchanged"
        if before.attempt > entry.attempt:
            return "kept"
    elif notebook.is_file() and notebook.read_bytes() == data and entry.time is None:
        return "unchanged"
    there = folder.is_dir() and any(folder.iterdir())
    _write(folder, notebook.name, data, entry.time, record.path.parent / "replaced")
    return "newer" if there else "new"


def _write(folder: Path, name: str, data: bytes, time: str | None, replaced: Path) -> None:
    """The whole folder or none of it. What was there before is kept in ``replaced``."""
    with new_folder(folder) as fresh:
        fresh.chmod(0o755)
        (fresh / name).write_bytes(data)
        if time is not None:
            (fresh / "timestamp.txt").write_text(time, encoding="utf-8")
        if os.path.lexists(folder) and any(folder.iterdir()):  # refused where it is a file
            place = replaced / folder.parent.name
            place.mkdir(parents=True, exist_ok=True)
            folder.rename(place / str(1 + sum(1 for _ in place.iterdir())))


def in_utc(time: datetime | None, zone: ZoneInfo | None) -> str | None:
    """As nbgrader writes times of submission. None for a time whose zone is unknown, and for one that
    the clocks showed twice or never."""
    if time is None or (time.tzinfo is None and zone is None):
        return None
    if time.tzinfo is None:
        first, second = (time.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
        if first.utcoffset() != second.utcoffset():
            return None
        time = first
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
