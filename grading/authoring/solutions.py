"""Solutions of an exercise to try the judge and the check with: those that the answers know, and
mutants of the reference. Called by ``mutation_matrix``, ``messages`` and ``fairness``.
"""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, chdir, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from textwrap import shorten
from typing import Any
from unittest.mock import patch

from course_lib.exercises import chapter_exercises, chapter_of
from course_lib.exercises.checking.check import CheckResult, run_check
from course_lib.exercises.checking.model import Exercise, Observation
from course_lib.exercises.checking.observe import as_data, observe
from course_lib.exercises.checking.wire import WireError, pack
from grading.answers import find_answer
from grading.answers.edit import Edit
from grading.answers.model import as_subjects
from grading.authoring.mutants import evenly, mutants_of
from grading.chapter_text.reference import reference, reference_source, run_source, solved_namespace
from grading.chapter_text.reference import stub as stub_of
from grading.errors import Failure, Problem, chapters_called
from grading.judging.cases import case_set
from grading.judging.judge import failure_from, judge_exercise, observation_from
from grading.judging.outcomes import ItemOutcome

#: What is not done with all cases after this much CPU time, and this many times as much as the
#: reference takes on this machine, never ends.
_SECONDS, _TIMES_REFERENCE = 10.0, 10.0
_TICK_SECONDS = 0.5


def exercises_called(chapters: list[str], only: list[str]) -> list[str]:
    """The names of the exercises of ``chapters``, of all when none is named; of those ``only`` the
    ones named there. ``Problem`` where there is none of that name."""
    names = [
        each.name for chapter in chapters_called(chapters) for each in chapter_exercises(chapter)
    ]
    for name in only:
        if name not in names:
            raise Problem(f"There is no exercise {name!r} here; there are {', '.join(names)}.")
    return [name for name in names if not only or name in only]


@dataclass(frozen=True)
class Solution:
    """One solution of an exercise. ``kind`` is "stub", "right", "misconception" or "mutant";
    ``made`` is an ``Edit``, a function, a tuple of them, or the source of a mutant."""

    exercise: Exercise
    kind: str
    label: str
    made: Any
    #: What the answers say of it, where it is a known mistake.
    sentence: str = ""

    @property
    def subjects(self) -> tuple[Any, ...]:
        """Its functions or classes. An edit and a mutant make new ones at each call: what is shared
        between calls must not reach the next case set. Raises whatever the source of a mutant raises."""
        if self.kind != "mutant":
            return as_subjects(self.made, self.exercise.name)
        namespace = dict(solved_namespace(chapter_of(self.exercise.name)))
        run_source(self.made, namespace, f"<{self.exercise.name}: {self.label}>")
        return tuple(namespace[name] for name in self.exercise.subjects)

    def graded(self, seed: int, free: bool = False) -> ItemOutcome:
        """The verdict on it with the case set of ``seed``; ``free`` lets it use what a learner may
        not, for a mistake may be written with that. Raises ``TooSlow`` for what does not end."""
        return judge_exercise(self.exercise.name, seed, self.observed(seed, free))

    def observed(self, seed: int, free: bool = False) -> list[Observation | Failure]:
        """What it does on each case of the set of ``seed``; as ``graded``."""
        watched = replace(self.exercise, forbidden=()) if free else self.exercise
        cases = case_set(self.exercise.name, seed)
        with stopped_if_endless(self.exercise, seed):
            subjects = self.subjects
            return [as_graded(observe(watched, subjects, case)) for case in cases.cases]

    def checked(self) -> CheckResult:
        """What the instant check says of it; nothing of it goes into anybody's progress."""
        with tempfile.TemporaryDirectory() as home, patch.dict(os.environ, COURSE_HOME=home):
            return run_check(self.exercise.name, *self.subjects)


def known_solutions(exercise: Exercise) -> Iterator[Solution]:
    """The stub, nothing, the reference, the variants, the misconceptions and the symptoms, in this order."""
    answer = find_answer(exercise.name)
    yield Solution(exercise, "stub", "untouched stub", stub_of(exercise.name))
    yield Solution(exercise, "stub", "returns nothing", _does_nothing(exercise))
    yield Solution(exercise, "right", "reference", reference(exercise.name))
    for number, variant in enumerate(answer.variants, 1):
        yield Solution(exercise, "right", _label_of(variant, number), variant)
    for each in (*answer.misconceptions, *answer.symptoms):
        yield Solution(exercise, "misconception", each.name, each.solution, each.sentence)


def _label_of(variant: Any, number: int) -> str:
    """Its own name, or its number with what it has in place of the reference's lines."""
    if isinstance(variant, Edit):
        text = max((new for _, new in variant.replacements), key=len)
        return shorten(f"variant {number}: {text}", 60)
    name = (variant[0] if isinstance(variant, tuple) else variant).__name__
    return name.strip("_").replace("_", " ") if name != "<lambda>" else f"variant {number}"


def mutant_solutions(exercise: Exercise, most: int) -> Iterator[Solution]:
    """Mutants of the reference that can be defined: ``most`` of them, evenly spread."""
    for mutant in evenly(mutants_of(reference_source(exercise.name)), most):
        solution = Solution(exercise, "mutant", mutant.name, mutant.source)
        try:
            _ = solution.subjects
        except Exception:  # its cell raises, which is said by the cell
            continue
        yield solution


def _does_nothing(exercise: Exercise) -> tuple:
    def nothing(*args: Any, **kwargs: Any) -> None:
        return None

    return (nothing,) * len(exercise.subjects)


def as_graded(observation: Observation) -> Observation | Failure:
    """An observation as it comes out of a learner's process: packed there, and unpacked by the judge."""
    try:
        return observation_from(pack(as_data(observation)))
    except WireError:
        return failure_from("too large", "")


class TooSlow(BaseException):
    """Raised in what does not end; ``observe`` takes it for an error of its code."""


@contextmanager
def stopped_after(seconds: float) -> Iterator[None]:
    """Raise ``TooSlow`` inside what computes too long, and again at every tick: a case may catch it.
    CPU time counts, so that a busy machine stops nothing; it is counted in ticks, for a machine that
    stands still for a while charges all of that to the code at hand, in one tick."""
    ticks = 0

    def tick(*_: object) -> None:
        nonlocal ticks
        ticks += 1
        if ticks * _TICK_SECONDS >= seconds:
            raise TooSlow("it did not end")

    before = signal.signal(signal.SIGPROF, tick)
    signal.setitimer(signal.ITIMER_PROF, _TICK_SECONDS, _TICK_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def stopped_if_endless(exercise: Exercise, seed: int) -> AbstractContextManager[None]:
    """``stopped_after`` what only code takes that does not end on the cases of ``seed``. It is measured
    by the reference: a slow machine stops nothing."""
    return stopped_after(_SECONDS + _TIMES_REFERENCE * _seconds_of_reference(exercise, seed))


@lru_cache
def _seconds_of_reference(exercise: Exercise, seed: int) -> float:
    subjects = as_subjects(reference(exercise.name), exercise.name)
    cases = case_set(exercise.name, seed).cases
    before = time.process_time()
    for case in cases:
        observe(exercise, subjects, case)
    return time.process_time() - before


@contextmanager
def elsewhere() -> Iterator[None]:
    """What writes files writes them into a folder that goes."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        yield
