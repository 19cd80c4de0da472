"""What ``course_lib`` needs to run, for ``doctor``. A test compares it with ``pyproject.toml``.

Written down here because Colab may run the course without its installed metadata, and comparing
versions must work where the ``packaging`` package is among what is missing.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Requirement:
    """A package and the oldest version that will do (``""``: any)."""

    name: str
    at_least: str

    def allows(self, version: str) -> bool:
        """Whether ``version`` (``"2.13.0+cpu"``) is new enough, by its leading numbers."""
        return _numbers(version) >= _numbers(self.at_least)

    def __str__(self) -> str:
        return f"{self.name}>={self.at_least}" if self.at_least else self.name


RUNTIME = (
    Requirement("torch", "2.6"),
    Requirement("numpy", "2.0"),
    Requirement("matplotlib", "3.9"),
    Requirement("ipywidgets", "7.7.1"),
    Requirement("scikit-learn", "1.5"),
    Requirement("pillow", "10.0"),
)


def _numbers(version: str) -> tuple[int, ...]:
    release = re.match(r"\d+(\.\d+)*", version)
    parts = [int(part) for part in release.group().split(".")] if release else []
    while parts and parts[-1] == 0:  # 2.0 and 2.0.0 are the same
        parts.pop()
    return tuple(parts)
