"""Whose fault it is when a kernel ends: the cell that ran just then, or one before that left
something behind - a timer, an alarm, a second process. A pure function of what happened so far, which
``run`` asks after each kernel that ended.

Only where an earlier cell looks as if it could have done so are kernels spent on the question. Each is
one trial: run the cells before again, wait there for as long as it took the first time, then go on.
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


@dataclass(frozen=True)
class Cell:
    """What decides whether a cell can have ended a kernel that ran on."""

    source: str
    is_solution: bool = False


@dataclass(frozen=True)
class Trial:
    """Wait ``seconds`` before the cell ``at``, without the cells in ``absent``. When ``at`` then runs
    through, they are what ended the kernel before: it ``how``, such as "ended the Python process"."""

    at: int
    seconds: float
    how: str
    absent: frozenset[int] = frozenset()


@dataclass
class Attempt:
    """What happened in one kernel: ``at`` is the cell that is running, ``ran`` are those that were begun.
    While a ``trial`` is open, ``reached`` says that all was quiet until its cell began. At the end
    ``status`` and ``how`` say how it ended, ``seconds`` after its first cell."""

    trial: Trial | None = None
    at: int | None = None
    ran: list[int] = field(default_factory=list)
    reached: bool = False
    status: str = ""
    how: str = ""
    seconds: float = 0.0


def next_step(history: Sequence[Attempt], cells: Sequence[Cell]) -> Trial | int | None:
    """What to do now that the last kernel of ``history`` has ended: a trial, or the cell that ended it is
    known. None: it ended between two cells, and it is not known which one ended it."""
    last = history[-1]
    if last.status != "error":  # its own time ran out
        return last.at
    if last.trial is not None and last.reached:
        return last.trial.at
    *before, start = [i for i, attempt in enumerate(history) if attempt.trial is None]
    first = history[start]  # the trials after it are about its end
    if first.at is None or any(history[i].at == first.at for i in before):
        return first.at
    found = suspects([(i, cells[i]) for i in first.ran if i < first.at])
    trials = [frozenset(), *(frozenset({index}) for index in found)] if found else []
    if len(found) > 1:
        trials.append(frozenset(found))
    tried = len(history) - start - 1
    if tried == len(trials):
        return first.at
    wait = min(first.seconds + _MARGIN, _LONGEST_WAIT)
    return Trial(first.at, wait, first.how.removeprefix("it "), trials[tried])


def suspects(cells: Sequence[tuple[int, Cell]]) -> list[int]:
    """Which of the cells that ran before may have ended the kernel, the likeliest first: scratch cells
    before an exercise's, for least is lost with them, and late ones before early ones."""
    found = [(cell.is_solution, -index) for index, cell in cells if _LATER.search(cell.source)]
    return [-index for _, index in sorted(found)][:_SUSPECTS]
