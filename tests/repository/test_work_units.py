"""Which tests a worker runs in one go: asked of the tests below themselves."""

import pytest

from tests.work_units import group, unit_of


def _items(request: pytest.FixtureRequest, name: str) -> list[pytest.Item]:
    here = [item for item in request.session.items if item.path == request.path]
    found = [item for item in here if item.originalname == name]
    assert found, "the tests of this module are about each other: run all of them"
    return found


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
