"""Imports of packages that grading does not have. Called by ``hand_in``, which says so in time.

Grading goes on behind such a line, so it costs only what needs the package.
"""

import ast
from collections.abc import Iterable

from course_lib.exercises.checking.packages import is_not_graded_with
from course_lib.handing_in.inventory import top_level


def not_in_grading(sources: Iterable[str]) -> list[str]:
    """Installed packages that the cells import at their top level and that grading does not have."""
    names = dict.fromkeys(name for source in sources for name in _imported(source))
    return [name for name in names if is_not_graded_with(name)]


def _imported(source: str) -> Iterable[str]:
    for node in top_level(source):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
