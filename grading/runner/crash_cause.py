"""Whose fault it is when a kernel ends: the cell that ran just then, or one before that left
something behind - a timer, an alarm, a second process. Used by ``run``.

Only where an earlier cell looks as if it could have done so are runs spent on the question. Each is
one trial: rerun the cells before, wait there for as long as it took the first time, then go on.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

#: What acts later says so somewhere, in words like these. They only decide where to look.
_LATER = re.compile(
    r"thread|timer|alarm|signal|fork|spawn|process|popen|atexit|later|asyncio|task|future|executor|"
    r"pool|sched|ctypes|kill|system|exec|eval|compile|import_module|__import__|__del__|getattr|"
    r"^[ \t]*(!|%%|%s[xc]|%system)",
    re.IGNORECASE | re.MULTILINE,
)
#: Earlier cells that are tried one by one, and the longest wait, in seconds.
_SUSPECTS = 3
_LONGEST_WAIT = 30.0
_MARGIN = 0.5


def suspects(cells: Sequence[tuple[int, str, bool]]) -> list[int]:
    """Which of the cells that ran before may have ended the kernel, the likeliest first. A cell is
    (index, source, whether it is an exercise's): scratch cells first, for least is lost with them."""
    found = [(solution, -index) for index, source, solution in cells if _LATER.search(source)]
    return [-index for _, index in sorted(found)][:_SUSPECTS]


@dataclass
class Doubt:
    """A kernel ended ``seconds`` after its first cell while the cell ``at`` ran; ``how`` says what
    its processes did. ``absent`` is what the trial that is running now leaves out: at first
    nothing, then each suspect, then all."""

    at: int
    seconds: float
    how: str
    trials: list[frozenset[int]] = field(default_factory=list)
    absent: frozenset[int] = frozenset()

    @classmethod
    def about(cls, at: int, seconds: float, how: str, suspected: Sequence[int]) -> "Doubt":
        trials = [frozenset({index}) for index in suspected]
        trials += [frozenset(suspected)] if len(suspected) > 1 else []
        return cls(at, min(seconds + _MARGIN, _LONGEST_WAIT), how, trials)

    def next_trial(self) -> bool:
        """Leave out something else. False when there is nothing left to try."""
        if not self.trials:
            return False
        self.absent = self.trials.pop(0)
        return True
