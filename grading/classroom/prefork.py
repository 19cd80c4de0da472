"""Starts the process from which workers are forked. Called before the grader imports what judges: both take
a while, and neither waits for the other."""

import multiprocessing
import signal
import sys
from multiprocessing import forkserver
from pathlib import Path

#: Forking the grader would copy its threads' locks; a server that imported the workers' module and did
#: nothing else can be forked, and its workers share that memory.
METHOD = "forkserver" if sys.platform == "linux" else "spawn"
_PRELOADED = ["grading.classroom.workers", "grading.runner.run"]


def likely_new(submitted: Path, marks: Path, chapter: str) -> int:
    """How many submissions of ``chapter`` look as if they were not graded yet, by the times of files: a guess, for
    what starts before anything is known."""
    graded = [file.stat().st_mtime for file in marks.glob("*")]
    found = [file.stat().st_mtime for file in submitted.glob(f"*/{chapter}/*.ipynb")]
    return max(len(found) - len(graded), sum(time > max(graded, default=0.0) for time in found))


def start_server() -> None:
    if METHOD != "forkserver":
        return
    multiprocessing.get_context(METHOD).set_forkserver_preload(_PRELOADED)
    # Ctrl-C is for the grader, which ends its workers: a server in the middle of its imports would
    # answer with a traceback. It inherits what is ignored here, and its workers do from it.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)
