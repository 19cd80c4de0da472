"""An environment with Colab's versions, and how notebooks are run in it.

``COURSE_COLAB_PYTHON`` names an interpreter that has them, for instance that of Colab's own image; the
course is then installed into it. Otherwise, with ``COURSE_COLAB=1`` or ``CI=true``, an environment is
made under ``.cache/colab-venv`` and kept for the next time. It holds nothing but what Colab ships and
the course needs: the client that drives its kernels stays outside. ``COURSE_COLAB_RUNTIME=2026.07`` takes
the versions of an older runtime that Colab still offers, from the file of that name.
"""

import os
import re
import sys
from pathlib import Path

import pytest

from tests.compatibility.environments import environment, locked_torch, run
from tests.compatibility.interpreters import find

RUNTIME = os.environ.get("COURSE_COLAB_RUNTIME", "")
PINS = Path(__file__).with_name(f"colab{RUNTIME and '-'}{RUNTIME}-constraints.txt")
#: What the course needs of Colab's packages; torch is whatever this environment has.
PACKAGES = ("ipykernel", "ipython", "ipywidgets", "matplotlib", "numpy", "pillow", "scikit-learn")
OURS = "pytorch-training-loop-course"


def pins() -> dict[str, str]:
    """Colab's version of each package."""
    lines = [line for line in PINS.read_text().splitlines() if "==" in line]
    return dict(line.split("==") for line in lines)


def frozen(python: Path) -> dict[str, str]:
    """What is installed there, the course apart."""
    lines = run(python, "-m", "pip", "freeze", "--exclude", OURS).splitlines()
    return dict(re.split(r"==| @ ", line, maxsplit=1) for line in lines if line[:1] not in "#-")


@pytest.fixture(scope="session")
def stand_in() -> bool:
    """Whether the environment is ours and not Colab's own."""
    return "COURSE_COLAB_PYTHON" not in os.environ


@pytest.fixture(scope="session")
def colab_python(repository: Path, stand_in: bool) -> Path:
    """An interpreter with Colab's versions."""
    if not stand_in:
        return Path(os.environ["COURSE_COLAB_PYTHON"])
    if os.environ.get("COURSE_COLAB") != "1" and os.environ.get("CI") != "true":
        pytest.skip("set COURSE_COLAB=1 to make an environment with Colab's versions")
    folder = repository / ".cache" / f"colab{RUNTIME and '-'}{RUNTIME}-venv"
    return environment(folder, PACKAGES, PINS.read_text(), locked_torch(repository), _base())


def _base() -> str:
    """Colab's Python, named in the second line of its versions, where it can be had and was asked for:
    PyTorch for it is several GB in some places. Else the one that runs the tests."""
    if "COURSE_COLAB" not in os.environ:
        return sys.executable
    [version] = re.findall(r"^# Python (\S+)$", PINS.read_text(), re.MULTILINE)
    return os.environ.get("COURSE_COLAB_BASE") or find(version) or sys.executable


@pytest.fixture(scope="session")
def with_course(colab_python: Path, wheel_file: Path) -> Path:
    """The same with the course in it, installed from its wheel without an index: nothing that is
    there may be missing to it or too old for it."""
    run(colab_python, "-m", "pip", "uninstall", "--quiet", "--yes", OURS)
    run(colab_python, "-m", "pip", "install", "--quiet", "--no-index", str(wheel_file))
    return colab_python
