"""What a learner reads of the grading: the verdict below each check, and the summary on top.

The pages are in ``templates/``, with their styles inline, because they are shown on nbgrader's feedback
pages, in formgrader and in JupyterLab, whose style sheets differ. Each verdict is a symbol and a word;
colour only adds to them. Everything is escaped: part of it is a learner's.
"""

import re
from pathlib import Path
from textwrap import shorten

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from course_lib.exercises import all_exercises
from grading.intake.matching import TEST_SUFFIX
from grading.judging.outcomes import VERDICTS, ItemOutcome, NotebookOutcome

#: (text and border, background): each pair has a contrast of at least 7 to 1.
_COLOURS = {
    "passed": ("#11592a", "#f0f9f2"),
    "partial": ("#6b4500", "#fff8e8"),
    "not_attempted": ("#3f4650", "#f5f6f8"),
}
_WRONG = ("#8a1120", "#fdf2f3")


def _code(text: str) -> Markup:
    """Plain text as HTML; what stands between backticks as code."""
    return Markup(re.sub(r"`([^`<>]+)`", r"<code>\1</code>", str(escape(text))))


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    undefined=StrictUndefined,
)
_TEMPLATES.filters |= {"code": _code, "first_upper": _first_upper}
_TEMPLATES.globals |= {
    # The pages set TeX between dollar signs, and part of the text is a learner's.
    "no_maths": "tex2jax_ignore mathjax_ignore",
    "text_style": "font-family: system-ui, sans-serif; line-height: 1.5; color: #1f2328;",
}


def verdict_html(item: ItemOutcome) -> str:
    """The verdict on one check: points, what was right, what was not and why, what to do."""
    colour, background = _COLOURS.get(item.status, _WRONG)
    symbol, word = VERDICTS[item.status]
    return _TEMPLATES.get_template("verdict.html.jinja").render(
        item=item,
        colour=colour,
        background=background,
        symbol=symbol,
        word=word,
        points=_points(item.score, item.max_score),
        aspects=[] if item.status == "not_attempted" else _aspects(item),
        advice=_advice(item),
    )


def summary_html(outcome: NotebookOutcome) -> str:
    """The notebook's verdicts in one table, and what had to be repaired in the file."""
    return _TEMPLATES.get_template("summary.html.jinja").render(
        points=_points(outcome.score, outcome.max_score),
        rows=list(map(_row, outcome.items)),
        problems=outcome.problems,
    )


def _points(score: float, maximum: float) -> str:
    """``2.5 of 4 points``."""
    return f"{score:g} of {maximum:g} point{'' if maximum == 1 else 's'}"


def _row(item: ItemOutcome) -> tuple:
    name = item.grade_id.removesuffix(TEST_SUFFIX)
    said = item.misconception or ""
    if not said and item.aspects and item.status not in ("passed", "not_attempted"):
        said = shorten(item.message, 90, placeholder=" ...")
    return item, name, *VERDICTS[item.status], _COLOURS.get(item.status, _WRONG)[0], said


def _aspects(item: ItemOutcome) -> list[tuple]:
    """Each aspect with symbol, word and colour, and what was wrong: the main sentence is not said again."""
    found = []
    for aspect in item.aspects:
        main = aspect.problem.strip(".").lower() in item.message.lower()
        if aspect.problem:
            found.append((aspect, "\u2717", "not yet", _WRONG[0], "" if main else aspect.problem))
        else:
            found.append((aspect, "\u2713", "right", _COLOURS["passed"][0], ""))
    return found


def _advice(item: ItemOutcome) -> str:
    """The exercise's first hint; the second for work that is partly right."""
    exercise = all_exercises().get(item.grade_id.removesuffix(TEST_SUFFIX))
    if exercise is None or item.status in ("passed", "missing", "timeout"):
        return ""
    if item.status == "not_attempted":
        return f"Write {', '.join(exercise.subjects)}. Stuck? {exercise.hints[0]}"
    return exercise.hints[1] if item.score else exercise.hints[0]
