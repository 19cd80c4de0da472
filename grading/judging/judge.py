"""From observations to a verdict: scores by aspect, and the misconception that explains the rest.

Pure: runs in the grader's process, on data. Called by ``run``'s caller, by ``grading.inprocess``
and by the matrix.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import compress
from typing import Any

import msgspec

from course_lib.drills.own import POINTS, own_numbers, own_template, plain_name, read_own
from course_lib.exercises.checking.likeness import words_of
from course_lib.exercises.checking.model import Aspect, Case, ErrorNote, Observation
from course_lib.exercises.checking.wire import WireError, unpack
from course_lib.quiz import find_question, is_letter
from grading.answers import quiz_key
from grading.answers.compare import SAYS_NOTHING, Difference, difference
from grading.answers.model import Misconception, Symptom, Trial
from grading.errors import Failure, Status
from grading.judging.cases import CaseSet, case_set
from grading.judging.common_mistakes import common_mistake
from grading.judging.outcomes import AspectOutcome, ItemOutcome
from grading.judging.wording import Fault, error_text, in_words

QUIZ_POINTS = 1.0


class _Observed(msgspec.Struct):
    """An ``Observation`` as ``observe`` sends it."""

    values: dict[str, Any]
    events: tuple[str, ...]
    error: tuple[str, str, str] | None = None


def observation_from(packed: bytes) -> Observation:
    """What a learner's process observed of one case. ``WireError`` when it has any other form."""
    try:
        data = msgspec.convert(unpack(packed), _Observed)
    except msgspec.ValidationError:
        raise WireError("a result does not have the shape of an observation") from None
    return Observation(data.values, data.events, ErrorNote(*data.error) if data.error else None)


def quiz_answer_from(packed: bytes) -> str | Failure | None:
    """The value of a quiz variable. ``WireError`` when it has any other form."""
    data = unpack(packed)
    if not isinstance(data, dict):
        raise WireError("a result is not a dictionary")
    if data.get("plain") is not True:
        return Failure("failed", 'The answer is not one letter in quotation marks, like "B".')
    return data.get("value")


def failure_from(kind: str, detail: str) -> Failure:
    """Why a learner's process has no observation of a case, in words for the learner."""
    detail = detail[:80]
    match kind:
        case "missing":
            return Failure("missing", f"{detail}: its cell was not run or was deleted.")
        case "timeout":
            text = f"Your code took too long: {detail}. Is there a loop that never ends?"
            return Failure("timeout", text)
        case "too large":
            return Failure("error", "Your code returned more data than can be judged.")
        case "not refused":
            text = f"Your cells disabled what keeps the built-in {detail} from being called"
            return Failure("error", f"{text}: not counted.")
        case "no process":
            text = (
                "Your code was not called: your cells hold as many processes or files as they may"
            )
            return Failure("error", f"{text} ({detail}).")
    return Failure("error", "The process ended while your code ran: a crash or an exit().")


def judge_exercise(
    name: str, seed: int, observed: Sequence[Observation | Failure] | Failure
) -> ItemOutcome:
    """The verdict on one exercise. ``observed`` has one entry per case of ``case_set(name, seed)``."""
    cases = case_set(name, seed)
    if not isinstance(observed, Failure) and len(observed) != len(cases.cases):
        observed = Failure("error", "No complete observation of your code came back.")
    if isinstance(observed, Failure):
        observed = [observed] * len(cases.cases)
    observed = [_read(cases, case, got) for case, got in zip(cases.cases, observed, strict=True)]
    outcomes, first = _judge_aspects(cases, observed)
    score = sum(outcome.score for outcome in outcomes)
    maximum = float(cases.exercise.points)
    if not (math.isfinite(score) and 0 <= score <= maximum):
        raise ValueError(f"{name}: a score of {score} out of {maximum}")
    item = partial(ItemOutcome, f"{name}__test", score, maximum, aspects=outcomes)
    if score == maximum:
        return item("passed", message="Right.")
    if all(_not_attempted(entry) for entry in observed):
        return item("not_attempted", message="Not attempted.")
    failures = [entry for entry in observed if isinstance(entry, Failure)]
    if failures:
        return item("partial" if score else failures[0].status, message=failures[0].message)
    raised = all(entry.error is not None for entry in observed)
    status = "partial" if score else "error" if raised else "failed"
    wrong = [a for a, o in zip(cases.exercise.aspects, outcomes, strict=True) if o.problem]
    mistake = name_misconception(cases, observed) or name_first_mistake(cases, observed, wrong[0])
    if mistake is not None:
        status = "partial" if score else "failed"
    else:
        mistake = name_symptom(cases, observed, wrong) or _common_mistake(cases, observed)
    if mistake is None:
        return item(status, message=_sentence(first))
    return item(status, mistake.name, mistake.sentence)


