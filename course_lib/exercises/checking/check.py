"""``check``: what a learner calls. Instant, without a grader and without a solution.

A check has three states: not attempted yet, not right yet, right. It never raises and never shows
a traceback of the course; what it prints fits in 80 columns and on one screen. Code that never ends
is stopped.
"""

import html
import re
import sys
import textwrap
import time
from dataclasses import dataclass, replace
from typing import Any

from course_lib import progress
from course_lib.answers import exercise_answers
from course_lib.beats import BY_LETTER
from course_lib.display import GREEN, GREY, HEIGHT, ORANGE, as_html, frame, show, wrap
from course_lib.errors import fail_validation
from course_lib.exercises import find_exercise
from course_lib.exercises.checking.advice import advice_on
from course_lib.exercises.checking.likeness import alike, likeness, same_beats
from course_lib.exercises.checking.model import Case, ErrorNote, Exercise, Finding, Observation
from course_lib.exercises.checking.observe import describe_error, observe
from course_lib.exercises.checking.packages import used_without_grading
from course_lib.exercises.checking.solutions import may_be_seen
from course_lib.exercises.checking.timeout import stopped_after
from course_lib.exercises.checking.wire import a_type

NOT_ATTEMPTED, NOT_RIGHT, RIGHT = "Not attempted yet", "Not right yet", "Right"
_SYMBOL = {NOT_ATTEMPTED: "\u25cb", NOT_RIGHT: "\u2717", RIGHT: "\u2713"}
_COLOR = {NOT_ATTEMPTED: GREY, NOT_RIGHT: ORANGE, RIGHT: GREEN}
_MARK = {True: "\u2713 right", False: "\u2717 not yet"}
_MOST_WRONG, _MOST_RIGHT = 4, 8
#: Characters of one finding: five lines.
_MOST_TEXT = 380
#: A check takes well under a second; code that is not done after this many seconds is stopped.
SECONDS = 30.0
_NOTHING = re.compile(r"\byours (is|gives|gives back|is a) None\b")
_TO_ITS_END = "your code runs to its end"
_MILESTONE = re.compile(r"milestone (\d+):")
#: What a stub says when it is called.
_STUB = re.compile(r"^write (\w+) here")


@dataclass(frozen=True)
class Sequence:
    """The learner's beats beside an allowed order; ``first_difference`` is an index."""

    own: str
    allowed: str
    first_difference: int


@dataclass(frozen=True)
class CheckResult:
    """What a check found. Shown as HTML in a notebook and as plain text elsewhere."""

    name: str
    state: str
    findings: tuple[Finding, ...] = ()
    sequence: Sequence | None = None
    advice: str = ""
    #: What the course knows of this mistake, where the answers pack is in use.
    mistake: str = ""
    #: Right findings that are not listed, so that the rest fits on a screen.
    more_right: int = 0

    def __repr__(self) -> str:
        lines = wrap(f"{_SYMBOL[self.state]} {self.name}: {self.state}", "")
        for finding in self.findings:
            lines += wrap(f"{_MARK[finding.ok]}: {_finding_text(finding)}", "  ")
        if self.more_right:
            lines += wrap(_more_text(self.more_right), "  ")
        if self.sequence:
            lines += _sequence_text(self.sequence)
        lines += [line for text in (self.mistake, self.advice) if text for line in wrap(text, "  ")]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        title = f"{_SYMBOL[self.state]} {html.escape(self.name)}: {self.state}"
        parts = [f"<strong>{title}</strong>"]
        if self.findings:
            items = "".join(
                f'<li style="list-style:none">{_MARK[finding.ok]}: {as_html(_finding_text(finding))}</li>'
                for finding in self.findings
            )
            parts.append(f'<ul style="margin:.3em 0;padding-left:.6em">{items}</ul>')
        if self.more_right:
            parts.append(as_html(_more_text(self.more_right)))
        if self.sequence:
            parts.append(_sequence_html(self.sequence))
        parts += [as_html(text) for text in (self.mistake, self.advice) if text]
        return frame(parts, _COLOR[self.state])


