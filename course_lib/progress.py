"""The learner's own record of passed checks: a private local file that nobody else reads.

``check(...)`` writes it, ``python -m course_lib status`` shows it. It is a convenience: whatever is
wrong with the file, a check still answers, so nothing in here raises.
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_FOLDER = "pytorch-training-loop-course"
_FILE = "progress.json"


@dataclass(frozen=True)
class CheckRecord:
    """``passed``: the check said "right" at least once; ``tries`` counts the checks up to then."""

    passed: bool = False
    tries: int = 0


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


def load() -> dict[str, CheckRecord]:
    """Every exercise tried so far, by name; empty when there is no file or it cannot be read."""
    try:
        checks = json.loads(path().read_text(encoding="utf-8"))["checks"]
        return {str(name): _record_of(entry) for name, entry in checks.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def record(name: str, *, passed: bool) -> None:
    """Write down one run of the check ``name``. What was right once stays right."""
    checks = load()
    before = checks.get(name, CheckRecord())
    if before.passed:
        return
    checks[name] = CheckRecord(passed=passed, tries=before.tries + 1)
    # A read-only or full home folder must not cost the learner the answer to a check.
    with suppress(OSError):
        _write(checks)


def _record_of(entry: Mapping) -> CheckRecord:
    return CheckRecord(passed=entry["passed"] is True, tries=int(entry["tries"]))


def _write(checks: Mapping[str, CheckRecord]) -> None:
    """Replace the file in one move, so that another kernel never reads half of it."""
    text = json.dumps({"checks": {name: asdict(check) for name, check in checks.items()}}, indent=1)
    target = path()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # mkstemp makes files that only their owner can read.
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".progress-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
