"""What Colab installs: course_lib alone, small, without a solution or a key."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built without a network from a copy, so that nothing is left in the repository."""
    source = tmp_path_factory.mktemp("source") / "course"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("course_lib", "grading", "tests"):
        shutil.copytree(REPOSITORY / name, source / name, ignore=ignore)
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", str(source)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (path,) = (source / "dist").glob("*.whl")
    return zipfile.ZipFile(path)


def test_wheel_holds_course_lib_alone(wheel):
    folders = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"course_lib"}


def test_wheel_holds_every_module_of_course_lib(wheel):
    modules = {
        str(path.relative_to(REPOSITORY).as_posix())
        for path in (REPOSITORY / "course_lib").rglob("*.py")
    }
    assert modules <= set(wheel.namelist())


def test_wheel_holds_no_answers(wheel):
    assert not [name for name in wheel.namelist() if "answers" in name or name.endswith(".ipynb")]


def test_wheel_is_small(wheel):
    assert Path(wheel.filename).stat().st_size < 300_000
