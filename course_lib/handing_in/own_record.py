"""The part of a learner's own record that ``hand_in(..., progress=True)`` puts into the copy.

For the instructor's report on what a course has taught, never for a mark, and only if the learner asks for
it. Left out as private: predictions, answers to quizzes and reviews, and all times.
"""

from collections.abc import Mapping
from typing import Any

from course_lib import progress
from course_lib.exercises import all_exercises


def own_record() -> dict[str, Any]:
    """``before`` and ``after``: the letters given to ``before_after``; ``exercises``: by name, what was
    ``passed`` and after how many ``tries`` and ``hints``. What was not done is not in it."""
    known = progress.load()
    found: dict[str, Any] = {}
    for when in ("before", "after"):
        given = known.get(f"gain_{when}", progress.Record()).asked
        found |= {when: given[0]} if given else {}
    exercises = {
        name: {"passed": one.passed, "tries": one.tries, "hints": one.hints}
        for name in all_exercises()
        if (one := known.get(name)) is not None and (one.tries or one.hints)
    }
    return found | ({"exercises": exercises} if exercises else {})


def in_words(record: Mapping[str, Any]) -> str:
    """What goes along, and what does not, in one line."""
    parts = [f'before_after("{when}")' for when in ("before", "after") if when in record]
    count = len(record.get("exercises", ()))
    if count:
        parts.append(f"tries and hints of {count} exercise{'' if count == 1 else 's'}")
    if not parts:
        return "Your own record is empty, so none of it goes along."
    return (
        f"From your own record go along: {', '.join(parts)}. They do not count for marks. Left out: "
        "predictions, answers to quizzes and reviews, all times."
    )
