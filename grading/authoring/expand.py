"""Expands a chapter's source cells to the notebook that nbgrader, nbval and Colab know: set-up,
badge, checks, hidden tests, quiz cells, nbgrader's schema-3 metadata and stable cell ids.

Pure: nothing is executed and nothing is written. Called by ``build``, and by ``release`` to see
whether a solved notebook is up to date.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from nbformat import NotebookNode, from_dict
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_lib import __version__
from course_lib.about import colab_badge, document
from course_lib.chapters import Chapter
from course_lib.drills import own
from course_lib.exercises import find_exercise
from course_lib.exercises.effort import EFFORT
from course_lib.quiz import find_question
from grading.answers import quiz_key
from grading.authoring import environment_note
from grading.chapter_text.cells import SourceCell
from grading.chapter_text.regions import BEGIN, END, STUB, RegionError, cut_solutions
from grading.chapter_text.setup_cell import setup_source
from grading.errors import Problem

BADGE_IMAGE = "https://colab.research.google.com/assets/colab-badge.svg"
QUIZ_POINTS = 1

#: No version that a patch release changes: the notebook is the same wherever it is built.
KERNEL_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    },
}

#: What a chapter's notebook says beside it: who asks for which machine, its version, its environment.
KEPT_METADATA = ("accelerator", "course", environment_note.KEY)

#: The names of the predictions that a cell asks for.
_PREDICTIONS = re.compile(r'^predict\("(\w+)"', re.MULTILINE)

#: The end of every chapter. ``nbval-skip``: what it says depends on the file beside it.
HAND_IN_TEXT = """\
## Hand in

When your work is graded: save the notebook (Ctrl+S), then run the cell below. It looks whether every
exercise and question of this chapter is still there, and makes a copy to hand in, without outputs and
without personal data. Your notebook stays as it is."""
#: Before it, where a graded course adds one.
OWN_QUESTION_TEXT = """\
## A question of your own

Everybody gets this kind of question, each with different numbers: yours follow from your name. In place
of `None` write the name under which you hand in, in quotes, and run both cells: you see your question. Then
write your number behind the name, like `"NAME: 1.5"`, and run both again. It is noted; grading says whether
it is right."""
HAND_IN_ID = "hand-in__text"
HAND_IN_TAGS = ("hand-in", "nbval-skip")

GRADED = """\
# CHECK {name}
{check}({arguments})
### BEGIN HIDDEN TESTS
from grading.inprocess import {grade}
{grade}({arguments})
### END HIDDEN TESTS"""


def expand_chapter(chapter: Chapter, cells: list[SourceCell]) -> NotebookNode:
    """The chapter's notebook, solved and not yet executed."""
    notebook = new_notebook(metadata=from_dict(KERNEL_METADATA))
    notebook.metadata.course = from_dict({"chapter": chapter.id, "version": __version__})
    taken: Counter[str] = Counter()

    def add(expanded: NotebookNode, wanted: str) -> None:
        """Its id depends on nothing but the cell itself: inserting a cell changes no other id."""
        if not wanted:
            content = f"{chapter.id}\n{expanded.cell_type}\n{expanded.source}"
            wanted = hashlib.sha256(content.encode()).hexdigest()[:12]
        taken[wanted] += 1
        expanded.id = wanted if taken[wanted] == 1 else f"{wanted}-{taken[wanted]}"
        notebook.cells.append(expanded)

    predicted = ""
    for cell in cells:
        for expanded, wanted_id in _expand(chapter, cell, predicted):
            add(expanded, wanted_id)
        if cell.kind == "code":
            predicted = " ".join(_PREDICTIONS.findall(cell.text))
        if cell.accelerator:
            notebook.metadata.accelerator = cell.accelerator
    add(new_markdown_cell(HAND_IN_TEXT), HAND_IN_ID)
    add(_code(f'hand_in("{chapter.id}")', HAND_IN_TAGS), "hand-in")
    return notebook


def _expand(
    chapter: Chapter, cell: SourceCell, predicted: str
) -> Iterator[tuple[NotebookNode, str]]:
    """The notebook cells that a source cell stands for, each with its id ("" for a hash).
    ``predicted`` names the predictions in the code cell before it."""
    match cell.role:
        case "head":
            yield new_markdown_cell(_head(chapter, cell.text)), "head"
        case "setup":
            yield _code(setup_source(), ["setup"]), "setup"
        case "panel":
            asked = f', ask="{predicted}"' if predicted else ""
            source = cell.text or f'panel("{cell.name}"{asked})'
            yield _code(source, dict.fromkeys(("panel", *cell.tags))), f"panel-{cell.name}"
        case "solution":
            marker = exercise_marker(cell.name, _exercise(cell).points)
            if cell.name in EFFORT:
                marker += f"\n# {EFFORT[cell.name]}"
            yield _solution_cell(cell, f"{marker}\n{cell.text}"), cell.name
        case "tests":
            yield _tests_cell(cell), f"{cell.name}__test"
        case "paste":
            yield _solution_cell(cell, cell.text), cell.name
        case "quiz":
            yield from _quiz_cells(cell)
        case _ if cell.kind == "markdown":
            yield new_markdown_cell(cell.text, metadata=_metadata(cell.tags)), ""
        case _:
            yield _code(cell.text, cell.tags), ""


