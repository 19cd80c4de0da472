"""What commands import before they answer. How long they take is for ``benchmarks/``."""

import pytest

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
