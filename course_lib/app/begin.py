"""``set_up("0.1.0")``: what the set-up cell of every notebook calls, with the notebook's version."""

from course_lib import __version__, compiler
from course_lib.about import REPOSITORY
from course_lib.app.requirements import Requirement
from course_lib.app.terminal import end_at_once
from course_lib.display import write
from course_lib.exercises.checking import advice


def set_up(notebook: str) -> None:
    """Say in one line when the library is older than the notebook; make a missing name explain
    itself, in IPython; leave PyTorch's compiler alone until something is compiled; and end quickly."""
    compiler.postpone()
    end_at_once()
    if warning := older_than(notebook):
        write(warning)
    advice.install()


def older_than(notebook: str) -> str:
    """The warning for a library that is older than the version ``notebook``; "" when it is not."""
    if Requirement("course_lib", notebook).allows(__version__):
        return ""
    return (
        f"Note: this notebook is of version {notebook}, course_lib here of {__version__}. Update it: "
        f"github.com/{REPOSITORY}"
    )
