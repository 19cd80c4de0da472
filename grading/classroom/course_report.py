"""What all graded chapters say together: how hard and how telling each item is, which options a question
drew, misconceptions from chapter to chapter, who falls behind.

Numbers alone: ``report`` prints and writes them, ``report_page`` draws them.
"""

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from course_lib.chapters import CHAPTERS, Chapter
from course_lib.exercises import all_exercises
from course_lib.quiz import LETTERS, all_questions
from grading.answers import quiz_key
from grading.classroom.class_gain import ClassGain, class_gain, correlation
from grading.classroom.marks import Marks
from grading.classroom.own_records import OwnRecord, own_records
from grading.intake.matching import TEST_SUFFIX
from grading.intake.submissions import is_folder
from grading.judging.outcomes import ItemOutcome, NotebookOutcome
from grading.paths import CourseFolder

#: How many of the last chapters tell whether somebody falls behind, and the share of points below
#: which they do.
RECENT, ENOUGH = 3, 0.5
#: A message about a letter begins with it.
_LETTER = re.compile(r"([A-D]) (?:is right\.|\()")


@dataclass(frozen=True)
class Item:
    """One exercise or question. ``difficulty`` is the mean share of its points, so 1 is easy.

    ``discrimination`` is the correlation of that share with the learner's points in the rest of the
    chapter, None where one of them is the same for everybody. ``options`` counts the letters of a
    question; its key is ``key``.
    """

    chapter: Chapter
    name: str
    learners: int
    difficulty: float
    discrimination: float | None
    lost: float
    options: dict[str, int]
    key: str = ""


@dataclass(frozen=True)
class Behind:
    """A learner with less than half of the points of the last chapters; what was not handed in counts
    0. ``before`` is the share in the chapters before, None when there are none."""

    learner: str
    recent: float
    before: float | None
    missing: tuple[str, ...]


@dataclass(frozen=True)
class ExerciseEffort:
    """What one exercise took, of ``learners`` who handed in their own record: the median of the checks up
    to the first right one, of those who got there (None when nobody did), and the share who took a hint."""

    name: str
    learners: int
    tries: float | None
    hinted: float


@dataclass(frozen=True)
class CourseReport:
    """``misconceptions`` has, by name, the number of learners per chapter; the most frequent first.
    ``shares`` has everybody's share of the points per chapter. ``gain`` and ``effort`` are of those who
    handed in their own records; ``unread`` has a line for each record that cannot be used."""

    chapters: tuple[Chapter, ...]
    shares: dict[str, tuple[float, ...]]
    items: tuple[Item, ...]
    misconceptions: dict[str, dict[str, int]]
    behind: tuple[Behind, ...]
    learners: int
    gain: ClassGain | None = None
    effort: tuple[ExerciseEffort, ...] = ()
    unread: tuple[str, ...] = ()


def course_report(course: Path) -> CourseReport | None:
    """The report on every chapter that was graded; None when none was."""
    folder = CourseFolder(course)
    outcomes = {}
    for chapter in CHAPTERS:
        found = {
            mark.learner: mark.outcome
            for mark in Marks(course, chapter).all()
            if mark.outcome and is_folder(folder.submission(mark.learner, chapter))
        }
        if found:
            outcomes[chapter] = found
    if not outcomes:
        return None
    records, unread = own_records(course)
    return replace(
        summarize(outcomes),
        gain=class_gain(records.values()),
        effort=tuple(effort(records)),
        unread=tuple(unread),
    )


def effort(records: Mapping[str, OwnRecord]) -> Iterable[ExerciseEffort]:
    """What each exercise took, in the order of the course."""
    for name in all_exercises():
        own = [one.exercises[name] for one in records.values() if name in one.exercises]
        if own:
            tries = [one.tries for one in own if one.passed]
            median = statistics.median(tries) if tries else None
            hinted = sum(one.hints > 0 for one in own) / len(own)
            yield ExerciseEffort(name, len(own), median, hinted)


def summarize(outcomes: dict[Chapter, dict[str, NotebookOutcome]]) -> CourseReport:
    """The report on outcomes by chapter and learner."""
    shares = {
        chapter: {learner: one.score / one.max_score for learner, one in sorted(found.items())}
        for chapter, found in outcomes.items()
    }
    misconceptions: dict[str, dict[str, int]] = {}
    for chapter, found in outcomes.items():
        named = Counter(
            name
            for one in found.values()
            for name in {item.misconception for item in one.items} - {None}
        )
        for name, count in named.items():
            misconceptions.setdefault(name, {})[chapter.id] = count
    ranked = sorted(misconceptions.items(), key=lambda pair: (-sum(pair[1].values()), pair[0]))
    return CourseReport(
        tuple(outcomes),
        {chapter.id: tuple(found.values()) for chapter, found in shares.items()},
        tuple(item for chapter, found in outcomes.items() for item in _items(chapter, found)),
        dict(ranked),
        tuple(_behind(list(outcomes), shares)),
        len({learner for found in outcomes.values() for learner in found}),
    )


def _items(chapter: Chapter, outcomes: dict[str, NotebookOutcome]) -> Iterable[Item]:
    by_item: dict[str, list[tuple[ItemOutcome, float]]] = defaultdict(list)
    for one in outcomes.values():
        for item in one.items:
            by_item[item.grade_id].append((item, one.score - item.score))
    for grade_id, mine in by_item.items():
        name = grade_id.removesuffix(TEST_SUFFIX)
        shares = [item.score / item.max_score for item, _ in mine]
        question = name in all_questions()
        chosen = Counter(
            found[1] for item, _ in mine if question and (found := _LETTER.match(item.message))
        )
        yield Item(
            chapter,
            name,
            len(mine),
            statistics.fmean(shares),
            correlation(shares, [rest for _, rest in mine]),
            sum(item.max_score - item.score for item, _ in mine),
            {letter: chosen[letter] for letter in LETTERS} if question else {},
            quiz_key(name).key if question else "",
        )


def _behind(chapters: list[Chapter], shares: dict[Chapter, dict[str, float]]) -> Iterable[Behind]:
    learners = sorted({learner for found in shares.values() for learner in found})
    rows = []
    for learner in learners:
        points = [shares[chapter].get(learner, 0.0) for chapter in chapters]
        recent, before = statistics.fmean(points[-RECENT:]), points[:-RECENT]
        if recent < ENOUGH:
            missing = tuple(c.number for c in chapters if learner not in shares[c])
            earlier = statistics.fmean(before) if before else None
            rows.append(Behind(learner, recent, earlier, missing))
    return sorted(rows, key=lambda row: (row.recent, row.learner))
