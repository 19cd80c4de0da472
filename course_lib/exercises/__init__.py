"""The public half of every exercise: a folder per chapter, a file per exercise, and what they share."""

from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from course_lib.chapters import CHAPTERS, Chapter, find_chapter
from course_lib.exercises.checking.model import Exercise


def chapter_exercises(chapter: Chapter) -> tuple[Exercise, ...]:
    """The chapter's exercises in the order of the notebook; empty while it is not written."""
    name = f"course_lib.exercises.{chapter.module}"
    if find_spec(name) is None:
        return ()
    return tuple(import_module(f"{name}.{each}").EXERCISE for each in import_module(name).EXERCISES)


@cache
def all_exercises() -> dict[str, Exercise]:
    """Every exercise of the course by name."""
    return {
        exercise.name: exercise for chapter in CHAPTERS for exercise in chapter_exercises(chapter)
    }


def find_exercise(name: str, chapter: str = "") -> Exercise:
    """The exercise called ``name``, of this chapter when it is given; ``LookupError`` with the
    nearest names when there is none."""
    if chapter:
        exercises = {each.name: each for each in chapter_exercises(find_chapter(chapter))}
    else:
        exercises = all_exercises()
    if name not in exercises:
        near = get_close_matches(name, exercises, n=3) or sorted(exercises)[:5]
        raise LookupError(f"no exercise called {name!r}. Did you mean {', '.join(near)}?")
    return exercises[name]


def chapter_of(name: str) -> Chapter:
    """The chapter of the exercise called ``name``; ``LookupError`` when there is none."""
    find_exercise(name)
    return next(
        chapter
        for chapter in CHAPTERS
        if name in (exercise.name for exercise in chapter_exercises(chapter))
    )


def name_of(given: Any) -> str:
    """The exercise that a learner means by its name, by a name in its cell, or by the function or
    class itself; ``LookupError`` when ``given`` is none of these, or nothing."""
    name = given if isinstance(given, str) else getattr(given, "__name__", None)
    if not isinstance(name, str) or not name:
        raise LookupError('Which exercise? Write its name in quotes, like hint("fit").')
    return owner_of(name) or name


def owner_of(subject: str) -> str:
    """The exercise in whose cell ``subject`` is defined; "" when there is none."""
    owners = (each.name for each in all_exercises().values() if subject in each.subjects)
    return next(owners, "")
