"""The committed notebooks are what the text sources build, and building again changes nothing.

Building all chapters runs all their kernels, as ``test_nbval`` does already: that the cells are the
source's, the points and pictures there and the outputs settled is seen without a kernel, and that the
outputs are what comes is nbval's part. So one chapter is built here. Where ``CI=true`` all of them are,
and each in another way than it was made: PyTorch takes its plainest kernels, whose results differ from this processor's
most, and four threads. One run then says both that the source builds it and that it is the same elsewhere.
"""

import json
import os
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest

from course_lib.chapters import Chapter, find_chapter
from grading.authoring import environment_note
from grading.authoring.build import build_chapter, notebook_text
from grading.authoring.execute import clean_outputs
from grading.authoring.output_checks import check_pictures, check_points
from grading.authoring.release import check_up_to_date, release
from grading.errors import Problem
from grading.paths import released_notebook, solved_notebook
from tests.everywhere.places import named

from .conftest import WRITTEN

pytestmark = pytest.mark.apart("chapter")

IN_CI = os.environ.get("CI") == "true"
BUILT = WRITTEN if IN_CI else WRITTEN[:1]
ELSEWHERE = {**named("default").variables, **named("4 threads").variables}

MADE_UP = """\
# %% [markdown] head=true
# After this chapter you can print.

# %% setup=true

# %%
print(torch.arange(3))

# %% tags=["panel"]
from io import BytesIO
from IPython.display import Image
from matplotlib.figure import Figure

figure, file = Figure(figsize=(1, 1)), BytesIO()
figure.subplots().plot([0, 1])
figure.savefig(file, format="png")
Image(file.getvalue())

# %%
object()
"""


