"""All chapters replay under other kernels than this processor's own, with four threads: under ``CI=true``, or
with ``COURSE_EVERYWHERE=1``, for each replay costs minutes. With its own kernels and one thread,
``tests/notebooks`` does it."""

import os

import pytest

from tests.everywhere import replay
from tests.everywhere.places import CAPABILITIES, PLACES, WEEKLY, Place, capabilities, others


def replayed() -> list[Place]:
    """Other kernels, the first of them with four threads: each kind and each number of threads once, in few
    replays."""
    by_name = {place.name: place for place in PLACES}
    threads = by_name["4 threads"]
    if not others():
        return [threads]
    first, *single = [by_name[name] for name in others()]
    both = Place(f"{first.name}, {threads.name}", {**first.variables, **threads.variables})
    return [both, *single]


@pytest.mark.slow
@pytest.mark.apart
@pytest.mark.parametrize("number", range(len(CAPABILITIES) - 1))
def test_no_cell_differs(number: int) -> None:
    if not WEEKLY and os.environ.get("CI") != "true":
        pytest.skip("set COURSE_EVERYWHERE=1, or run make nbval-everywhere")
    if number >= len(replayed()):
        pytest.skip(f"replayed here: {', '.join(place.name for place in replayed())}")
    place = replayed()[number]
    cells = replay.replay(place, [], replay.interpreter(place), unsolved=False, workers="0")
    assert "passed" in cells.values()
    differing = [node for node, end in cells.items() if end == "failed"]
    assert differing == [], place.name


def test_other_kernels_and_four_threads_are_replayed() -> None:
    variables = {name: value for place in replayed() for name, value in place.variables.items()}
    assert variables["OMP_NUM_THREADS"] == "4"
    if len(capabilities()) > 1:
        assert "default" in {place.variables.get("ATEN_CPU_CAPABILITY") for place in replayed()}


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
