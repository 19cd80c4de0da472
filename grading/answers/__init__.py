"""The secret half of every exercise and quiz: one module per chapter, and what they share."""

from functools import cache
from importlib import import_module
from importlib.util import find_spec

from course_lib.chapters import CHAPTERS, Chapter
from course_lib.exercises import chapter_exercises
from grading.answers.model import Answer, QuizKey


def _module(chapter: Chapter):
    name = f"grading.answers.{chapter.module}"
    return import_module(name) if find_spec(name) else None


def chapter_answers(chapter: Chapter) -> tuple[Answer, ...]:
    """The answers of a chapter's exercises; empty while it is not written."""
    module = _module(chapter)
    if not hasattr(module, "__path__"):
        return module.ANSWERS if module else ()
    return tuple(
        import_module(f"{module.__name__}.{exercise.name}").ANSWER
        for exercise in chapter_exercises(chapter)
        if find_spec(f"{module.__name__}.{exercise.name}")
    )


def chapter_keys(chapter: Chapter) -> tuple[QuizKey, ...]:
    """The keys of a chapter's quiz; empty while it is not written."""
    module = _module(chapter)
    return module.QUIZ if module else ()


@cache
def _all_answers() -> dict[str, Answer]:
    return {answer.exercise: answer for chapter in CHAPTERS for answer in chapter_answers(chapter)}


@cache
def _all_keys() -> dict[str, QuizKey]:
    return {key.id: key for chapter in CHAPTERS for key in chapter_keys(chapter)}


def find_answer(name: str) -> Answer:
    """The secret half of the exercise called ``name``; ``LookupError`` when there is none."""
    if name not in _all_answers():
        raise LookupError(f"no answer for the exercise {name!r}")
    return _all_answers()[name]


def quiz_key(id: str) -> QuizKey:
    """The key of a quiz question; ``LookupError`` when there is none."""
    if id not in _all_keys():
        raise LookupError(f"no key for the question {id!r}")
    return _all_keys()[id]
