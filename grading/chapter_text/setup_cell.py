"""The set-up cell, the same in every chapter of an edition. Used by the build, the release and where the
reference solutions run."""

from course_lib import __version__
from course_lib.about import colab_answers, colab_requirement

#: Plain Python wherever it runs, so that whatever executes the reference solutions can run it too.
_SETUP = """\
import sys

if "google.colab" in sys.modules:  # on Colab only: fetch the course's own small library
    get_ipython().run_line_magic("pip", "install -q --no-deps {requirements}")

import course_lib
import torch

course_lib.set_up(notebook="{version}")  # warns when the library is older than this notebook
{answers}from course_lib import check, check_quiz, hand_in, hint, panel, solution
from course_lib import another, outcome, parts, predict, recall

torch.set_num_threads(1)  # sums in one fixed order: the same numbers at every run"""

_USE_ANSWERS = "course_lib.use_answers()  # checks and quizzes say why; solution() shows one\n"


def setup_source(graded: bool = False) -> str:
    """The set-up cell. That of the graded edition neither installs nor uses the answers pack."""
    requirements = [colab_requirement()] if graded else [colab_requirement(), colab_answers()]
    return _SETUP.format(
        requirements=" ".join(requirements),
        version=__version__,
        answers="" if graded else _USE_ANSWERS,
    )
