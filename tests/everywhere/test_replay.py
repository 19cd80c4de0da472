"""All chapters replay under each kind of kernels and with four threads: under ``CI=true``, or with
``COURSE_EVERYWHERE=1``, for each replay costs minutes. With this processor's own kernels and one
thread, ``tests/notebooks`` does it."""

import os

import pytest

from tests.everywhere import replay
from tests.everywhere.places import CAPABILITIES, PLACES, Place, capabilities, own_capability


def on_each_push() -> list[Place]:
    """The kernels that are not this processor's own, the last of them with four threads: each kind and
    each number of threads once, in few replays."""
    by_name = {place.name: place for place in PLACES}
    others = [name for name in capabilities() if name != own_capability()]
    threads = by_name["4 threads"]
    if not others:
        return [threads]
    *single, last = [by_name[name] for name in others]
    both = Place(f"{last.name}, {threads.name}", {**last.variables, **threads.variables})
    return [*single, both]


@pytest.mark.slow
@pytest.mark.apart
@pytest.mark.parametrize("number", range(len(CAPABILITIES) - 1))
def test_no_cell_differs(number: int) -> None:
    if "COURSE_EVERYWHERE" not in os.environ and os.environ.get("CI") != "true":
        pytest.skip("set COURSE_EVERYWHERE=1, or run make nbval-everywhere")
    if number >= len(on_each_push()):
        pytest.skip(f"this processor has only {', '.join(capabilities())}")
    place = on_each_push()[number]
    cells = replay.replay(place, [], replay.interpreter(place), unsolved=False, workers="0")
    assert "passed" in cells.values()
    differing = [node for node, end in cells.items() if end == "failed"]
    assert differing == [], place.name


def test_all_kernels_and_four_threads_are_replayed_on_each_push() -> None:
    names = ", ".join(place.name for place in on_each_push())
    assert {"default", own_capability()} <= {*capabilities()}
    assert all(name in names for name in capabilities() if name != own_capability())
    assert "4 threads" in names


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
