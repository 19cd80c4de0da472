"""The learner's own record of checks and hints: a private local file that nothing else reads.

``check``, ``hint`` and ``solution`` use it, ``python -m course_lib status`` shows it. It is a
convenience: whatever is wrong with the file, they still answer, so nothing in here raises.

The file is a journal. An event is one line, appended in one call, so two kernels that write at once
lose nothing, and a damaged line costs no other.
"""

import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

_FOLDER = "pytorch-training-loop-course"
_FILE = "progress.jsonl"
#: Far more than a course's events; a file that is longer is not ours.
_MOST_BYTES = 4 * 2**20
#: What could not be written, by the file it was meant for: it counts until the kernel ends.
_unwritten: dict[Path, list[bytes]] = {}


@dataclass(frozen=True)
class Record:
    """What a learner did with one exercise. ``passed``: the check said "right" at least once;
    ``tries`` counts the checks up to then; ``hints`` is how many stages were shown."""

    passed: bool = False
    tries: int = 0
    hints: int = 0


def home() -> Path:
    """Where the course keeps what is the learner's alone: ``COURSE_HOME``, or the system's place."""
    if chosen := os.environ.get("COURSE_HOME"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(os.path.expanduser(base)) / _FOLDER


def path() -> Path:
    """The file itself."""
    return home() / _FILE


def load() -> dict[str, Record]:
    """Every exercise tried so far, by name; what cannot be read is passed over."""
    records: dict[str, Record] = {}
    for line in (*_lines(path()), *_unwritten.get(path(), ())):
        with suppress(ValueError, LookupError, TypeError, RecursionError):
            event = json.loads(line)
            name, what = event["name"], event["event"]
            if isinstance(name, str):
                records[name] = _after(records.get(name, Record()), what)
    return records


def of(name: str) -> Record:
    """The record of one exercise."""
    return load().get(name, Record())


def record(name: str, *, passed: bool) -> Record:
    """Write down one run of the check ``name``. What was right once stays right."""
    before = of(name)
    if before.passed:
        return before
    what = "passed" if passed else "tried"
    _append(name, what)
    return _after(before, what)


def record_hint(name: str) -> None:
    """Write down that the next hint of ``name`` was shown."""
    _append(name, "hint")


def _after(before: Record, event: str) -> Record:
    if event == "hint":
        return replace(before, hints=before.hints + 1)
    if event not in ("passed", "tried") or before.passed:
        return before
    return replace(before, passed=event == "passed", tries=before.tries + 1)


def _lines(file: Path) -> list[bytes]:
    try:
        with open(file, "rb") as journal:
            return journal.read(_MOST_BYTES).splitlines()
    except OSError:
        return []


def _append(name: str, event: str) -> None:
    # The line break in front closes a line that another program left open.
    line = b"\n" + json.dumps({"name": name, "event": event}).encode() + b"\n"
    target = path()
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        file = os.open(target, flags, 0o600)
        try:
            os.write(file, line)
        finally:
            os.close(file)
    except OSError:  # a read-only or full home folder must not cost the answer to a check
        _unwritten.setdefault(target, []).append(line)
