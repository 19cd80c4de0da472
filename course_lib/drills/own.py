"""``own_04``: a number question of a graded course whose numbers follow from the learner's name.

All learners get the same kind of question, so the same difficulty, each with numbers of their own. The
notebook draws them from the name that is written into it, grading from the name under which it was handed
in. Whoever releases a chapter decides whether it has one; ``check_own`` says whether an answer can be read,
never whether it is right.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from course_lib.chapters import find_chapter
from course_lib.display import Text, show
from course_lib.drills import Numbers, Template, read_number, templates
from course_lib.errors import fail_validation

POINTS = 1
_ID = re.compile(r"own_(\w+)")
#: The longest name that is read.
_MOST = 150


@dataclass(frozen=True)
class OwnAnswer:
    """What a learner wrote: "NAME", or "NAME: NUMBER"."""

    name: str
    number: float | None


def own_template(id: str) -> Template | None:
    """The kind of question that ``id`` asks; None where it is not the name of one."""
    found = _ID.fullmatch(id)
    try:
        return templates(find_chapter(found[1]).number)[0] if found else None
    except (LookupError, ImportError):
        return None


def own_numbers(id: str, name: str) -> Numbers:
    """The numbers of the question ``id`` for the learner called ``name``."""
    template = own_template(id)
    if template is None:
        raise LookupError(f"no question {id!r}")
    seed = hashlib.sha256(f"{id} {plain_name(name)}".encode("utf-8", "replace")).digest()
    return template.numbers(int.from_bytes(seed[:6], "big"))


def plain_name(name: str) -> str:
    """A name without what people write in different ways: case, spaces, how an accent is stored."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def read_own(value: Any) -> OwnAnswer | None:
    """An answer; None where it is not text with a name in front."""
    if not isinstance(value, str) or not value.strip() or len(value) > _MOST:
        return None
    name, colon, number = value.rpartition(":")
    if not colon:
        name, number = value, ""
    return OwnAnswer(name.strip(), read_number(number)) if name.strip() else None


def check_own(id: str, value: Any) -> None:
    """Show the question of the learner whose name is in ``value``, and whether a number is noted."""
    answer = read_own(value)
    if answer is None:
        found = f'\u25cb {id}: write your name as the course list has it: {id} = "NAME"'
        show(Text(found))
        fail_validation(found)
        return
    asked = own_template(id).ask(own_numbers(id, answer.name))
    said = f'Write the number behind your name: {id} = "{answer.name}: 1.5"'
    if answer.number is not None:
        said = (
            f"\u2713 {answer.number:.10g} is noted. It counts if you hand in as "
            f'"{answer.name}"; grading says whether it is right.'
        )
    show(Text(f'The question of "{answer.name}": {asked}\n{said}'))
    if answer.number is None:
        fail_validation(f"{id}: there is no number yet")
