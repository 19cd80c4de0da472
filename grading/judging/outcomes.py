"""What grading says of a notebook: one item per test cell, and the notebook's total. Plain data."""

from dataclasses import asdict, dataclass
from typing import Any

from grading.errors import Status

#: How a status is said: a symbol and words, so that nothing depends on colour.
VERDICTS: dict[Status, tuple[str, str]] = {
    "passed": ("✓", "right"),
    "partial": ("◐", "partly right"),
    "failed": ("✗", "not right"),
    "error": ("!", "error"),
    "timeout": ("…", "took too long"),
    "missing": ("∅", "missing"),
    "not_attempted": ("○", "not attempted"),
}


@dataclass(frozen=True)
class AspectOutcome:
    """One aspect of an exercise: what it asks, the points it earned, and what was wrong if any."""

    text: str
    score: float
    max_score: float
    problem: str = ""


@dataclass(frozen=True)
class ItemOutcome:
    """The verdict on one test cell. ``message`` is for the learner, in plain text."""

    grade_id: str
    score: float
    max_score: float
    status: Status
    misconception: str | None = None
    message: str = ""
    aspects: tuple[AspectOutcome, ...] = ()


@dataclass(frozen=True)
class NotebookOutcome:
    """The verdicts on one notebook; ``problems`` lists what was repaired or could not be graded."""

    notebook: str
    items: tuple[ItemOutcome, ...]
    problems: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        return sum(item.score for item in self.items)

    @property
    def max_score(self) -> float:
        return sum(item.max_score for item in self.items)

    def as_json(self) -> dict[str, Any]:
        """The stable interface of ``grade-notebook --json``."""
        keys = ("grade_id", "score", "max_score", "status", "misconception", "message")
        return {
            "notebook": self.notebook,
            "score": self.score,
            "max_score": self.max_score,
            "cells": [{key: asdict(item)[key] for key in keys} for item in self.items],
            "problems": list(self.problems),
        }
