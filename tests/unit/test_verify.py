"""The author's linter: what is missing or wrong is found."""

from dataclasses import replace

import pytest

from course_lib.exercises import find_exercise
from course_lib.quiz import Question
from grading.answers import quiz_key
from grading.authoring.verify import exercise_findings, key_findings, quiz_findings
from grading.chapter_text.cells import SourceCell

FIT = find_exercise("fit")
STUB = '''def fit(model):
    """Trains."""
    ### BEGIN SOLUTION
    return 1
    ### END SOLUTION'''


def wrong(findings):
    return {finding.check for finding in findings if not finding.ok}


def cell(text: str) -> SourceCell:
    return SourceCell("code", "solution", "fit", text, (), "made_up.py:1")


def test_a_complete_exercise_is_in_order():
    assert wrong(exercise_findings(FIT, cell(STUB))) == set()


@pytest.mark.parametrize("hints", [("one", ""), ("same", "same")])
def test_an_exercise_without_two_hints_is_found(hints):
    assert wrong(exercise_findings(replace(FIT, hints=hints), cell(STUB))) == {"hints"}


@pytest.mark.parametrize(
    "text",
    [
        STUB.replace('    """Trains."""\n', ""),
        STUB.replace("def fit", "def fitt"),
        STUB.replace("### END", "### STUB\n    # return (\n    ### END"),
    ],
    ids=["no docstring", "another name", "no Python"],
)
def test_a_stub_that_does_not_explain_itself_is_found(text):
    assert wrong(exercise_findings(FIT, cell(text))) == {"docstring"}


def test_a_key_that_its_own_proof_contradicts_is_found():
    key = quiz_key("q05_1")
    assert wrong(key_findings(key)) == set()
    other = "B" if key.key != "B" else "C"
    assert wrong(key_findings(replace(key, key=other))) == {"proof"}


def test_a_proof_that_does_not_run_is_found():
    def broken() -> str:
        raise KeyError("x")

    findings = list(key_findings(replace(quiz_key("q05_1"), proof=broken)))
    assert wrong(findings) == {"proof"}
    assert "KeyError" in findings[-1].detail


def test_a_key_without_all_explanations_is_found():
    key = quiz_key("q05_1")
    assert wrong(key_findings(replace(key, why={**key.why, "C": " "}))) == {"why"}


def test_missing_repeated_and_misnamed_questions_are_found():
    options = {"A": "one", "B": "two", "C": "three", "D": "three"}
    findings = list(quiz_findings("05", [Question("q05_9", "How many?", options)]))
    assert wrong(findings) == {"questions", "id", "options", "key"}
