"""``python -m grading build``: text sources -> solved, executed notebooks in ``grading/source``, and the
answers pack."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Event

import nbformat
from nbformat import NotebookNode

from course_lib.chapters import Chapter
from grading.authoring import environment_note
from grading.authoring.answers_pack import write_pack
from grading.authoring.execute import execute_notebook
from grading.authoring.expand import expand_chapter
from grading.authoring.measured_pictures import keep_measured_pictures
from grading.authoring.output_checks import check_nothing_left, check_pictures, check_points
from grading.chapter_text.cells import read_chapter
from grading.errors import Problem, chapters_called
from grading.paths import CHAPTERS_FOLDER, SOURCE_FOLDER, solved_notebook, text_source


def written_chapters(names: list[str], folder: Path = CHAPTERS_FOLDER) -> list[Chapter]:
    """The chapters to work on: those named, or every chapter whose text source exists."""
    chapters = chapters_called(names)
    if names:
        return chapters
    written = [chapter for chapter in chapters if text_source(chapter, folder).exists()]
    if not written:
        raise Problem(f"{folder} holds no text source of a chapter, such as {chapters[0].id}.py.")
    return written


def expand_text(chapter: Chapter, chapters_folder: Path = CHAPTERS_FOLDER) -> NotebookNode:
    """The chapter's solved notebook as its text source says, not executed."""
    return expand_chapter(chapter, read_chapter(text_source(chapter, chapters_folder)))


def build_chapter(
    chapter: Chapter,
    chapters_folder: Path = CHAPTERS_FOLDER,
    source_folder: Path = SOURCE_FOLDER,
    stop: Event | None = None,
) -> bool:
    """Build one chapter; whether its notebook changed. A failed build leaves the old one in place,
    and so does one that ``stop`` ends."""
    notebook = expand_text(chapter, chapters_folder)
    path = solved_notebook(chapter, source_folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    execute_notebook(notebook, path.parent, chapter.id, stop)
    environment_note.note(notebook)
    check_points(notebook, chapter.id)
    check_pictures(notebook, chapter.id)
    check_nothing_left(path)
    if path.is_file():
        keep_measured_pictures(notebook, nbformat.read(path, as_version=4))
    text = notebook_text(notebook)
    if path.is_file() and environment_note.same_but_for_note(path.read_text("utf-8"), text):
        return False
    return write_if_changed(path, text)


def build(
    names: list[str],
    jobs: int | None = None,
    report: Callable[[Chapter, bool], None] = lambda chapter, changed: None,
    source_folder: Path = SOURCE_FOLDER,
) -> list[Chapter]:
    """Build the chapters, several at a time; ``report(chapter, changed)`` as each is done.

    One that cannot be built keeps no other from being built: ``Problem`` comes at the end, with a
    line for each.
    """
    chapters = written_chapters(names)
    for chapter in chapters:  # before their notebooks, whose quizzes say what is in it
        write_pack(chapter)
    problems: list[str] = []
    stop = Event()
    with ThreadPoolExecutor(jobs or min(len(chapters), os.cpu_count() or 1)) as pool:
        running = {
            pool.submit(build_chapter, chapter, source_folder=source_folder, stop=stop): chapter
            for chapter in chapters
        }
        try:
            for done in as_completed(running):
                try:
                    report(running[done], done.result())
                except Problem as problem:
                    problems.append(str(problem))
        except KeyboardInterrupt:  # kernels are out of reach of Ctrl-C
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if problems:
        raise Problem("\n".join(sorted(problems)))
    return chapters


def notebook_text(notebook: NotebookNode) -> str:
    """The file's content: valid, keys sorted, one final newline."""
    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT).rstrip("\n") + "\n"


def write_if_changed(path: Path, text: str) -> bool:
    """Write ``text`` unless the file holds it already, so that nothing looks newer than it is."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True
