"""What a learner can fix on their machine. Raised by the commands' modules; ``__main__``
prints it as one line, never as a traceback. And what fails a check while nbgrader validates."""

import os


class Problem(Exception):
    """Its text says what was found and what to do about it."""


class NotRight(AssertionError):
    """What a check found, for nbgrader's *Validate*: shown as it is, without a traceback."""

    def _render_traceback_(self) -> list[str]:  # IPython asks for it
        return str(self).splitlines()


def fail_validation(found: str) -> None:
    """Raise ``NotRight`` if nbgrader is validating: a check that only answers would pass."""
    if os.environ.get("NBGRADER_EXECUTION") == "validate":
        raise NotRight(found)
