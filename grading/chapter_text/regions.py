"""Solution regions: cuts a solution out of a cell and puts the stub there. Called by the release
preprocessor, by ``verify`` and by the tests.

::

    def train_one_epoch(model, loader, loss_fn, optimizer):
        # the docstring: what the learner reads
        ### BEGIN SOLUTION
        ...
        ### STUB
        # model.train()
        # # your lines here
        ### END SOLUTION

The commented lines after ``### STUB``, uncommented, are what the learner gets. Without them the
region becomes a ``raise NotImplementedError``.
"""

import re
from dataclasses import dataclass

BEGIN = "### BEGIN SOLUTION"
STUB = "### STUB"
END = "### END SOLUTION"


class RegionError(ValueError):
    """The marks of a cell do not pair up, or a stub cannot be read."""


@dataclass(frozen=True)
class Region:
    """Lines ``start`` to ``end`` (both marks included) of a cell, its solution and its stub."""

    start: int
    end: int
    indent: str
    solution: tuple[str, ...]
    stub: tuple[str, ...] | None


def find_regions(source: str) -> list[Region]:
    """The solution regions of a cell, in order."""
    regions: list[Region] = []
    start: int | None = None
    stub_at: int | None = None
    lines = source.split("\n")
    for number, line in enumerate(lines):
        mark = line.strip()
        if mark == BEGIN:
            if start is not None:
                raise RegionError(f'a second "{BEGIN}" before "{END}"')
            start, stub_at = number, None
        elif mark in (STUB, END) and start is None:
            raise RegionError(f'"{mark}" without "{BEGIN}" before it')
        elif mark == STUB:
            if stub_at is not None:
                raise RegionError(f'a second "{STUB}" in one region')
            stub_at = number
        elif mark == END:
            indent = lines[start][: len(lines[start]) - len(lines[start].lstrip())]
            body_end = number if stub_at is None else stub_at
            stub = None if stub_at is None else _stub(lines[stub_at + 1 : number], indent)
            regions.append(Region(start, number, indent, tuple(lines[start + 1 : body_end]), stub))
            start = None
        elif re.match(r"\s*#+\s*(BEGIN|END)\s+SOLUTION", line):
            raise RegionError(f'write "{BEGIN}" and "{END}", not "{mark}"')
    if start is not None:
        raise RegionError(f'"{BEGIN}" without "{END}"')
    return regions


def _stub(commented: list[str], indent: str) -> tuple[str, ...]:
    stub = []
    for line in commented:
        text = line.removeprefix(indent)
        if text.strip() in ("", "#"):
            stub.append("")
        elif text.startswith("# "):
            stub.append(indent + text[2:])
        else:
            raise RegionError(
                f'"{line.strip()}" after "{STUB}" is not a comment at the region\'s depth'
            )
    return tuple(stub)


def solved(source: str) -> str:
    """The cell without the marks and without the stubs."""
    lines = source.split("\n")
    for region in reversed(find_regions(source)):
        lines[region.start : region.end + 1] = region.solution
    return "\n".join(lines)


def cut_solutions(source: str, name: str) -> str:
    """The cell as the learner gets it: every region replaced by its stub.

    Raises ``RegionError`` when there is no region (the whole solution would be released), or when
    a region at the cell's top level has no stub: raising there would stop "Run all".
    """
    regions = find_regions(source)
    if not regions:
        raise RegionError(f'no "{BEGIN}" ... "{END}"')
    lines = source.split("\n")
    for region in reversed(regions):
        stub = region.stub
        if stub is None and not region.indent:
            raise RegionError(f'a region at top level needs its stub after "{STUB}"')
        if stub is None:
            unwritten = f'raise NotImplementedError("write {name} here, then run its check")'
            stub = (region.indent + unwritten,)
        lines[region.start : region.end + 1] = stub
    return "\n".join(lines)


def solution_lines(source: str) -> list[str]:
    """The lines between the marks without stubs: what must never reach a learner."""
    return [line for region in find_regions(source) for line in region.solution]
