"""The reference solutions, taken from the chapters' text sources: a solution is written once.

Runs a chapter's set-up cells, cells tagged ``setup`` and solution cells, in the order of the
notebook, in one namespace. Called by ``engine.cases`` and by the matrix; trusted code only.
"""

import linecache
from functools import cache
from typing import Any

from course_lib.chapters import Chapter
from course_lib.exercises import find_exercise
from grading.answers import chapter_of
from grading.chapter_source import SourceCell, read_chapter
from grading.places import text_source
from grading.regions import cut_solutions


def reference(name: str) -> tuple[Any, ...]:
    """The subjects of the exercise ``name`` as the solved notebook defines them."""
    namespace = solved_namespace(chapter_of(name))
    return tuple(namespace[subject] for subject in find_exercise(name).subjects)


def stub(name: str) -> tuple[Any, ...]:
    """The subjects of the exercise ``name`` as a learner gets them, before writing a line."""
    chapter = chapter_of(name)
    cells = _needed_cells(chapter)
    namespace = run_cells([cell for cell in cells if cell.role != "solution"], chapter)
    [cell] = [cell for cell in cells if cell.name == name and cell.role == "solution"]
    run_source(cut_solutions(cell.text, name), namespace, f"<{name}: stub>")
    return tuple(namespace[subject] for subject in find_exercise(name).subjects)


@cache
def solved_namespace(chapter: Chapter) -> dict[str, Any]:
    """Everything that the chapter's set-up and solution cells define."""
    return run_cells(_needed_cells(chapter), chapter)


def run_cells(cells: list[SourceCell], chapter: Chapter) -> dict[str, Any]:
    """Run cells of a text source in a fresh namespace."""
    from grading.expand import setup_source

    namespace: dict[str, Any] = {"__name__": f"chapter_{chapter.number}"}
    for cell in cells:
        source = setup_source() if cell.role == "setup" else cell.text
        run_source(source, namespace, f"<{cell.where}>")
    return namespace


def run_source(source: str, namespace: dict[str, Any], name: str) -> None:
    """Execute trusted source; its lines are known to tracebacks under ``name``."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec"), namespace)


def _needed_cells(chapter: Chapter) -> list[SourceCell]:
    return [
        cell
        for cell in read_chapter(text_source(chapter))
        if cell.role in ("setup", "solution") or "setup" in cell.tags
    ]
