"""Each kind of damage that editors, Colab and learners do, and the notebook that comes out of it."""

import copy

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from grading.intake.matching import TEST_SUFFIX, grade_id_of, is_test
from grading.intake.repair import Repaired, repair
from grading.runner.run import _runs
from grading.sample_class import submission
from tests.grading.handing_in import (
    EXERCISES,
    QUESTIONS,
    as_bytes,
    cell_named,
    place_of,
    sample,
)


def _repaired(notebook, release) -> Repaired:
    """Repair, and check what holds for every repaired notebook."""
    result = repair(as_bytes(notebook), release)
    nbformat.validate(result.notebook)
    mended, released = result.notebook.cells, release.cells
    names = [grade_id_of(cell) for cell in mended if grade_id_of(cell)]
    assert sorted(names) == sorted(grade_id_of(cell) for cell in released if grade_id_of(cell))
    for cell in mended:
        if grade_id_of(cell):
            assert (
                cell.metadata.nbgrader == cell_named(release, grade_id_of(cell)).metadata.nbgrader
            )
        if is_test(cell):
            assert cell.source == cell_named(release, grade_id_of(cell)).source
            name = grade_id_of(cell).removesuffix(TEST_SUFFIX)
            assert place_of(result.notebook, name) < place_of(result.notebook, grade_id_of(cell))
    return result


def _solutions_kept(result: Repaired, notebook) -> bool:
    return all(
        cell_named(result.notebook, name).source == cell_named(notebook, name).source
        for name in (*EXERCISES, *QUESTIONS)
    )


def test_an_undamaged_notebook_stays_as_it_is(solved, release):
    result = _repaired(solved, release)
    assert [cell.source for cell in result.notebook.cells] == [cell.source for cell in solved.cells]
    assert result.mended == []
    assert result.missing == frozenset()


def test_stored_outputs_are_not_kept(solved, release):
    test = cell_named(solved, "fit__test")
    test.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "2.0"})]
    result = _repaired(solved, release)
    assert not any(cell.get("outputs") for cell in result.notebook.cells)


def test_nbgrader_metadata_lost_everywhere_is_restored(solved, release):
    expected = copy.deepcopy(solved)
    for cell in solved.cells:
        cell.metadata = nbformat.from_dict({})
    result = _repaired(solved, release)
    assert _solutions_kept(result, expected)
    assert "lost its grading data; it was recognised by its id" in " ".join(result.mended)


def test_without_metadata_and_ids_the_markers_decide(solved, release):
    expected = copy.deepcopy(solved)
    for cell in solved.cells:
        cell.metadata = nbformat.from_dict({})
        cell.pop("id")
    solved.nbformat_minor = 4
    result = _repaired(solved, release)
    assert _solutions_kept(result, expected)
    assert "recognised by its marker" in " ".join(result.mended)


def test_without_marker_too_the_definition_decides(solved, release):
    cell = cell_named(solved, "fit")
    cell.metadata, cell.id = nbformat.from_dict({}), "new-id"
    cell.source = "\n".join(cell.source.split("\n")[1:])
    result = _repaired(solved, release)
    assert cell_named(result.notebook, "fit").source == cell.source
    assert result.missing == frozenset()


def test_a_notebook_from_colab_is_restored(release):
    data = submission(sample("learner-07"), release)
    assert b"executionInfo" in data
    result = repair(data, release)
    nbformat.validate(result.notebook)
    metadata = [result.notebook.metadata, *(cell.metadata for cell in result.notebook.cells)]
    foreign = ("executionInfo", "outputId", "colab", "widgets", "id")
    assert not any(key in one for one in metadata for key in foreign)
    assert "train_one_epoch(model" in cell_named(result.notebook, "fit").source
    assert result.notebook.metadata.kernelspec.name == "python3"
    mended = " ".join(result.mended)
    assert "The cell of fit had lost its grading data; it was recognised by its marker." in mended
    assert "python3-colab" in mended


def test_a_deleted_solution_is_missing(solved, release):
    del solved.cells[place_of(solved, "fit")]
    result = _repaired(solved, release)
    assert result.missing == frozenset({"fit"})
    assert "The cell of fit was missing." in result.mended


