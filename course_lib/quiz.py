"""The quizzes' public half: questions and options, and the check of an answer.

A chapter's questions stand beside its exercises (``course_lib.exercises.ch05_complete_loop``).
Keys and explanations are on the grading side, and in the answers pack of the self-study edition.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from course_lib import progress
from course_lib.answers import QuizAnswer, quiz_answer
from course_lib.chapters import CHAPTERS, Chapter
from course_lib.display import Text, show, write
from course_lib.errors import fail_validation

LETTERS = ("A", "B", "C", "D")


@dataclass(frozen=True)
class Question:
    """``id`` is the variable that holds the answer (``q05_1``); ``options`` maps letter to text."""

    id: str
    text: str
    options: Mapping[str, str]

    def __post_init__(self) -> None:
        if tuple(self.options) != LETTERS:
            raise ValueError(f"{self.id}: options must be A, B, C and D, in this order")


def chapter_questions(chapter: Chapter) -> tuple[Question, ...]:
    """The chapter's questions in order; empty while it is not written."""
    name = f"course_lib.exercises.{chapter.module}"
    if find_spec(name) is None:
        return ()
    return import_module(name).QUESTIONS


@cache
def all_questions() -> dict[str, Question]:
    """Every question of the course by id."""
    return {
        question.id: question for chapter in CHAPTERS for question in chapter_questions(chapter)
    }


def find_question(id: str) -> Question:
    """The question with this id; ``LookupError`` when there is none."""
    questions = all_questions()
    if id not in questions:
        raise LookupError(f"no question {id!r}. Known: {', '.join(questions)}.")
    return questions[id]


def is_letter(answer: Any) -> bool:
    """Whether a quiz answer is one of the letters, in either case and with spaces around it."""
    return isinstance(answer, str) and answer.strip().upper() in LETTERS


def check_quiz(id: str, answer: Any) -> None:
    """Say whether ``answer`` is None, one of the letters "A" to "D" in either case, or neither.

    In the self-study edition, also whether it is right and why; after a right answer or two
    different ones, the reasons of all options. Elsewhere grading decides: the key is not here.
    Raises nothing; only while nbgrader validates is there a ``NotRight`` for anything but a letter.
    """
    if not is_letter(answer):
        found = f'\u2717 {id}: {answer!r:.40} is not an answer. Set it to "A", "B", "C" or "D".'
        if answer is None:
            found = f'\u25cb {id}: not answered yet. Set {id} to "A", "B", "C" or "D" above.'
        write(found)
        fail_validation(found)
        return
    letter = answer.strip().upper()
    known = quiz_answer(id)
    if known is None:
        write(f"\u2713 {id}: {letter} is noted. Grading gives the key and the reasons.")
    else:
        given = progress.record_answer(id, letter, right=letter == known.key).answers
        show(Text("\n".join(answered(id, letter, known, given))))


def answered(id: str, letter: str, known: QuizAnswer, given: Sequence[str]) -> Iterator[str]:
    """What is said of the answer ``letter``, line by line. ``given`` are the letters up to now."""
    if letter == known.key:
        yield f"\u2713 {id}: {letter} is right. {known.why[letter]}"
    else:
        yield f"\u2717 {id}: {letter} is not right. {known.why[letter]}"
        if len(set(given)) < 2:
            yield "Think again, change the letter and run both cells."
            return
    for other in LETTERS:
        if other != letter:
            verdict = "right" if other == known.key else "not right"
            yield f"{other} is {verdict}: {known.why[other]}"
