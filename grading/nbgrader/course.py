"""A course directory: nbgrader's working folder with an instructor's data. Made ready here for
``release`` and for every command that grades; nbgrader's own commands work from inside it."""

import os
import shutil
from pathlib import Path

from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from course_lib.chapters import Chapter
from grading.errors import Problem
from grading.intake.reading import printable
from grading.nbgrader.config import prepare_process
from grading.nbgrader.locks import wait_for_gradebook
from grading.nbgrader.reasons import reason_in, reason_of
from grading.paths import REPOSITORY, CourseFolder

_REFUSED = "[]*?{}%$"

_CONFIG_TEXT = '''\
"""Settings of this course directory, read by nbgrader's commands and by formgrader.

Yours to edit: what you set below wins over the course's own settings.
"""

import sys
from pathlib import Path

sys.path.insert(0, {repository!r})
from grading.nbgrader.config import configure

c = get_config()
# Where `nbgrader zip_collect` gets its archives from: add platform="moodle", or "canvas",
# "blackboard", "brightspace", "ilias", "gradescope", "sakai", "google classroom", "github classroom";
# and timezone="Europe/Berlin" where the platform writes times without one.
configure(c, Path(__file__).resolve().parent)

# Another database (any SQLAlchemy URL); without this line: gradebook.db in this folder.
# c.CourseDirectory.db_url = "postgresql://user:password@host/gradebook"
'''


def make_course(course: Path) -> None:
    """Create the course directory, or what is missing in it. What is there stays as it is."""
    if course.exists() and not course.is_dir():
        raise Problem(f"{course} is a file; give --course a folder.")
    _check_characters(course)
    folder = CourseFolder(course)
    try:
        for path in (folder.source, folder.submitted, folder.exchange):
            path.mkdir(parents=True, exist_ok=True)
        # nbgrader requires an exchange that anyone can write to.
        folder.exchange.chmod(0o777)
        if not folder.config.exists():
            folder.config.write_text(
                _CONFIG_TEXT.format(repository=str(REPOSITORY)), encoding="utf-8"
            )
    except OSError as error:
        raise Problem(f"cannot make {course} a course directory: {error}.") from None


def _check_characters(course: Path) -> None:
    """nbgrader takes the path for a pattern, a URL and a shell word at once: in some it finds
    nothing, in others the database is another file."""
    path = str(course.resolve())
    refused = sorted({char for char in path if char in _REFUSED or ord(char) < 32})
    if refused:
        shown = " ".join(char if char.isprintable() else repr(char) for char in refused)
        raise Problem(
            f"nbgrader does not take {shown} in a path: {printable(path)}. Rename the folder, or name "
            "another one with --course."
        )


def load_course(course: Path) -> Config:
    """The settings of an existing course directory, the instructor's own lines included."""
    path = CourseFolder(course).config
    if not path.is_file():
        raise Problem(
            f"{course} is not a course directory (it has no {path.name}): "
            "make one with `python -m grading release --course DIR`."
        )
    _check_characters(course)
    prepare_process()
    try:
        return PyFileConfigLoader(path.name, path=str(course.resolve())).load_config()
    except Exception as error:  # it runs an instructor's own lines
        raise Problem(f"cannot read {path}: {type(error).__name__}: {reason_of(error)}") from None


def step_folder(config: Config, step: str, learner: str, assignment: str) -> Path:
    """A learner's folder of one step; nbgrader's settings may give the steps other names."""
    coursedir = CourseDirectory(config=config)
    name = getattr(coursedir, f"{step}_directory", step)
    return Path(coursedir.format_path(name, learner, assignment))


def feedback_page(config: Config, learner: str, assignment: str) -> Path:
    """Where the learner's feedback page is, or would be."""
    return step_folder(config, "feedback", learner, assignment) / f"{assignment}.html"


def generate_assignment(chapter: Chapter, course: Path, trial: bool = False) -> None:
    """Let nbgrader make the released notebook from the solved one in the course's ``source``. Until it is
    made, the last release stands; a ``trial`` only shows that it can be made."""
    from nbgrader.apps import NbGraderAPI  # takes a second, and only a release needs it

    config, made = load_course(course), CourseFolder(course).releasing
    config.CourseDirectory.release_directory = made.name
    if trial:
        config.GenerateAssignment.no_database = True
        config.SaveCells.enabled = False
    api = NbGraderAPI(config=config)
    wait_for_gradebook(api.coursedir.db_url)
    try:
        result = api.generate_assignment(chapter.id, force=True)
        if not result["success"]:
            said = "\n".join(filter(None, (result.get("error"), result.get("log"))))
            reason = reason_in(said) or "it gives no reason"
            raise Problem(f"nbgrader could not release {chapter.id}: {reason}")
        if not trial:
            _move_files(made / chapter.id, CourseFolder(course).release(chapter).parent)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _move_files(made: Path, to: Path) -> None:
    """Let ``to`` hold the files of ``made`` and no others; each is the old one or the new one."""
    names = {path.relative_to(made) for path in made.rglob("*") if path.is_file()}
    for name in names:
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(made / name, to / name)
    for path in list(to.rglob("*")):
        if path.is_file() and path.relative_to(to) not in names:
            path.unlink()
