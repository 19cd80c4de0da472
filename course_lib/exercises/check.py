"""``check`` and ``hint``: what a learner calls. Instant, without a grader and without a solution.

A check has three states: not attempted yet, not right yet, right. It never raises and never shows
a traceback of the course; what it prints fits in 80 columns and on one screen.
"""

import html
import textwrap
from dataclasses import dataclass
from typing import Any

from course_lib import progress
from course_lib.beats import BY_LETTER
from course_lib.exercises import find_exercise
from course_lib.exercises.model import Exercise, Finding, Observation
from course_lib.exercises.observe import observe

NOT_ATTEMPTED, NOT_RIGHT, RIGHT = "Not attempted yet", "Not right yet", "Right"
_SYMBOL = {NOT_ATTEMPTED: "\u25cb", NOT_RIGHT: "\u2717", RIGHT: "\u2713"}
_MARK = {True: "\u2713 right", False: "\u2717 not yet"}
_WIDTH = 80
_MOST_WRONG, _MOST_RIGHT = 4, 8
_hints_shown: dict[str, int] = {}


@dataclass(frozen=True)
class Sequence:
    """The learner's beats beside an allowed order; ``first_difference`` is an index or None."""

    own: str
    allowed: str
    first_difference: int | None


@dataclass(frozen=True)
class CheckResult:
    """What a check found. Shown as HTML in a notebook and as plain text elsewhere."""

    name: str
    state: str
    findings: tuple[Finding, ...] = ()
    sequence: Sequence | None = None
    advice: str = ""

    def __repr__(self) -> str:
        lines = _wrap(f"{_SYMBOL[self.state]} {self.name}: {self.state}", "")
        for finding in self.findings:
            lines += _wrap(f"{_MARK[finding.ok]}: {_finding_text(finding)}", "  ")
        if self.sequence:
            lines += _sequence_text(self.sequence)
        if self.advice:
            lines += _wrap(self.advice, "  ")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return _result_html(self)


def check(name: str, *subjects: Any) -> None:
    """Check the exercise ``name``; pass the function or class you wrote. Shows the result."""
    _show(run_check(name, *subjects))


def run_check(name: str, *subjects: Any) -> CheckResult:
    """What ``check`` shows. An unknown name is reported in the result like everything else."""
    try:
        exercise = find_exercise(name)
    except LookupError as error:
        return CheckResult(name, NOT_ATTEMPTED, advice=str(error))
    if len(subjects) != len(exercise.subjects) or any(subject is None for subject in subjects):
        call = f'check("{name}", {", ".join(exercise.subjects)})'
        return CheckResult(name, NOT_ATTEMPTED, advice=f"Run your solution's cell, then {call}.")
    result = _run(exercise, subjects)
    if result.state != NOT_ATTEMPTED:
        progress.record(name, passed=result.state == RIGHT)
    return result


def _run(exercise: Exercise, subjects: tuple[Any, ...]) -> CheckResult:
    findings: list[Finding] = []
    sequence = None
    for case in exercise.public_cases():
        observation = observe(exercise, subjects, case)
        error = observation.error
        if error is not None and error.type == "NotImplementedError":
            advice = (
                f'Write your solution above, then run this cell. Stuck? hint("{exercise.name}")'
            )
            return CheckResult(exercise.name, NOT_ATTEMPTED, advice=advice)
        if error is not None:
            findings.append(Finding(False, "your code runs to its end", _error_text(observation)))
        else:
            findings += exercise.properties(case, observation)
        sequence = sequence or _compare_orders(exercise, observation)
    findings = _worst_of_each(findings)
    wrong = [finding for finding in findings if not finding.ok][:_MOST_WRONG]
    right = [finding for finding in findings if finding.ok][:_MOST_RIGHT]
    if wrong:
        advice = f'Change your cell, run it again, then this one. Stuck? hint("{exercise.name}")'
        return CheckResult(exercise.name, NOT_RIGHT, (*wrong, *right), sequence, advice)
    return CheckResult(exercise.name, RIGHT, tuple(right))


def _error_text(observation: Observation) -> str:
    error = observation.error
    where = f" at your line: {error.line}" if error.line else ""
    message = textwrap.shorten(error.message, 240, placeholder=" ...")
    return f"it raised {error.type}: {message}{where}"


def _worst_of_each(findings: list[Finding]) -> list[Finding]:
    """Each text once, in order of appearance; a text that is wrong on any case is wrong."""
    worst: dict[str, Finding] = {}
    for finding in findings:
        if finding.text not in worst or (worst[finding.text].ok and not finding.ok):
            worst[finding.text] = finding
    return list(worst.values())


