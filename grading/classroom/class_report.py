"""What a class's grade records say together: scores, points per exercise, misconceptions.

Numbers alone: ``report`` prints them, ``report_picture`` draws them.
"""

import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from course_lib.chapters import Chapter
from grading.classroom.marks import Marks
from grading.intake.matching import TEST_SUFFIX
from grading.intake.submissions import is_folder
from grading.judging.outcomes import NotebookOutcome


@dataclass(frozen=True)
class ItemSummary:
    """How a class did on one exercise or question. ``misconceptions`` has the most frequent first;
    ``statuses`` counts learners by verdict."""

    name: str
    mean: float
    max_score: float
    statuses: dict[str, int]
    misconceptions: dict[str, int]


@dataclass(frozen=True)
class ClassReport:
    """What the pictures and tables are made from. ``scores`` has an entry per graded learner."""

    chapter: Chapter
    scores: tuple[float, ...]
    max_score: float
    items: tuple[ItemSummary, ...]
    not_graded: dict[str, str]
    unknown_times: dict[str, str]

    def bands(self) -> list[tuple[str, int]]:
        """The score distribution: each possible whole score, or tenths of the points when they are
        many, with the number of learners in it."""
        width = 1 if self.max_score <= 15 else self.max_score / 10
        top = round(self.max_score / width)
        count = Counter(min(int(score / width), top) for score in self.scores)
        if width == 1:
            return [(str(band), count[band]) for band in range(top + 1)]
        labels = [f"{band * width:g}-" for band in range(top)] + [f"{self.max_score:g}"]
        return [(label, count[band]) for band, label in enumerate(labels)]


def class_report(chapter: Chapter, marks: Marks, submitted: Path) -> ClassReport | None:
    """The report on everyone who was graded and whose submission is still there."""
    there = [
        mark
        for mark in sorted(marks.all(), key=lambda mark: mark.learner)
        if is_folder(submitted / mark.learner / chapter.id)
    ]
    if not there:
        return None
    outcomes = [mark.outcome for mark in there if mark.outcome is not None]
    return ClassReport(
        chapter,
        tuple(outcome.score for outcome in outcomes),
        max((outcome.max_score for outcome in outcomes), default=0.0),
        tuple(_items(outcomes)),
        {mark.learner: mark.problem or "not graded" for mark in there if mark.outcome is None},
        {mark.learner: mark.time_problem for mark in there if mark.time_problem},
    )


def _items(outcomes: list[NotebookOutcome]) -> Iterator[ItemSummary]:
    names = dict.fromkeys(item.grade_id for outcome in outcomes for item in outcome.items)
    for name in names:
        mine = [item for outcome in outcomes for item in outcome.items if item.grade_id == name]
        named = Counter(item.misconception for item in mine if item.misconception)
        yield ItemSummary(
            name.removesuffix(TEST_SUFFIX),
            statistics.fmean(item.score for item in mine),
            max(item.max_score for item in mine),
            dict(Counter(item.status for item in mine)),
            dict(sorted(named.items(), key=lambda pair: (-pair[1], pair[0]))),
        )


def summary(found: ClassReport) -> str:
    """The report in one sentence."""
    if not found.scores:
        return f"None of the {len(found.not_graded)} submissions could be graded."
    median = statistics.median(found.scores)
    full = sum(score == found.max_score for score in found.scores)
    learners = f"{len(found.scores)} learner{'' if len(found.scores) == 1 else 's'}"
    return f"{learners}: median {median:g} of {found.max_score:g} points, {full} with full marks."


def ranked_misconceptions(found: ClassReport) -> list[tuple[int, str, str]]:
    """(learners, misconception, item), the most frequent first."""
    rows = [
        (count, misconception, item.name)
        for item in found.items
        for misconception, count in item.misconceptions.items()
    ]
    return sorted(rows, key=lambda row: (-row[0], row[1], row[2]))
