"""The instructor's cycle on the sample class: marks, gradebook, feedback pages, grading again."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI

from grading.classroom import grade_class
from grading.classroom.demo import demo
from grading.classroom.pipeline import Submission, conclude, prepare
from grading.classroom.secret import course_secret
from grading.errors import Failure, Problem
from grading.intake.released import read_release
from grading.intake.submissions import submissions
from grading.nbgrader.course import load_course
from grading.nbgrader.writer import Writer
from grading.runner import run as run_module
from grading.runner.run import RunRecord
from tests.grading.handing_in import CHAPTER, cell_named

pytestmark = pytest.mark.usefixtures("sandbox")

#: Points, and the misconceptions of the three exercises in order.
EXPECTED = {
    "learner-01": (12, [None, None, None]),
    "learner-02": (12, [None, None, None]),
    "learner-03": (5, ["no zero_grad", "one epoch too few", "last group dropped"]),
    "learner-04": (7, ["mean of batch means", "return inside the loop", "no division"]),
    "learner-05": (3, ["zero_grad between backward and step", None, None]),
    "learner-06": (0, [None, None, None]),
    "learner-07": (11, [None, None, None]),
    "learner-08": (None, []),
    "learner-09": (12, [None, None, None]),
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> tuple[Path, dict[str, grade_class.Result]]:
    """The sample class, graded once: the course directory, and chapter 05's results by learner."""
    course = tmp_path_factory.mktemp("demo") / "course"
    results = demo(course, [CHAPTER])
    return course, {result.learner: result for result in results[CHAPTER.id]}


@pytest.fixture
def gradebook(graded):
    with Gradebook(f"sqlite:///{graded[0] / 'gradebook.db'}") as opened:
        yield opened


def _grades(gradebook: Gradebook, learner: str) -> dict[str, tuple[float | None, float | None]]:
    gradebook.db.expire_all()
    notebook = gradebook.find_submission_notebook(CHAPTER.id, CHAPTER.id, learner)
    return {grade.name: (grade.auto_score, grade.manual_score) for grade in notebook.grades}


@pytest.mark.parametrize("learner", EXPECTED)
def test_marks_and_misconceptions(graded, learner):
    points, misconceptions = EXPECTED[learner]
    outcome = graded[1][learner].outcome
    if points is None:
        assert outcome is None
        assert "not valid JSON" in graded[1][learner].problem
        assert "\n" not in graded[1][learner].problem
        return
    assert outcome.score == points
    assert [item.misconception for item in outcome.items[:3]] == misconceptions


def test_an_untouched_notebook_is_not_attempted(graded):
    outcome = graded[1]["learner-06"].outcome
    assert {item.status for item in outcome.items} == {"not_attempted"}


def test_the_gradebook_holds_the_same_marks(graded, gradebook):
    for learner, result in graded[1].items():
        scores = {name: auto for name, (auto, _) in _grades(gradebook, learner).items()}
        if result.outcome is None:
            assert set(scores.values()) == {None}
        else:
            assert scores == {item.grade_id: item.score for item in result.outcome.items}


def test_what_could_not_be_read_is_kept_aside_with_its_reason(graded):
    folder = graded[0] / "staging" / "learner-08" / CHAPTER.id
    submitted = graded[0] / "submitted" / "learner-08" / CHAPTER.id / f"{CHAPTER.id}.ipynb"
    assert (folder / f"{CHAPTER.id}.unreadable").read_bytes() == submitted.read_bytes()
    assert "not valid JSON" in (folder / "reason.txt").read_text()


