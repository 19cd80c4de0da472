"""``another("q04_1")``: one more number question of the same kind, with numbers of its own.

A question is drawn from a template of its chapter (``course_lib.drills.ch04`` and so on). The answer is
what PyTorch computes; how one gets there by hand is said afterwards. Not graded.
"""

import math
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from course_lib import progress
from course_lib.chapters import CHAPTERS, find_chapter
from course_lib.display import Text, show

#: The numbers of one question, by name.
Numbers = Mapping[str, Any]


@dataclass(frozen=True)
class Template:
    """A kind of question. ``draw`` makes numbers, which ``question`` has in braces; ``by_hand`` is the
    answer by the formula of the chapter and ``by_torch`` what PyTorch computes; ``why`` says how, once
    it is answered. An answer is right within ``rtol`` of it."""

    name: str
    draw: Callable[[random.Random], Numbers]
    question: str
    by_hand: Callable[[Numbers], float]
    by_torch: Callable[[Numbers], float]
    why: Callable[[Numbers], str]
    rtol: float = 0.005

    def numbers(self, seed: int) -> Numbers:
        """The numbers of the question with this seed."""
        return self.draw(random.Random(f"{self.name} {seed}"))

    def ask(self, numbers: Numbers) -> str:
        """The question with these numbers."""
        return self.question.format_map(numbers)

    def accepts(self, answer: float, right: float) -> bool:
        """Whether ``answer`` is near enough; whole numbers have to be exact."""
        exact = isinstance(right, int) or float(right).is_integer() and abs(right) < 1e6
        return math.isclose(answer, right, rel_tol=1e-9 if exact else self.rtol, abs_tol=1e-9)


def another(about: Any = "", answer: Any = None, *more: Any) -> None:
    """Show a new question on the chapter of ``about`` (a quiz question's id, or a chapter), or say
    whether ``answer`` is right; then the next call asks a new one. ``more`` is what a comma in the
    number makes: it is answered with how to write one."""
    try:
        chapter = find_chapter(str(about).lstrip("qQ").partition("_")[0])
        kinds = templates(chapter.number)
    except (LookupError, ImportError):
        known = ", ".join(each.number for each in CHAPTERS)
        show(Text(f'Which chapter? Write it in quotes, like another("04"). Chapters: {known}.'))
        return
    name = f"another_{chapter.number}"
    done = len(progress.of(name).reviews)
    first = int(part) - 1 if (part := str(about).partition("_")[2]).isdecimal() else 0
    kind = kinds[(first + done) % len(kinds)]
    numbers = kind.numbers(done)
    if answer is None:
        show(Text(f'{kind.ask(numbers)}\nAnswer with another("{about}", 1.5).'))
        return
    number = None if more else read_number(answer)
    if number is None:
        given = ", ".join(map(repr, (answer, *more)))
        show(Text(f'{given:.40} is not a number. Write it like another("{about}", 1234.5).'))
        return
    right = kind.by_torch(numbers)
    fits = kind.accepts(number, right)
    progress.record_recall(name, str(answer)[:40], right=fits, again=True)
    mark = "\u2713 Right" if fits else "\u2717 Not right"
    show(
        Text(
            f'{mark}: PyTorch gives {right:.6g}. {kind.why(numbers)}\nOne more: another("{about}").'
        )
    )


@cache
def templates(chapter: str) -> tuple[Template, ...]:
    """The templates of a chapter, by its number; ``ImportError`` where there are none."""
    return import_module(f"course_lib.drills.ch{chapter}").TEMPLATES


def read_number(answer: Any) -> float | None:
    """A finite number, also one in quotes, with commas as the course prints them: "100,480"."""
    if isinstance(answer, str) and re.fullmatch(r"\s*[-+]?\d{1,3}(,\d{3})+(\.\d*)?\s*", answer):
        answer = answer.replace(",", "")
    try:
        number = float(answer)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
