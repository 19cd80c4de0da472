"""What Colab installs: course_lib alone, small, without a solution or a key."""

import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(wheel_file: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(wheel_file)


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
