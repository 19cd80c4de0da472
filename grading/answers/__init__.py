"""The secret half of every exercise, a folder per chapter and a file per exercise; and the quiz keys."""

from functools import cache
from importlib import import_module
from importlib.util import find_spec

from course_lib.chapters import CHAPTERS, Chapter
from course_lib.exercises import chapter_exercises, chapter_of
from grading.answers.model import Answer, QuizKey


def chapter_answers(chapter: Chapter) -> tuple[Answer, ...]:
    """The answers of a chapter's exercises; empty while it is not written."""
    return tuple(find_answer(exercise.name) for exercise in chapter_exercises(chapter))


def chapter_keys(chapter: Chapter) -> tuple[QuizKey, ...]:
    """The keys of a chapter's quiz; empty while it is not written."""
    name = f"grading.answers.{chapter.module}"
    return import_module(name).QUIZ if find_spec(name) else ()


@cache
def _all_keys() -> dict[str, QuizKey]:
    return {key.id: key for chapter in CHAPTERS for key in chapter_keys(chapter)}


@cache
def find_answer(name: str) -> Answer:
    """The secret half of the exercise called ``name``; ``LookupError`` when there is none. Reads the
    answers of that exercise alone."""
    module = f"grading.answers.{chapter_of(name).module}.{name}"
    if find_spec(module) is None:
        file = module.replace(".", "/") + ".py"
        raise LookupError(f"no answer for the exercise {name!r}: {file} does not exist")
    return import_module(module).ANSWER


def quiz_key(id: str) -> QuizKey:
    """The key of a quiz question; ``LookupError`` when there is none."""
    if id not in _all_keys():
        raise LookupError(f"no key for the question {id!r}")
    return _all_keys()[id]