def _head(chapter: Chapter, text: str) -> str:
    return (
        f"# {chapter.number}. {chapter.title}\n\n"
        f"[![Open in Colab]({BADGE_IMAGE})]({colab_badge(chapter.id)})"
        f" &nbsp; About {chapter.minutes} minutes. &nbsp; [Glossary]({document('glossary')})"
        f"\n\n{text}"
    )


def _solution_cell(cell: SourceCell, source: str) -> NotebookNode:
    try:
        cut_solutions(source, cell.name)
    except RegionError as error:
        raise Problem(f'{cell.where}: {cell.role}="{cell.name}": {error}.') from None
    return _code(source, cell.tags, _solution_metadata(cell.name))


def _tests_cell(cell: SourceCell) -> NotebookNode:
    exercise = _exercise(cell)
    arguments = ", ".join((f'"{cell.name}"', *exercise.subjects))
    return _graded_cell(cell.name, "check", "grade", arguments, exercise.points)


def _quiz_cells(cell: SourceCell) -> Iterator[tuple[NotebookNode, str]]:
    try:
        question, key = find_question(cell.name), quiz_key(cell.name)
    except LookupError as error:
        raise Problem(f"{cell.where}: {error}") from None
    number = cell.name.rpartition("_")[2]
    options = "\n".join(f"- **{letter}** {text}" for letter, text in question.options.items())
    text = f"**Question {number}.** {question.text}\n\n{options}"
    yield new_markdown_cell(text), f"{cell.name}__question"

    letters = [f'"{letter}"' for letter in question.options]
    choice = f"{', '.join(letters[:-1])} or {letters[-1]}"
    yield _answer_cell(cell.name, QUIZ_POINTS, f'"{key.key}"', choice), cell.name
    arguments = f'"{cell.name}", {cell.name}'
    test = _graded_cell(cell.name, "check_quiz", "grade_quiz", arguments, QUIZ_POINTS)
    yield test, f"{cell.name}__test"


def own_question_cells(chapter: Chapter) -> list[NotebookNode]:
    """The cells of a question whose numbers follow from the learner's name, and from nothing else."""
    name = chapter.own_question
    cells = {
        f"{name}__question": new_markdown_cell(OWN_QUESTION_TEXT),
        name: _answer_cell(name, own.POINTS, "None", 'your name; then "NAME: NUMBER"'),
        f"{name}__test": _graded_cell(
            name, "course_lib.check_own", "grade_own", f'"{name}", {name}', own.POINTS
        ),
    }
    for id, cell in cells.items():
        cell.id = id
    return list(cells.values())


def _answer_cell(name: str, points: int, answer: str, hint: str) -> NotebookNode:
    """The cell of a variable to be set: None with a hint beside it, until it is ``answer``."""
    marker, stub = exercise_marker(name, points), f"# {name} = None  # {hint}"
    source = "\n".join((marker, BEGIN, f"{name} = {answer}", STUB, stub, END))
    return _code(source, (), _solution_metadata(name))


def exercise_marker(name: str, points: int) -> str:
    """First line of a solution cell, by which it is known again when its metadata was lost."""
    return f"# EXERCISE {name} ({points} point{'' if points == 1 else 's'})"


def _exercise(cell: SourceCell):
    try:
        return find_exercise(cell.name)
    except LookupError as error:
        raise Problem(f'{cell.where}: {cell.role}="{cell.name}": {error}') from None


def _solution_metadata(grade_id: str) -> dict[str, Any]:
    return {
        "grade": False,
        "grade_id": grade_id,
        "locked": False,
        "schema_version": 3,
        "solution": True,
        "task": False,
    }


def _graded_cell(name: str, check: str, grade: str, arguments: str, points: int) -> NotebookNode:
    source = GRADED.format(name=name, check=check, grade=grade, arguments=arguments)
    metadata = _solution_metadata(f"{name}__test")
    metadata |= {"grade": True, "locked": True, "solution": False, "points": points}
    return _code(source, ["raises-exception"], metadata)


def _code(source: str, tags: Iterable[str], nbgrader: dict[str, Any] | None = None) -> NotebookNode:
    more = {"nbgrader": nbgrader} if nbgrader else {}
    return new_code_cell(source, metadata=_metadata(tags) | more)


def _metadata(tags: Iterable[str]) -> dict[str, Any]:
    return {"tags": list(tags)} if tags else {}
