"""Environments with other versions than ours, under ``.cache`` and kept for the next time.

Used by the tests for Colab's versions and for the oldest ones.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path


def environment(
    folder: Path,
    requirements: Sequence[str],
    constraints: str,
    torch: str,
    base: str = sys.executable,
) -> Path:
    """The interpreter of an environment of ``base`` with ``requirements`` as ``constraints`` has them.

    ``torch`` (``"torch==2.13.0"``) is installed first, whatever the constraints say of it: its
    builds for CUDA are of several GB. Made again when any of this has changed. Compiled is what is
    imported, not all that is there.
    """
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    finished = folder / "finished"
    lines = [line for line in constraints.splitlines() if not line.startswith("torch==")]
    wanted = "\n".join([base, *requirements, "", torch, *lines])
    if finished.exists() and finished.read_text() == wanted:
        return python
    run(Path(base), "-m", "venv", "--clear", str(folder))
    with tempfile.TemporaryDirectory() as pins:
        path = Path(pins, "constraints.txt")
        path.write_text("\n".join([torch, *lines, ""]))
        for what in ([torch], ["-c", str(path), *requirements]):
            run(python, "-m", "pip", "install", "--quiet", "--no-compile", *what)
    finished.write_text(wanted)
    return python


def locked_torch(repository: Path) -> str:
    """The requirement that the course is locked to: the build that is at hand."""
    lines = (repository / "constraints.txt").read_text().splitlines()
    return next(line for line in lines if line.startswith("torch=="))


def run(python: Path, *arguments: str, cwd: Path | None = None, **variables: str) -> str:
    """What ``python`` prints; a failure shows everything that it said.

    Without this process's PYTHONPATH: pip would take the repository for an installed course.
    """
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(python), *arguments],
        cwd=cwd,
        env={
            **own,
            "OMP_NUM_THREADS": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
