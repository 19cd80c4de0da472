"""Which tests one worker runs in one go, and which begin first; ``tests/conftest.py`` applies it.

A module is one unit, so that its fixtures are made once. ``@pytest.mark.apart("chapter")`` makes a unit
of each value of that parameter, ``@pytest.mark.apart`` of each test: for tests that share nothing
expensive, or nothing across chapters. Long units come first: the last ones to run are then short, and
all workers end at about the same time.
"""

import pytest

#: What a unit's rank is by the first of these marks that one of its tests has.
_LONGEST_FIRST = ("browser", "slow")


def unit_of(item: pytest.Item) -> str:
    """The name of the unit that a test belongs to."""
    module = item.nodeid.partition("::")[0]
    apart = item.get_closest_marker("apart")
    if apart is None:
        return module
    if not apart.args:
        return _plain(item.nodeid)
    callspec = getattr(item, "callspec", None)
    given = callspec.params if callspec is not None else {}
    return " ".join((module, *(_label(given[name]) for name in apart.args if name in given)))


def _label(value: object) -> str:
    """A chapter's id, an exercise's name, or the value itself in words."""
    return _plain(str(getattr(value, "id", None) or getattr(value, "name", None) or value))


def _plain(name: str) -> str:
    """For xdist a unit's name follows the last "@" behind the last closing bracket."""
    return name.replace("]", ")").replace("@", " at ")


def group(items: list[pytest.Item]) -> None:
    """Tell xdist the unit of each test, and put the longest units first."""
    ranks: dict[str, int] = {}
    units = {item: unit_of(item) for item in items}
    for item, unit in units.items():
        ranks[unit] = min(ranks.get(unit, len(_LONGEST_FIRST)), _rank(item))
        item.add_marker(pytest.mark.xdist_group(unit))
    items.sort(key=lambda item: ranks[units[item]])


def _rank(item: pytest.Item) -> int:
    ranks = [i for i, mark in enumerate(_LONGEST_FIRST) if item.get_closest_marker(mark)]
    return min(ranks, default=len(_LONGEST_FIRST))
