"""Runs pytest again and again, each time in a fork of a process that has imported what is slow and not
ours, its arguments. Started by ``run.Pytest``: a line of JSON in (``{"folder", "arguments", "log", "seconds"}``), a line
with the exit status out. Without ``fork`` each run is a process of its own.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time

#: What most tests import, and what neither changes with the code under test nor starts a thread.
SLOW = (
    "torch", "numpy", "matplotlib.figure", "matplotlib.backends.backend_agg", "sklearn.datasets",
    "pytest", "_pytest.assertion.rewrite", "nbformat.v4", "nbclient", "nbgrader.api", "nbgrader.apps",
    "nbconvert", "jupyter_client", "sqlalchemy", "psutil", "rich.table", "typer.testing", "jupytext",
    "ipywidgets", "safetensors.torch",
)  # fmt: skip
TOO_LONG = 124


def main() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("MPLBACKEND", "agg")
    for name in sys.argv[1:] if hasattr(os, "fork") else ():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        print(_run(**json.loads(line)), flush=True)


def _run(folder: str, arguments: list[str], log: str, seconds: float) -> int:
    with open(log, "wb") as output:
        if not hasattr(os, "fork"):
            command = [sys.executable, "-m", "pytest", *arguments]
            return subprocess.run(command, cwd=folder, stdout=output, stderr=output).returncode
        child = os.fork()
        if child == 0:
            status = 3
            try:
                os.setsid()
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
                status = _pytest(folder, arguments)
            finally:
                os._exit(status)
    return _status(child, time.monotonic() + seconds)


def _pytest(folder: str, arguments: list[str]) -> int:
    import pytest

    os.chdir(folder)
    os.environ["PYTHONPATH"] = folder
    sys.path[:] = [
        folder,
        *(each for each in sys.path if each not in ("", os.path.dirname(__file__))),
    ]
    sys.argv = ["pytest", *arguments]
    status = int(pytest.main(arguments))
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def _status(child: int, until: float) -> int:
    while time.monotonic() < until:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)  # what a failed test may have left running
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return TOO_LONG


if __name__ == "__main__":
    main()
