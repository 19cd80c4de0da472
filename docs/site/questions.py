"""Quizzes, old questions and predictions that answer on a page: their HTML, from a chapter's cells.

``static/questions.js`` works them. Used by ``pages.py``.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from html import escape

from course_lib.answers import quiz_answer
from course_lib.predictions import choices_in
from course_lib.quiz import LETTERS, Question, find_question
from course_lib.retrieval import chosen_for

#: What ``outcome`` prints where nothing was predicted.
_CAME = re.compile(r"^ *(p\w+): it was: (.*)\. \(You made no prediction\.\)$", re.MULTILINE)


def outcomes(solved: Mapping) -> dict[str, str]:
    """By a prediction's id, what the run gave, from the outputs of the solved notebook."""
    text = "\n".join(
        "".join(output.get("text", ""))
        for cell in solved["cells"]
        for output in cell.get("outputs", ())
    )
    return dict(_CAME.findall(text))


def answering(source: str, came: Mapping[str, str]) -> str:
    """The HTML that stands below a cell which asks something; "" for every other cell."""
    return "\n".join(part for call in _calls(source) for part in _parts(*call, came))


def _calls(source: str) -> Iterator[tuple[str, list]]:
    """The name and the arguments of each call that is a line of the cell's own, as far as they are text."""
    try:
        lines = ast.parse(source).body
    except SyntaxError:  # a line of IPython's
        return
    known: dict[str, object] = {}
    for line in lines:
        match line:
            case ast.Assign([ast.Name(name)], value):
                known[name] = _value(value, known)
            case ast.Expr(ast.Call(ast.Name(name), given)):
                yield name, [_value(each, known) for each in given]


def _value(node: ast.expr, known: Mapping[str, object]) -> object:
    match node:
        case ast.Constant(value):
            return value
        case ast.JoinedStr(parts):
            return "".join(str(_value(part, known)) for part in parts)
        case ast.FormattedValue(ast.Name(name)):
            return known.get(name, name)
    return None


def _parts(name: str, given: list, came: Mapping[str, str]) -> Iterator[str]:
    match name, given:
        case "check_quiz", [str(id), *_]:
            yield _quiz(find_question(id), f"Your answer to {id}")
        case "recall", [str(chapter), *_]:
            for question in map(find_question, chosen_for(chapter, {})):
                options = [f"{letter}: {question.options[letter]}" for letter in LETTERS]
                lines = "".join(f"<p>{_inline(line)}</p>" for line in (question.text, *options))
                yield f'<div class="course-asked">{lines}</div>'
                yield _quiz(question, f"Your answer to {question.id}, from an earlier chapter")
        case "predict", [str(id), _, *how] if id in came:
            yield _prediction(id, how[0] if how else "", came[id])


def _quiz(question: Question, label: str) -> str:
    known = quiz_answer(question.id)
    if known is None:
        raise LookupError(f"{question.id} has no answer in the answers pack")
    buttons = "".join(f'<button type="button" value="{each}">{each}</button>' for each in LETTERS)
    reasons = "".join(
        f'<li data-letter="{each}" hidden>{each} is {"right" if each == known.key else "not right"}: '
        f"{_inline(known.why[each])}</li>"
        for each in LETTERS
    )
    return (
        f'<div class="course-question" data-quiz="{question.id}" data-key="{known.key}">'
        f'<div role="group" aria-label="{escape(label)}"><span>{escape(label)}:</span> {buttons}</div>'
        f'<div role="status"><ul>{reasons}</ul><p class="course-again" hidden>Think again: one more try, '
        f"then all reasons are shown.</p></div></div>"
    )


def _prediction(id: str, how: str, came: str) -> str:
    if choices := choices_in(how):
        about = how.rpartition(": ")[0]
        fields = "".join(
            f'<label><input type="radio" name="{id}" value="{escape(each)}"> {_inline(each)}</label>'
            for each in choices
        )
        kind = f" {escape(about)}:" if about else ""
    else:
        fields = f'<label>{_inline(how)} <input type="text" name="{id}" autocomplete="off"></label>'
        kind = ""
    return (
        f'<form class="course-question" data-prediction="{id}" data-came="{escape(came)}">'
        f"<fieldset><legend>What do you expect?{kind}</legend>{fields} "
        f'<button type="submit">Commit</button></fieldset><p role="status"></p></form>'
    )


def _inline(text: str) -> str:
    """Words in backquotes are code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
