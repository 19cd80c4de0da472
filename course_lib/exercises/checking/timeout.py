"""Ends a learner's loop that never ends, for ``check``: as the notebook's own stop button does.

Only the learner's code is interrupted, never the course's own, which puts back what it has patched.
What still runs after the first interrupt has caught it, as a bare ``except`` in a loop does. Each
further one is therefore raised a second time, where the first is being handled: outside the ``try``.
"""

import _thread
import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import course_lib

#: Seconds between two tries to stop what is still running.
_PAUSE = 0.1
#: Where the checks and what they patch are written.
_OURS = str(Path(course_lib.__file__).parent / "exercises")
_LIBRARIES = (
    str(Path(course_lib.__file__).parent),
    str(Path(contextlib.__file__).parent),
    "<frozen",
)


class Stop:
    """The handler of interrupts while a check runs. ``raised``: how often the
    learner's code was stopped."""

    def __init__(self, usual: Callable[[int, FrameType | None], Any] | signal.Handlers) -> None:
        self.usual = usual
        self.due, self.raised = False, 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self.due:  # the learner pressed the stop button
            if callable(self.usual):  # else interrupts are ignored here, as in a background job
                self.usual(number, frame)
        elif own := list(_learners_frames(frame)):
            if self.raised:
                # Each time in another function: which of them catches it is not known.
                _raise_at_next_line(own[self.raised % len(own)])
            self.raised += 1
            raise KeyboardInterrupt


@contextlib.contextmanager
def stopped_after(seconds: float) -> Iterator[Stop]:
    """Raise ``KeyboardInterrupt`` in the learner's code that the body calls, once the body has run
    this long, and again until it has ended.

    Only in the main thread, for no other thread can be interrupted; there it does nothing. What
    Python cannot interrupt, one long call of PyTorch for example, is stopped when it returns. Where
    the process ignores or blocks interrupts, they stop the body all the same.
    """
    usual = signal.getsignal(signal.SIGINT)
    stop = Stop(usual)
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or usual is None:  # None: not set by Python, which could not put it back
        yield stop
        return
    ended, lock = threading.Event(), threading.Lock()

    def watch() -> None:
        pause = seconds
        while not ended.wait(pause):
            with lock:
                if ended.is_set():  # never an interrupt that arrives after the body's end
                    return
                stop.due = True
                _interrupt(blocked)
            pause = _PAUSE

    tracing, blocked = sys.gettrace(), _interrupts_are_blocked()
    signal.signal(signal.SIGINT, stop)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield stop
    finally:
        with lock:
            ended.set()
        watcher.join()
        signal.signal(signal.SIGINT, usual)
        if sys.gettrace() is not tracing:
            sys.settrace(tracing)


def _interrupts_are_blocked() -> bool:
    """Whether this thread lets no SIGINT through, so that a real one would wait for ever."""
    if not hasattr(signal, "pthread_sigmask"):
        return False
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def _interrupt(blocked: bool) -> None:
    """A real signal, where there is one: it also ends a ``time.sleep``."""
    if hasattr(signal, "pthread_kill") and not blocked:
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    else:
        _thread.interrupt_main()


def _raise_at_next_line(frame: FrameType) -> None:
    """Interrupt this function again at the next line that it reaches: as long as an exception travels,
    that is the line of an ``except``, a ``finally`` or a ``with``."""

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            raise KeyboardInterrupt
        return trace if frame.f_trace is not None else None

    frame.f_trace = trace
    sys.settrace(trace)


def _learners_frames(frame: FrameType | None) -> Iterator[FrameType]:
    """Those that run now, from the innermost, also where they called a library; none when what runs
    is ours."""
    while frame is not None and not frame.f_code.co_filename.startswith(_OURS):
        name = frame.f_code.co_filename
        if not name.startswith(_LIBRARIES) and "site-packages" not in name:
            yield frame
        frame = frame.f_back
