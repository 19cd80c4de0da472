"""Old questions come back: ``recall("05", "", "")`` opens a chapter with two about earlier ones.

Which two follows from what this learner got wrong or has not met for longest; once chosen, they stay.
Not graded. ``python -m course_lib review`` asks what is due.
"""

import zlib
from collections.abc import Iterable, Sequence
from typing import Any

from course_lib import progress
from course_lib.answers import quiz_answer
from course_lib.chapters import CHAPTERS, find_chapter
from course_lib.display import Text, show
from course_lib.quiz import Question, chapter_questions, find_question, is_letter

#: How many questions open a chapter.
ASKED = 2


def recall(chapter: str, *letters: Any) -> None:
    """Show two questions about chapters before ``chapter``, or what is said of the ``letters`` given
    as answers. An unknown chapter is answered with the list of them."""
    try:
        find_chapter(chapter)
    except LookupError as error:
        show(Text(str(error)))
        return
    asked = [find_question(id) for id in asked_in(chapter)]
    given = [*letters, *[""] * len(asked)][: len(asked)]
    show(Text("\n".join(_lines(asked, given))))


def asked_in(chapter: str) -> tuple[str, ...]:
    """The ids of the questions that open the chapter, chosen at the first call."""
    name, record = _name(chapter), progress.load()
    if name in record and record[name].asked:
        return record[name].asked
    ids = chosen_for(chapter, record)
    progress.record_asked(name, ids)
    return ids


def chosen_for(chapter: str, record: dict[str, progress.Record]) -> tuple[str, ...]:
    """The ids of the questions that fit a learner with this record; an empty one is a newcomer's."""
    return choose(pool_before(chapter), record, ASKED, _name(chapter))


def _name(chapter: str) -> str:
    return f"recall_{find_chapter(chapter).number}"


def pool_before(chapter: str) -> list[Question]:
    """Every question about the chapters before this one."""
    earlier = CHAPTERS[: CHAPTERS.index(find_chapter(chapter))]
    return [question for each in earlier for question in chapter_questions(each)]


def choose(
    pool: Iterable[Question], record: dict[str, progress.Record], count: int, salt: str
) -> tuple[str, ...]:
    """``count`` ids: first what was last answered wrong, then what was never met or not for longest.

    Among equals chance decides, the same at every call; no two are of one chapter if that can be."""

    def urgency(id: str) -> tuple[bool, float, int]:
        known = record.get(id, progress.Record())
        right = known.last_right is not False
        return right, known.seen_at, zlib.crc32(f"{salt} {id}".encode())

    ordered = sorted((question.id for question in pool), key=urgency)
    chapters: set[str] = set()
    first = [id for id in ordered if not (_chapter(id) in chapters or chapters.add(_chapter(id)))]
    return tuple([*first, *(id for id in ordered if id not in first)][:count])


def _chapter(id: str) -> str:
    return id.partition("_")[0]


def _lines(asked: Sequence[Question], given: Sequence[Any]) -> Iterable[str]:
    yield "Before you go on, from earlier chapters (not graded):"
    for number, (question, letter) in enumerate(zip(asked, given, strict=True), start=1):
        yield f"{number}. ({question.id}) {question.text}"
        if not is_letter(letter):
            yield from (f"   {key}: {text}" for key, text in question.options.items())
            if letter not in ("", None):
                yield f"\u2717 {letter!r:.40} is not one of A, B, C and D."
        else:
            yield from answer_to(question, letter.strip().upper())
    if not all(map(is_letter, given)):
        yield "Write a letter between each pair of quotes, then run the cell again."


def answer_to(question: Question, letter: str, again: bool = False) -> Iterable[str]:
    """Whether the answer is right and why, line by line. It is written down, and the last one once more
    if the question was asked ``again``."""
    known = quiz_answer(question.id)
    if known is None:
        yield f"{letter}: {question.options[letter]} Look it up in chapter {question.id[1:].partition('_')[0]}."
        return
    right = letter == known.key
    progress.record_recall(question.id, letter, right=right, again=again)
    mark = "\u2713" if right else "\u2717"
    yield f"{mark} {letter} is {'right' if right else 'not right'}: {known.why[letter]}"
    if not right:
        right_option = question.options[known.key].rstrip(".")
        yield f"Right is {known.key} ({right_option}): {known.why[known.key]}"
