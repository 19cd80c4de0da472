"""The secret cases of an exercise with what the reference and each misconception make of them.

Which of a few prepared sets a submission meets depends on a secret (``choose_seed``), so expected
values are computed once per set, and regrading is reproducible.
"""

import hmac
from collections.abc import Iterator
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from hashlib import sha256
from itertools import tee
from typing import Any

import torch

from course_lib import compiler
from course_lib.exercises import find_exercise
from course_lib.exercises.checking.model import Case, Exercise, Observation
from course_lib.exercises.checking.observe import observe
from grading.answers import find_answer
from grading.answers.model import Answer, as_subjects
from grading.chapter_text.reference import reference

compiler.postpone()

#: How many case sets an exercise has.
SETS = 4


@dataclass(frozen=True)
class CaseSet:
    """``told_apart`` is the judge's memory of which misconceptions show in which fields."""

    exercise: Exercise
    answer: Answer
    cases: tuple[Case, ...]
    told_apart: dict[tuple[int, tuple[str, ...]], bool] = field(default_factory=dict, compare=False)
    _wrong: dict[int, Iterator[Observation]] = field(default_factory=dict, compare=False)
    _true: dict[int, frozenset[str]] = field(default_factory=dict, compare=False)

    @cached_property
    def expected(self) -> tuple[Observation, ...]:
        """What the reference makes of each case. Only judging needs it: not what runs, nor where it is drawn."""
        if self.answer.oracle is None:
            observed = tuple(self._observed(self.exercise, reference(self.exercise.name)))
        else:
            observed = tuple(self._freely_observed(self.answer.oracle))
        for observation in observed:
            if observation.error is not None:
                raise ValueError(
                    f"{self.exercise.name}: the reference itself fails: {observation.error}"
                )
        return observed

    def wrong(self, index: int) -> Iterator[Observation]:
        """What the misconception number ``index`` makes of each case in turn. Computed when first asked,
        and kept: most submissions are right, and most others differ from it on the first cases."""
        if index not in self._wrong:
            observed = self._freely_observed(self.answer.misconceptions[index].solution)
            (self._wrong[index],) = tee(observed, 1)
        return copy(self._wrong[index])

    def _freely_observed(self, solution: Any) -> Iterator[Observation]:
        """Of the oracle or a misconception: they may use what a learner may not."""
        free = replace(self.exercise, forbidden=())
        return self._observed(free, as_subjects(solution, self.exercise.name))

    def _observed(self, exercise: Exercise, subjects: tuple[Any, ...]) -> Iterator[Observation]:
        return (exercise.read(case, observe(exercise, subjects, case)) for case in self.cases)

    def true_lines(self, index: int) -> frozenset[str]:
        """The lines of the check that hold for the reference on case number ``index``. Several are
        written for the public cases alone, and raise or do not hold here."""
        if index not in self._true:
            held: dict[str, bool] = {}
            with suppress(Exception):
                for line in self.exercise.properties(self.cases[index], self.expected[index]):
                    held[line.text] = held.get(line.text, True) and bool(line.ok)
            self._true[index] = frozenset(text for text, ok in held.items() if ok)
        return self._true[index]


def choose_seed(secret: bytes, exercise: str, submission: bytes) -> int:
    """The seed of the case set for this submission: HMAC(secret, exercise and submission)."""
    digest = hmac.new(secret, exercise.encode() + b"\0" + submission, sha256).digest()
    index = digest[0] % SETS
    own = hmac.new(secret, f"{exercise} set {index}".encode(), sha256).digest()
    return int.from_bytes(own[:6], "big")


@lru_cache(maxsize=512)
def case_set(name: str, seed: int) -> CaseSet:
    """Cases drawn from ``seed``."""
    exercise, answer = find_exercise(name), find_answer(name)
    return CaseSet(exercise, answer, tuple(answer.cases(torch.Generator().manual_seed(seed))))
