"""``make`` on machines where something is missing: one line that names the package."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from grading.paths import REPOSITORY

#: What the recipes need besides git and Python.
TOOLS = ("sh", "cat", "sed", "awk", "rm", "touch", "printf", "env")


@pytest.fixture
def machine(tmp_path: Path):
    """``machine(git=..., python=...)`` runs ``make setup`` where only these programs exist."""
    folder = tmp_path / "course"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(REPOSITORY / name, folder)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in TOOLS:
        if found := shutil.which(name):
            (programs / name).symlink_to(found)

    def run(**scripts: str) -> subprocess.CompletedProcess:
        for name, script in scripts.items():
            (programs / name).write_text(f"#!/bin/sh\n{script}\n")
            (programs / name).chmod(0o755)
        return subprocess.run(
            [shutil.which("make"), "setup"],
            cwd=folder,
            env={"PATH": str(programs), "HOME": str(tmp_path), "LANG": os.environ.get("LANG", "C")},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def _message(done: subprocess.CompletedProcess) -> str:
    """The one line that is not make's own."""
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    return line


def test_missing_git_is_named(machine):
    assert _message(machine()) == "git is missing. Debian or Ubuntu: sudo apt install git"


def test_missing_or_old_python_is_named(machine):
    old = machine(git="exit 0", python3="exit 1")  # too old, says sys.exit(version < (3, 11))
    assert _message(old).startswith("Python 3.11 or newer is missing.")
    assert "sudo apt install python3 python3-venv" in _message(old)


def test_missing_venv_is_named(machine):
    script = 'case "$2" in *ensurepip*) exit 1;; *) exit 0;; esac'
    done = machine(git="exit 0", python3=script)
    assert _message(done) == (
        "Python's venv is missing. Debian or Ubuntu: sudo apt install python3-venv"
    )