def _read(cases: CaseSet, case: Case, got: Observation | Failure) -> Observation | Failure:
    return got if isinstance(got, Failure) else cases.exercise.read(case, got)


def has_full_marks(name: str, seed: int, observed: Sequence[Observation | Failure]) -> bool:
    """Whether ``judge_exercise`` gives all points, without looking for words."""
    cases = case_set(name, seed)
    read = [_read(cases, case, got) for case, got in zip(cases.cases, observed, strict=True)]
    return all(_fault(cases, aspect, read) is None for aspect in cases.exercise.aspects)


def _not_attempted(entry: Observation | Failure) -> bool:
    if isinstance(entry, Failure):
        return entry.status == "not_attempted"
    return entry.error is not None and entry.error.is_stub


def _judge_aspects(
    cases: CaseSet, observed: Sequence[Observation | Failure]
) -> tuple[tuple[AspectOutcome, ...], str]:
    """The outcome of each aspect, and what to say of the first that is wrong."""
    problems: dict[str, str] = {}
    faults: list[Fault] = []
    for aspect in cases.exercise.aspects:
        first = next(filter(problems.get, aspect.after), None)
        if first is not None:
            text = next(each.text for each in cases.exercise.aspects if each.name == first)
            problems[aspect.name] = f'not counted until this is right: "{text}"'
            continue
        fault = _fault(cases, aspect, observed)
        problems[aspect.name] = fault.problem if fault else ""
        faults += [fault] if fault else []
    said = in_words(cases, observed, faults)
    problems |= {name: beside for name, (beside, _) in said.items()}
    outcomes = tuple(
        AspectOutcome(
            aspect.text,
            0.0 if problems[aspect.name] else float(aspect.points),
            float(aspect.points),
            problems[aspect.name],
        )
        for aspect in cases.exercise.aspects
    )
    return outcomes, next((alone for _, alone in said.values()), "")


def _fault(
    cases: CaseSet, aspect: Aspect, observed: Sequence[Observation | Failure]
) -> Fault | None:
    """What is wrong with one aspect on the first case where something is; None when it is right."""
    asked = [
        index
        for index, (case, expected) in enumerate(zip(cases.cases, cases.expected, strict=True))
        if _is_asked(cases, aspect, case, expected)
    ]
    if not asked:
        raise ValueError(f"{cases.exercise.name}: no case asks for the aspect {aspect.name!r}")
    for index in asked:
        problem = _case_problem(cases, aspect, index, observed[index])
        if problem:
            return Fault(aspect, index, problem)
    return None


def _case_problem(
    cases: CaseSet, aspect: Aspect, index: int, got: Observation | Failure
) -> str | None:
    """What is wrong with one aspect on one case: a ``Difference`` where the exercise has no words for it."""
    case, expected = cases.cases[index], cases.expected[index]
    if isinstance(got, Failure):
        return got.message
    if got.error is not None:
        return error_text(got.error)
    compare = cases.answer.compare.get(aspect.name)
    if compare is None:
        return _fields_problem(cases, aspect.fields, expected, got)
    try:
        return compare(case, expected, got)
    except Exception:  # a comparison meets whatever a hostile process sent
        return Difference("what your code gave could not be compared")


def _is_asked(cases: CaseSet, aspect: Aspect, case: Case, expected: Observation) -> bool:
    if "asks" in case:
        return aspect.name in case["asks"]
    return aspect.name in cases.answer.compare or any(
        name in expected.values for name in aspect.fields
    )


