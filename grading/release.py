"""``python -m grading release``: solved notebooks -> what learners open, made by nbgrader's own
``generate_assignment`` in the course directory, which is created if missing."""

import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat

from course_lib.chapters import Chapter
from grading.build import expand_text, write_if_changed, written_chapters
from grading.nbgrader.course import load_course, make_course
from grading.nbgrader.locks import wait_for_gradebook
from grading.nbgrader.reasons import reason_in
from grading.places import (
    CHAPTERS_FOLDER,
    COURSE_FOLDER,
    NOTEBOOKS_FOLDER,
    SOURCE_FOLDER,
    released_notebook,
    solved_notebook,
    text_source,
)
from grading.problems import Problem


def release(
    names: list[str],
    course: Path = COURSE_FOLDER,
    report: Callable[[Chapter, bool], None] = lambda chapter, changed: None,
    source_folder: Path = SOURCE_FOLDER,
    notebooks_folder: Path | None = NOTEBOOKS_FOLDER,
) -> list[Chapter]:
    """Release the chapters into ``course`` and, unless it is None, into ``notebooks_folder``."""
    chapters = written_chapters(names)
    course = course.resolve()
    make_course(course)
    for chapter in chapters:
        check_up_to_date(chapter, source_folder)
    for chapter in chapters:
        _copy_source(solved_notebook(chapter, source_folder), course)
        _generate(chapter, course)
        changed = False
        if notebooks_folder is not None:
            made = course / "release" / chapter.id / f"{chapter.id}.ipynb"
            text = made.read_text(encoding="utf-8").rstrip("\n") + "\n"
            changed = write_if_changed(released_notebook(chapter, notebooks_folder), text)
        report(chapter, changed)
    return chapters


def check_up_to_date(
    chapter: Chapter,
    source_folder: Path = SOURCE_FOLDER,
    chapters_folder: Path = CHAPTERS_FOLDER,
) -> None:
    """``Problem`` unless the solved notebook is what the text source says now."""
    path = solved_notebook(chapter, source_folder)
    remedy = f"run `python -m grading build {chapter.number}`."
    if not path.is_file():
        raise Problem(f"{path} does not exist: {remedy}")
    try:
        solved = nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError) as error:
        raise Problem(f"{path} cannot be read ({error}): {remedy}") from None
    wanted = expand_text(chapter, chapters_folder)
    if [_identity(cell) for cell in solved.cells] != [_identity(cell) for cell in wanted.cells]:
        source = text_source(chapter, chapters_folder).name
        raise Problem(f"{path.name} is older than {source} or the exercises: {remedy}")


def _identity(cell: nbformat.NotebookNode) -> tuple:
    return cell.cell_type, cell.id, cell.source, cell.metadata


def _copy_source(solved: Path, course: Path) -> None:
    """nbgrader reads a course's own ``source`` folder; it holds the notebook and nothing else."""
    folder = course / "source" / solved.stem
    folder.mkdir(exist_ok=True)
    copy = folder / solved.name
    if not copy.exists() or copy.read_bytes() != solved.read_bytes():
        shutil.copyfile(solved, copy)


def _generate(chapter: Chapter, course: Path) -> None:
    from nbgrader.apps import NbGraderAPI

    config = load_course(course)
    api = NbGraderAPI(config=config)
    wait_for_gradebook(api.coursedir.db_url)
    result = api.generate_assignment(chapter.id, force=True)
    if not result["success"]:
        said = "\n".join(filter(None, (result.get("error"), result.get("log"))))
        reason = reason_in(said) or "it gives no reason"
        raise Problem(f"nbgrader could not release {chapter.id}: {reason}")
