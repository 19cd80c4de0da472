"""``hand_in``: says what is there and what is not, agrees with grading, and gives nobody away."""

import copy
import json
import sys
import types
from pathlib import Path

import nbformat
import pytest

from course_lib.chapters import CHAPTERS, find_chapter
from course_lib.handing_in import hand_in as module
from course_lib.handing_in.clean import cleaned
from course_lib.handing_in.hand_in import hand_in
from course_lib.handing_in.inventory import take_inventory
from grading.intake.matching import grade_id_of
from grading.intake.released import read_release
from grading.intake.repair import repair
from grading.paths import released_notebook
from grading.sample_class import SAMPLES, sample_files, submission

CHAPTER = find_chapter("05")
NAMES = ["train_one_epoch", "fit", "train_with_accumulation", "q05_1", "q05_2", "q05_3"]
#: What Colab and JupyterLab write beside the learner's text; none of it may be handed in.
HOME = "/" + "home/ada"
PERSONAL = ("Ada Lovelace", "117", "1A2B3C-drive-id", "2026-11-03", HOME, "alarm-env")


@pytest.fixture(scope="module")
def release():
    return read_release(released_notebook(CHAPTER))


@pytest.fixture
def solved(release) -> dict:
    """A right submission as JSON, to be damaged."""
    return json.loads(submission(SAMPLES / CHAPTER.id / "learner-01.py", release))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The learner's folder, in which the kernel runs."""
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save(folder: Path, notebook: dict, name: str = f"{CHAPTER.id}.ipynb") -> Path:
    path = folder / name
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def said(capsys: pytest.CaptureFixture) -> str:
    """What was said last, as one line."""
    return " ".join(capsys.readouterr().out.split())


def written(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob("hand-in/**/*.ipynb"))


def cell_of(notebook: dict, grade_id: str) -> dict:
    return next(
        cell
        for cell in notebook["cells"]
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == grade_id
    )


def states(notebook: dict) -> dict[str, str]:
    return {item.name: item.state for item in take_inventory(CHAPTER, notebook["cells"])}


def in_a_kernel_that_ran(monkeypatch, *cells: str) -> None:
    """From here on IPython remembers these cells, and what it shows is printed."""
    history = types.SimpleNamespace(input_hist_raw=["", *cells])
    shell = types.SimpleNamespace(history_manager=history)
    monkeypatch.setattr(module, "show", lambda report: print(repr(report)))
    monkeypatch.setattr(module, "in_ipython", lambda: shell)


# --- what is there ---------------------------------------------------------------------------------


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.number)
def test_in_an_untouched_chapter_everything_is_there_and_nothing_answered(chapter):
    """The checksum that tells so is nbgrader's own, so this fails where the two do not agree."""
    notebook = json.loads(released_notebook(chapter).read_text(encoding="utf-8"))
    items = take_inventory(chapter, notebook["cells"])
    graded = {
        cell["metadata"]["nbgrader"]["grade_id"].removesuffix("__test")
        for cell in notebook["cells"]
        if cell["metadata"].get("nbgrader", {}).get("grade")
    }
    assert {item.name for item in items} == graded
    assert {item.state for item in items} == {"unanswered"}


@pytest.mark.parametrize(
    "sample",
    [file for chapter in CHAPTERS for file in sample_files(chapter)],
    ids=lambda file: f"{file.parent.name}-{file.stem}",
)
def test_what_is_missing_is_what_grading_misses(sample):
    chapter = find_chapter(sample.parent.name)
    data = submission(sample, read_release(released_notebook(chapter)))
    try:
        notebook = json.loads(data)
    except ValueError:
        return  # the file that was cut off
    missing = {i.name for i in take_inventory(chapter, notebook["cells"]) if i.state == "missing"}
    assert missing == repair(data, read_release(released_notebook(chapter))).missing


