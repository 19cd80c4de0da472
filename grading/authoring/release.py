"""``python -m grading release``: solved notebooks -> what learners open, made by nbgrader's own
``generate_assignment`` in the course directory, which is created if missing.

There are two editions. That for self-study, in ``notebooks/``, answers quizzes and shows solutions; the
graded one says "noted". They differ in the set-up cell alone, and in the question of the learner's own
that a graded course may add to each chapter.
"""

from collections.abc import Callable
from pathlib import Path

import nbformat

from course_lib.chapters import Chapter
from grading.authoring.build import (
    expand_text,
    notebook_text,
    write_if_changed,
    written_chapters,
)
from grading.authoring.expand import HAND_IN_ID, own_question_cells
from grading.chapter_text.setup_cell import setup_source
from grading.errors import Problem
from grading.nbgrader.course import generate_assignment, load_course, make_course
from grading.nbgrader.new_version import Changes, changes, make_room
from grading.paths import (
    CHAPTERS_FOLDER,
    COURSE_FOLDER,
    NOTEBOOKS_FOLDER,
    SOURCE_FOLDER,
    CourseFolder,
    released_notebook,
    solved_notebook,
    text_source,
)

#: What the course directory remembers of its edition, a line each.
GRADED, OWN_QUESTIONS = "graded", "own questions"


def release(
    names: list[str],
    course: Path = COURSE_FOLDER,
    report: Callable[[Chapter, bool], None] = lambda chapter, changed: None,
    source_folder: Path = SOURCE_FOLDER,
    notebooks_folder: Path | None = NOTEBOOKS_FOLDER,
    graded: bool = False,
    own_questions: bool = False,
    changing: Callable[[Chapter, Changes], None] = lambda chapter, changes: None,
) -> list[Chapter]:
    """Release the chapters into ``course`` and, unless it is None, into ``notebooks_folder``.

    With ``graded`` the course directory gets the graded edition, now and at every later release;
    ``notebooks_folder`` is then left alone. With ``own_questions`` it is the graded edition, too, and each
    chapter has a question whose numbers follow from the learner's name. ``changing`` is told of a chapter whose graded cells change
    although work was handed in; scores and comments of cells that stay are kept, and that work is to be
    graded again.
    """
    chapters = written_chapters(names)
    course = course.resolve()
    make_course(course)
    edition = _record_edition(course, graded, own_questions)
    if GRADED in edition:
        notebooks_folder = None
    for chapter in chapters:
        check_up_to_date(chapter, source_folder)
    for chapter in chapters:
        solved = solved_notebook(chapter, source_folder)
        notebook = nbformat.read(_copy_source(chapter, solved, course, edition), as_version=4)
        config = load_course(course)
        found = changes(config, chapter.id, notebook)
        if found is not None:
            generate_assignment(chapter, course, trial=True)
            changing(chapter, found)
            make_room(config, chapter.id, notebook)
        generate_assignment(chapter, course)
        changed = False
        if notebooks_folder is not None:
            made = CourseFolder(course).release(chapter)
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


def _record_edition(course: Path, graded: bool, own_questions: bool) -> set[str]:
    """What this course's notebooks have besides the self-study edition: from the first time it is told."""
    note = CourseFolder(course).edition
    before = set(note.read_text(encoding="utf-8").splitlines()) if note.is_file() else set()
    edition = before | ({GRADED, OWN_QUESTIONS} if own_questions else {GRADED} if graded else set())
    if edition != before:
        note.write_text("".join(f"{word}\n" for word in sorted(edition)), encoding="utf-8")
    return edition


def _copy_source(chapter: Chapter, solved: Path, course: Path, edition: set[str]) -> Path:
    """nbgrader reads a course's own ``source`` folder; it holds the notebook of the course's edition and
    nothing else."""
    folder = CourseFolder(course).source / solved.stem
    folder.mkdir(exist_ok=True)
    text = solved.read_text(encoding="utf-8")
    if GRADED in edition:
        text = graded_edition(chapter, text, OWN_QUESTIONS in edition)
    write_if_changed(folder / solved.name, text)
    return folder / solved.name


def graded_edition(chapter: Chapter, text: str, own_question: bool = False) -> str:
    """A solved notebook with the graded edition's set-up cell in place of its own, and the learner's own
    question before the part about handing in."""
    notebook = nbformat.reads(text, as_version=4)
    cells = []
    for cell in notebook.cells:
        if cell.id == "setup":
            cell.source = setup_source(graded=True)
        if cell.id == HAND_IN_ID and own_question:
            cells += own_question_cells(chapter)
        cells.append(cell)
    notebook.cells = cells
    return notebook_text(notebook)
