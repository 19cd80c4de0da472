"""A copy of the repository's code that a test may change, from which versions are computed."""

import shutil
from pathlib import Path

from grading.classroom import versions
from grading.paths import REPOSITORY


def copy_code(target: Path) -> Path:
    """What versions are computed from, copied to ``target``."""
    ignored = shutil.ignore_patterns("__pycache__", "source", "sample_class")
    for name in ("course_lib", "grading"):
        shutil.copytree(REPOSITORY / name, target / name, ignore=ignored)
    return target


def clear_versions() -> None:
    """A process computes each version once; after a change it has to do so again."""
    versions.run_version.cache_clear()
    versions.judge_version.cache_clear()
