"""How both command lines end: with one line and an exit status, never a traceback.

That holds where the reader has gone (``| head``), a disk is full or read-only, a package is missing,
or the terminal lacks a character. Called by ``course_lib.__main__`` and ``grading.__main__``; needs
nothing but the standard library.
"""

import atexit
import gc
import os
import sys
from collections.abc import Callable


def answer(command: Callable[[], int | None], remedy: str) -> int:
    """Run ``command``; returns its exit status (None counts as 0), 1 when the reader has gone, and 2
    with a line on stderr for what the machine refuses or lacks. ``remedy`` says what to do about a
    package that is missing."""
    end_at_once()
    for stream in (sys.stdout, sys.stderr):
        # None when started with `>&-`; a notebook's own stream, by `%run`, cannot be changed
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        try:
            return command() or 0
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        return 1
    except ImportError as error:
        if not error.name or error.name.partition(".")[0] in ("course_lib", "grading"):
            raise  # a fault of ours, and its place is worth knowing
        print(f"error: {error.name} is missing or broken here: {remedy}", file=sys.stderr)
        return 2
    except OSError as error:
        _drop_output()
        name = error.filename2 or error.filename  # of a copy, where it was to go
        place = f"{name}: " if name else ""
        print(f"error: {place}{error.strerror or error}.", file=sys.stderr)
        return 2


def end_at_once() -> None:
    """At the end of a process Python looks through all of torch for garbage, half a second, to give back memory
    that ends with the process: not in this one. Safe to call twice."""
    atexit.register(gc.freeze)


def _drop_output() -> None:
    """Python writes what is left of stdout once more at its end, and would complain again."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
