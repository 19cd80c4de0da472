"""All chapters replay under each kind of kernels and with four threads: under ``CI=true``, or with
``COURSE_EVERYWHERE=1``, for each costs about a minute. With this processor's own kernels,
``tests/notebooks`` does it."""

import os

import pytest

from tests.everywhere import replay
from tests.everywhere.places import CAPABILITIES, PLACES, Place, capabilities, own_capability

OFTEN = [place for place in PLACES if place.often]


@pytest.mark.slow
@pytest.mark.apart
@pytest.mark.parametrize("place", OFTEN, ids=lambda place: place.name)
def test_no_cell_differs(place: Place) -> None:
    if "COURSE_EVERYWHERE" not in os.environ and os.environ.get("CI") != "true":
        pytest.skip("set COURSE_EVERYWHERE=1, or run make nbval-everywhere")
    if place.name in CAPABILITIES and place.name not in capabilities():
        pytest.skip(f"this processor has no {place.name}")
    if place.name == own_capability():
        pytest.skip("tests/notebooks/test_nbval.py replays with these")
    cells = replay.replay(place, [], replay.interpreter(place), unsolved=False, workers="0")
    assert "passed" in cells.values()
    assert [node for node, end in cells.items() if end == "failed"] == []


def test_the_capabilities_and_threads_are_replayed_on_each_push() -> None:
    assert {place.name for place in OFTEN} == {*CAPABILITIES, "4 threads"}
    assert "default" in capabilities()


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
