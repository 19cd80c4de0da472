"""Finds other Pythons on this machine: ``find("3.13")``, or None where there is none."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

_WORKS = (
    "import sys, venv, ensurepip; print('.'.join(map(str, sys.version_info[:2])), sys.executable)"
)


def find(version: str) -> str | None:
    """An interpreter of this version ("3.13") that can make an environment: the first that starts,
    of the path, of the launcher of Windows and of pyenv."""
    for command in _candidates(version):
        try:
            done = subprocess.run(
                [*command, "-c", _WORKS], capture_output=True, text=True, check=False, timeout=60
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        found, _, path = done.stdout.strip().partition(" ")
        if done.returncode == 0 and found == version:
            return path
    return None


def _candidates(version: str) -> Iterator[list[str]]:
    if path := shutil.which(f"python{version}"):
        yield [path]
    if launcher := shutil.which("py"):
        yield [launcher, f"-{version}"]
    for root in filter(None, (os.environ.get("PYENV_ROOT"), Path.home() / ".pyenv")):
        for folder in sorted(Path(root, "versions").glob(f"{version}.*"), reverse=True):
            yield [str(folder / "bin" / "python")]
