"""While nbgrader validates, a check that is not right fails the cell; elsewhere it raises nothing."""

import pytest

from course_lib import check, check_quiz
from course_lib.errors import NotRight
from grading.chapter_text.reference import reference


def doubles(losses, factor=3.0):
    return 2 * len(losses)


def not_written(losses, factor=3.0):
    raise NotImplementedError("write first_bad_step here")


@pytest.fixture
def validating(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")


@pytest.mark.parametrize(
    ("work", "state"), [(doubles, "Not right yet"), (not_written, "Not attempted yet")]
)
def test_what_the_check_found_fails_the_validation(validating, capsys, work, state):
    with pytest.raises(NotRight, match=f"first_bad_step: {state}") as found:
        check("first_bad_step", work)
    lines = found.value._render_traceback_()
    assert lines == capsys.readouterr().out.splitlines()


def test_right_work_passes_the_validation(validating):
    check("first_bad_step", *reference("first_bad_step"))
    check_quiz("q00_1", "b")


@pytest.mark.parametrize("answer", [None, "E", 3])
def test_an_answer_that_is_no_letter_fails_the_validation(validating, answer):
    with pytest.raises(NotRight, match="q00_1"):
        check_quiz("q00_1", answer)


def test_elsewhere_nothing_is_raised(monkeypatch):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    check("first_bad_step", doubles)
    check_quiz("q00_1", None)
