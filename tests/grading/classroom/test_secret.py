"""The secret behind the hidden cases: the instructor's alone, made once, long enough."""

import os
import stat

import pytest

from grading.classroom.secret import course_secret, own_secret
from grading.errors import Problem
from grading.paths import CourseFolder


def test_it_is_made_once_and_stays(tmp_path):
    first = course_secret(tmp_path / "course")
    assert len(first) == 32
    assert course_secret(tmp_path / "course") == first
    assert course_secret(tmp_path / "other") != first


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_nobody_else_may_read_it(tmp_path):
    course_secret(tmp_path)
    assert stat.S_IMODE(CourseFolder(tmp_path).secret.stat().st_mode) == 0o600


def test_a_single_notebook_meets_the_cases_of_its_course(tmp_path):
    assert own_secret(tmp_path) != course_secret(tmp_path)  # there was none yet
    assert own_secret(tmp_path) == course_secret(tmp_path)


@pytest.mark.parametrize("text", ["", "no hexadecimal", "ab" * 31])
def test_a_secret_that_is_damaged_or_short_is_refused_in_one_line(tmp_path, text):
    CourseFolder(tmp_path).secret.write_text(text)
    with pytest.raises(Problem, match="secret") as refused:
        course_secret(tmp_path)
    assert "\n" not in str(refused.value)
