"""Where the three forms of a chapter lie: text source, solved notebook, released notebook."""

from pathlib import Path

from course_lib.chapters import Chapter

REPOSITORY = Path(__file__).resolve().parent.parent
CHAPTERS_FOLDER = REPOSITORY / "grading" / "chapters"
SOURCE_FOLDER = REPOSITORY / "grading" / "source"
NOTEBOOKS_FOLDER = REPOSITORY / "notebooks"
COURSE_FOLDER = REPOSITORY / "course"


def text_source(chapter: Chapter, folder: Path = CHAPTERS_FOLDER) -> Path:
    """What the author edits."""
    return folder / f"{chapter.id}.py"


def solved_notebook(chapter: Chapter, folder: Path = SOURCE_FOLDER) -> Path:
    """What ``build`` makes: solved, executed, in nbgrader's layout of a source folder."""
    return folder / chapter.id / f"{chapter.id}.ipynb"


def released_notebook(chapter: Chapter, folder: Path = NOTEBOOKS_FOLDER) -> Path:
    """What ``release`` makes and a learner opens."""
    return folder / f"{chapter.id}.ipynb"
