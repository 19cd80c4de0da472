"""What commands import before they answer. How long they take is for ``benchmarks/``."""

import os

import pytest

from grading.classroom.prefork import likely_new
from tests.modules_loaded import SLOW, loaded_by


@pytest.mark.parametrize(
    "command",
    [
        ("grading", "--help"),
        ("grading", "grade", "--help"),
        ("course_lib", "--help"),
        ("course_lib", "status"),
    ],
)
def test_a_command_that_computes_nothing_imports_nothing_slow(command, tmp_path):
    loaded = loaded_by(*command, COURSE_HOME=str(tmp_path))
    assert f"{command[0]}.__main__" in loaded or command[0] in loaded
    assert loaded.isdisjoint(SLOW)


def test_doctor_says_its_first_line_before_it_imports_what_it_examines(tmp_path):
    loaded = loaded_by("course_lib.app.doctor")
    assert "course_lib.app.requirements" in loaded
    assert loaded.isdisjoint(SLOW)


def test_the_names_of_a_set_up_cell_come_without_what_draws(tmp_path):
    """It is imported with the first panel; grading never shows one."""
    names = tmp_path / "names.py"
    names.write_text(
        "import course_lib\n[getattr(course_lib, name) for name in course_lib.__all__]"
    )
    loaded = loaded_by("names", PYTHONPATH=str(tmp_path), COURSE_HOME=str(tmp_path))
    assert "course_lib.panels" in loaded
    assert loaded.isdisjoint({"matplotlib", "ipywidgets"})


def test_what_is_newer_than_every_mark_looks_new(tmp_path):
    """That decides when workers start, and nothing else."""

    def made(path: str, time: int) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
        os.utime(tmp_path / path, (time, time))

    def new() -> int:
        return likely_new(tmp_path / "submitted", tmp_path / "marks", "05")

    assert new() == 0
    made("submitted/ann/05/05.ipynb", 10)
    made("submitted/bob/05/other name.ipynb", 20)
    made("submitted/bob/04/04.ipynb", 90)
    assert new() == 2
    made("marks/a.json", 30)
    made("marks/b.json", 31)
    assert new() == 0
    made("submitted/ann/05/05.ipynb", 40)
    assert new() == 1