def test_export_agrees_with_grade_notebook(graded, tmp_path):
    """nbgrader's own export, and our command run as an instructor does."""
    course, results = graded
    target = tmp_path / "grades.csv"
    command = [sys.executable, "-m", "nbgrader", "export", f"--CsvExportPlugin.to={target}"]
    subprocess.run(command, cwd=course, check=True, capture_output=True)
    rows = [line.split(",") for line in target.read_text().splitlines()]
    learner, score = rows[0].index("student_id"), rows[0].index("score")
    exported = {row[learner]: float(row[score]) for row in rows[1:]}
    file = course / "submitted" / "learner-04" / CHAPTER.id / f"{CHAPTER.id}.ipynb"
    command = [sys.executable, "-m", "grading", "grade-notebook", str(file), "--json"]
    done = subprocess.run(
        [*command, "--course", str(course)], capture_output=True, text=True, check=True
    )
    printed = json.loads(done.stdout)
    assert set(printed) == {"notebook", "score", "max_score", "cells", "problems"}
    assert set(printed["cells"][0]) == {
        "grade_id",
        "score",
        "max_score",
        "status",
        "misconception",
        "message",
    }
    assert printed == results["learner-04"].outcome.as_json()
    assert printed["score"] == exported["learner-04"] == 7
    assert done.stderr == ""


@pytest.mark.parametrize("learner", ["learner-03", "learner-07", "learner-09"])
def test_feedback_says_what_was_right_what_was_not_and_why(graded, learner):
    page = graded[1][learner].feedback.read_text(encoding="utf-8")
    outcome = graded[1][learner].outcome
    assert f"Graded: {outcome.score:g} of {outcome.max_score:g} points" in page
    for item in outcome.items:
        if item.misconception:
            assert item.misconception.lower() in page.lower()
    assert "What to do:" in page or outcome.score >= 11
    if learner == "learner-07":
        assert "The cell of fit had lost its grading data" in page
    own = page.partition("Graded:")[2]
    assert "<script" not in own
    assert "javascript:" not in own


def test_each_check_has_exactly_one_output(graded):
    for learner, result in graded[1].items():
        if result.outcome is None:
            continue
        path = graded[0] / "autograded" / learner / CHAPTER.id / f"{CHAPTER.id}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        for item in result.outcome.items:
            [output] = cell_named(notebook, item.grade_id).outputs
            assert output.output_type == "execute_result"
            assert float(output.data["text/plain"]) == item.score


def test_formgrader_sees_the_submissions(graded):
    course, _ = graded
    api = NbGraderAPI(config=load_course(course))
    rows = {row["student"]: row for row in api.get_submissions(CHAPTER.id)}
    assert rows["learner-03"]["score"] == 5
    assert rows["learner-03"]["autograded"]
    assert not rows["learner-03"]["needs_manual_grade"]
    assert not rows["learner-08"]["autograded"]


# --- grading again -----------------------------------------------------------------------------


def _writer(course: Path) -> Writer:
    return Writer(course, load_course(course), CHAPTER.id)


def _prepared(course: Path, learner: str):
    [one] = [s for s in submissions(course / "submitted", CHAPTER) if s.learner == learner]
    release = read_release(course / "release" / CHAPTER.id / f"{CHAPTER.id}.ipynb")
    submission = Submission(one.notebook(CHAPTER))
    return prepare(submission, release, course_secret(course))


def _write_without_evidence(course: Path, learner: str) -> None:
    """A second attempt in which nothing could be observed."""
    prepared = _prepared(course, learner)
    stopped = Failure("error", "the kernel did not start")
    record = RunRecord(answers=dict.fromkeys(prepared.job.queries, stopped))
    graded = conclude(CHAPTER, prepared, record)
    writer = _writer(course)
    writer.begin(learner, None)
    writer.write(learner, graded.notebook, graded.outcome, None)


@pytest.fixture
def course_copy(graded, tmp_path) -> Path:
    """The graded course, to be changed."""
    shutil.copytree(graded[0], tmp_path / "course")
    config = tmp_path / "course" / "nbgrader_config.py"
    assert "gradebook" in config.read_text()
    return tmp_path / "course"


