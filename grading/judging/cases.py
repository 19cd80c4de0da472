"""The secret cases of an exercise with what the reference and each misconception make of them.

Which of a few prepared sets a submission meets depends on a secret (``choose_seed``), so expected
values are computed once per set, and regrading is reproducible.
"""

import hmac
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256

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
    """``expected[i]`` is what the reference makes of ``cases[i]``; ``told_apart`` is the judge's memory
    of which misconceptions show in which fields."""

    exercise: Exercise
    answer: Answer
    cases: tuple[Case, ...]
    expected: tuple[Observation, ...]
    told_apart: dict[tuple[int, tuple[str, ...]], bool] = field(default_factory=dict, compare=False)
    _wrong: dict[int, tuple[Observation, ...]] = field(default_factory=dict, compare=False)
    _true: dict[int, frozenset[str]] = field(default_factory=dict, compare=False)

    def wrong(self, index: int) -> tuple[Observation, ...]:
        """What the misconception number ``index`` makes of the cases. Computed when first asked:
        most submissions are right, and then they are not needed."""
        if index not in self._wrong:
            solution = as_subjects(self.answer.misconceptions[index].solution, self.exercise.name)
            free = replace(self.exercise, forbidden=())
            self._wrong[index] = _observe_all(free, solution, self.cases)
        return self._wrong[index]

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
    """Cases drawn from ``seed``, observed with the reference."""
    exercise, answer = find_exercise(name), find_answer(name)
    # The oracle and the misconceptions may use what a learner may not.
    free = replace(exercise, forbidden=())
    cases = tuple(answer.cases(torch.Generator().manual_seed(seed)))
    if answer.oracle is None:
        expected = _observe_all(exercise, reference(name), cases)
    else:
        expected = _observe_all(free, as_subjects(answer.oracle, name), cases)
    for observation in expected:
        if observation.error is not None:
            raise ValueError(f"{name}: the reference itself fails: {observation.error}")
    return CaseSet(exercise, answer, cases, expected)


def _observe_all(exercise: Exercise, subjects: tuple, cases: tuple) -> tuple[Observation, ...]:
    return tuple(exercise.read(case, observe(exercise, subjects, case)) for case in cases)
