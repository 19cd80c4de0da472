"""``python -m course_lib status``: which checks a learner has passed and which predictions came true,
chapter by chapter."""

import re
from collections.abc import Iterator

from course_lib import progress
from course_lib.chapters import CHAPTERS, Chapter
from course_lib.errors import Problem


def show_status() -> int:
    """Print one line a chapter; returns the exit status."""
    done = progress.load()
    try:
        lines = [_line(chapter, done) for chapter in CHAPTERS]
    except ImportError as error:
        raise Problem(
            f"{error.name or 'a package'} is missing or broken: python -m course_lib doctor"
        ) from error
    print("\n".join(lines + list(_predictions(done))))
    print(f"\nA passed check is not a grade: hidden tests decide. Recorded in {progress.path()}")
    return 0


def _line(chapter: Chapter, done: dict[str, progress.Record]) -> str:
    from course_lib.exercises import chapter_exercises
    from course_lib.quiz import chapter_questions

    exercises = chapter_exercises(chapter)
    label = f"{chapter.number:<4}{chapter.title:<40}"
    if not exercises:
        return f"{label}not in this version"
    tried = [done[exercise.name] for exercise in exercises if exercise.name in done]
    passed = sum(check.passed for check in tried)
    points = sum(exercise.points for exercise in exercises) + len(chapter_questions(chapter))
    if not tried:
        state = "not started"
    else:
        state = f"{passed} of {len(exercises)} checks passed"
    return f"{label}{state:<24}{points:>3} points possible"


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