def test_a_deleted_exercise_and_an_unanswered_question_are_named(solved, folder, capsys):
    solved["cells"].remove(cell_of(solved, "fit"))
    cell_of(solved, "q05_2")["source"] = "# EXERCISE q05_2 (1 point)\nq05_2 = None"
    save(folder, solved)
    hand_in("05_complete_loop")
    words = said(capsys)
    assert "2 of 6 need attention" in words
    assert "fit: its cell is missing" in words
    assert '"# EXERCISE fit"' in words
    assert "q05_2: not answered yet" in words
    assert "\u2713 05_complete_loop" not in words
    assert "To hand it in as it is" in words
    assert written(folder), "a learner may hand in what there is"


@pytest.mark.parametrize(
    ("source", "state"),
    [
        ("def fit(:\n    pass", "warning"),
        ("", "unanswered"),
        ("# EXERCISE fit (2 points)\n# later", "unanswered"),
        ('def fit():\n    raise NotImplementedError("write fit here, then")', "unanswered"),
        ("%%time\ndef fit():\n    return []", "answered"),
        ("import asyncio\nawait asyncio.sleep(0)\ndef fit():\n    return []", "answered"),
    ],
)
def test_the_text_of_a_cell_decides_whether_it_is_written(solved, source, state):
    cell_of(solved, "fit")["source"] = source
    assert states(solved)["fit"] == state


@pytest.mark.parametrize(
    ("answer", "state"),
    [('"B"', "answered"), ("' d '", "answered"), ("None", "unanswered"), ('"E"', "warning")],
)
def test_the_letter_of_a_question_is_read(solved, answer, state):
    cell_of(solved, "q05_1")["source"] = f"q05_1 = {answer}"
    assert states(solved)["q05_1"] == state


def test_copies_retyped_cells_and_lost_checks_are_pointed_out(solved):
    second = copy.deepcopy(cell_of(solved, "fit"))
    second["id"] = "second"
    second["source"] = "".join(second["source"]) + "\n# once more"
    solved["cells"].append(second)
    cell_of(solved, "q05_3")["cell_type"] = "markdown"
    solved["cells"].remove(cell_of(solved, "train_one_epoch__test"))
    items = {item.name: item for item in take_inventory(CHAPTER, solved["cells"])}
    assert "2 cells" in items["fit"].text
    assert "not a code cell" in items["q05_3"].text
    assert "its check is missing" in items["train_one_epoch"].text
    assert [items[n].state for n in ("fit", "q05_3", "train_one_epoch")] == ["warning"] * 3


def test_an_untouched_copy_beside_the_work_counts_for_nothing(solved, release):
    stub = json.loads(nbformat.writes(release))
    extra = cell_of(stub, "fit") | {"id": "copied"}
    solved["cells"].append(extra)
    assert states(solved)["fit"] == "answered"


@pytest.mark.parametrize("how", ["ids", "markers", "definitions"])
def test_cells_are_known_again_without_their_metadata(solved, how):
    for cell in solved["cells"]:
        cell["metadata"] = {}
        if how != "ids":
            cell.pop("id")
        source = "".join(cell["source"])
        if how == "definitions":
            cell["source"] = "\n".join(
                line for line in source.split("\n") if not line.startswith("# EXERCISE")
            )
    assert set(states(solved)) == set(NAMES)
    assert "missing" not in states(solved).values()


# --- nothing is written before its time, nothing is overwritten ----------------------------------------


def test_run_all_on_an_untouched_chapter_writes_nothing(release, folder, capsys):
    save(folder, json.loads(nbformat.writes(release)))
    hand_in("05_complete_loop")
    assert "nothing is answered yet" in said(capsys)
    assert not (folder / "hand-in").exists()


def test_whoever_forgot_to_save_everything_is_told_to(release, folder, capsys, monkeypatch):
    save(folder, json.loads(nbformat.writes(release)))
    in_a_kernel_that_ran(monkeypatch, "# EXERCISE fit (2 points)\ndef fit(): pass")
    hand_in("05_complete_loop")
    words = said(capsys)
    assert "nothing is answered yet" in words
    assert "What you last ran for fit is not what is in the notebook. Save it (Ctrl+S)" in words