def without_images(path: Path) -> dict:
    """The notebook without its pictures, and without the note of where it was made: these may
    differ between two environments."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["metadata"].pop(environment_note.KEY, None)
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output["data"]["image/png"] = "a picture"
    return notebook


def _remedy(chapter: Chapter) -> str:
    return f"run `python -m grading build {chapter.number}` and commit what changes"


@pytest.mark.slow
@pytest.mark.parametrize("chapter", BUILT, ids=lambda chapter: chapter.number)
def test_the_committed_solved_notebook_is_what_its_source_builds(chapter, tmp_path, monkeypatch):
    for name, value in ELSEWHERE.items() if IN_CI else ():
        monkeypatch.setenv(name, value)
    build_chapter(chapter, source_folder=tmp_path)
    built, committed = solved_notebook(chapter, tmp_path), solved_notebook(chapter)
    stored = json.loads(committed.read_text(encoding="utf-8"))["metadata"]
    assert environment_note.KEY in stored, _remedy(chapter)
    assert without_images(committed) == without_images(built), (
        f"{_remedy(chapter)}, unless the environment is the reason:\n"
        + environment_note.side_by_side(stored[environment_note.KEY], environment_note.describe())
    )


def test_the_committed_solved_notebook_has_its_sources_cells_points_and_pictures(chapter):
    check_up_to_date(chapter)
    notebook = nbformat.read(solved_notebook(chapter), as_version=4)
    check_points(notebook, chapter.id)
    check_pictures(notebook, chapter.id)


def test_the_committed_solved_notebook_is_settled(chapter):
    """As the build leaves it: nothing that another run would write in another way."""
    path = solved_notebook(chapter)
    notebook = nbformat.read(path, as_version=4)
    cleaned = deepcopy(notebook)
    clean_outputs(cleaned)
    assert cleaned == notebook, _remedy(chapter)
    assert path.read_text(encoding="utf-8") == notebook_text(notebook), _remedy(chapter)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")


def test_the_committed_released_notebook_is_what_its_source_releases(chapter, tmp_path):
    release([chapter.id], tmp_path / "course", notebooks_folder=tmp_path / "notebooks")
    again = released_notebook(chapter, tmp_path / "notebooks")
    committed = released_notebook(chapter)
    assert committed.exists(), f"run `python -m grading release {chapter.number}` and commit it"
    assert committed.read_bytes() == again.read_bytes(), (
        f"run `python -m grading release {chapter.number}` and commit what changes"
    )


def build_made_up(tmp_path: Path, text: str) -> bool:
    chapter = find_chapter("05")
    (tmp_path / "chapters").mkdir(exist_ok=True)
    (tmp_path / "chapters" / f"{chapter.id}.py").write_text(text)
    return build_chapter(chapter, tmp_path / "chapters", tmp_path / "source")


def test_building_twice_changes_no_byte(tmp_path):
    path = solved_notebook(find_chapter("05"), tmp_path / "source")
    assert build_made_up(tmp_path, MADE_UP)
    first, time = path.read_bytes(), path.stat().st_mtime_ns
    assert b"tensor([0, 1, 2])" in first
    assert not build_made_up(tmp_path, MADE_UP)
    assert path.read_bytes() == first
    assert path.stat().st_mtime_ns == time


def test_the_notebook_says_where_its_outputs_were_made(tmp_path):
    build_made_up(tmp_path, MADE_UP)
    path = solved_notebook(find_chapter("05"), tmp_path / "source")
    made_with = json.loads(path.read_text())["metadata"][environment_note.KEY]
    assert made_with == environment_note.describe()
    assert {"python", "torch", "numpy", "capability"} <= set(made_with)


def test_equal_outputs_from_another_environment_stay_as_they_are(tmp_path):
    build_made_up(tmp_path, MADE_UP)
    path = solved_notebook(find_chapter("05"), tmp_path / "source")
    elsewhere = path.read_text().replace(environment_note.describe()["capability"], "SPARC")
    path.write_text(elsewhere)
    assert not build_made_up(tmp_path, MADE_UP)
    assert path.read_text() == elsewhere
    path.write_text(elsewhere.replace("tensor([0, 1, 2])", "tensor([0, 1, 3])"))
    assert build_made_up(tmp_path, MADE_UP)
    assert "SPARC" not in path.read_text()


def test_a_failing_cell_leaves_the_old_notebook_in_place(tmp_path):
    path = solved_notebook(find_chapter("05"), tmp_path / "source")
    build_made_up(tmp_path, MADE_UP)
    before = path.read_bytes()
    with pytest.raises(Problem, match=r"05_complete_loop, cell .*NameError"):
        build_made_up(tmp_path, MADE_UP + "\n# %%\nno_such_name\n")
    assert path.read_bytes() == before


def test_a_cell_that_leaves_a_file_for_learners_is_refused(tmp_path):
    text = MADE_UP + '\n# %%\nopen("checkpoint.pt", "w").close()\n'
    with pytest.raises(Problem, match=r"checkpoint\.pt"):
        build_made_up(tmp_path, text)


def test_an_outdated_solved_notebook_is_not_released(tmp_path):
    build_made_up(tmp_path, MADE_UP)
    chapter, source, chapters = find_chapter("05"), tmp_path / "source", tmp_path / "chapters"
    check_up_to_date(chapter, source, chapters)
    (chapters / f"{chapter.id}.py").write_text(MADE_UP + "\n# %%\nnew = 1\n")
    with pytest.raises(Problem, match="grading build 05"):
        check_up_to_date(chapter, source, chapters)


def test_a_solved_notebook_that_was_edited_by_hand_is_not_released(tmp_path):
    build_made_up(tmp_path, MADE_UP)
    chapter, source, chapters = find_chapter("05"), tmp_path / "source", tmp_path / "chapters"
    path = solved_notebook(chapter, source)
    notebook = nbformat.read(path, as_version=4)
    (cell,) = [cell for cell in notebook.cells if "arange" in cell.source]
    cell.source = "print(torch.arange(4))"
    nbformat.write(notebook, path)
    with pytest.raises(Problem, match="grading build 05"):
        check_up_to_date(chapter, source, chapters)