def check(name: str, *subjects: Any) -> None:
    """Check the exercise ``name``; pass the function or class you wrote.

    Shows "right", "not right yet" with the first findings, or "not attempted yet", and counts the
    try for ``status``. Takes well under a second; code that is not done after ``SECONDS`` is
    stopped, which is a finding. Raises nothing: what your code raises is a finding too, and an
    unknown name is answered with the nearest ones. Only while nbgrader validates does it raise
    ``NotRight``, with what it found.
    """
    result = run_check(name, *subjects)
    show(result)
    if result.state != RIGHT:
        fail_validation(repr(result))


def run_check(name: str, *subjects: Any) -> CheckResult:
    """What ``check`` shows. An unknown name is reported in the result like everything else."""
    result = examine(name, *subjects)
    if result.state != NOT_ATTEMPTED:
        progress.record(name, passed=result.state == RIGHT)
        if result.state == NOT_RIGHT and may_be_seen(name):
            result = replace(result, advice=f'{result.advice} or solution("{name}")')
        if names := ", ".join(used_without_grading(subjects)):
            missing = f"Grading does not have {names}: what needs it will not work there. "
            result = replace(result, advice=missing + result.advice)
    return _fitting(result)


def examine(name: str, *subjects: Any) -> CheckResult:
    """What a check finds, without counting the try."""
    try:
        exercise = find_exercise(name)
    except LookupError as error:
        return CheckResult(name, NOT_ATTEMPTED, advice=str(error))
    if len(subjects) != len(exercise.subjects) or any(subject is None for subject in subjects):
        call = f'check("{name}", {", ".join(exercise.subjects)})'
        return CheckResult(name, NOT_ATTEMPTED, advice=f"Run your solution's cell, then {call}.")
    uncallable = [
        Finding(False, f"{name} is a function or a class", f"yours is {a_type(subject)}")
        for name, subject in zip(exercise.subjects, subjects, strict=True)
        if not callable(subject)
    ]
    return _not_right(exercise, uncallable) if uncallable else _run_to_the_end(exercise, subjects)


def _fitting(result: CheckResult) -> CheckResult:
    """The same, short enough for a screen: right findings are counted instead of listed, from the
    last; then wrong ones are left out, for the first is where to begin."""
    while len(repr(result).splitlines()) > HEIGHT and len(result.findings) > 1:
        *kept, last = result.findings
        more = result.more_right + last.ok
        result = replace(result, findings=tuple(kept), more_right=more)
    return result


def _more_text(count: int) -> str:
    return f"and {count} more {'is' if count == 1 else 'are'} right"


def _run_to_the_end(exercise: Exercise, subjects: tuple[Any, ...]) -> CheckResult:
    """The result, also when the code never ends, or when the learner presses the stop button."""
    started, line = time.monotonic(), ""
    try:
        with stopped_after(SECONDS) as stop:
            result = _run(exercise, subjects)
        if not stop.raised:
            return result
    except KeyboardInterrupt as interrupt:
        line = describe_error(interrupt).line
    where = f' at your line "{line}"' if line else ""
    seconds = time.monotonic() - started
    got = f"it was stopped after {seconds:.0f} s{where}. Is there a loop that never ends?"
    return _not_right(exercise, [Finding(False, _TO_ITS_END, got)])


def _not_right(exercise: Exercise, findings: list[Finding], **more: Any) -> CheckResult:
    advice = f'Change your cell, run it again, then this one. Stuck? hint("{exercise.name}")'
    nothing = any(_NOTHING.search(finding.got) for finding in findings if not finding.ok)
    if nothing and not more.get("mistake"):
        advice = f"A function that ends without return gives back None. {advice}"
    return CheckResult(exercise.name, NOT_RIGHT, tuple(findings), advice=advice, **more)


