"""The shapes of an exercise's secret half: each file of a chapter's folder makes one ``Answer``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from course_lib.exercises import find_exercise
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.edit import Edit

#: Where a driver usually writes what the solution returns; not every exercise has the field.
RETURNED = ("returned",)

#: Compares one aspect on one case: (case, expected, got) -> what is wrong, or None when right.
Comparison = Callable[[Case, Observation, Observation], str | None]


@dataclass(frozen=True)
class Misconception:
    """A named wrong solution. ``solution`` is an ``Edit`` of a right one, or real, runnable code (a
    function, or a tuple of them when the exercise has several subjects).

    A submission behaves like it when, on every case, the fields of all aspects plus ``also`` are
    equal to this solution's, or when ``recognise(case, got)`` holds on every case.
    ``sentence`` explains it to the learner, in the second person.
    """

    name: str
    solution: Any
    sentence: str
    also: tuple[str, ...] = ()
    recognise: Callable[[Case, Observation], bool] | None = None


#: How answers write one down: wrong("no step", edit("optimizer.step()\n", ""), "Gradients are ...").
wrong = Misconception


def raises(
    words: str, where: Callable[[Case], bool] = lambda case: True
) -> Callable[[Case, Observation], bool]:
    """Recognises code that raises an error with ``words`` on the cases ``where`` it must, and runs to its
    end on all others."""

    def recognise(case: Case, got: Observation) -> bool:
        if not where(case):
            return got.error is None
        return got.error is not None and words in got.error.message

    return recognise


@dataclass(frozen=True)
class Trial:
    """What a submission did on one case, beside what the reference does."""

    case: Case
    expected: Observation
    got: Observation


@dataclass(frozen=True)
class Symptom:
    """What can be said of a wrong solution whose mistake is not among the known ones.

    ``shows(wrong, trials)`` is whether it is so, by the names of the aspects that are wrong and by all
    cases; it is not asked where the code raised. ``sentence`` says what is seen, so that it is true
    whatever the code looks like, and where to look. ``solution`` is one that has it.
    """

    name: str
    solution: Any
    sentence: str
    shows: Callable[[frozenset[str], Sequence[Trial]], bool]


def right_but(*aspects: str) -> Callable[[frozenset[str], Sequence[Trial]], bool]:
    """Shows that exactly these aspects are wrong."""
    return lambda wrong, trials: wrong == {*aspects}


@dataclass(frozen=True)
class Answer:
    """The secret half of one exercise.

    ``cases(generator)`` draws fresh cases; ``tolerance`` is (rtol, atol) of the comparison with the
    reference, per dtype-independent field unless ``tolerances`` names the field. ``oracle``
    replaces the source notebook's solution as reference where torch itself is the judge.
    ``compare`` overrides the field-by-field comparison of single aspects, by aspect name: for
    outcomes of which several are right. ``variants`` are differently written right solutions.
    ``equivalent`` lists mutants of the reference that the contract allows, each with the reason.
    ``secret_only`` lists solutions that only hidden cases show to be wrong, ``uneven`` those that
    case sets judge differently, each by its label and with the reason; ``fairness`` measures both.
    ``results`` are the fields that hold what the solution returns, for names such as "nothing returned".
    ``symptoms`` are named where no misconception fits; the first that shows.
    ``given`` says in a few words what kind of input a case hands over: "with logits [5, 3]".

    A misspelled aspect or field raises ``ValueError`` when the module is imported, and so does an
    aspect that no case asks for.
    """

    exercise: str
    cases: Callable[[torch.Generator], list[Case]]
    misconceptions: tuple[Misconception, ...]
    variants: tuple[Any, ...]
    tolerance: tuple[float, float] = (1e-5, 1e-7)
    tolerances: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    oracle: Any = None
    compare: Mapping[str, Comparison] = field(default_factory=dict)
    equivalent: Mapping[str, str] = field(default_factory=dict)
    secret_only: Mapping[str, str] = field(default_factory=dict)
    uneven: Mapping[str, str] = field(default_factory=dict)
    results: tuple[str, ...] = RETURNED
    symptoms: tuple[Symptom, ...] = ()
    given: Callable[[Case], str] | None = None

    def __post_init__(self) -> None:
        exercise = find_exercise(self.exercise)
        cases = self.cases(torch.Generator().manual_seed(0))
        asked = {name for case in cases for name in case.get("asks", ())}
        exercise.check_aspects(asked | set(self.compare))
        exercise.check_fields(self.tolerances)
        exercise.check_fields(() if self.results is RETURNED else self.results)
        exercise.check_fields(name for each in self.misconceptions for name in each.also)
        forgotten = {aspect.name for aspect in exercise.aspects} - asked
        if forgotten and all("asks" in case for case in cases):
            raise ValueError(f"{self.exercise}: no case asks for {', '.join(sorted(forgotten))}")


def as_subjects(solution: Any, exercise: str) -> tuple[Any, ...]:
    """A solution of ``exercise`` as the tuple of its subjects: one function or class, or several."""
    if isinstance(solution, Edit):
        return solution.subjects(exercise)
    return solution if isinstance(solution, tuple) else (solution,)


@dataclass(frozen=True)
class QuizKey:
    """The key of one quiz question: the right letter, one line per option on why, and - where the
    key states behaviour - a snippet that returns the letter that is right, computed by running it."""

    id: str
    key: str
    why: Mapping[str, str]
    proof: Callable[[], str] | None = None
