"""What the course's notebooks import.

Everything is loaded on first use, so that ``import course_lib`` alone costs a few milliseconds and
needs neither torch nor matplotlib.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
_HOME = {
    "another": "course_lib.drills",
    "before_after": "course_lib.gain",
    "check": "course_lib.exercises.checking.check",
    "check_own": "course_lib.drills.own",
    "check_quiz": "course_lib.quiz",
    "hand_in": "course_lib.handing_in.hand_in",
    "hint": "course_lib.exercises.checking.hints",
    "keep_progress": "course_lib.app.keep",
    "outcome": "course_lib.predictions",
    "panel": "course_lib.panels",
    "parts": "course_lib.ordering",
    "predict": "course_lib.predictions",
    "recall": "course_lib.retrieval",
    "set_up": "course_lib.app.begin",
    "solution": "course_lib.exercises.checking.solutions",
    "use_answers": "course_lib.answers",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'course_lib' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__():  # without types: an old Python must get as far as the message in __main__.py
    return sorted([*globals(), *__all__])