def test_a_deleted_check_is_put_back_at_the_end_of_its_exercise(solved, release):
    del solved.cells[place_of(solved, "fit__test")]
    own = new_code_cell("tried = fit", id="own")
    solved.cells.insert(place_of(solved, "fit") + 1, own)
    result = _repaired(solved, release)
    ids = [cell.id for cell in result.notebook.cells]
    place = ids.index("own")
    assert grade_id_of(result.notebook.cells[place - 1]) == "fit"
    assert grade_id_of(result.notebook.cells[place + 1]) == "fit__test"
    assert "The check of fit was missing; it was restored." in result.mended


def test_all_checks_deleted(solved, release):
    solved.cells = [cell for cell in solved.cells if not is_test(cell)]
    result = _repaired(solved, release)
    assert sum("was restored" in line for line in result.mended) == 6


def test_a_check_before_its_solution_is_moved_behind_it(solved, release):
    test = solved.cells.pop(place_of(solved, "fit__test"))
    solved.cells.insert(place_of(solved, "fit"), test)
    result = _repaired(solved, release)
    assert "came before its cell" in " ".join(result.mended)


def test_an_edited_check_is_restored_and_its_code_kept(solved, release):
    test = cell_named(solved, "fit__test")
    test.source = "epochs_i_tried = 3\n" + test.source
    result = _repaired(solved, release)
    above = result.notebook.cells[place_of(result.notebook, "fit__test") - 1]
    assert "epochs_i_tried" in above.source
    assert "your lines are above it" in " ".join(result.mended)


def test_a_duplicated_check_counts_once(solved, release):
    solved.cells.append(copy.deepcopy(cell_named(solved, "fit__test")))
    solved.cells[-1].id = "copy"
    result = _repaired(solved, release)
    assert "An untouched copy of the check of fit was left out." in result.mended


@pytest.mark.parametrize("stub_first", [True, False])
def test_an_untouched_copy_of_a_solution_does_not_shadow_the_work(solved, release, stub_first):
    stub = copy.deepcopy(cell_named(release, "fit"))
    stub.id = "copied-stub"
    place = place_of(solved, "fit")
    solved.cells.insert(place if stub_first else place + 1, stub)
    expected = copy.deepcopy(solved)
    result = _repaired(solved, release)
    stubs = [cell for cell in result.notebook.cells if cell.source == stub.source]
    assert stubs == []
    assert "epoch += 1" in cell_named(result.notebook, "fit").source
    assert len(result.notebook.cells) == len(expected.cells) - 1


def test_of_two_worked_on_copies_both_run_and_the_last_is_the_solution(solved, release):
    second = copy.deepcopy(cell_named(solved, "fit"))
    second.id, second.source = "second", second.source + "\n# second try"
    solved.cells.insert(place_of(solved, "fit") + 1, second)
    result = _repaired(solved, release)
    assert "# second try" in cell_named(result.notebook, "fit").source
    assert sum("def fit(" in cell.source for cell in result.notebook.cells) == 2


@pytest.mark.parametrize("kind", ["markdown", "raw"])
def test_a_retyped_solution_is_code_again(solved, release, kind):
    place = place_of(solved, "fit")
    cell = solved.cells[place]
    new = nbformat.from_dict(
        {"cell_type": kind, "id": cell.id, "metadata": cell.metadata, "source": cell.source}
    )
    solved.cells[place] = new
    result = _repaired(solved, release)
    mended = cell_named(result.notebook, "fit")
    assert (mended.cell_type, mended.source) == ("code", cell.source)


@pytest.mark.parametrize(
    "edit",
    [
        {"points": 400},
        {"grade": False},
        {"locked": False},
        {"solution": True},
        {"grade_id": "something_else"},
        {"grade_id": "train_one_epoch__test"},
        {"schema_version": 99},
        {"grade_id": ["no", "text"]},
    ],
)
def test_edited_grading_data_is_restored(solved, release, edit):
    cell_named(solved, "fit__test").metadata.nbgrader.update(edit)
    _repaired(solved, release)


