"""What a class knew before the course and after it, idea by idea: the normalised gain, and how well each
question tells strong from weak. From the records that learners handed in; without names.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from course_lib.gain import IDEAS, normalised_gain
from grading.answers.before_after import KEYS
from grading.classroom.own_records import OwnRecord


@dataclass(frozen=True)
class IdeaGain:
    """``before`` and ``after`` are the shares of the learners who were right. ``gain`` is the part of what
    was missing before that is there after (Hake 1998), None where nothing was missing. ``apart_before`` and
    ``apart_after`` correlate the question with the other nine, None where all answers are alike."""

    idea: str
    before: float
    after: float
    gain: float | None
    apart_before: float | None
    apart_after: float | None


@dataclass(frozen=True)
class ClassGain:
    """Of the ``learners`` who answered both times: the mean number of right answers, the class's
    normalised gain, and each idea's."""

    learners: int
    before: float
    after: float
    gain: float | None
    ideas: tuple[IdeaGain, ...]


def class_gain(records: Iterable[OwnRecord]) -> ClassGain | None:
    """The gain of those who answered before and after; None when nobody did."""
    both = [record for record in records if record.before and record.after]
    if not both:
        return None
    before = [_right("before", record.before) for record in both]
    after = [_right("after", record.after) for record in both]
    ideas = []
    for place, idea in enumerate(IDEAS):
        then, now = (sum(answers[place] for answers in all_of) for all_of in (before, after))
        ideas.append(
            IdeaGain(
                idea,
                then / len(both),
                now / len(both),
                normalised_gain(then, now, of=len(both)),
                _apart(before, place),
                _apart(after, place),
            )
        )
    then, now = (sum(map(sum, all_of)) for all_of in (before, after))
    return ClassGain(
        len(both),
        then / len(both),
        now / len(both),
        normalised_gain(then, now, of=len(both) * len(IDEAS)),
        tuple(ideas),
    )


def correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Pearson's; None where one of them is constant, or there are fewer than two."""
    try:
        return statistics.correlation(first, second)
    except statistics.StatisticsError:
        return None


def _right(when: str, letters: str) -> list[bool]:
    return [letter == key for letter, key in zip(letters, KEYS[when], strict=True)]


def _apart(answers: list[list[bool]], place: int) -> float | None:
    own = [float(each[place]) for each in answers]
    rest = [float(sum(each) - each[place]) for each in answers]
    return correlation(own, rest)