def test_the_notebook_stays_and_the_copy_has_the_name_that_grading_wants(solved, folder, capsys):
    path = save(folder, solved)
    before = path.read_bytes()
    hand_in("05_complete_loop")
    assert path.read_bytes() == before
    assert written(folder) == ["hand-in/05_complete_loop/05_complete_loop.ipynb"]
    words = said(capsys)
    assert "all 6 are there and answered" in words
    assert "Grading decides whether they are correct." in words
    assert "hand-in/05_complete_loop/05_complete_loop.ipynb" in words


def test_a_second_time_replaces_the_copy_but_never_one_that_was_worked_in(solved, folder):
    save(folder, solved)
    hand_in("05_complete_loop")
    hand_in("05_complete_loop")
    (first,) = folder.glob("hand-in/*/*.ipynb")
    worked_in = json.loads(first.read_text(encoding="utf-8"))
    worked_in["cells"][3]["source"] = "x = 1"
    first.write_text(json.dumps(worked_in), encoding="utf-8")
    before = first.read_bytes()
    hand_in("05_complete_loop")
    assert first.read_bytes() == before
    assert written(folder)[0] == "hand-in/05_complete_loop-2/05_complete_loop.ipynb"
    assert len(written(folder)) == 2


def test_a_folder_that_cannot_be_written_is_said(solved, folder, capsys):
    save(folder, solved)
    (folder / "hand-in").write_text("a file in the way")
    hand_in("05_complete_loop")
    words = said(capsys)
    assert "could not be written" in words
    assert "Hand in this file" not in words


def test_work_that_ran_and_was_not_saved_is_pointed_out(solved, folder, capsys, monkeypatch):
    path = save(folder, solved)
    saved = "".join(cell_of(solved, "fit")["source"])
    in_a_kernel_that_ran(monkeypatch, "# EXERCISE fit (2 points)\nold", saved)
    hand_in("05_complete_loop", file=path)
    assert "What you last ran" not in said(capsys)
    in_a_kernel_that_ran(monkeypatch, "# EXERCISE fit (2 points)\nold", saved + "\n# better")
    hand_in("05_complete_loop", file=path)
    assert "What you last ran for fit is not what is in the notebook. Save it" in said(capsys)


def test_a_saved_cell_that_lost_its_first_line_is_not_taken_for_unsaved_work(
    solved, folder, capsys, monkeypatch
):
    cell = cell_of(solved, "fit")
    stub, _, own = "".join(cell["source"]).partition("\n")
    cell["source"] = own
    path = save(folder, solved)
    in_a_kernel_that_ran(monkeypatch, f"{stub}\nraise", own)
    hand_in("05_complete_loop", file=path)
    words = said(capsys)
    assert "fit: written" in words
    assert "What you last ran" not in words


# --- where there is nothing to do ----------------------------------------------------------------------


def test_without_a_saved_notebook_it_says_what_to_do(folder, capsys):
    hand_in("05_complete_loop")
    assert 'hand_in("05_complete_loop", file="NAME.ipynb")' in said(capsys)


def test_a_renamed_copy_is_found_and_several_are_asked_about(solved, folder, capsys):
    save(folder, solved, "Copy of 05_complete_loop.ipynb")
    hand_in("05_complete_loop")
    assert "Copy of 05_complete_loop.ipynb, as it was saved" in said(capsys)
    save(folder, solved, "05_complete_loop-Copy1.ipynb")
    hand_in("05_complete_loop")
    assert "Several notebooks could be meant" in said(capsys)
    hand_in("05_complete_loop", file="05_complete_loop-Copy1.ipynb")
    assert "all 6 are there" in said(capsys)


def test_the_notebook_that_the_server_names_is_taken(solved, folder, capsys, monkeypatch):
    save(folder, solved, "mine.ipynb")
    monkeypatch.setenv("JPY_SESSION_NAME", "some/folder/mine.ipynb")
    hand_in("05_complete_loop")
    assert "mine.ipynb, as it was saved" in said(capsys)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"cells": 3}', '{"cells": [1, null, "x"]}'])
