"""``solution("fit")``: the course's own solution beside yours, after passing or after five tries.

It comes from the answers pack (``course_lib.answers``), so it is there where the pack is; nothing of
it is in the released notebooks or in ``course_lib``.
"""

import html
from dataclasses import dataclass
from typing import Any

from course_lib import progress
from course_lib.about import REPOSITORY
from course_lib.answers import exercise_answers
from course_lib.display import Text, frame, show
from course_lib.exercises import chapter_of, find_exercise, name_of

#: Checks that were not right yet, after which the solution may be seen.
TRIES = 5


@dataclass(frozen=True)
class _Code:
    """A title over lines of code."""

    title: str
    code: str

    def __repr__(self) -> str:
        return f"{self.title}\n\n{self.code}"

    def _repr_html_(self) -> str:
        return frame([html.escape(self.title), f"<pre>{html.escape(self.code)}</pre>"])


def solution(name: Any = "") -> None:
    """Show the solution of the exercise ``name``, or what is still missing until then.

    ``name`` may also be the function or class itself. It opens once the check is right or after five
    tries, and only where the answers pack is in use. An unknown name is answered with the nearest ones.
    """
    show(_answer(name))


def may_be_seen(name: str) -> bool:
    """Whether ``solution(name)`` would show it: earned, and here."""
    return _tries_left(name) == 0 and exercise_answers(name) is not None


def _answer(name: Any) -> Text | _Code:
    try:
        name = find_exercise(name_of(name)).name
    except LookupError as error:
        return Text(str(error))
    left = _tries_left(name)
    if left:
        tries = "one more try" if left == 1 else f"{left} more tries"
        return Text(
            f"The solution of {name} can be seen once its check is right, or after {tries}: "
            f'change your code and run the check. hint("{name}") may help.'
        )
    answers = exercise_answers(name)
    if answers is None:
        return Text(
            f"The solution is not here. It is in the course's repository: https://github.com/{REPOSITORY}, "
            f"file grading/chapters/{chapter_of(name).id}.py"
        )
    title = f"One of several right ways to write {name}. Compare it with yours."
    return _Code(title, answers.solution)


def _tries_left(name: str) -> int:
    record = progress.of(name)
    return 0 if record.passed else max(0, TRIES - record.tries)