def _run(exercise: Exercise, subjects: tuple[Any, ...]) -> CheckResult:
    findings: list[Finding] = []
    sequence, missing = None, ""
    cases, raised, observations = exercise.public_cases(), [], []
    for case in cases:
        observation = observe(exercise, subjects, case)
        observations.append(exercise.read(case, observation))
        error = observation.error
        if error is not None and error.is_stub:
            return CheckResult(exercise.name, NOT_ATTEMPTED, advice=_how_to_start(exercise, error))
        if error is not None:
            raised.append(error)
            findings.append(Finding(False, _TO_ITS_END, _error_text(observation)))
            missing = missing or _advice_on_missing(error)
        else:
            findings += _properties(exercise, case, observation)
        sequence = sequence or _compare_orders(exercise, observation)
    findings = _counted(_worst_of_each(findings), raised, len(cases))
    wrong = sorted((finding for finding in findings if not finding.ok), key=_milestone)[
        :_MOST_WRONG
    ]
    all_right = [finding for finding in findings if finding.ok]
    right, more = all_right[:_MOST_RIGHT], max(0, len(all_right) - _MOST_RIGHT)
    if wrong:
        mistake = "" if missing else _known_mistake(exercise, observations)
        result = _not_right(
            exercise, [*wrong, *right], sequence=sequence, more_right=more, mistake=mistake
        )
        if missing:
            return replace(result, advice=f'{missing} Stuck? hint("{exercise.name}")')
        return result
    return CheckResult(exercise.name, RIGHT, tuple(right), more_right=more)


def _known_mistake(exercise: Exercise, observations: list[Observation]) -> str:
    """What the answers pack says of code that behaves like this; nothing where mistakes of several
    names leave the same behind in the same order of beats."""
    answers = exercise_answers(exercise.name)
    if answers is None:
        return ""
    seen = {
        also: [likeness(exercise, each, also) for each in observations]
        for also in {mistake.also for mistake in answers.mistakes}
    }
    found = [each for each in answers.mistakes if alike(each.seen, seen[each.also])]
    if len({mistake.name for mistake in found}) > 1:
        found = [each for each in found if same_beats(each.seen, seen[each.also])]
    return found[0].sentence if len({mistake.name for mistake in found}) == 1 else ""


def _counted(findings: list[Finding], raised: list[ErrorNote], cases: int) -> list[Finding]:
    """Where the code raised on some inputs alone, its finding says on how many it raised that."""
    if not 0 < len(raised) < cases or raised[0].is_refusal:
        return findings
    # The first error is the one that the finding tells of.
    times = sum(error.type == raised[0].type for error in raised)
    return [
        replace(each, got=f"with {times} of {cases} inputs {each.got}")
        if each.text == _TO_ITS_END
        else each
        for each in findings
    ]


def _milestone(finding: Finding) -> int:
    """Of an exercise in milestones, where its finding belongs: an early one is to be fixed first."""
    found = _MILESTONE.match(finding.text)
    return int(found[1]) if found else 0


def _properties(exercise: Exercise, case: Case, observation: Observation) -> list[Finding]:
    """The findings on one case; what they stumble over is a finding too, never a traceback."""
    findings: list[Finding] = []
    try:
        for finding in exercise.properties(case, exercise.read(case, observation)):
            findings.append(replace(finding, ok=bool(finding.ok)))  # a NumPy array has no truth
    except Exception as error:
        got = f"the check could not read the result ({type(error).__name__}: {error})"
        findings.append(Finding(False, "your code gives back what the task asks for", got))
    return findings


def _advice_on_missing(error: ErrorNote) -> str:
    """What to do about a name that the learner's code misses, for instance since the kernel was
    restarted; nothing when it misses none."""
    found = re.search(r"^name '(\w+)' is not defined", error.message)
    if not found or error.type != "NameError":
        return ""
    name = found[1]
    # `code` or `token` may be a variable too; a module is followed by a dot.
    if name in sys.stdlib_module_names and (f"{name}." in error.line or not error.line):
        return f"{name} is a module of Python: run a cell that says import {name}, then this one."
    return advice_on(name) or (
        f"Is {name} spelled right? If a cell above defines it, run that cell again: after a restart "
        "the kernel knows nothing."
    )