def test_a_damaged_file_is_said_in_words(folder, capsys, content):
    (folder / "05_complete_loop.ipynb").write_text(content)
    hand_in("05_complete_loop")
    words = said(capsys)
    assert "Traceback" not in words
    assert "Nothing was checked" in words or "none of its exercises" in words
    assert not (folder / "hand-in").exists()


def test_while_nbgrader_runs_it_nothing_happens(solved, folder, capsys, monkeypatch):
    save(folder, solved)
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    hand_in("05_complete_loop")
    assert "Nothing to do" in said(capsys)
    assert not (folder / "hand-in").exists()


def test_the_solved_notebook_of_the_course_is_nobodys_work(folder, capsys):
    from grading.paths import solved_notebook

    (folder / "05_complete_loop.ipynb").write_bytes(solved_notebook(CHAPTER).read_bytes())
    hand_in("05_complete_loop")
    assert "instructor's" in said(capsys)
    assert not (folder / "hand-in").exists()


# --- personal data, and the same marks -------------------------------------------------------------------


@pytest.fixture
def through_colab(solved) -> dict:
    """What Colab and JupyterLab make of a notebook: names, times, machines, ids in the metadata."""
    user = {"displayName": "Ada Lovelace", "userId": "117"}
    solved["nbformat_minor"] = 0
    solved["metadata"]["colab"] = {"provenance": [{"file_id": "1A2B3C-drive-id"}]}
    solved["metadata"]["kernelspec"]["display_name"] = "alarm-env (ada)"
    solved["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {}}
    for cell in solved["cells"]:
        cell["metadata"]["id"] = cell.pop("id")
        cell["metadata"]["executionInfo"] = {"user": user, "timestamp": 117}
        cell["metadata"]["execution"] = {"iopub.execute_input": "2026-11-03T09:00:00Z"}
        if cell["cell_type"] == "code":
            stream = {"output_type": "stream", "name": "stdout", "text": [f"{HOME}/my-course"]}
            cell["outputs"] = [stream]
            cell["execution_count"] = 117
    # Typed anew by the learner: nothing but its marker says what it is.
    cell_of(solved, "fit")["metadata"] = {"id": "0a1b2c"}
    return solved


def test_a_cleaned_copy_is_valid_and_names_nobody(through_colab):
    text = json.dumps(cleaned(through_colab, CHAPTER.id, "0.1.0"))
    assert [word for word in PERSONAL if word in json.dumps(through_colab)] == list(PERSONAL)
    assert [word for word in PERSONAL if word in text] == []
    nbformat.validate(json.loads(text))


def _seen_by_grading(notebook: dict, release) -> list[tuple]:
    repaired = repair(json.dumps(notebook).encode(), release)
    cells = [(grade_id_of(cell), cell.cell_type, cell.source) for cell in repaired.notebook.cells]
    return [*cells, repaired.missing]


def _duplicate_ids(notebook: dict) -> None:
    for cell in notebook["cells"]:
        cell["id"] = "same"


def _bad_id(notebook: dict) -> None:
    cell_of(notebook, "fit")["id"] = "not a valid id!"


def _same_id_without_more(notebook: dict) -> None:
    extra = {"cell_type": "code", "id": "fit", "metadata": {}, "source": "tried = 1"}
    notebook["cells"].insert(4, extra)


def _no_ids(notebook: dict) -> None:
    for cell in notebook["cells"]:
        cell["metadata"], _ = {}, cell.pop("id")


def _unusual(notebook: dict) -> None:
    notebook["cells"] += [{"cell_type": "heading", "source": ["a", "\u2028b"]}, "no cell"]
    notebook["cells"][5]["source"] = "x = '\ud800'\r\ny = 1"


def _reversed(notebook: dict) -> None:
    notebook["cells"].reverse()


DAMAGES = (_duplicate_ids, _bad_id, _same_id_without_more, _no_ids, _unusual, _reversed)


def test_grading_sees_the_same_in_the_copy_after_colab(through_colab, release):
    copied = cleaned(through_colab, CHAPTER.id, "0.1.0")
    assert _seen_by_grading(copied, release) == _seen_by_grading(through_colab, release)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_grading_sees_the_same_in_the_copy_of_a_damaged_notebook(solved, release, damage):
    damage(solved)
    copied = cleaned(solved, CHAPTER.id, "0.1.0")
    assert _seen_by_grading(copied, release) == _seen_by_grading(solved, release)


def test_what_the_learner_typed_stays_and_is_pointed_out(solved, folder, capsys):
    fit = cell_of(solved, "fit")
    fit["source"] = [*fit["source"], f"\n# see {HOME}/notes or ada@example.org"]
    save(folder, solved)
    hand_in("05_complete_loop")
    assert "may identify you" in said(capsys)
    copied = json.loads(next(folder.glob("hand-in/*/*.ipynb")).read_text(encoding="utf-8"))
    assert f"{HOME}/notes" in "".join(cell_of(copied, "fit")["source"])


# --- on Colab ----------------------------------------------------------------------------------------------


@pytest.fixture
def colab(folder, monkeypatch) -> types.SimpleNamespace:
    """``google.colab`` as far as it is used: the open notebook, and downloads."""
    state = types.SimpleNamespace(answer=None, downloads=[], asked=[])

    def blocking_request(kind, request="", timeout_sec=None):
        state.asked.append((kind, timeout_sec))
        if isinstance(state.answer, Exception):
            raise state.answer
        return state.answer

    package = types.ModuleType("google.colab")
    package._message = types.SimpleNamespace(blocking_request=blocking_request)
    package.files = types.SimpleNamespace(download=state.downloads.append)
    monkeypatch.setitem(sys.modules, "google.colab", package)
    monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))
    return state


