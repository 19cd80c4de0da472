"""``parts("evaluate")``: the lines of a solution, shuffled, to be put in order: between hint and solution.

One or two lines do not belong. An arrangement is checked by running it, so every order that works is
right. By keyboard in a notebook, with numbers everywhere: ``parts("evaluate", "3 1 2")``.
"""

import random
import sys
from typing import Any

from course_lib import progress
from course_lib.answers import Parts, exercise_answers
from course_lib.display import Text, in_ipython, show
from course_lib.exercises import find_exercise, name_of
from course_lib.exercises.checking.check import RIGHT, CheckResult, examine

#: Checks that were not right yet, after which the lines may be seen; or both hints.
TRIES = 3


def parts(name: Any = "", order: Any = "") -> None:
    """Show the lines of a solution of the exercise ``name`` to put in order, or check ``order``, the
    numbers of the lines as text or a list.

    Opens after both hints, three tries or a right check, where the answers pack is in use.
    """
    try:
        name = find_exercise(name_of(name)).name
    except LookupError as error:
        show(Text(str(error)))
        return
    closed = _closed(name)
    cut = None if closed else exercise_answers(name).parts
    if cut is None:
        show(Text(closed or f"{name} has too few lines to be put in order: type it."))
    elif order:
        show(arranged(name, cut, order))
    elif in_ipython() is not None:
        from course_lib.panels.arrange import arrange  # widgets, which a terminal does not need

        title = f"The lines of {name}, shuffled; {_strangers(cut)}."
        show(arrange(title, shuffled(name, cut), lambda own: run_arrangement(name, cut, own)))
    else:
        show(Text(listed(name, cut)))


def shuffled(name: str, cut: Parts) -> list[str]:
    """All pieces in the order in which they are numbered: the same at every call, never the right one."""
    pieces = sorted([*cut.pieces, *cut.wrong])
    random.Random(name).shuffle(pieces)
    return pieces


def listed(name: str, cut: Parts) -> str:
    """The numbered pieces and what to do with them."""
    above = [line for line in cut.before.split("\n") if line.lstrip().startswith("def ")]
    lines = [f"The lines of {name}, shuffled; {_strangers(cut)}.", *above[-1:]]
    for number, piece in enumerate(shuffled(name, cut), start=1):
        for place, line in enumerate(piece.split("\n")):
            lines.append(f"{number if not place else '':>3} | {line}")
    return "\n".join([*lines, f'Give their numbers in order: parts("{name}", "3 1 2")'])


def arranged(name: str, cut: Parts, order: Any) -> CheckResult | Text:
    """What the check says of an arrangement, given as numbers."""
    pieces = shuffled(name, cut)
    try:
        words = order.replace(",", " ").split() if isinstance(order, str) else list(order)
        chosen = [int(word) for word in words]
    except (TypeError, ValueError):
        return Text(f'Write numbers, like parts("{name}", "3 1 2").')
    if any(not 1 <= number <= len(pieces) for number in chosen) or len(set(chosen)) < len(chosen):
        return Text(f"Each number is from 1 to {len(pieces)} and used once.")
    return run_arrangement(name, cut, [pieces[number - 1] for number in chosen])


def run_arrangement(name: str, cut: Parts, pieces: list[str]) -> CheckResult | Text:
    """Run the solution with these pieces, beside what the notebook has defined, and check it."""
    source = "\n".join((cut.before, *pieces, cut.after)) + "\n"
    namespace = dict(_notebook())
    try:
        exec(compile(source, f"<parts of {name}>", "exec"), namespace)
    except Exception as error:
        line = getattr(error, "text", None) or ""
        where = f' at "{line.strip()}"' if line.strip() else ""
        return Text(
            f"Not right yet: Python cannot read this order{where} ({type(error).__name__})."
        )
    result = examine(name, *(namespace.get(subject) for subject in find_exercise(name).subjects))
    if result.state == RIGHT:
        return Text(
            f"\u2713 {name}: this order works. Now type it into your own cell and run the check."
        )
    return result


def _notebook() -> dict[str, Any]:
    """What the notebook has defined."""
    return sys.modules["__main__"].__dict__


def _closed(name: str) -> str:
    """Why the lines are not shown; "" when they may be."""
    if exercise_answers(name) is None:
        return (
            "The lines to put in order are in the answers pack, which this notebook does not use."
        )
    record = progress.of(name)
    if record.passed or record.hints >= 2 or record.tries >= TRIES:
        return ""
    return f'The lines of {name} open after both hints, hint("{name}"), or {TRIES} tries.'


def _strangers(cut: Parts) -> str:
    count = len(cut.wrong)
    return {0: "all belong", 1: "one does not belong", 2: "two do not belong"}[count]
