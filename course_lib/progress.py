"""The learner's own record of checks, hints and answers: a private local file.

``check``, ``hint``, ``solution`` and ``check_quiz`` use it, ``python -m course_lib status`` shows it. It is a
convenience: whatever is wrong with the file, they still answer, so nothing in here raises.

The file is a journal. An event is one line, appended in one call, so two kernels that write at once
lose nothing, and a damaged line costs no other.
"""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

FOLDER = "pytorch-training-loop-course"
_FILE = "progress.jsonl"
#: Far more than a course's events; a file that is longer is not ours.
MOST_BYTES = 4 * 2**20
#: What could not be written, by the file it was meant for: it counts until the kernel ends.
_unwritten: dict[Path, list[bytes]] = {}


@dataclass(frozen=True)
class Record:
    """What a learner did with one exercise or question. ``passed``: the check said "right" at least
    once; ``tries`` counts the checks up to then; ``hints`` is how many stages were shown.
    ``answers`` are those given to a question, the first one first, and ``right_at_first`` says
    whether that one was right. ``prediction`` is what a learner expected, ``late`` when the outcome had
    been seen; ``outcome`` says whether it came true, None before that. ``reviews`` are the answers to a
    question with their time, in the quiz or when it came back; ``asked`` the questions of a ``recall``."""

    passed: bool = False
    tries: int = 0
    hints: int = 0
    answers: tuple[str, ...] = ()
    right_at_first: bool = False
    prediction: str = ""
    late: bool = False
    outcome: bool | None = None
    reviews: tuple["Review", ...] = ()
    recalled: str = ""
    asked: tuple[str, ...] = ()

    @property
    def last_right(self) -> bool | None:
        """Whether the last answer to a question was right; None before the first."""
        return self.reviews[-1].right if self.reviews else None

    @property
    def seen_at(self) -> float:
        """When a question was answered last, in seconds since 1970; 0 before the first time."""
        return self.reviews[-1].at if self.reviews else 0.0


@dataclass(frozen=True)
class Review:
    """An answer to a question: when, in seconds since 1970, and whether it was right."""

    at: float
    right: bool


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
    return Path(os.path.expanduser(base)) / FOLDER


def path() -> Path:
    """The file itself."""
    return home() / _FILE


def load() -> dict[str, Record]:
    """Every exercise tried so far, by name; what cannot be read is passed over."""
    records: dict[str, Record] = {}
    for event in _events((*_lines(path()), *_unwritten.get(path(), ()))):
        name = event["name"]
        records[name] = _after(records.get(name, Record()), event)
    return records


def of(name: str) -> Record:
    """The record of one exercise."""
    return load().get(name, Record())


def record(name: str, *, passed: bool) -> Record:
    """Write down one run of the check ``name``. What was right once stays right."""
    before = of(name)
    if before.passed:
        return before
    return _after(before, _append(name, "passed" if passed else "tried"))


def record_hint(name: str) -> None:
    """Write down that the next hint of ``name`` was shown."""
    _append(name, "hint")


def record_answer(id: str, answer: str, *, right: bool) -> Record:
    """Write down an answer to the question ``id``, unless it is the last one again."""
    before = of(id)
    if before.answers and before.answers[-1] == answer:
        return before
    return _after(before, _append(id, "answered", answer=answer, right=right, at=now()))


def record_recall(id: str, answer: str, *, right: bool, again: bool = False) -> None:
    """Write down an answer to the question ``id`` when it came back; the last one once more only if
    it was asked ``again``."""
    if again or of(id).recalled != answer:
        _append(id, "recalled", answer=answer, right=right, at=now())


def record_asked(name: str, ids: Sequence[str]) -> None:
    """Write down which questions ``name`` asks."""
    _append(name, "asked", ids=list(ids))


def export() -> str:
    """The whole record as text: a line for each event that can be read."""
    return "".join(f"{line}\n" for line in _spelled(_lines(path())))


def merge(text: str) -> int:
    """Add the events in ``text`` that are not here yet, in their order; returns how many. Once more
    adds nothing. ``ValueError`` where no line is an event."""
    theirs = _spelled(text.encode().splitlines())
    if not theirs:
        raise ValueError("no line of it is an event of this course")
    here = Counter(_spelled(_lines(path())))
    seen: Counter[str] = Counter()
    new = []
    for line in theirs:
        seen[line] += 1
        if seen[line] > here[line]:
            new.append(line)
    for line in new:
        _write(line)
    return len(new)


def _spelled(lines: Iterable[bytes]) -> list[str]:
    """Each line that is an event, in one spelling."""
    return [json.dumps(event, sort_keys=True) for event in _events(lines)]


def _events(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        with suppress(ValueError, LookupError, TypeError, RecursionError, OverflowError):
            event = json.loads(line)
            _after(Record(), event)
            if isinstance(event["name"], str):
                yield event


def now() -> float:
    """The time, in seconds since 1970."""
    return float(int(time.time()))


def record_prediction(id: str, text: str) -> None:
    """Write down what the learner expects at ``id``; the first one counts."""
    _append(id, "predicted", text=text)


def record_outcome(id: str, *, true: bool) -> None:
    """Write down that the outcome of ``id`` was shown, and whether it was expected; the first counts."""
    _append(id, "outcome", true=true)


def _after(before: Record, event: Mapping[str, Any]) -> Record:
    match event["event"]:
        case "hint":
            return replace(before, hints=before.hints + 1)
        case "answered":
            first = not before.answers
            return replace(
                _reviewed(before, event),
                answers=(*before.answers, str(event["answer"])),
                right_at_first=event["right"] is True if first else before.right_at_first,
            )
        case "recalled":
            return replace(_reviewed(before, event), recalled=str(event["answer"]))
        case "asked":
            return replace(before, asked=tuple(map(str, event["ids"])))
        case "predicted" if not before.prediction:
            late = before.outcome is not None
            return replace(before, prediction=str(event["text"]), late=late)
        case "outcome" if before.outcome is None:
            return replace(before, outcome=event["true"] is True)
        case "passed" | "tried" as what if not before.passed:
            return replace(before, passed=what == "passed", tries=before.tries + 1)
    return before


def _reviewed(before: Record, event: Mapping[str, Any]) -> Record:
    review = Review(float(event["at"]), event["right"] is True)
    return replace(before, reviews=(*before.reviews, review))


def _lines(file: Path) -> list[bytes]:
    try:
        with open(file, "rb") as journal:
            return journal.read(MOST_BYTES).splitlines()
    except OSError:
        return []


def _append(name: str, what: str, **more: Any) -> dict[str, Any]:
    """Write one event down; returns it."""
    event = {"name": name, "event": what, **more}
    _write(json.dumps(event))
    return event


def _write(text: str) -> None:
    # The line break in front closes a line that another program left open.
    line = b"\n" + text.encode() + b"\n"
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
