"""Turns "name 'fit' is not defined" into advice: which cell to run first.

After a restart, or when cells are run out of order, Python raises before anything of the course is
called. So the set-up cell installs a handler for this one error in IPython; ``python -m course_lib
lab`` loads it into every kernel, where it also knows that the set-up cell was forgotten. The error
stays an error: "Run All" stops at it, and what it says of itself is the same.
"""

import re
from collections.abc import Callable
from traceback import extract_tb, walk_tb
from types import MethodType, TracebackType
from typing import Any

from course_lib import __all__ as offered
from course_lib.display import in_ipython, wrap
from course_lib.exercises import owner_of
from course_lib.quiz import all_questions

_OF_SETUP = ("torch", *offered)
_QUIZ_ANSWER = re.compile(r"q\d\w*_\d+\s*=\s*[A-Da-d]\b")
_RESTARTED = "After a restart the kernel knows nothing: run all cells above this one."


def install(shell: Any = None) -> None:
    """Let the running IPython give advice; does nothing where there is none. Safe to call twice."""
    shell = shell or in_ipython()
    if shell is None or getattr(shell, "_course_advice", False):
        return
    others, handler = shell.custom_exceptions, shell.CustomTB
    if any(issubclass(NameError, other) for other in others):
        return  # somebody else looks after all errors

    def handle(shell, etype, value, tb, tb_offset=None):
        if issubclass(etype, NameError):
            return _show(shell, etype, value, tb, tb_offset)
        return handler(etype, value, tb, tb_offset=tb_offset)

    shell.set_custom_exc((*others, NameError), handle)
    shell._course_advice = True


#: ``%load_ext course_lib.exercises.checking.advice``, and how ``lab`` loads it.
load_ipython_extension: Callable[[Any], None] = install


def advice_on(name: str) -> str:
    """What to do when ``name`` is not defined."""
    if name in _OF_SETUP:
        return (
            f"{name} comes from the set-up cell: run the first code cell of this notebook, then "
            "this one again."
        )
    owner = owner_of(name) or (name if name in all_questions() else "")
    if owner:
        return (
            f'{name} is not defined yet: run the cell that starts with "# EXERCISE {owner}", then '
            f"this one again. {_RESTARTED}"
        )
    return ""


def _show(shell: Any, etype: type, value: NameError, tb: TracebackType, tb_offset: int | None):
    """Show the error with its advice, in the words that a kernel sends as its traceback."""
    name = getattr(value, "name", None) or ""
    in_the_cell = len(list(walk_tb(tb))) == 2  # IPython's own frame, and the cell's
    advice = advice_on(name) if name.isidentifier() else ""
    if in_the_cell and _QUIZ_ANSWER.match(extract_tb(tb)[-1].line or ""):
        advice = f'The letter stands between quotes: "{name}".'
    if not in_the_cell and not advice:
        return shell.showtraceback((etype, value, tb), tb_offset=tb_offset)
    if advice and in_the_cell:
        lines = [f"{etype.__name__}: {value}", *wrap(advice, "  ")]
    else:
        lines = shell.InteractiveTB.structured_traceback(etype, value, tb, tb_offset=tb_offset or 1)
        lines = [*lines, *wrap(advice or f"Does a cell above define it? {_RESTARTED}", "")]
    # IPython asks an exception first how it wants to be shown.
    value._render_traceback_ = MethodType(lambda self: lines, value)
    return shell.showtraceback((etype, value, tb), tb_offset=tb_offset)
