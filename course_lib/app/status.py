"""``python -m course_lib status``: which checks a learner has passed and which predictions came true,
chapter by chapter. An exercise's file imports torch, which takes seconds: so its points are read from its
text, and nothing of it runs."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from course_lib import progress
from course_lib.chapters import CHAPTERS, Chapter
from course_lib.quiz import chapter_questions


def show_status() -> int:
    """Print one line a chapter; returns the exit status."""
    done = progress.load()
    lines = [_line(chapter, done) for chapter in CHAPTERS]
    print("\n".join(lines + list(_predictions(done))))
    print(f"\nA passed check is not a grade: hidden tests decide. Recorded in {progress.path()}")
    return 0


def _line(chapter: Chapter, done: dict[str, progress.Record]) -> str:
    points = points_of(chapter)
    label = f"{chapter.number:<4}{chapter.title:<40}"
    if not points:
        return f"{label}not in this version"
    tried = [done[name] for name in points if name in done]
    passed = sum(check.passed for check in tried)
    possible = sum(points.values()) + len(chapter_questions(chapter))
    state = f"{passed} of {len(points)} checks passed" if tried else "not started"
    return f"{label}{state:<24}{possible:>3} points possible"


def points_of(chapter: Chapter) -> dict[str, int]:
    """What each exercise of the chapter is worth, in the order of the notebook; empty while the chapter
    is not written."""
    package = f"course_lib.exercises.{chapter.module}"
    if find_spec(package) is None:
        return {}
    module = import_module(package)
    folder = Path(module.__file__).parent
    return {name: _points_in(folder / f"{name}.py") for name in module.EXERCISES}


def _points_in(file: Path) -> int:
    for statement in ast.parse(file.read_bytes()).body:
        match statement:
            case ast.Assign(targets=[ast.Name("EXERCISE")], value=ast.Call(keywords=given)):
                return next(ast.literal_eval(each.value) for each in given if each.arg == "points")
    raise LookupError(f"{file} makes no EXERCISE")


def _predictions(done: dict[str, progress.Record]) -> Iterator[str]:
    """How often predictions came true, chapter by chapter, and where something else came."""
    for chapter in CHAPTERS:
        made = {
            id: record.outcome
            for id, record in done.items()
            if re.fullmatch(rf"p{chapter.number}_\d+", id)
            and record.prediction
            and not record.late
            and record.outcome is not None
        }
        if made:
            surprises = [id for id, true in made.items() if not true]
            more = f"; surprises: {', '.join(surprises)}" if surprises else ""
            yield f"{chapter.number:<4}{sum(made.values())} of {len(made)} predictions came true{more}"
