"""``solution("fit")``: the course's own solution beside yours, after passing or after five tries.

It is read from ``grading/chapters/`` and so is there in a clone of the whole repository alone;
nothing of it is in the released notebooks or in what pip installs.
"""

import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import course_lib
from course_lib import progress
from course_lib.about import REPOSITORY
from course_lib.chapters import CHAPTERS, Chapter
from course_lib.exercises import chapter_exercises, find_exercise, name_of
from course_lib.exercises.checking.display import Text, frame, show

#: Checks that were not right yet, after which the solution may be seen.
TRIES = 5
SOURCES = Path(course_lib.__file__).resolve().parent.parent / "grading" / "chapters"

_BEGIN, _STUB, _END = (f"### {mark}" for mark in ("BEGIN SOLUTION", "STUB", "END SOLUTION"))


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
    tries, and only where the whole repository is on the machine. An unknown name is answered with the
    nearest ones.
    """
    show(_answer(name))


def may_be_seen(name: str) -> bool:
    """Whether ``solution(name)`` would show it: earned, and here."""
    return _tries_left(name) == 0 and SOURCES.is_dir()


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
    chapter = _chapter_of(name)
    file = SOURCES / f"{chapter.id}.py"
    try:
        code = find_solution(file.read_text(encoding="utf-8"), name)
    except (OSError, ValueError, LookupError):
        return Text(
            f"The solution is not on this machine. It is in the course's repository: "
            f"https://github.com/{REPOSITORY}, file grading/chapters/{chapter.id}.py"
        )
    return _Code(f"One of several right ways to write {name}. Compare it with yours.", code)


def _tries_left(name: str) -> int:
    record = progress.of(name)
    return 0 if record.passed else max(0, TRIES - record.tries)


def _chapter_of(name: str) -> Chapter:
    return next(
        chapter
        for chapter in CHAPTERS
        if any(exercise.name == name for exercise in chapter_exercises(chapter))
    )


def find_solution(source: str, name: str) -> str:
    """The solution cell of the exercise ``name`` in a chapter's text source, without marks and stubs.

    ``LookupError`` when there is none. The format is described in ``grading/chapter_text/cells.py``.
    """
    for cell in re.split(r"^(?=# %%)", source, flags=re.MULTILINE):
        head, _, body = cell.partition("\n")
        if re.search(rf'\bsolution="{re.escape(name)}"', head):
            return _without_marks(body)
    raise LookupError(name)


def _without_marks(body: str) -> str:
    lines, in_stub = [], False
    for line in body.split("\n"):
        mark = line.strip()
        if mark in (_STUB, _END):
            in_stub = mark == _STUB
        elif mark != _BEGIN and not in_stub:
            lines.append(line)
    return "\n".join(lines).strip("\n")
