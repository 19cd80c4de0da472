"""What a learner reads of the grading: the verdict below each check, and the summary on top.

HTML with its styles inline, because it is shown on nbgrader's feedback pages, in formgrader and in
JupyterLab, whose style sheets differ. Each verdict is a symbol and a word; colour only adds to them.
"""

import re
from html import escape
from textwrap import shorten

from course_lib.exercises import all_exercises
from grading.intake.matching import TEST_SUFFIX
from grading.judging.outcomes import VERDICTS, AspectOutcome, ItemOutcome, NotebookOutcome

#: (text and border, background): each pair has a contrast of at least 7 to 1.
_COLOURS = {
    "passed": ("#11592a", "#f0f9f2"),
    "partial": ("#6b4500", "#fff8e8"),
    "not_attempted": ("#3f4650", "#f5f6f8"),
}
_WRONG = ("#8a1120", "#fdf2f3")
_TEXT = "font-family: system-ui, sans-serif; line-height: 1.5; color: #1f2328;"
#: The pages set TeX between dollar signs, and part of the text is a learner's.
_NO_MATHS = "tex2jax_ignore mathjax_ignore"
_LINE = "margin: 6px 0 0 0;"
#: The feedback pages' own style sheet sets the columns of a chapter's tables side by side.
_TABLES = (
    "<style>.rendered_html td, .rendered_html th { padding: 4px 14px 4px 0; text-align: left; "
    "vertical-align: top; border-bottom: 1px solid #d0d7de; }</style>"
)


def verdict_html(item: ItemOutcome) -> str:
    """The verdict on one check: points, what was right, what was not and why, what to do."""
    colour, background = _COLOURS.get(item.status, _WRONG)
    symbol, word = VERDICTS[item.status]
    box = f"border-left: 6px solid {colour}; background: {background};"
    box += " padding: 10px 14px; margin: 0 0 14px 0;"
    lines = [
        f'<div class="{_NO_MATHS}" style="{_TEXT} {box} max-width: 52em; border-radius: 3px;">',
        f'<p style="margin: 0; font-size: 110%; color: {colour};">'
        f"<strong>{symbol} {word[:1].upper()}{word[1:]}</strong>"
        f" &middot; {points(item.score, item.max_score)}</p>",
    ]
    if item.misconception:
        lines.append(
            _paragraph(
                f"<strong>{escape(_title(item.misconception))}.</strong> {_text(item.message)}"
            )
        )
    elif item.message not in ("Right.", "Not attempted."):  # the line above says that already
        lines.append(_paragraph(_text(item.message)))
    if item.aspects and item.status != "not_attempted":
        rows = "".join(_aspect(aspect, item.message) for aspect in item.aspects)
        lines.append(f'<ul style="list-style: none; margin: 8px 0 0 0; padding: 0;">{rows}</ul>')
    advice = _advice(item)
    if advice:
        lines.append(_paragraph(f"<strong>What to do:</strong> {_text(advice)}"))
    return "\n".join([*lines, "</div>"])


def summary_html(outcome: NotebookOutcome) -> str:
    """The notebook's verdicts in one table, and what had to be mended in the file."""
    head = "text-align: left; padding: 4px 14px 4px 0; border-bottom: 2px solid #57606a;"
    rows = "".join(_row(item) for item in outcome.items)
    lines = [
        f'<div class="{_NO_MATHS}" style="{_TEXT} max-width: 60em;">',
        f'<p style="margin: 0; font-size: 120%;"><strong>Graded: '
        f"{points(outcome.score, outcome.max_score)}</strong></p>",
        '<table style="border-collapse: collapse; margin: 10px 0; border: none;">',
        f'<thead><tr><th style="{head}">task</th><th style="{head}">verdict</th>'
        f'<th style="{head}">points</th><th style="{head}">what to look at</th></tr></thead>',
        f"<tbody>{rows}</tbody></table>",
    ]
    if outcome.problems:
        problems = "".join(f"<li>{_text(problem)}</li>" for problem in outcome.problems)
        lines.append(_paragraph("<strong>What was put right in your file, or stopped:</strong>"))
        lines.append(f'<ul style="margin: 4px 0 0 0; padding-left: 1.4em;">{problems}</ul>')
    return "\n".join([*lines, _TABLES, "</div>"])


def points(score: float, maximum: float) -> str:
    """``2.5 of 4 points``."""
    return f"{score:g} of {maximum:g} point{'' if maximum == 1 else 's'}"


def _row(item: ItemOutcome) -> str:
    colour, _ = _COLOURS.get(item.status, _WRONG)
    symbol, word = VERDICTS[item.status]
    cell = "padding: 4px 14px 4px 0; border-bottom: 1px solid #d0d7de; text-align: left;"
    cell += " vertical-align: top;"
    name = item.grade_id.removesuffix(TEST_SUFFIX)
    shown = item.misconception or ""
    if not shown and item.aspects and item.status not in ("passed", "not_attempted"):
        shown = shorten(item.message, 90, placeholder=" ...")
    return (
        f'<tr><td style="{cell}"><a href="#{escape(item.grade_id)}">'
        f"<code>{escape(name)}</code></a></td>"
        f'<td style="{cell} color: {colour}; white-space: nowrap;">{symbol} {word}</td>'
        f'<td style="{cell} white-space: nowrap;">{item.score:g} / {item.max_score:g}</td>'
        f'<td style="{cell}">{escape(shown)}</td></tr>'
    )


def _aspect(aspect: AspectOutcome, message: str) -> str:
    right = not aspect.problem
    symbol, word = ("✓", "right") if right else ("✗", "not yet")
    colour = _COLOURS["passed"][0] if right else _WRONG[0]
    text = (
        f'<li style="margin: 2px 0;"><span style="color: {colour}; display: inline-block; '
        f'width: 5.2em;">{symbol} {word}</span> {_text(aspect.text)} '
        f'<span style="color: #57606a;">({aspect.score:g} of {aspect.max_score:g})</span>'
    )
    # The main sentence is not repeated below it.
    if aspect.problem and aspect.problem.strip(".").lower() != message.strip(".").lower():
        text += f'<br><span style="margin-left: 5.5em;">{_text(aspect.problem)}</span>'
    return text + "</li>"


def _advice(item: ItemOutcome) -> str:
    """The exercise's first hint; the second for who already has a part of it."""
    exercise = all_exercises().get(item.grade_id.removesuffix(TEST_SUFFIX))
    if exercise is None or item.status == "passed":
        return ""
    if item.status == "not_attempted":
        return f"Write {', '.join(exercise.subjects)}. Stuck? {exercise.hints[0]}"
    if item.status in ("missing", "timeout"):
        return ""
    return exercise.hints[1] if item.score else exercise.hints[0]


def _title(misconception: str) -> str:
    text = misconception.replace("_", " ")
    return text[:1].upper() + text[1:]


def _paragraph(inner: str) -> str:
    return f'<p style="{_LINE}">{inner}</p>'


def _text(text: str) -> str:
    """Plain text as HTML; what stands between backticks as code."""
    return re.sub(r"`([^`<>]+)`", r"<code>\1</code>", escape(text))
