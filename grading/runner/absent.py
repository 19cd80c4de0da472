"""Goes on behind an import of a package that learners have and the grader has not. Called by ``run``.

A cell stops where ``import seaborn`` raises, and with it everything below would be lost, although
most of it needs no seaborn. What follows that line is run as well; whatever does use the package
raises there. The text is only cut at a line, never parsed: parsing a stranger's source in the
grader's process is not safe.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

#: So many packages may be absent from one cell.
MOST_ABSENT = 8
_ABSENT = re.compile(r"No module named '([A-Za-z_]\w*)")
_IMPORT = re.compile(r"import[ \t]+(?P<names>[^#;]+)")
_FROM = re.compile(r"from[ \t]+(?P<module>[A-Za-z_]\w*)[\w.]*[ \t]+import\b")


def absent_package(outputs: Sequence[Mapping[str, Any]]) -> str:
    """The package for whose absence the cell stopped; "" when it did not stop for that."""
    last = outputs[-1] if outputs else {}
    if last.get("output_type") != "error" or last.get("ename") != "ModuleNotFoundError":
        return ""
    found = _ABSENT.match(last["evalue"])
    return found[1] if found else ""


def rest_behind(source: str, package: str) -> str | None:
    """What of a cell follows its first line at the left margin that imports ``package``, with what
    else that line imports or does; None when no line does."""
    lines = source.split("\n")
    for index, line in enumerate(lines):
        end, others = index, ""
        if found := _IMPORT.match(line):
            names = [name.strip() for name in found["names"].split(",")]
            others = ", ".join(name for name in names if _top(name) != package)
            if others == ", ".join(names):
                continue
        elif (found := _FROM.match(line)) and found["module"] == package:
            end = _end_of_statement(lines, index)
        else:
            continue
        same_line = lines[end].partition(";")[2].strip()
        kept = [f"import {others}"] if others else []
        kept += [same_line] if same_line else []
        return "\n".join([*kept, *lines[end + 1 :]])
    return None


def _top(name: str) -> str:
    """``a`` of ``a.b as c``."""
    return re.split(r"[.\s]", name, maxsplit=1)[0]


def _end_of_statement(lines: list[str], index: int) -> int:
    """The last line of an import that goes on in brackets or behind a backslash."""
    end = index
    open_bracket = "(" in lines[index].partition("#")[0]
    while end + 1 < len(lines):
        code = lines[end].partition("#")[0].rstrip()
        if not (code.endswith("\\") or (open_bracket and ")" not in code)):
            break
        end += 1
    return end
