"""Warm kernels: a sandbox whose first process has imported everything, and forks a kernel when asked.

``kernel`` leases one for as long as a kernel runs: one submission at a time. What happens inside is
in ``inside/zygote.py``. A sandbox that does not come out of a submission as it went in is thrown away;
so is one that has served often enough. Each process of the grader has its own; they end with it.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.util import Finalize
from typing import Any

from grading.runner.limits import Limits
from grading.runner.sandbox import NoKernel, last_words, open_box
from grading.runner.seccomp import refusal_filter

#: How many kernels a zygote forks before another takes its place.
MOST_USES = 100
_FORK_SECONDS = 30.0
_CLEAN_SECONDS = 10.0
_END_SECONDS = 5.0
_LONGEST_ANSWER = 2**16


def can_fork() -> bool:
    """Are there warm kernels here? What System V shares would outlive a submission, so not where
    those calls cannot be refused."""
    return hasattr(os, "fork") and hasattr(os, "pidfd_open") and bool(refusal_filter())


class CannotFork(Exception):
    """The process that has imported everything cannot be forked; the text says why."""


class Zygote:
    """One sandbox with its first process. ``lease`` makes, cleans and ends it."""

    def __init__(self, limits: Limits) -> None:
        self.uses = 0
        #: Is it as it was before the last kernel? None while one runs.
        self.clean: bool | None = True
        self.temporary_bytes = limits.temporary_bytes
        self._ended: int | None = None
        self._first: int | None = None
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as unfinished:
            unfinished.callback(self.close)
            self._start(limits)
            unfinished.pop_all()

    def _start(self, limits: Limits) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._stack.callback(self._control.close)
        with theirs:
            box = self._stack.enter_context(open_box(limits, True, theirs.fileno()))
            with box.errors.open("ab") as errors:
                start = _of_this_process().starter.submit(
                    subprocess.Popen,
                    box.command(),
                    env=box.environment,
                    cwd="/",
                    pass_fds=(*box.handed_on, theirs.fileno()),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    start_new_session=True,
                    **box.identity,
                )
                self._process = start.result()
        self._stack.callback(self._end)
        self.box = box
        reason = self._answer("ready", limits.start_seconds)
        if reason is None:
            raise NoKernel(f"no kernel could be started: {last_words(box) or 'it took too long'}")
        if reason:
            raise CannotFork(str(reason))
        # Its number outside; ``pid`` is bubblewrap's, which waits for it.
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as children:
            self.first_process = int(children.read().split()[0])
        self._first = os.pidfd_open(self.first_process)

    @property
    def pid(self) -> int:
        return self._process.pid

    def lives(self) -> bool:
        self._send({"do": "answer"})
        return self._answer("here", _FORK_SECONDS) is not None

    def fork(self, told: dict[str, Any]) -> "ForkedKernel":
        """A new kernel, told where to find what is its own."""
        self.uses += 1
        self._ended, self.clean = None, None
        os.truncate(self.box.errors, 0)
        self._send({"do": "fork", **told})
        if self._answer("forked", _FORK_SECONDS) is None:
            raise NoKernel("no kernel could be started: the zygote does not answer")
        return ForkedKernel(self)

    def status(self) -> int | None:
        """How the kernel ended; None while it runs."""
        while self._ended is None and self._receive(0.0) is not None:
            pass
        return self._ended

    def end_kernel(self) -> None:
        """End all processes but the first and put everything back."""
        if self.clean is None:
            self._send({"do": "clean"})
            answer = self._answer("clean", _CLEAN_SECONDS)
            self.clean = answer == "" and not os.listdir(self.box.folder)
            self._ended = -signal.SIGKILL if self._ended is None else self._ended

    def close(self) -> None:
        """End everything in the sandbox and remove its folder."""
        self._stack.close()

    def _end(self) -> None:
        self._control.close()  # the first process takes that for the end
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                if self._first is not None:
                    signal.pidfd_send_signal(self._first, signal.SIGKILL)
            self._process.kill()
            self._process.wait()
        if self._first is not None:
            os.close(self._first)

    # --- the control socket ---------------------------------------------------------------------

    def _send(self, command: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # when it is gone the answer does not come
            self._control.send(json.dumps(command).encode())

    def _answer(self, name: str, seconds: float) -> Any:
        """What ``name`` is in the answer; None when none comes in time."""
        until = time.monotonic() + seconds
        while True:
            answer = self._receive(max(0.0, until - time.monotonic()))
            if answer is None or name in answer:
                return None if answer is None else answer[name]

    def _receive(self, seconds: float) -> dict[str, Any] | None:
        """The next message; None when there is none in time, or none any more."""
        try:
            if not select.select([self._control], [], [], seconds)[0]:
                return None
            data = self._control.recv(_LONGEST_ANSWER)
            answer = json.loads(data) if data else None
        except (OSError, ValueError):
            answer = None
        if not isinstance(answer, dict):
            self._ended = -signal.SIGKILL
            return None
        if "ended" in answer:
            self._ended = int(answer["ended"])
        return answer


class ForkedKernel:
    """What jupyter_client takes for the kernel's process."""

    stdin = stdout = stderr = None

    def __init__(self, zygote: Zygote) -> None:
        self._zygote, self.pid = zygote, zygote.pid

    def poll(self) -> int | None:
        return self._zygote.status()

    wait = poll

    def send_signal(self, _: int) -> None:
        self._zygote.end_kernel()


class _Idle:
    """The zygotes of this process that wait for a submission."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.zygotes: list[Zygote] = []
        self.cannot_fork = ""
        self.pid = os.getpid()
        # A sandbox dies with the *thread* that started it, and a thread of Dask's may end while
        # others go on: this one lasts as long as the process.
        self.starter = ThreadPoolExecutor(1, "sandbox-starter")
        Finalize(None, self.close, exitpriority=100)

    def close(self) -> None:
        with self.lock:
            zygotes, self.zygotes = self.zygotes, []
        for zygote in zygotes:
            zygote.close()


_idle: _Idle | None = None
_idle_lock = threading.Lock()


def _of_this_process() -> _Idle:
    global _idle
    with _idle_lock:
        if _idle is None or _idle.pid != os.getpid():
            _idle = _Idle()
        return _idle


def close_idle() -> None:
    """End the zygotes of this process that wait for work."""
    _of_this_process().close()


@contextlib.contextmanager
def lease(limits: Limits) -> Iterator[Zygote]:
    """A clean zygote for one kernel at a time. Raises ``NoKernel`` when there is none, and
    ``CannotFork`` where kernels have to be started one by one."""
    zygote = _take(limits)
    try:
        yield zygote
    finally:
        zygote.end_kernel()
        if zygote.clean and zygote.uses < MOST_USES:
            idle = _of_this_process()
            with idle.lock:
                idle.zygotes.append(zygote)
        else:
            zygote.close()


def _take(limits: Limits) -> Zygote:
    idle = _of_this_process()
    if idle.cannot_fork:
        raise CannotFork(idle.cannot_fork)
    while True:
        with idle.lock:
            if not idle.zygotes:
                break
            zygote = idle.zygotes.pop()
        if zygote.temporary_bytes == limits.temporary_bytes and zygote.lives():
            return zygote
        zygote.close()
    try:
        return Zygote(limits)
    except CannotFork as error:
        idle.cannot_fork = str(error)
        warnings.warn(
            f"Each kernel is started from scratch, which takes longer: {error}.", stacklevel=2
        )
        raise