def _finding_text(finding: Finding) -> str:
    return f"{finding.text}; {finding.got}" if finding.got and not finding.ok else finding.text


def _compare_orders(exercise: Exercise, observation: Observation) -> Sequence | None:
    """The start of the learner's beats beside the allowed order that it follows the longest."""
    if not exercise.allowed_orders or not observation.events:
        return None
    own = "".join(observation.events)
    longest = -1
    for order in exercise.allowed_orders:
        repeated = order * (len(own) // len(order) + 1)
        same = next(
            (i for i, (a, b) in enumerate(zip(own, repeated, strict=False)) if a != b), None
        )
        length = len(own) if same is None else same
        if length > longest:
            longest, best, difference = length, repeated, same
    if difference is None:
        return None
    shown = max(2 * len(exercise.allowed_orders[0]), difference + 2)
    start = max(0, shown - 12)
    return Sequence(own[start:shown], best[start:shown], difference - start)


def hint(name: str) -> None:
    """Show the next hint of an exercise: the first call the first stage, the second the second."""
    try:
        exercise = find_exercise(name)
    except LookupError as error:
        _show(_Text(str(error)))
        return
    stage = _hints_shown.get(name, 0)
    _hints_shown[name] = min(stage + 1, len(exercise.hints) - 1)
    more = "" if stage + 1 >= len(exercise.hints) else f'  (More: hint("{name}") once again.)'
    _show(_Text(f"Hint {stage + 1} of {len(exercise.hints)}: {exercise.hints[stage]}{more}"))


@dataclass(frozen=True)
class _Text:
    text: str

    def __repr__(self) -> str:
        return "\n".join(line for part in self.text.split("\n") for line in _wrap(part, ""))


def _show(result: Any) -> None:
    try:
        from IPython import get_ipython
    except ImportError:
        print(repr(result))
        return
    if get_ipython() is None:
        print(repr(result))
        return
    from IPython.display import display

    display(result)


# --- how it looks ------------------------------------------------------------------------------


def _wrap(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False
    ) or [""]


def _sequence_text(sequence: Sequence) -> list[str]:
    lines = [
        "  your beats:    " + " ".join(sequence.own),
        "  allowed order: " + " ".join(sequence.allowed[: len(sequence.own)]),
    ]
    if sequence.first_difference is not None:
        lines.append(" " * (17 + 2 * sequence.first_difference) + "^ first difference")
    letters = "".join(dict.fromkeys(sequence.own + sequence.allowed))
    names = ", ".join(f"{letter} {BY_LETTER[letter].name}" for letter in letters)
    return lines + _wrap(f"({names})", "  ")


_CSS = (
    "border-left:4px solid {color};padding:.4em .8em;margin:.3em 0;"
    "color:var(--jp-content-font-color1, inherit);"
    "font-family:var(--jp-content-font-family, sans-serif);line-height:1.45"
)
_COLOR = {NOT_ATTEMPTED: "#767676", NOT_RIGHT: "#D55E00", RIGHT: "#009E73"}


def _result_html(result: CheckResult) -> str:
    parts = [
        f'<div class="course-check" role="status" style="{_CSS.format(color=_COLOR[result.state])}">'
        f"<strong>{_SYMBOL[result.state]} {html.escape(result.name)}: {result.state}</strong>"
    ]
    if result.findings:
        items = "".join(
            f'<li style="list-style:none">{_MARK[finding.ok]}: {html.escape(_finding_text(finding))}</li>'
            for finding in result.findings
        )
        parts.append(f'<ul style="margin:.3em 0;padding-left:.6em">{items}</ul>')
    if result.sequence:
        parts.append(_sequence_html(result.sequence))
    if result.advice:
        parts.append(f"<div>{html.escape(result.advice)}</div>")
    return "".join(parts) + "</div>"


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
    note = (
        "The framed column is the first difference."
        if sequence.first_difference is not None
        else ""
    )
    return f'<table style="border-collapse:separate;border-spacing:3px">{rows}</table><div>{note}</div>'


def _beat_cell(letter: str, marked: bool) -> str:
    beat = BY_LETTER[letter]
    frame = "3px solid currentColor" if marked else "3px solid transparent"
    # The text keeps the theme's own colour, so that it is legible on any background.
    return (
        f'<td style="border:{frame};border-radius:4px;padding:2px 6px;text-align:center">'
        f'<span aria-hidden="true" style="color:{beat.color}">{beat.symbol}</span> {beat.name}</td>'
    )