def test_colabs_open_notebook_is_checked_and_downloaded(colab, through_colab, folder, capsys):
    colab.answer = {"ipynb": through_colab}
    hand_in("05_complete_loop")
    words = said(capsys)
    assert "all 6 are there and answered in this notebook" in words
    assert [Path(path).name for path in colab.downloads] == ["05_complete_loop.ipynb"]
    assert written(folder) == ["hand-in/05_complete_loop/05_complete_loop.ipynb"]
    ((kind, seconds),) = colab.asked
    assert kind == "get_ipynb"
    assert 0 < seconds < 60, "it must not block Run All for ever"


def test_run_all_on_colab_downloads_nothing_before_the_first_answer(colab, release, folder):
    colab.answer = {"ipynb": json.loads(nbformat.writes(release))}
    hand_in("05_complete_loop")
    assert colab.downloads == []


@pytest.mark.parametrize("answer", [None, {}, {"ipynb": None}, TimeoutError(), {"error": "no"}])
def test_when_colabs_private_interface_changes_there_is_a_way_round(colab, answer, folder, capsys):
    colab.answer = answer
    hand_in("05_complete_loop")
    words = said(capsys)
    assert "File > Download" in words
    assert "\u2713" not in words
    assert not (folder / "hand-in").exists()


def test_a_download_that_fails_is_not_claimed(colab, solved, folder, capsys, monkeypatch):
    def fail(path):
        raise RuntimeError("downloads are off")

    monkeypatch.setattr(sys.modules["google.colab"].files, "download", fail)
    colab.answer = {"ipynb": solved}
    hand_in("05_complete_loop")
    words = said(capsys)
    assert "your browser downloads" not in words
    assert "folder view" in words


def test_the_report_has_words_and_html_and_fits_on_a_screen(solved, folder):
    save(folder, solved)
    for chapter in CHAPTERS:
        report = module._report(chapter.id, folder / "05_complete_loop.ipynb")
        lines = repr(report).splitlines()
        assert len(lines) <= 30
        assert max(map(len, lines)) <= 80
        assert "<div" in report._repr_html_()
