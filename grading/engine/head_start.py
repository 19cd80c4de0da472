"""Starts the process from which workers are forked before the grader's own imports: both take seconds,
and neither waits for the other. Called by the command ``grade``, so it imports nothing slow."""

import multiprocessing
import sys
from multiprocessing import forkserver

#: Forking the grader would copy its threads' locks; a server that imported the engine and did
#: nothing else can be forked, and its workers share that memory.
METHOD = "forkserver" if sys.platform == "linux" else "spawn"
_ENGINE = "grading.engine.workers"


def start_server() -> None:
    if METHOD == "forkserver":
        multiprocessing.get_context(METHOD).set_forkserver_preload([_ENGINE])
        forkserver.ensure_running()
