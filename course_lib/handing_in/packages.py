"""Imports of packages that grading does not have. Called by ``hand_in``, which says so in time.

Grading goes on behind such a line, so it costs only what needs the package.
"""

import ast
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from course_lib.handing_in.inventory import top_level

#: What a submission may import when it is graded, besides Python's own modules.
GRADED = frozenset(
    [
        "IPython",
        "PIL",
        "course_lib",
        "einops",
        "google",
        "ipywidgets",
        "joblib",
        "matplotlib",
        "mpl_toolkits",
        "numpy",
        "pandas",
        "scipy",
        "sklearn",
        "torch",
        "tqdm",
    ]
)


def not_in_grading(sources: Iterable[str]) -> list[str]:
    """Installed packages that the cells import at their top level and that grading does not have."""
    names = dict.fromkeys(name for source in sources for name in _imported(source))
    return [name for name in names if name not in _KNOWN and _is_installed(name)]


_KNOWN = GRADED | sys.stdlib_module_names


def _imported(source: str) -> Iterable[str]:
    for node in top_level(source):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _is_installed(name: str) -> bool:
    """As a package: a file of the learner's beside the notebook is handed in with it."""
    try:
        found = find_spec(name)
    except (ImportError, ValueError):
        return False
    origin = found.origin if found is not None else None
    return origin is not None and Path(origin).parent.resolve() != Path.cwd().resolve()