def _fields_problem(
    cases: CaseSet, fields: Sequence[str], expected: Observation, got: Observation
) -> str | None:
    for name in fields:
        if name not in expected.values:
            continue
        if name not in got.values:
            return Difference(SAYS_NOTHING[1])
        rtol, atol = cases.answer.tolerances.get(name, cases.answer.tolerance)
        problem = difference(expected.values[name], got.values[name], rtol, atol)
        if problem:
            return problem
    return None


def name_misconception(cases: CaseSet, observed: Sequence[Observation]) -> Misconception | None:
    """The first misconception that behaves like the observations on every case, or None."""
    shared = {field for aspect in cases.exercise.aspects for field in aspect.fields}
    for index, misconception in enumerate(cases.answer.misconceptions):
        if misconception.recognise is not None:
            found = all(
                _recognised(misconception, case, got)
                for case, got in zip(cases.cases, observed, strict=True)
            )
        else:
            fields = tuple(sorted(shared | set(misconception.also)))
            if not _tells_apart(cases, index, fields):
                fields = tuple(sorted({*fields, *cases.exercise.fields}))
            found = _behaves_like(cases, cases.wrong(index), observed, fields)
        if found:
            return misconception
    return None


def name_first_mistake(
    cases: CaseSet, observed: Sequence[Observation], aspect: Aspect
) -> Misconception | None:
    """For a submission with several mistakes: the misconception whose result it has in ``aspect``, the
    first that is wrong, or None."""
    for index, misconception in enumerate(cases.answer.misconceptions):
        if misconception.recognise is None and _same_mistake(cases, aspect, index, observed):
            return misconception
    return None


def name_symptom(
    cases: CaseSet, observed: Sequence[Observation], aspects: Sequence[Aspect]
) -> Symptom | None:
    """The exercise's first symptom that shows where these ``aspects`` are wrong, or None."""
    if any(entry.error is not None for entry in observed):
        return None
    wrong = frozenset(aspect.name for aspect in aspects)
    trials = [Trial(*each) for each in zip(cases.cases, cases.expected, observed, strict=True)]
    for symptom in cases.answer.symptoms:
        with suppress(Exception):  # as for _recognised
            if symptom.shows(wrong, trials):
                return symptom
    return None


def _common_mistake(cases: CaseSet, observed: Sequence[Observation]) -> Misconception | None:
    try:
        return common_mistake(cases, observed)
    except Exception:  # as for _recognised
        return None


def _same_mistake(
    cases: CaseSet,
    aspect: Aspect,
    index: int,
    observed: Sequence[Observation],
) -> bool:
    """Whether a submission and a misconception have the same result in this aspect, and a wrong one."""
    fields = (*aspect.fields, *cases.answer.misconceptions[index].also)
    asked = [
        _is_asked(cases, aspect, *each) for each in zip(cases.cases, cases.expected, strict=True)
    ]
    return (
        any(asked)
        and _tells_apart(cases, index, fields)
        and all(
            theirs.error is None
            and got.error is None
            and _same_fields(cases, fields, theirs.values, got.values)
            for theirs, got in compress(zip(cases.wrong(index), observed, strict=True), asked)
        )
        and _fault(cases, aspect, tuple(cases.wrong(index))) is not None
    )


def _behaves_like(
    cases: CaseSet,
    wrong: Iterable[Observation],
    observed: Sequence[Observation],
    fields: Sequence[str],
) -> bool:
    return all(
        _same_fields(cases, fields, theirs.values, got.values)
        if theirs.error is None and got.error is None
        else _same_error(theirs.error, got.error)
        for theirs, got in zip(wrong, observed, strict=True)
    )


def _same_error(one: ErrorNote | None, other: ErrorNote | None) -> bool:
    """By type and words: a RuntimeError may be anything."""
    if one is None or other is None:
        return False
    return one.type == other.type and words_of(one) == words_of(other)


