"""The answers pack: why an option of a quiz is right or wrong, solutions, and mistakes by name.

It is data in a package of its own, ``answers/course_answers``, which a clone has and pip installs by
itself. A notebook that calls ``use_answers()`` gets it, where it is there; any other notebook, such as
one of a graded course, does not. Nothing in here raises.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGE = "course_answers"
_in_use = False


@dataclass(frozen=True)
class QuizAnswer:
    """``key`` is the right letter; ``why`` has a sentence for every letter."""

    key: str
    why: Mapping[str, str]


@dataclass(frozen=True)
class Mistake:
    """A known mistake: what is said of it, and how it behaves on the check's cases: ``likeness``, of the
    exercise's own fields and those in ``also``."""

    name: str
    sentence: str
    also: tuple[str, ...]
    seen: list[Any]


@dataclass(frozen=True)
class Parts:
    """A solution in pieces: ``pieces`` in the right order between the code ``before`` and ``after``, and
    ``wrong`` ones that do not belong."""

    before: str
    pieces: tuple[str, ...]
    after: str
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class ExerciseAnswers:
    """``solution`` is the code of one right solution; ``parts`` is None where that is short."""

    solution: str
    mistakes: tuple[Mistake, ...]
    parts: Parts | None


def use_answers() -> None:
    """Let this notebook's checks and quizzes use the answers pack; without one, nothing changes."""
    global _in_use
    _in_use = True


def in_use() -> bool:
    """Whether the notebook asked for the pack, and it is there."""
    return _in_use and folder() is not None


def folder() -> Path | None:
    """The pack's folder: the clone's own, or the installed package's; None where there is neither."""
    beside = Path(__file__).resolve().parent.parent / "answers" / PACKAGE
    if beside.is_dir():
        return beside
    with suppress(Exception):
        spec = find_spec(PACKAGE)
        if spec is not None and spec.origin:
            return Path(spec.origin).parent
    return None


def quiz_answer(id: str) -> QuizAnswer | None:
    """The answer to a quiz question, where the pack is in use."""
    found = _read(f"quiz_{id[1:].partition('_')[0]}").get(id) if in_use() else None
    return QuizAnswer(found["key"], found["why"]) if found else None


def exercise_answers(name: str) -> ExerciseAnswers | None:
    """The solution and the known mistakes of an exercise, where the pack is in use."""
    found = _read(name) if in_use() else {}
    if not found:
        return None
    mistakes = [Mistake(**each | {"also": tuple(each["also"])}) for each in found["mistakes"]]
    parts = None
    if cut := found["parts"]:
        wrong = tuple(each["piece"] for each in cut["wrong"])
        parts = Parts(cut["before"], tuple(cut["pieces"]), cut["after"], wrong)
    return ExerciseAnswers(found["solution"], tuple(mistakes), parts)


@cache
def _read(name: str) -> Mapping[str, Any]:
    """One file of the pack; empty when it is not there or broken."""
    place = folder()
    with suppress(OSError, ValueError, TypeError):
        if place is not None:
            return dict(json.loads((place / f"{name}.json").read_text(encoding="utf-8")))
    return {}
