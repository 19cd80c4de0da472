"""The reference solutions, taken from the chapters' text sources: a solution is written once.

Runs a chapter's set-up cells, cells tagged ``setup`` and solution cells, in the order of the
notebook, in one namespace. ``edited`` runs a solution again with some of its text replaced: that is
how most wrong solutions are written (``grading.answers.edit``). Trusted code only.
"""

import linecache
from collections.abc import Iterable
from functools import cache
from typing import Any

from course_lib.chapters import Chapter
from course_lib.exercises import chapter_of, find_exercise
from grading.chapter_text.cells import SourceCell, read_chapter
from grading.chapter_text.regions import cut_solutions, solved
from grading.chapter_text.setup_cell import setup_source
from grading.errors import Problem
from grading.paths import text_source


def reference(name: str) -> tuple[Any, ...]:
    """The subjects of the exercise ``name`` as the solved notebook defines them."""
    return _subjects(name, solved_namespace(chapter_of(name)))


def edited(name: str, replacements: Iterable[tuple[str, str]]) -> tuple[Any, ...]:
    """The subjects of ``name`` when each (old, new) is replaced in its solution.

    Raises ``Problem`` unless every old text occurs exactly once.
    """
    source = reference_source(name)
    for old, new in replacements:
        source = replaced(source, old, new, f"the solution of {name}")
    namespace = dict(solved_namespace(chapter_of(name)))
    run_source(source, namespace, f"<{name}: edited {abs(hash(source)):x}>")
    return _subjects(name, namespace)


def replaced(source: str, old: str, new: str, where: str) -> str:
    """``source`` with ``old`` replaced; ``Problem`` unless it occurs exactly once."""
    count = source.count(old)
    if count != 1:
        raise Problem(f"an edit replaces {old!r}, which occurs {count} times in {where}, not once.")
    return source.replace(old, new)


@cache
def reference_source(name: str) -> str:
    """The solution cell of the exercise ``name``, without the marks and without the stub."""
    return solved(solution_cell(name).text) + "\n"


def stub(name: str) -> tuple[Any, ...]:
    """The subjects of the exercise ``name`` as a learner gets them, before writing a line."""
    chapter = chapter_of(name)
    cells = _needed_cells(chapter)
    namespace = run_cells([cell for cell in cells if cell.role != "solution"], chapter)
    run_source(cut_solutions(solution_cell(name).text, name), namespace, f"<{name}: stub>")
    return _subjects(name, namespace)


@cache
def solved_namespace(chapter: Chapter) -> dict[str, Any]:
    """Everything that the chapter's set-up and solution cells define."""
    return run_cells(_needed_cells(chapter), chapter)


def run_cells(cells: Iterable[SourceCell], chapter: Chapter) -> dict[str, Any]:
    """Run cells of a text source in a fresh namespace."""
    namespace: dict[str, Any] = {"__name__": f"chapter_{chapter.number}"}
    for cell in cells:
        source = setup_source(graded=True) if cell.role == "setup" else cell.text
        run_source(source, namespace, f"<{cell.where}>")
    return namespace


def run_source(source: str, namespace: dict[str, Any], name: str) -> None:
    """Execute trusted source; its lines are known to tracebacks under ``name``."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec"), namespace)


def _subjects(name: str, namespace: dict[str, Any]) -> tuple[Any, ...]:
    subjects = find_exercise(name).subjects
    missing = [subject for subject in subjects if subject not in namespace]
    if missing:
        raise Problem(f"no solution cell of {name} defines {', '.join(missing)}.")
    return tuple(namespace[subject] for subject in subjects)


def solution_cell(name: str) -> SourceCell:
    """The cell of the exercise ``name`` as the author wrote it."""
    chapter = chapter_of(name)
    for cell in _needed_cells(chapter):
        if cell.name == name and cell.role == "solution":
            return cell
    raise Problem(f'{text_source(chapter).name} has no cell "# %% solution="{name}"".')


@cache
def _needed_cells(chapter: Chapter) -> list[SourceCell]:
    return [
        cell
        for cell in read_chapter(text_source(chapter))
        if cell.role in ("setup", "solution") or "setup" in cell.tags
    ]
