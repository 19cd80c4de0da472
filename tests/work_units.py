"""Which tests one worker runs in one go, and which begin first; ``tests/conftest.py`` applies it.

A module is one unit, so that its fixtures are made once. ``@pytest.mark.apart("chapter")`` makes a unit
of each value of that parameter, ``@pytest.mark.apart`` of each test: for tests that share nothing
expensive, or nothing across chapters. Long units come first: the last ones to run are then short, and
all workers end at about the same time.

Two machines can share the work: with ``--part 1/2`` one runs every second unit, with ``--part 2/2`` the other
one the rest.
"""

import re

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
    ranks = _ranks(items)
    for item in items:
        item.add_marker(pytest.mark.xdist_group(unit_of(item)))
    items.sort(key=lambda item: ranks[unit_of(item)])


def part(items: list[pytest.Item], which: str) -> set[str]:
    """The units of part ``which``, as in ``"1/2"``: in turn, the longest first.

    Raises
    ------
    pytest.UsageError
        If ``which`` is not two numbers of which the first is at most the second.
    """
    found = re.fullmatch(r"([1-9]\d?)/([1-9]\d?)", which)
    number, count = map(int, found.groups()) if found else (1, 0)
    if number > count:
        raise pytest.UsageError(f"--part {which}: give one of several, such as 1/2 or 2/2")
    ranks = _ranks(items)
    return set(sorted(ranks, key=ranks.__getitem__)[number - 1 :: count])


def _ranks(items: list[pytest.Item]) -> dict[str, int]:
    """By unit, in the order in which they are collected."""
    ranks: dict[str, int] = {}
    for item in items:
        unit = unit_of(item)
        ranks[unit] = min(ranks.get(unit, len(_LONGEST_FIRST)), _rank(item))
    return ranks


def _rank(item: pytest.Item) -> int:
    ranks = [i for i, mark in enumerate(_LONGEST_FIRST) if item.get_closest_marker(mark)]
    return min(ranks, default=len(_LONGEST_FIRST))
