"""Every panel works on the versions that Colab ships.

``COURSE_COLAB_PYTHON`` names an interpreter that has them. With ``COURSE_COLAB=1`` or ``CI=true``
an environment is made under ``.cache/colab-venv`` and kept for the next time.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PINS = Path(__file__).with_name("colab-constraints.txt")
#: What the course needs of Colab's packages; torch is whatever this environment has.
PACKAGES = ("ipython", "ipywidgets", "matplotlib", "numpy", "pillow", "scikit-learn")


@pytest.fixture(scope="session")
def colab_python(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with Colab's versions."""
    given = os.environ.get("COURSE_COLAB_PYTHON")
    if given:
        return Path(given)
    if os.environ.get("COURSE_COLAB") != "1" and os.environ.get("CI") != "true":
        pytest.skip("set COURSE_COLAB=1 to make an environment with Colab's versions")
    folder = repository / ".cache" / "colab-venv"
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    finished = folder / "finished"
    wanted = PINS.read_text()
    if not finished.exists() or finished.read_text() != wanted:
        venv.create(folder, with_pip=True, clear=True)
        pins = tmp_path_factory.mktemp("pins") / "constraints.txt"
        pins.write_text("".join(line for line in wanted.splitlines(True) if line[:6] != "torch="))
        _run(python, "-m", "pip", "install", "--quiet", _torch(repository))
        _run(python, "-m", "pip", "install", "--quiet", "-c", str(pins), *PACKAGES)
        finished.write_text(wanted)
    return python


def test_every_panel_answers_on_colabs_versions(colab_python: Path, repository: Path) -> None:
    output = _run(colab_python, "-m", "tests.compatibility.check_panels", cwd=repository)
    assert f"ipywidgets {_pin('ipywidgets')}" in output
    assert f"matplotlib {_pin('matplotlib')}" in output


def _pin(package: str) -> str:
    lines = PINS.read_text().splitlines()
    return next(line.split("==")[1] for line in lines if line.startswith(f"{package}=="))


def _torch(repository: Path) -> str:
    """The version that the course is locked to, for Colab's own may be a build of several GB."""
    lines = (repository / "constraints.txt").read_text().splitlines()
    return next(line for line in lines if line.startswith("torch=="))


def _run(python: Path, *arguments: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [str(python), *arguments],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