def test_a_new_attempt_keeps_manual_scores_and_comments_and_drops_automatic_ones(course_copy):
    with Gradebook(f"sqlite:///{course_copy / 'gradebook.db'}") as gradebook:
        grade = gradebook.find_grade("fit__test", CHAPTER.id, CHAPTER.id, "learner-01")
        grade.manual_score = 1.5
        comment = gradebook.find_comment("fit", CHAPTER.id, CHAPTER.id, "learner-01")
        comment.manual_comment = "Nicely done."
        gradebook.db.commit()
        _write_without_evidence(course_copy, "learner-01")
        grades = _grades(gradebook, "learner-01")
        assert {auto for auto, _ in grades.values()} == {0.0}
        assert grades["fit__test"] == (0.0, 1.5)
        comment = gradebook.find_comment("fit", CHAPTER.id, CHAPTER.id, "learner-01")
        assert comment.comment == "Nicely done."
    page = _writer(course_copy).feedback("learner-01").read_text()
    assert "the kernel did not start" in page
    assert "Nicely done." in page


def test_a_failed_attempt_leaves_no_marks_of_an_earlier_one(course_copy, monkeypatch):
    """The grader itself fails in the middle: no score, no page, and the class goes on."""

    def fail(job):
        raise OSError("no space left")

    monkeypatch.setattr(run_module, "run", fail)
    shutil.rmtree(course_copy / "results")  # else nothing would need to run
    handed_in = submissions(course_copy / "submitted", CHAPTER)[:2]
    results = list(grade_class.grade_submissions(CHAPTER, course_copy, handed_in))
    assert ["no space left" in result.problem for result in results] == [True, True]
    with Gradebook(f"sqlite:///{course_copy / 'gradebook.db'}") as gradebook:
        assert {auto for auto, _ in _grades(gradebook, "learner-01").values()} == {None}
        assert {auto for auto, _ in _grades(gradebook, "learner-03").values()} != {None}
    assert not (course_copy / "feedback" / "learner-01" / CHAPTER.id).exists()
    assert not (course_copy / "autograded" / "learner-01" / CHAPTER.id).exists()


@pytest.mark.parametrize("score", [float("nan"), -1.0, 5.0, float("inf")])
def test_impossible_scores_are_never_written(course_copy, score):
    prepared = _prepared(course_copy, "learner-01")
    stopped = Failure("error", "not observed")
    record = RunRecord(answers=dict.fromkeys(prepared.job.queries, stopped))
    graded = conclude(CHAPTER, prepared, record)
    object.__setattr__(graded.outcome.items[0], "score", score)
    writer = _writer(course_copy)
    writer.begin("learner-01", None)
    with pytest.raises(Problem, match="a score of"):
        writer.write("learner-01", graded.notebook, graded.outcome, None)
    with Gradebook(f"sqlite:///{course_copy / 'gradebook.db'}") as gradebook:
        assert {auto for auto, _ in _grades(gradebook, "learner-01").values()} == {None}


def test_a_learners_markdown_is_shown_as_text(course_copy):
    from nbformat.v4 import new_markdown_cell

    prepared = _prepared(course_copy, "learner-01")
    hostile = "<script>steal()</script> [a](javascript:b()) ~~~~\n</pre><b>"
    prepared.repaired.notebook.cells.append(new_markdown_cell(hostile))
    stopped = Failure("error", "<script>in a message</script>")
    record = RunRecord(
        answers=dict.fromkeys(prepared.job.queries, stopped), notes=["<script>note</script>"]
    )
    graded = conclude(CHAPTER, prepared, record)
    writer = _writer(course_copy)
    writer.begin("learner-01", None)
    writer.write("learner-01", graded.notebook, graded.outcome, None)
    page = writer.feedback("learner-01").read_text()
    assert "&lt;script&gt;steal()" in page
    own = re.sub(r"(?s)<head>.*?</head>", "", page)
    assert "<script>" not in own
    assert 'href="javascript' not in own