def test_tags_that_would_stop_a_cell_are_removed(solved, release):
    cell_named(solved, "fit").metadata.tags = ["skip-execution", "raises-exception"]
    solved.cells.append(new_code_cell("1", metadata={"tags": ["panel"]}))
    result = _repaired(solved, release)
    tags = [tag for cell in result.notebook.cells for tag in cell.metadata.get("tags", [])]
    wanted = [tag for cell in release.cells for tag in cell.metadata.get("tags", [])]
    assert sorted(tags) == sorted(wanted)


def test_an_edited_panel_runs_and_an_untouched_one_does_not(solved, release):
    panels = [cell for cell in solved.cells if "panel" in cell.metadata.get("tags", [])]
    if len(panels) < 2:
        pytest.skip("chapter 05 has fewer than two panels")
    panels[0].source = "x_of_mine = 3"
    result = _repaired(solved, release)
    mended = {cell.source: cell.metadata.get("tags", []) for cell in result.notebook.cells}
    assert mended["x_of_mine = 3"] == []
    assert "panel" in mended[panels[1].source]


def test_a_deleted_or_moved_set_up_cell_stands_first_again(solved, release):
    first = next(i for i, cell in enumerate(solved.cells) if cell.cell_type == "code")
    setup = solved.cells.pop(first)
    for cells in ([], [setup]):
        notebook = copy.deepcopy(solved)
        notebook.cells += cells
        result = _repaired(notebook, release)
        code = [cell for cell in result.notebook.cells if cell.cell_type == "code"]
        assert code[0].source == setup.source


def test_an_edited_set_up_cell_runs_after_the_original(solved, release):
    setup = next(cell for cell in solved.cells if "setup" in cell.metadata.get("tags", []))
    original = setup.source
    setup.source = "import math\nimport torch"
    result = _repaired(solved, release)
    code = [cell.source for cell in result.notebook.cells if cell.cell_type == "code"]
    assert code[:2] == [original, "import math\nimport torch"]


def test_a_submission_of_before_the_last_cell_was_there_is_whole(solved, release):
    """And its shorter set-up cell runs after today's."""
    solved.cells = [cell for cell in solved.cells if not cell.id.startswith("hand-in")]
    setup = next(cell for cell in solved.cells if "setup" in cell.metadata.get("tags", []))
    original, setup.source = (
        setup.source,
        "import torch\n\nfrom course_lib import check, check_quiz",
    )
    result = _repaired(solved, release)
    assert (result.mended, result.missing) == ([], frozenset())
    code = [cell.source for cell in result.notebook.cells if cell.cell_type == "code"]
    assert code[:2] == [original, setup.source]


def test_the_last_cell_is_not_run(solved, release):
    """It looks at a file that is not there when grading."""
    result = _repaired(solved, release)
    (last,) = [cell for cell in result.notebook.cells if cell.id == "hand-in"]
    assert not _runs(last)


def test_missing_and_repeated_ids_are_mended(solved, release):
    for cell in solved.cells:
        cell.id = "same"
    solved.cells.insert(0, new_markdown_cell("my notes", id="same"))
    solved.cells[3].id = "not a valid id!"
    result = _repaired(solved, release)
    ids = [cell.id for cell in result.notebook.cells]
    assert len(set(ids)) == len(ids)


def test_cells_in_reverse_order_lose_nothing(solved, release):
    expected = copy.deepcopy(solved)
    solved.cells.reverse()
    result = _repaired(solved, release)
    assert _solutions_kept(result, expected)


def test_an_empty_notebook_misses_everything(solved, release):
    solved.cells = []
    result = _repaired(solved, release)
    assert result.missing >= {*EXERCISES, *QUESTIONS}


def test_hostile_expressions_do_not_stop_the_repair(solved, release):
    deep = "x = " + "(" * 5_000 + "1" + ")" * 5_000
    solved.cells += [
        new_code_cell(deep, id="deep"),
        new_code_cell("y = " + "+".join(["1"] * 20_000), id="long"),
        new_code_cell("z = '\0'", id="nul"),
    ]
    cell_named(solved, "fit__test").source = "y = " + "+".join(["1"] * 5_000)
    assert len(_repaired(solved, release).notebook.cells) >= len(release.cells)
