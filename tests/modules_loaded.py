"""Which modules a command has imported when it ends: what makes it slow to start. No times are measured."""

import os
import subprocess
import sys

from grading.paths import REPOSITORY

#: Takes seconds to import, and most commands need none of it.
SLOW = ("torch", "numpy", "matplotlib", "nbconvert", "nbgrader.server_extensions", "jupyter_server")

_RUN = """\
import runpy, sys
try:
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
except SystemExit as end:
    assert not end.code, end.code
finally:
    print("loaded:", *sys.modules, file=sys.stderr)
"""


def loaded_by(module: str, *arguments: str, **environment: str) -> set[str]:
    """The modules that ``python -m module arguments`` imports."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, module, *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.rpartition("loaded:")[2].split())