def _how_to_start(exercise: Exercise, error: ErrorNote) -> str:
    named = _STUB.search(error.message)
    if named and named[1] not in (exercise.name, *exercise.subjects):
        return f"Your code calls {named[1]}, which is not written yet. Write that one first."
    return f'Write your solution above, then run this cell. Stuck? hint("{exercise.name}")'


def _error_text(observation: Observation) -> str:
    error = observation.error
    where = f" (your line: `{error.line}`)" if error.line else ""
    hint = error.message.find("Hint: enable anomaly detection")  # PyTorch's, and no use here
    message = error.message[:hint] if hint > 0 else error.message
    message = textwrap.shorten(message, 240, placeholder=" ...")
    raised = "" if error.is_refusal else f"it raised {error.type}: "
    return f"{raised}{message}{where}"


def _worst_of_each(findings: list[Finding]) -> list[Finding]:
    """Each text once, in order of appearance; a text that is wrong on any case is wrong."""
    worst: dict[str, Finding] = {}
    for finding in findings:
        if finding.text not in worst or (worst[finding.text].ok and not finding.ok):
            worst[finding.text] = finding
    return list(worst.values())


def _finding_text(finding: Finding) -> str:
    text = f"{finding.text}; {finding.got}" if finding.got and not finding.ok else finding.text
    return textwrap.shorten(text, _MOST_TEXT, placeholder=" ...")


def _compare_orders(exercise: Exercise, observation: Observation) -> Sequence | None:
    """The start of the learner's beats beside the allowed order that it follows the longest."""
    if not exercise.allowed_orders or not observation.events:
        return None
    own = "".join(observation.events)

    def agree(order: str) -> int:
        """How many of the learner's beats come before the first that differs."""
        return next((i for i, beat in enumerate(own) if beat != order[i]), len(own))

    repeated = [order * (len(own) // len(order) + 1) for order in exercise.allowed_orders]
    best = max(repeated, key=agree)
    difference = agree(best)
    if difference == len(own):
        return None
    shown = max(2 * len(exercise.allowed_orders[0]), difference + 2)
    start = max(0, shown - 12)
    return Sequence(own[start:shown], best[start:shown], difference - start)


# --- how it looks ------------------------------------------------------------------------------


def _sequence_text(sequence: Sequence) -> list[str]:
    lines = [
        "  your beats:    " + " ".join(sequence.own),
        "  allowed order: " + " ".join(sequence.allowed[: len(sequence.own)]),
        " " * (17 + 2 * sequence.first_difference) + "^ first difference",
    ]
    letters = "".join(dict.fromkeys(sequence.own + sequence.allowed))
    names = ", ".join(f"{letter} {BY_LETTER[letter].name}" for letter in letters)
    return lines + wrap(f"({names})", "  ")


def _sequence_html(sequence: Sequence) -> str:
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left;padding-right:.8em">{label}</th>'
        + "".join(
            _beat_cell(letter, i == sequence.first_difference) for i, letter in enumerate(row)
        )
        + "</tr>"
        for label, row in (
            ("your beats", sequence.own),
            ("allowed order", sequence.allowed[: len(sequence.own)]),
        )
    )
    style = "border-collapse:separate;border-spacing:3px;color:inherit"
    table = f'<div style="overflow-x:auto"><table style="{style}">{rows}</table></div>'
    return f"{table}<div>The framed column is the first difference.</div>"


def _beat_cell(letter: str, marked: bool) -> str:
    beat = BY_LETTER[letter]
    frame = "3px solid currentColor" if marked else "3px solid transparent"
    # The text keeps the theme's own colour, so that it is legible on any background.
    return (
        f'<td style="border:{frame};border-radius:4px;padding:2px 6px;text-align:center">'
        f'<span aria-hidden="true" style="color:{beat.color}">{beat.symbol}</span> {beat.name}</td>'
    )
