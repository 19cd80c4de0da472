"""What is said of an aspect that is wrong, in the exercise's own words. Called by ``judge``.

The lines of an exercise's check are statements about right solutions. One that holds for the
reference on a hidden case, and not for the submission, is therefore a true sentence about what was
asked and what happened. Lines that are about the public inputs alone fall out: they do not hold for
the reference either. Only where no line is left is the comparison itself put into words.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice

from course_lib.exercises.checking.model import Aspect, ErrorNote, Finding, Observation
from grading.answers.compare import SAYS_NOTHING, Difference, difference
from grading.errors import Failure
from grading.judging.cases import CaseSet

#: More lines of one case than any check has; what a submission sent could make a check go on.
_MOST_LINES = 60


@dataclass(frozen=True)
class Fault:
    """The first thing that is wrong with an aspect: on case number ``index``, and what the
    comparison says there."""

    aspect: Aspect
    index: int
    problem: str


def in_words(
    cases: CaseSet, observed: Sequence[Observation | Failure], faults: Iterable[Fault]
) -> dict[str, tuple[str, str]]:
    """What to say of each fault, by the name of its aspect: beside the aspect's text, and where it has
    to stand alone. A line of the check that another aspect has said already is taken only where no
    other is left."""
    said: dict[str, tuple[str, str]] = {}
    used: set[str] = set()
    errors: set[str] = set()
    faults = list(faults)
    for fault in faults:
        text, problem = fault.aspect.text, str(fault.problem)
        alone = problem
        if isinstance(fault.problem, Difference):
            line = _line(cases, observed, fault, used, single=len(faults) == 1)
            if line is not None:
                again = "as above, " if line.text in used else ""
                used.add(line.text)
                alone = f"{again}expected: {line.text}{'; ' if line.got else ''}{line.got}"
                # The same words twice in one line would hide what is said behind them.
                problem = alone if line.text != text else line.got or "not so for your code"
            elif cases.answer.given is not None:
                problem = f"{cases.answer.given(cases.cases[fault.index])}, {problem}"
            alone = alone if line else f"{text}: {problem}"
        elif _raised(observed[fault.index]):
            # What is not allowed is allowed with no input.
            if not (observed[fault.index].error.is_refusal or all(map(_raised, observed))):
                problem = f"with {sum(map(_raised, observed))} of {len(observed)} inputs {problem}"
                alone = f"asked: {text}; {problem}"
            if problem in errors:
                problem = "the same error as above"
            errors.add(problem)
        said[fault.aspect.name] = problem, alone
    return said


def _raised(entry: Observation | Failure) -> bool:
    return isinstance(entry, Observation) and entry.error is not None


def error_text(error: ErrorNote) -> str:
    """An exception of the learner's code in one line."""
    where = f" (your line: `{error.line}`)" if error.line else ""
    raised = "" if error.is_refusal else f"your code raised {error.type}: "
    return f"{raised}{error.message}{where}"


def _line(
    cases: CaseSet,
    observed: Sequence[Observation | Failure],
    fault: Fault,
    used: set[str],
    single: bool,
) -> Finding | None:
    """The first line of the check that tells what is wrong with the aspect; of a ``single`` one all
    lines do. One that is about another aspect only where the comparison itself says nothing."""
    got = observed[fault.index]
    if isinstance(got, Failure):
        return None
    wrong = _wrong_lines(cases, fault.index, got)
    about = (
        list(wrong) if single else _not_about_others(cases, fault.index, got, fault.aspect, wrong)
    )
    if not about and fault.problem.endswith(SAYS_NOTHING):
        about = list(wrong)
    best = min(about, key=lambda text: text in used, default=None)  # the first new one, if any
    return None if best is None else wrong[best]


def _wrong_lines(cases: CaseSet, index: int, got: Observation) -> dict[str, Finding]:
    """The lines that hold for the reference on this case and not for ``got``, by their text."""
    true = cases.true_lines(index)
    found: dict[str, Finding] = {}
    with suppress(Exception):  # written for well-formed observations; what came before it counts
        properties = cases.exercise.properties(cases.cases[index], got)
        for line in islice(properties, _MOST_LINES):
            if not line.ok and line.text in true:
                found.setdefault(line.text, line)
    return found


def _not_about_others(
    cases: CaseSet, index: int, got: Observation, aspect: Aspect, lines: Mapping[str, Finding]
) -> list[str]:
    """Without those that would hold if only other aspects' fields were right."""
    if not lines:
        return []
    own = set(aspect.fields)
    others = {field for other in cases.exercise.aspects for field in other.fields} - own
    others = {field for field in others if not _decides(cases, index, got, field, own)}
    if not others:
        return list(lines)
    left = _wrong_lines(cases, index, _mended(cases, index, got, others))
    return [text for text in lines if text in left]


def _decides(cases: CaseSet, index: int, got: Observation, field: str, own: Iterable[str]) -> bool:
    """Whether the aspect's ``own`` fields are facts about this one: right as soon as it is."""
    mended, right = _mended(cases, index, got, {field}).values, cases.expected[index].values
    return all(
        name in mended and difference(right[name], mended[name], *cases.answer.tolerance) is None
        for name in own
        if name in right
    )


def _mended(cases: CaseSet, index: int, got: Observation, fields: set[str]) -> Observation:
    expected = cases.expected[index].values
    values = {**got.values, **{name: expected[name] for name in fields if name in expected}}
    return cases.exercise.read(cases.cases[index], replace(got, values=values))
