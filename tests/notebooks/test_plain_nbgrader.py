"""The course directory is a normal nbgrader course: nbgrader's own commands work inside it, with
the virtual environment not activated and on the embedded database."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from course_lib.chapters import find_chapter
from grading.authoring.release import release
from grading.paths import solved_notebook

CHAPTER = find_chapter("05")
ID = CHAPTER.id

pytestmark = pytest.mark.slow


def nbgrader(course: Path, *arguments: str) -> str:
    """Run an nbgrader command inside the course directory as from a bare shell."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PATH", "PYTHONPATH", "VIRTUAL_ENV")
    }
    environment["PATH"] = "/usr/bin:/bin"
    command = [sys.executable, "-m", "nbgrader", *arguments]
    result = subprocess.run(
        command, cwd=course, env=environment, capture_output=True, text=True, timeout=600
    )
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-4000:]
    assert "not recognized" not in output, "nbgrader does not know one of our settings"
    return output


def hand_in(course: Path, learner: str, notebook: nbformat.NotebookNode) -> None:
    folder = course / "submitted" / learner / ID
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / f"{ID}.ipynb")


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course with a released chapter, one solved submission and one untouched."""
    folder = tmp_path_factory.mktemp("plain") / "course"
    release([ID], folder, notebooks_folder=None)
    released = folder / "release" / ID / f"{ID}.ipynb"
    untouched = nbformat.read(released, as_version=4)
    solutions = {
        cell.id: cell.source
        for cell in nbformat.read(solved_notebook(CHAPTER), as_version=4).cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }
    solved = nbformat.read(released, as_version=4)
    for cell in solved.cells:
        cell.source = solutions.get(cell.id, cell.source)
    hand_in(folder, "alice", solved)
    hand_in(folder, "bob", untouched)
    return folder


@pytest.fixture(scope="module")
def graded(course):
    nbgrader(course, "autograde", ID)
    nbgrader(course, "generate_feedback", ID)
    nbgrader(course, "export")
    return course


def test_the_solved_submission_gets_all_points_and_the_untouched_none(graded):
    with open(graded / "grades.csv", newline="") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert float(rows["alice"]["max_score"]) > 0
    assert float(rows["alice"]["raw_score"]) == float(rows["alice"]["max_score"])
    assert float(rows["bob"]["raw_score"]) == 0


def test_feedback_pages_are_written(graded):
    for learner in ("alice", "bob"):
        page = graded / "feedback" / learner / ID / f"{ID}.html"
        assert "Score" in page.read_text(encoding="utf-8")


def test_nbgraders_own_release_is_the_same_notebook(course):
    released = course / "release" / ID / f"{ID}.ipynb"
    before = released.read_bytes()
    nbgrader(course, "generate_assignment", ID, "--force")
    assert released.read_bytes() == before


def test_the_exchange_takes_the_released_chapter(course):
    nbgrader(course, "release_assignment", ID)
    outbound = list((course / "exchange").rglob(f"outbound/{ID}/{ID}.ipynb"))
    assert len(outbound) == 1
    nbgrader(course, "collect", ID)


def test_validate_passes_right_answers_and_says_what_is_wrong(course, tmp_path):
    # nbgrader's validate exits 0 whatever it finds: its words count.
    success = "Success! Your notebook passes all the tests."
    needed = ("setup", "train_one_epoch", "train_one_epoch__test", "q05_1", "q05_1__test")
    notebooks = {}
    for step in ("source", "release"):
        notebook = nbformat.read(course / step / ID / f"{ID}.ipynb", as_version=4)
        notebook.cells = [cell for cell in notebook.cells if cell.id in needed]
        notebooks[step] = notebook
    nbformat.write(notebooks["source"], tmp_path / "right.ipynb")
    assert success in nbgrader(course, "validate", str(tmp_path / "right.ipynb"))
    solved, wrong = ({cell.id: cell for cell in one.cells} for one in notebooks.values())
    forgotten = solved["train_one_epoch"].source.replace("optimizer.zero_grad()", "pass")
    wrong["train_one_epoch"].source = forgotten
    nbformat.write(notebooks["release"], tmp_path / "wrong.ipynb")
    words = nbgrader(course, "validate", str(tmp_path / "wrong.ipynb"))
    assert success not in words
    assert "VALIDATION FAILED ON 2 CELL(S)" in words
    assert "train_one_epoch: Not right yet" in words
    assert "q05_1: not answered yet" in words
    assert "Traceback" not in words


def test_an_instructors_own_setting_wins(course):
    from grading.nbgrader.course import load_course

    config = course / "nbgrader_config.py"
    text = config.read_text()
    try:
        config.write_text(text + '\nc.CourseDirectory.db_url = "sqlite:///other.db"\n')
        assert load_course(course).CourseDirectory.db_url == "sqlite:///other.db"
    finally:
        config.write_text(text)


def test_releasing_again_keeps_what_is_in_the_course(course):
    config = (course / "nbgrader_config.py").read_text()
    release([ID], course, notebooks_folder=None)
    assert (course / "nbgrader_config.py").read_text() == config
    assert (course / "submitted" / "alice" / ID / f"{ID}.ipynb").exists()
    assert json.loads((course / "release" / ID / f"{ID}.ipynb").read_text())["cells"]
