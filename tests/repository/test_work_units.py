"""Which tests a worker runs in one go: asked of the tests below themselves."""

import re
import subprocess
import sys

import pytest

from tests.work_units import group, part, unit_of


def _items(request: pytest.FixtureRequest, name: str) -> list[pytest.Item]:
    """Of this module, whichever of them run here: others may be another machine's part."""
    module = request.node.getparent(pytest.Module)
    return [item for item in module.collect() if item.originalname == name]


@pytest.mark.apart("chapter")
@pytest.mark.parametrize("part", ["panel", "quiz"])
@pytest.mark.parametrize("chapter", ["00", "05"])
def test_of_two_chapters(chapter, part):
    assert (chapter, part) != ("", "")


@pytest.mark.apart
@pytest.mark.parametrize("text", ["a", "[b]", "c@d"])
def test_apart_from_all_others(text):
    assert text


@pytest.mark.slow
def test_that_is_slow(request):
    assert request.node.get_closest_marker("slow")


def test_a_module_is_a_unit_and_parts_are_units_where_it_is_said(request):
    whole = {unit_of(item) for item in _items(request, "test_that_is_slow")}
    assert whole == {unit_of(request.node)}
    chapters = [unit_of(item) for item in _items(request, "test_of_two_chapters")]
    assert sorted(map(chapters.count, set(chapters))) == [2, 2]
    alone = [unit_of(item) for item in _items(request, "test_apart_from_all_others")]
    assert len({*alone, *chapters, *whole}) == 6


def test_xdist_reads_the_whole_name_of_a_unit(request):
    for item in _items(request, "test_apart_from_all_others"):
        assert "]" not in unit_of(item)
        assert "@" not in unit_of(item)


def test_xdist_keeps_units_together(request):
    """It says so by the unit's name behind the test's; a version that does not runs all fixtures twice."""
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("these tests are not distributed by groups")
    assert request.node.nodeid.endswith(f"@{unit_of(request.node)}")


def test_long_units_come_first_and_keep_their_order(request):
    short = _items(request, "test_of_two_chapters") + _items(request, "test_apart_from_all_others")
    items = [*short, *_items(request, "test_that_is_slow")]
    group(items)
    assert items[0].originalname == "test_that_is_slow"
    assert items[1:] == short
    assert all(item.get_closest_marker("xdist_group") for item in items)


def test_parts_share_all_units_evenly_and_long_ones_too(request):
    items = request.session.items
    units = {unit_of(item) for item in items}
    slow = {unit_of(item) for item in items if item.get_closest_marker("slow")}
    for count in (1, 2, 3):
        parts = [part(items, f"{number}/{count}") for number in range(1, count + 1)]
        assert set().union(*parts) == units
        assert sum(map(len, parts)) == len(units), "a unit in two parts"
        for of_some in (units, slow):
            sizes = [len(of_some & each) for each in parts]
            assert max(sizes) - min(sizes) <= 3  # one for each rank


def test_a_part_runs_what_is_its_and_says_how_much_is_not(request, repository):
    told = {}
    for number in (1, 2):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--collect-only"]
        command += ["--part", f"{number}/2", str(request.path)]
        done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        told[number] = [line for line in done.stdout.splitlines() if "::" in line]
        assert re.search(r"\d+/\d+ tests collected \(\d+ deselected\)", done.stdout), done.stdout
    assert not set(told[1]) & set(told[2])
    ours = {item.name for item in request.session.items if item.path == request.path}
    assert ours <= {line.partition("::")[2] for line in told[1] + told[2]}


@pytest.mark.parametrize("which", ["0/2", "3/2", "1/0", "half", "1", "-1/2", "1/2/3", ""])
def test_what_is_no_part_is_said(request, which):
    with pytest.raises(pytest.UsageError, match=r"give one of several, such as 1/2 or 2/2"):
        part(request.session.items, which)