def _tells_apart(cases: CaseSet, index: int, fields: tuple[str, ...]) -> bool:
    """Whether a misconception shows in ``fields`` by more than a yes or no, which any other may share.
    The same for all submissions, so it is found out once."""
    key = (index, fields)
    if key not in cases.told_apart:
        cases.told_apart[key] = any(
            theirs.error is not None
            or any(
                _says_more(value := theirs.values.get(name))
                and difference(expected.values.get(name), value, *cases.answer.tolerance)
                is not None
                for name in fields
            )
            for expected, theirs in zip(cases.expected, cases.wrong(index), strict=True)
        )
    return cases.told_apart[key]


def _says_more(value: Any) -> bool:
    match value:
        case None | bool():
            return False
        case dict():
            return any(map(_says_more, value.values()))
        case list() | tuple():
            return not value or any(map(_says_more, value))
    return True


def _recognised(misconception: Misconception, case: Case, got: Observation) -> bool:
    try:
        return bool(misconception.recognise(case, got))
    except Exception:  # made for well-formed observations; a forged one is recognised as nothing
        return False


def _same_fields(
    cases: CaseSet, fields: Sequence[str], theirs: Mapping[str, Any], got: Mapping[str, Any]
) -> bool:
    for name in fields:
        if (name in theirs) != (name in got):
            return False
        rtol, atol = cases.answer.tolerances.get(name, cases.answer.tolerance)
        if name in theirs and difference(theirs[name], got[name], rtol, atol):
            return False
    return True


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", ")")) else ".")


def judge_quiz(id: str, answer: Any) -> ItemOutcome:
    """The verdict on one quiz answer: the learner's letter, None, or a ``Failure``."""
    key, question = quiz_key(id), find_question(id)
    item = partial(_question_item, id, QUIZ_POINTS)
    if isinstance(answer, Failure):
        return item(answer.status, answer.message)
    if answer is None:
        return item("not_attempted", "Not answered.")
    if not is_letter(answer):
        return item("failed", f"{answer!r:.40} is not one of A, B, C and D.")
    letter = answer.strip().upper()
    if letter == key.key:
        return item("passed", f"{letter} is right. {key.why[letter]}")
    return item(
        "failed",
        f"{letter} ({question.options[letter]}) is not right: {key.why[letter]} "
        f"Right is {key.key} ({question.options[key.key]}): {key.why[key.key]}",
    )


def judge_own(id: str, answer: Any, learner: str | None = None) -> ItemOutcome:
    """The verdict on the question whose numbers follow from the learner's name: what the notebook holds, or
    a ``Failure``. ``learner`` is the name under which it was handed in; None where nobody knows it: then the
    name in the answer is believed, and the message says so."""
    item = partial(_question_item, id, float(POINTS))
    if isinstance(answer, Failure):
        plain = 'Write name and number in quotation marks, like "NAME: 1.5".'
        return item(answer.status, plain if answer.status == "failed" else answer.message)
    if answer is None:
        return item("not_attempted", "Not answered.")
    given = read_own(answer)
    if given is None or given.number is None:
        return item("failed", f'{answer!r:.60} is not a name and a number, like "NAME: 1.5".')
    if learner is not None and plain_name(given.name) not in _names_of(learner):
        return item(
            "failed",
            f'You answered the question of "{given.name}", and handed in as "{learner}": write that name, '
            "and answer its question.",
        )
    template, numbers = own_template(id), own_numbers(id, given.name)
    right = template.by_torch(numbers)
    said = f"{template.ask(numbers)} PyTorch gives {right:.6g}. {template.why(numbers)}"
    if learner is None:
        said += (
            f' (The question of "{given.name}": nobody looked under which name it was handed in.)'
        )
    if template.accepts(given.number, right):
        return item("passed", f"{given.number:.10g} is right. {said}")
    return item("failed", f"{given.number:.10g} is not right. {said}")


def _question_item(id: str, points: float, status: Status, message: str) -> ItemOutcome:
    score = points if status == "passed" else 0.0
    return ItemOutcome(f"{id}__test", score, points, status, None, message)


def _names_of(learner: str) -> set[str]:
    """What a learner may write for the name of their folder: itself, or the number by which a platform
    tells people apart, where it ends in one."""
    number = learner.rpartition("_")[2]
    return {plain_name(learner), *([number] if number.isdecimal() and "_" in learner else [])}
