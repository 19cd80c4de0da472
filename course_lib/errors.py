"""What a learner can fix on their machine. Raised by the commands' modules; ``__main__``
prints it as one line, never as a traceback."""


class Problem(Exception):
    """Its text says what was found and what to do about it."""
