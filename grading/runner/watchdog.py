"""Ends a kernel whose processes together take too much: memory, processes, or files in the one
folder that they share with outside. A thread beside every kernel, started by ``kernel``.

bubblewrap caps neither memory nor processes, and per-process limits do not add up.
"""

import contextlib
import os
import signal
import stat
import threading
from pathlib import Path

import psutil

from grading.runner.limits import MIB, Limits

_SECONDS = 0.1


class Watchdog(threading.Thread):
    """``reason`` says in words which limit was hit; "" while none was. The memory of the process
    ``apart`` is not the submission's."""

    def __init__(self, pid: int, folder: Path, limits: Limits, apart: int | None = None) -> None:
        super().__init__(name=f"watch-{pid}", daemon=True)
        self.pid, self.folder, self.limits = pid, folder, limits
        self.apart = apart
        self.reason = ""
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(_SECONDS):
            with contextlib.suppress(psutil.Error, OSError):
                self.reason = self._exceeded()
            if self.reason:
                self._kill()
                return

    def stop(self) -> None:
        self._done.set()

    def _exceeded(self) -> str:
        processes = _descendants(self.pid)
        if len(processes) > self.limits.processes:
            return f"it started more than {self.limits.processes} processes"
        memory = sum(_private_bytes(pid) for pid in processes if pid != self.apart)
        if memory > self.limits.memory_bytes:
            return f"it needed more than {self.limits.memory_bytes // MIB} MB of memory"
        written = 0
        # The folder that it shares with outside, and beside it what it said when it started: open
        # in the sandbox's first process, and so within a submission's reach.
        for folder in (self.folder, self.folder.parent):
            with os.scandir(folder) as entries:
                files = [entry.stat(follow_symlinks=False) for entry in entries]
                written += sum(file.st_size for file in files if not stat.S_ISDIR(file.st_mode))
        if written > MIB:
            return "it wrote into the grader's folder"
        return ""

    def _kill(self) -> None:
        """The kernel leads a process group; in a sandbox its end is the end of all processes."""
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(self.pid).children(recursive=True)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            for child in children:
                with contextlib.suppress(psutil.Error):
                    child.kill()


def _descendants(pid: int) -> list[int]:
    """``pid`` and every process below it. The kernel's own lists cost far less than psutil's look
    at all processes of the machine, ten times a second beside every submission."""
    if not os.path.exists(f"/proc/{pid}/task/{pid}/children"):
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{task}/children") as children:
                    found += map(int, children.read().split())
    return found


def _private_bytes(pid: int) -> int:
    """Memory that a process does not share with files: what is left if it alone ended. Pages that
    a fork still shares with its parent count twice, which a generous limit allows for."""
    try:
        with open(f"/proc/{pid}/status") as status:
            fields = dict(line.split(":", 1) for line in status if line.startswith(("Rss", "VmSw")))
    except OSError:
        return psutil.Process(pid).memory_info().rss if psutil.pid_exists(pid) else 0
    wanted = ("RssAnon", "RssShmem", "VmSwap")
    return sum(int(fields[name].split()[0]) * 1024 for name in wanted if name in fields)
