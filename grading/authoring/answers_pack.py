"""Writes the answers pack, ``answers/course_answers``, from the secret halves: what the self-study
edition shows. Called by ``build``; ``course_lib.answers`` reads it.

One file an exercise and one for each chapter's quiz.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from course_lib.chapters import CHAPTERS, Chapter
from course_lib.exercises import chapter_exercises
from course_lib.exercises.checking.likeness import alike, likeness
from course_lib.exercises.checking.model import Exercise
from course_lib.exercises.checking.observe import observe
from grading.answers import chapter_keys, find_answer
from grading.answers.before_after import KEYS
from grading.answers.model import Misconception, as_subjects
from grading.authoring.parts import parts_of
from grading.authoring.solutions import elsewhere, stopped_after
from grading.chapter_text.reference import reference_source
from grading.paths import REPOSITORY

#: What is not done with a mistake after this time, even on a busy machine, never ends.
_SECONDS = 600.0
FOLDER = REPOSITORY / "answers" / "course_answers"


def write_pack(chapter: Chapter, folder: Path = FOLDER) -> bool:
    """Bring the files of one chapter up to date; whether one changed.

    A mistake whose numbers look the same as in the file stays as it is there, wherever it was written.
    """
    wanted = {f"quiz_{chapter.number}": quiz_answers(chapter)}
    if chapter is CHAPTERS[0]:
        wanted |= {f"quiz_{when}": before_after_answers(when) for when in KEYS}
    for exercise in chapter_exercises(chapter):
        wanted[exercise.name] = exercise_answers(exercise)
    changed = False
    for name, content in wanted.items():
        path = folder / f"{name}.json"
        if not path.is_file() or not same(json.loads(path.read_text(encoding="utf-8")), content):
            path.write_text(_text(content), encoding="utf-8")
            changed = True
    return changed


def same(stored: dict[str, Any], made: dict[str, Any]) -> bool:
    """Whether two contents of a file say the same; what mistakes look like, up to rounding."""
    one, other = (
        [each.get("seen") for each in content.get("mistakes", ())] for content in (stored, made)
    )
    return _text(_unseen(stored)) == _text(_unseen(made)) and all(map(alike, one, other))


def _unseen(content: dict[str, Any]) -> dict[str, Any]:
    if "mistakes" not in content:
        return content
    return content | {"mistakes": [each | {"seen": []} for each in content["mistakes"]]}


def without_runs(content: dict[str, Any]) -> dict[str, Any]:
    """A content of a file as ``exercise_answers`` makes it without running anything."""
    return _unseen(content) | {"parts": None}


def quiz_answers(chapter: Chapter) -> dict[str, Any]:
    """The key and the reasons of each question of a chapter."""
    return {key.id: {"key": key.key, "why": dict(key.why)} for key in chapter_keys(chapter)}


def before_after_answers(when: str) -> dict[str, Any]:
    """The keys of the questions before or after the course; no reasons, nothing is said of them."""
    return {
        f"q{when}_{number}": {"key": key, "why": {}}
        for number, key in enumerate(KEYS[when], start=1)
    }


def exercise_answers(exercise: Exercise, run: bool = True) -> dict[str, Any]:
    """The solution, the known mistakes and the parts; without what takes running it unless ``run``."""
    mistakes = []
    for wrong in find_answer(exercise.name).misconceptions:
        entry = {"name": wrong.name, "sentence": wrong.sentence, "also": list(wrong.also)}
        mistakes.append(entry | {"seen": _seen(exercise, wrong) if run else []})
    return {
        "solution": reference_source(exercise.name).strip("\n"),
        "parts": parts_of(exercise) if run else None,
        "mistakes": mistakes,
    }


def _seen(exercise: Exercise, wrong: Misconception) -> list[Any]:
    """What the mistake looks like on the check's cases; nothing when it never ends there, or looks
    different each time."""
    # A mistake may be written with what a learner may not use.
    free = replace(exercise, forbidden=())
    cases = exercise.public_cases()
    subjects = as_subjects(wrong.solution, exercise.name)
    with elsewhere(), stopped_after(_SECONDS):
        first, *seen = [
            likeness(exercise, exercise.read(case, observe(free, subjects, case)), wrong.also)
            for case in (cases[0], *cases)
        ]
    if ["raised", "TooSlow"] in seen or not alike([first], seen[:1]):
        return []
    return seen


def _text(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
