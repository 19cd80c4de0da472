"""nbval replays the solved notebooks strictly: the outputs that are stored are the outputs that
come. It notices a single changed number. Where ``CI=true`` all of them are built again instead
(``test_rebuild``), which says the same of other kernels."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from grading.paths import REPOSITORY, solved_notebook

from .test_rebuild import MADE_UP, build_made_up

pytestmark = [pytest.mark.slow, pytest.mark.apart("chapter")]

SANITIZE = Path(__file__).parent / "nbval_sanitize.cfg"


def nbval(home: Path, *notebooks: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env"]
    command += ["--nbval-sanitize-with", str(SANITIZE), "--nbval-cell-timeout", "180"]
    command += ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", *map(str, notebooks)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "COURSE_HOME": str(home)}
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=600
    )


@pytest.mark.skipif(os.environ.get("CI") == "true", reason="test_rebuild.py builds all of them")
def test_the_solved_notebook_replays_to_the_same_outputs(chapter, tmp_path):
    result = nbval(tmp_path, solved_notebook(chapter))
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-1000:]


def test_one_changed_number_is_noticed(tmp_path):
    build_made_up(tmp_path, MADE_UP)
    (path,) = tmp_path.glob("source/*/*.ipynb")
    notebook = nbformat.read(path, as_version=4)
    (cell,) = [cell for cell in notebook.cells if "arange" in cell.source]
    cell.outputs[0].text = cell.outputs[0].text.replace("2]", "3]")
    changed = tmp_path / "changed.ipynb"
    nbformat.write(notebook, changed)
    result = nbval(tmp_path, path, changed)
    assert result.returncode == 1
    # The cell of the copy alone: what failed in the original would fail in both.
    assert re.search(r"1 failed, 7 passed", result.stdout), result.stdout[-2000:]
