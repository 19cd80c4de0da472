"""The set-up cell, the same in every chapter. Used by the build and where the reference solutions run."""

from course_lib import __version__
from course_lib.about import colab_requirement

#: Plain Python wherever it runs, so that whatever executes the reference solutions can run it too.
SETUP = """\
import sys

if "google.colab" in sys.modules:  # on Colab only: fetch the course's own small library
    get_ipython().run_line_magic("pip", "install -q --no-deps {requirement}")

import course_lib
import torch

course_lib.set_up(notebook="{version}")  # warns when the library is older than this notebook
from course_lib import check, check_quiz, hand_in, hint, panel, solution

torch.set_num_threads(1)  # sums in one fixed order: the same numbers at every run"""


def setup_source() -> str:
    """The set-up cell, the same in every chapter."""
    return SETUP.format(requirement=colab_requirement(), version=__version__)
