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
        return item.nodeid.replace("]", "")  # for xdist the name ends where a bracket closes
    indices = getattr(item, "callspec", None) and item.callspec.indices
    values = [f"{name} {indices[name]}" for name in apart.args if indices and name in indices]
    return " ".join((module, *values))


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
