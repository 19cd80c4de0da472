"""Which cell is which exercise's, and is there an answer in it? Called by ``hand_in``.

A cell is known as grading knows it: by its id or nbgrader's name, else by the marker in its first
lines, else by the name that it defines. Tests hold the two against each other.
"""

import ast
import hashlib
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from course_lib.chapters import Chapter
from course_lib.exercises import chapter_exercises
from course_lib.quiz import chapter_questions, is_letter

Cell = Mapping[str, Any]

_MARKER = re.compile(r"^[#\s]*(EXERCISE|CHECK)\s+([A-Za-z_]\w*)", re.MULTILINE)
_TEST = "__test"
#: What a stub says until it is replaced.
_STUB = 'raise NotImplementedError("write '
_PARSED_CHARACTERS = 50_000

ANSWERED, UNANSWERED, WARNING, MISSING = "answered", "unanswered", "warning", "missing"


@dataclass(frozen=True)
class Item:
    """One exercise or question: its state and, in words, what was found."""

    name: str
    state: str
    text: str


def take_inventory(chapter: Chapter, cells: Iterable[Cell]) -> list[Item]:
    """One item for each exercise and question of the chapter, in the notebook's order."""
    cells = [cell for cell in cells if isinstance(cell, Mapping)]
    subjects = {each.name: each.subjects for each in chapter_exercises(chapter)}
    questions = [question.id for question in chapter_questions(chapter)]
    own = chapter.own_question
    if any(own in _names_on(cell) for cell in cells):
        questions.append(own)
    subjects |= {name: (name,) for name in questions}
    found = _sort(subjects, cells)
    return [_item(name, found[name], found[name + _TEST], name in questions) for name in subjects]


def _sort(subjects: Mapping[str, tuple[str, ...]], cells: list[Cell]) -> dict[str, list[Cell]]:
    """The cells of each exercise, and under ``name__test`` those of each check."""
    owners = {subject: name for name, own in subjects.items() for subject in own}
    found: dict[str, list[Cell]] = {key: [] for name in subjects for key in (name, name + _TEST)}
    for cell in cells:
        names = [name for name in _names_on(cell) if name in found]
        if not names and cell.get("cell_type") == "code":
            names = [owners[name] for name in defined_names(source_of(cell)) if name in owners]
        if names:
            found[names[0]].append(cell)
    return found


def _names_on(cell: Cell) -> list[str]:
    """By the cell's own id, Colab's copy of it, nbgrader's name for it, and its marker."""
    metadata = metadata_of(cell)
    nbgrader = metadata.get("nbgrader")
    given = [cell.get("id"), metadata.get("id")]
    given.append(nbgrader.get("grade_id") if isinstance(nbgrader, Mapping) else None)
    first = "\n".join(source_of(cell).split("\n")[:5])
    marked = [name if kind == "EXERCISE" else name + _TEST for kind, name in _MARKER.findall(first)]
    return [*(name for name in given if isinstance(name, str)), *marked]


def _item(name: str, cells: list[Cell], checks: list[Cell], is_question: bool) -> Item:
    if not cells:
        return Item(
            name,
            MISSING,
            f'its cell is missing. Undo the deletion, or add a cell that begins with "# EXERCISE {name}"',
        )
    own = [cell for cell in cells if not _untouched(cell)]
    cell = (own or cells)[-1]
    state, text = _quiz_answer(name, cell) if is_question else _code_answer(cell)
    if not own:
        state, text = UNANSWERED, "not answered yet" if is_question else "not written yet"
    notes = []
    if len(own) > 1:
        notes.append(f"there are {len(own)} cells for it; the last one before the check counts")
    if cell.get("cell_type") != "code":
        notes.append("its cell is not a code cell; grading treats it as one")
    if not checks:
        notes.append("its check is missing; grading restores it")
    if notes and state == ANSWERED:
        state = WARNING
    return Item(name, state, "; ".join([text, *notes]))


def _code_answer(cell: Cell) -> tuple[str, str]:
    source = source_of(cell)
    if not source.strip() or not top_level(source) and _parses(source):
        return UNANSWERED, "its cell contains no code"
    if _STUB in source:
        return UNANSWERED, "not finished yet"
    if not _parses(source):
        return WARNING, "written, but with a syntax error: run its cell to see it"
    return ANSWERED, "written"


def _quiz_answer(name: str, cell: Cell) -> tuple[str, str]:
    """The letter, where the cell says it plainly; of the learner's own question, name and number."""
    values = [
        node.value
        for node in top_level(source_of(cell))
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
    ]
    if not values:
        return WARNING, f"its cell does not set {name}"
    if not isinstance(values[-1], ast.Constant):
        return WARNING, "its cell does not give a plain answer in quotes"
    answer = values[-1].value
    if answer is None:
        return UNANSWERED, "not answered yet"
    if name.startswith("own_"):
        if isinstance(answer, str) and ":" in answer:
            return ANSWERED, f"answered {answer.strip()!r:.60}"
        return WARNING, f'{answer!r:.40} is not "NAME: NUMBER"'
    if not is_letter(answer):
        return WARNING, f'{answer!r:.40} is not an answer: set it to "A", "B", "C" or "D"'
    return ANSWERED, f"answered {answer.strip().upper()}"


def _untouched(cell: Cell) -> bool:
    """Is this the released cell? nbgrader wrote down its checksum when the chapter was released."""
    nbgrader = metadata_of(cell).get("nbgrader")
    if not isinstance(nbgrader, Mapping) or not isinstance(nbgrader.get("checksum"), str):
        return False
    parts = (source_of(cell), str(cell.get("cell_type")), "False", "True", "False")
    text = "".join((*parts, str(nbgrader.get("grade_id"))))
    checksum = hashlib.md5(text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
    return checksum == nbgrader["checksum"]


def source_of(cell: Cell) -> str:
    """A cell's text, whether it is stored as one string or as lines."""
    source = cell.get("source", "")
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""


def metadata_of(cell: Cell) -> Mapping[str, Any]:
    metadata = cell.get("metadata")
    return metadata if isinstance(metadata, Mapping) else {}


def defined_names(source: str) -> list[str]:
    """Functions, classes and variables that the cell defines at its top level; [] if it cannot be
    parsed (it then defines nothing in a kernel either). The grader's repair calls this too."""
    names = []
    for node in top_level(source):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [target.id for target in targets if isinstance(target, ast.Name)]
    return names


def top_level(source: str) -> list[ast.stmt]:
    """The statements of a cell, magics and shell lines taken for comments; [] if it has an error."""
    try:
        return _parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _parses(source: str) -> bool:
    try:
        _parse(source)
    except SyntaxError:
        return False
    except (ValueError, RecursionError, MemoryError):
        return True  # too deep to be read here, which says nothing of it
    return True


def _parse(source: str) -> ast.Module:
    if len(source) > _PARSED_CHARACTERS:
        raise ValueError("too long to be parsed in passing")
    lines = ["pass" if line.startswith(("%", "!", "?")) else line for line in source.split("\n")]
    # A cell may await at its top level, as IPython allows.
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    with warnings.catch_warnings(action="ignore"):  # of "\\d" and the like its own kernel warns
        return compile("\n".join(lines), "<cell>", "exec", flags, dont_inherit=True)
