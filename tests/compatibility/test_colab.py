"""The course works on the versions that Colab ships, and changes none of them.

``make test-colab`` runs all of it. Elsewhere under ``CI=true`` two chapters stand for all.
"""

import json
import os
import subprocess
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from course_lib.about import colab_answers, colab_requirement
from course_lib.chapters import CHAPTERS, Chapter, find_chapter
from grading.chapter_text.regions import find_regions
from grading.intake.matching import grade_id_of, is_solution, is_test
from grading.paths import released_notebook, solved_notebook
from tests.compatibility.conftest import ANSWERS, OURS, frozen, pins
from tests.compatibility.environments import run
from tests.compatibility.kernels import execute_there, plain_text

pytestmark = pytest.mark.slow

#: What runs where not everything is asked for: the capital of the course, and one untouched.
UNTOUCHED, SOLVED = "00", "05"
_EVERYTHING = "COURSE_COLAB" in os.environ or "COURSE_COLAB_PYTHON" in os.environ


def chapters(sample: str) -> list:
    rest = pytest.mark.skipif(not _EVERYTHING, reason="make test-colab runs every chapter")
    return [
        pytest.param(each, id=each.number, marks=() if each.number == sample else rest)
        for each in CHAPTERS
    ]


# --- what is installed ---------------------------------------------------------------------------


def test_the_environment_has_colabs_versions(colab_python: Path, stand_in: bool) -> None:
    if not stand_in:
        pytest.skip("this is Colab's own environment")
    there, wanted = frozen(colab_python), pins()
    there = {name.lower().replace("_", "-"): version for name, version in there.items()}
    common = there.keys() & wanted.keys() - {"torch"}
    assert {"ipykernel", "ipython", "ipywidgets", "matplotlib", "numpy", "traitlets"} <= common
    assert {name: there[name] for name in common} == {name: wanted[name] for name in common}


