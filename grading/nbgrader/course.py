"""A course directory: nbgrader's working folder with an instructor's data. Made ready here for
``release`` and for every command that grades; nbgrader's own commands work from inside it."""

from pathlib import Path

from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from grading.engine.reading import printable
from grading.nbgrader.config import prepare_process
from grading.nbgrader.reasons import reason_of
from grading.places import REPOSITORY
from grading.problems import Problem

CONFIG_NAME = "nbgrader_config.py"
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
    try:
        for folder in ("source", "submitted", "exchange"):
            (course / folder).mkdir(parents=True, exist_ok=True)
        # nbgrader insists that anyone may leave work in the exchange.
        (course / "exchange").chmod(0o777)
        config = course / CONFIG_NAME
        if not config.exists():
            config.write_text(_CONFIG_TEXT.format(repository=str(REPOSITORY)), encoding="utf-8")
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
    path = course / CONFIG_NAME
    if not path.is_file():
        raise Problem(
            f"{course} is no course directory (it has no {CONFIG_NAME}): "
            "make one with `python -m grading release --course DIR`."
        )
    _check_characters(course)
    prepare_process()
    try:
        return PyFileConfigLoader(CONFIG_NAME, path=str(course.resolve())).load_config()
    except Exception as error:  # it runs an instructor's own lines
        raise Problem(f"cannot read {path}: {type(error).__name__}: {reason_of(error)}") from None
