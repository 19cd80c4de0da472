"""``make nbval-everywhere``, on one chapter: the weekly workflow takes them all. On each push
``tests/notebooks/test_rebuild.py`` builds all of them with other kernels and threads."""

import pytest

from tests.everywhere import replay
from tests.everywhere.places import named


@pytest.mark.slow
def test_a_chapter_replays_on_other_kernels_solved_and_unsolved() -> None:
    place = named("default")
    cells = replay.replay(place, ["00"], replay.interpreter(place))
    assert {node.partition("/")[0] for node in cells} == {"grading", ".cache"}
    assert "passed" in cells.values()
    assert [node for node, end in cells.items() if end == "failed"] == []


def test_the_table_names_each_cell_that_differs_and_where() -> None:
    one = {
        "grading/source/05_x/05_x.ipynb::Cell 3": "failed",
        "notebooks/05_x.ipynb::Cell 0": "passed",
    }
    two = {
        "grading/source/05_x/05_x.ipynb::Cell 3": "passed",
        "notebooks/05_x.ipynb::Cell 0": "skipped",
    }
    lines = replay.table({"here": one, "there": two, "nowhere": "no Python 3.99"}).splitlines()
    assert lines[0] == "| cell | here | there |"
    assert lines[2] == "| 05_x (solved) Cell 3 | differs |  |"
    assert lines[3] == "| cells that passed | 1 | 1 |"
    assert lines[4] == "| cells that differ | 1 | 0 |"
    assert lines[5] == "not here: nowhere: no Python 3.99"