def test_installing_the_course_changes_nothing_that_is_there(
    colab_python: Path, wheel_file: Path
) -> None:
    """As a learner might, with dependencies: all of them are there already."""
    run(colab_python, "-m", "pip", "uninstall", "--quiet", "--yes", OURS)
    before = frozen(colab_python)
    run(colab_python, "-m", "pip", "install", "--quiet", str(wheel_file))
    assert frozen(colab_python) == before
    check = subprocess.run(
        [str(colab_python), "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    assert [line for line in check.stdout.splitlines() if line.startswith(OURS)] == []


@pytest.mark.skipif(not _EVERYTHING, reason="make test-colab works every panel")
def test_every_panel_answers(colab_python: Path, repository: Path, stand_in: bool) -> None:
    output = run(colab_python, "-m", "tests.compatibility.check_panels", cwd=repository)
    if stand_in:
        assert f"ipywidgets {pins()['ipywidgets']}" in output
        assert f"matplotlib {pins()['matplotlib']}" in output


# --- the notebooks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("chapter", chapters(UNTOUCHED))
def test_a_released_notebook_runs_from_top_to_bottom(
    chapter: Chapter, with_course: Path, tmp_path: Path
) -> None:
    notebook = nbformat.read(released_notebook(chapter), as_version=4)
    notebook.cells.append(new_code_cell("import sys\nprint(course_lib.__file__, sys.prefix)"))
    execute_there(notebook, with_course, tmp_path)
    module, prefix = plain_text(notebook.cells[-1]).split()
    assert module.startswith(prefix), "it ran with the course of this repository"
    for cell in notebook.cells:
        if "panel" in cell.metadata.get("tags", []):
            kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
            assert {"image/png", "application/vnd.jupyter.widget-view+json"} <= kinds, cell.source
        if is_test(cell):
            # Not attempted; where a clinic starts from broken code, not right.
            assert plain_text(cell)[:1] in ("\u25cb", "\u2717"), plain_text(cell)


@pytest.mark.parametrize("chapter", chapters(SOLVED))
def test_every_check_of_a_solved_chapter_says_right(
    chapter: Chapter, with_course: Path, tmp_path: Path
) -> None:
    notebook = solved(chapter)
    execute_there(notebook, with_course, tmp_path)
    checks = [cell for cell in notebook.cells if is_test(cell)]
    assert checks
    for cell in checks:
        assert plain_text(cell).startswith("\u2713"), plain_text(cell)


def solved(chapter: Chapter) -> NotebookNode:
    """The released notebook with the course's solutions in it."""
    notebook = nbformat.read(released_notebook(chapter), as_version=4)
    solutions = {
        cell.id: _without_marks(cell.source)
        for cell in nbformat.read(solved_notebook(chapter), as_version=4).cells
        if is_solution(cell)
    }
    for cell in notebook.cells:
        cell.source = solutions.get(cell.id, cell.source)
    return notebook


def _without_marks(source: str) -> str:
    lines = source.split("\n")
    for region in reversed(find_regions(source)):
        lines[region.start : region.end + 1] = region.solution
    return "\n".join(lines)


# --- the set-up cell and handing in, with Colab's own module played -----------------------------------

#: What Colab's Python has: the module that tells that it is Colab, and pip as a magic. The address of
#: the released archive stands for the same archive of this repository.
_PLAY_COLAB = """
import json, subprocess, sys, types
from pathlib import Path

asked = []

def pip(line):
    asked.append(line)
    words = [{addresses!r}.get(word, word) for word in line.split()]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True)

def blocking_request(kind, request="", timeout_sec=None):
    return {{"ipynb": json.loads(Path("open.ipynb").read_text())}}

get_ipython().register_magic_function(pip, "line", "pip")
sys.modules["google"] = types.ModuleType("google")
sys.modules["google.colab"] = colab = types.ModuleType("google.colab")
colab._message = types.SimpleNamespace(blocking_request=blocking_request)
colab.files = types.SimpleNamespace(download=lambda path: print("downloads", path))
"""


@pytest.fixture
def archive(repository: Path, tmp_path: Path) -> Path:
    """What GitHub makes of the repository at a tag."""
    path = tmp_path / "archive" / "v0.zip"
    path.parent.mkdir()
    now = subprocess.run(
        ["git", "stash", "create"], cwd=repository, capture_output=True, text=True, check=True
    ).stdout.strip()
    command = ["git", "archive", "--prefix=course-0/", "-o", str(path), now or "HEAD"]
    subprocess.run(command, cwd=repository, check=True)
    return path


def test_on_colab_the_setup_cell_fetches_the_course_its_answers_and_nothing_else(
    colab_python: Path, archive: Path, tmp_path: Path
) -> None:
    run(colab_python, "-m", "pip", "uninstall", "--quiet", "--yes", OURS, ANSWERS)
    before = frozen(colab_python)
    chapter = find_chapter(SOLVED)
    notebook = solved(chapter)
    (tmp_path / "open.ipynb").write_text(json.dumps(notebook))
    keep = ("setup", "hand-in")
    notebook.cells = [
        cell
        for cell in notebook.cells
        if set(cell.metadata.get("tags", [])) & set(keep) or grade_id_of(cell) == "fit__test"
    ]
    addresses = {
        colab_requirement(): archive.as_uri(),
        colab_answers(): f"{archive.as_uri()}#subdirectory=answers",
    }
    play = _PLAY_COLAB.format(addresses=addresses)
    notebook.cells.insert(0, new_code_cell(play))
    notebook.cells.append(new_code_cell("print(asked)"))
    execute_there(notebook, colab_python, tmp_path)

    assert frozen(colab_python) == before
    assert plain_text(notebook.cells[-1]).strip() == str(
        [f"install -q --no-deps {colab_requirement()} {colab_answers()}"]
    )
    known = "import course_lib, course_answers; course_lib.use_answers(); print(course_lib.answers.in_use())"
    assert run(colab_python, "-c", known, cwd=tmp_path).strip() == "True"
    # A check before its exercise: advice instead of a traceback, on Colab's IPython too.
    (check,) = [cell for cell in notebook.cells if is_test(cell)]
    (error,) = check.outputs
    assert error.ename == "NameError"
    assert '"# EXERCISE fit"' in "\n".join(error.traceback)
    assert "Traceback" not in "\n".join(error.traceback)
    report = " ".join(plain_text(notebook.cells[-2]).split())
    assert "all 6 are there and answered" in report
    assert "downloads" in report
    assert (tmp_path / "hand-in" / chapter.id / f"{chapter.id}.ipynb").is_file()
