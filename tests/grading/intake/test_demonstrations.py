"""What grading leaves out: released cells that nobody changed and whose results nothing needs."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from grading.intake.demonstrations import demonstrations
from grading.intake.matching import grade_id_of, is_solution, is_test, tags_of
from grading.intake.repair import repair


def _cell(source: str, id: str, tags: tuple[str, ...] = (), solution: bool = False):
    cell = new_code_cell(source, id=id, metadata={"tags": list(tags)})
    if solution:
        cell.metadata.nbgrader = {
            "grade": False,
            "grade_id": id,
            "locked": False,
            "schema_version": 3,
            "solution": True,
            "task": False,
        }
    return cell


@pytest.fixture
def small() -> nbformat.NotebookNode:
    """A release: a set-up, three demonstrations, an exercise, a demonstration with it."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        _cell("import torch\nsize = 4", "setup", ("setup",)),
        _cell("import math\nangle = math.pi", "first"),
        _cell("from statistics import mean\nweights = [1, 2]\nprint(mean(weights))", "second"),
        _cell("weights.append(3)", "third"),
        _cell("def f(x):\n    raise NotImplementedError", "f", solution=True),
        _cell("result = f(2)", "fourth"),
    ]
    return notebook


def _left_out(release, *added: str, f: str = "def f(x):\n    return x\n") -> set[str]:
    notebook = nbformat.from_dict(release)
    notebook.cells[4].source = f
    notebook.cells += [_cell(source, f"own-{n}") for n, source in enumerate(added)]
    return {notebook.cells[index].id for index in demonstrations(notebook, release)}


def test_what_nobody_needs_is_left_out_but_for_its_imports(small):
    assert demonstrations(small, small) == {
        1: "import math",
        2: "from statistics import mean",
        3: "",
        5: "",
    }


def test_a_name_is_bound_by_all_that_bind_it_or_by_none(small):
    """And what changes its value is run, too."""
    assert _left_out(small, "print(weights)") == {"first", "fourth"}
    assert _left_out(small, "angle = 3") == {"second", "third", "fourth"}
    assert _left_out(small, "total = result + 1") == {"first", "second", "third"}


def test_an_answer_and_a_definition_need_nothing(small):
    added = ('q05_1 = "B"  # sure', "import os\n\n\nclass Own:\n    weights = 3")
    assert _left_out(small, *added) == {"first", "second", "third", "fourth"}


def test_a_name_of_the_set_up_is_bound_again_where_it_was(small):
    small.cells[2].source = "size = 5"
    assert _left_out(small) == {"first", "third", "fourth"}


def test_a_cell_that_was_changed_is_the_learners(small):
    notebook = nbformat.from_dict(small)
    notebook.cells[3].source = "weights.append(4)"
    left = {notebook.cells[index].id for index in demonstrations(notebook, small)}
    assert left == {"first", "fourth"}


@pytest.mark.parametrize(
    "source",
    [
        "sorted = 3",  # where this cell is left out, the name still has a value
        "%matplotlib inline\nx = 1",
        "from math import *",
    ],
)
def test_a_cell_whose_names_cannot_be_told_is_run(small, source):
    small.cells[1].source = source
    assert "first" not in _left_out(small)


@pytest.mark.parametrize(
    "f",
    [
        "def f(x):\n    return globals()['weights']\n",
        "def f(x):\n    return eval('wei' + 'ghts')\n",
        "def f(x):\n    global weights\n    weights = x\n",
        "def f(x):\n    try:\n        return weights\n    except NameError:\n        return 0\n",
        "import __main__\ndef f(x):\n    return getattr(__main__, 'weights')\n",
        "def f(x):\n    return _\n",
        "from math import *\ndef f(x):\n    return x\n",
    ],
)
def test_nothing_is_left_out_where_words_may_mean_more(small, f):
    assert _left_out(small, f=f) == set()


@pytest.mark.parametrize(
    "f",
    [
        "def f(x):\n    for _ in range(3):\n        x, _ = x, 1\n    model.eval()\n    return x\n",
        "class f(Base):\n    def __init__(self):\n        super().__init__()\n",
    ],
)
def test_what_learners_write_every_day_is_no_reason(small, f):
    assert len(_left_out(small, f=f)) == 4


def test_a_solved_chapter_runs_its_set_up_and_its_solutions(solved, release):
    cells = repair(nbformat.writes(solved).encode(), release).notebook
    left = demonstrations(cells, release)
    assert len(left) > 20
    for index, cell in enumerate(cells.cells):
        if index in left:
            assert cell.cell_type == "code"
            assert not grade_id_of(cell)
            assert not {"setup", "panel"} & set(tags_of(cell))
        assert not (index in left and (is_test(cell) or is_solution(cell)))
