"""Which cells of a submission only demonstrate: released ones that nobody changed, and whose results nothing of
the learner's needs. Grading may leave them out, as it leaves out panels; called by ``prepare``.

Released cells are parsed, a learner's never: of those only words are looked at, and wherever words could mean
more than they say, nothing is left out. What is decided here only saves time: ``run`` takes a run without these
cells for what it is only where nothing in it raised, and else runs every cell.
"""

import ast
import builtins
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from nbformat import NotebookNode

from grading.intake.matching import grade_id_of, is_test, tags_of

_WORD = re.compile(r"[A-Za-z_]\w*")
#: Reaches names in other ways than by writing them, or hides that one is missing.
_REFLECTION = re.compile(
    r"(?<![.\w])(globals|locals|vars|dir|eval|exec|compile|except|suppress|inspect|gc|ctypes|NameError"
    r"|get_ipython|In|Out|_[0-9]*|__|___|_i+[0-9]*|_oh|_dh|_ih)\b"
    r"|_getframe|__(main|dict|builtins|globals|import|class|subclasses|bases|closure|code|del)__"
    r"|^[ \t]*(?:global|nonlocal)\b|[;:][ \t]*(?:global|nonlocal)\b"
    r"|^[ \t]*[%!?]|[?!]$|=[ \t]*[%!]|import[ \t]*\*",
    re.MULTILINE,
)
#: Where ``_`` takes a value that nobody wants; elsewhere it is the last output.
_UNWANTED = re.compile(r"\bfor[ \t][\w, \t()]*\bin\b|^[ \t]*[\w, \t]+=(?!=)", re.MULTILINE)
#: A line at the left margin of a cell that only defines: it binds the names in it, and runs nothing else.
_DEFINES = re.compile(
    r"(?:async[ \t]+def|def|class)[ \t]+(?P<name>\w+)|(?P<imports>(?:import|from)[ \t][^(;\\]*)$"
)
_BINDS_NOTHING = re.compile(r"[#@)\]}]|$")
#: An answer: a letter, a number, a word.
_ANSWER = re.compile(r"""(?P<name>\w+)[ \t]*=[ \t]*("[^"\\]*"|'[^'\\]*'|[-+.\w]+)[ \t]*(#.*)?$""")
_NOT_DEMONSTRATIONS = frozenset({"setup", "panel", "hand-in"})


@dataclass(frozen=True)
class _Names:
    """What a cell binds apart from imports, which of that are values (a function is not changed by being
    called), and every word in it."""

    bound: frozenset[str]
    values: frozenset[str]
    words: frozenset[str]


def demonstrations(notebook: NotebookNode, release: NotebookNode) -> dict[int, str]:
    """The cells of a repaired notebook that can be left out, by index, and what of each is run all the
    same: its imports."""
    released = {cell.source.strip() for cell in release.cells if _may_demonstrate(cell)}
    given = {line for cell in release.cells for line in cell.source.split("\n")}
    found: dict[int, _Names] = {}
    kept: list[_Names] = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" or is_test(cell) or {"panel", "hand-in"} & set(tags_of(cell)):
            continue
        if "setup" in tags_of(cell):
            kept.append(_of_released(cell.source) or _of_words(cell.source))
            continue
        names = None
        if _may_demonstrate(cell) and cell.source.strip() in released:
            names = _of_released(cell.source)
        # Released lines may speak of anything, as a docstring does.
        own = "\n".join(line for line in cell.source.split("\n") if line not in given)
        if names is not None:
            found[index] = names
        elif _REFLECTION.search(_UNWANTED.sub(" ", own)):
            return {}
        else:
            kept.append(_of_learners(cell.source))
    for index in _needed(found, kept):
        del found[index]
    return {index: _imports(notebook.cells[index].source) for index in found}


def _may_demonstrate(cell: NotebookNode) -> bool:
    is_one = cell.cell_type == "code" and not grade_id_of(cell)
    return is_one and bool(cell.source.strip()) and _NOT_DEMONSTRATIONS.isdisjoint(tags_of(cell))


def _needed(found: Mapping[int, _Names], kept: Iterable[_Names]) -> set[int]:
    """Of the cells in ``found`` those that the kept ones need, or that change what those have: a name is
    bound either by all the cells that bind it, or by none."""
    bound = {name for each in kept for name in each.bound}
    values = {name for each in kept for name in each.values}
    needed: set[int] = set()
    while True:
        more = {
            index
            for index, names in found.items()
            if index not in needed and (names.bound & bound or names.words & values)
        }
        if not more:
            return needed
        needed |= more
        for index in more:
            bound |= found[index].words
            values |= found[index].values


@cache
def _of_released(source: str) -> _Names | None:
    """The names of a cell of the course; None where they cannot be told."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # a line for IPython
        return None
    words = frozenset(_WORD.findall(source))
    bound: set[str] = set()
    values: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                values.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case (
                ast.alias(name="*")
                | ast.Global()
                | ast.MatchAs()
                | ast.MatchStar()
                | ast.MatchMapping()
            ):
                return None
    bound |= values
    if any(hasattr(builtins, name) for name in bound):
        return None
    return _Names(frozenset(bound), frozenset(values), words)


def _of_learners(source: str) -> _Names:
    """The names of a learner's cell, or more: all its words, unless it only defines."""
    bound: set[str] = set()
    for line in source.split("\n"):
        if found := _ANSWER.match(line):
            bound.add(found["name"])
        elif found := _DEFINES.match(line):
            bound |= {found["name"]} if found["name"] else set(_WORD.findall(line))
        elif not (line[:1].isspace() or _BINDS_NOTHING.match(line)):
            return _of_words(source)
    return (
        _of_words(source) if ":=" in source else _Names(frozenset(bound), frozenset(), frozenset())
    )


def _of_words(source: str) -> _Names:
    words = frozenset(_WORD.findall(source))
    return _Names(words, words, words)


@cache
def _imports(source: str) -> str:
    """The imports of a released cell: its names of modules and functions cost little, and a learner uses them."""
    body = ast.parse(source).body
    return "\n".join(ast.unparse(n) for n in body if isinstance(n, ast.Import | ast.ImportFrom))
