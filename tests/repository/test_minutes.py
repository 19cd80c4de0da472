"""No chapter takes longer than it says, nor much less: its printed minutes hold what is in it.

The time of an exercise is the one that it prints (``course_lib.exercises.effort``). The rest is counted:
text at 200 words a minute, somewhat below the 238 of adults who read non-fiction in their own language
(Brysbaert 2019), since much of it is read in a second one and has numbers in it; code to run and its
output at 15 lines a minute; and a while for each thing that a learner does.
"""

import re

import pytest

from course_lib.chapters import CHAPTERS, Chapter
from course_lib.exercises import chapter_exercises
from course_lib.exercises.effort import EFFORT
from course_lib.quiz import chapter_questions
from course_lib.retrieval import ASKED
from grading.chapter_text.cells import read_chapter
from grading.paths import text_source

WORDS_A_MINUTE, LINES_A_MINUTE = 200, 15
PREDICTION, PANEL, QUESTION = 0.5, 3.0, 0.75
#: People get stuck, and rest: a chapter may print this much more than is counted.
MOST_SLACK = 1.35

README_HOURS = re.compile(r"takes about (\d+) hours")


def minutes_of(chapter: Chapter) -> dict[str, float]:
    """What a chapter's minutes go to."""
    cells = read_chapter(text_source(chapter))
    words = sum(len(cell.text.split()) for cell in cells if cell.kind == "markdown")
    code = [
        line
        for cell in cells
        if cell.kind == "code" and cell.role in ("plain", "paste")
        for line in cell.text.split("\n")
        if line.strip() and not line.lstrip().startswith("#")
    ]
    predictions = sum(line.startswith("predict(") for line in code)
    recalled = ASKED * sum(line.startswith("recall(") for line in code)
    return {
        "exercises": sum(EFFORT[each.name].minutes for each in chapter_exercises(chapter)),
        "text": words / WORDS_A_MINUTE,
        "code": (len(code) - predictions) / LINES_A_MINUTE,
        "predictions": predictions * PREDICTION,
        "panels": PANEL * sum(cell.role == "panel" for cell in cells),
        "questions": QUESTION * (recalled + len(chapter_questions(chapter))),
    }


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.number)
def test_the_printed_minutes_hold_what_is_in_the_chapter(chapter):
    parts = minutes_of(chapter)
    counted = sum(parts.values())
    told = ", ".join(f"{name} {minutes:.1f}" for name, minutes in parts.items())
    assert counted <= chapter.minutes, (
        f"{chapter.number} prints {chapter.minutes} minutes and takes {counted:.0f} ({told}): shorten it, "
        "or print more in course_lib/chapters.py"
    )
    assert chapter.minutes <= MOST_SLACK * counted, f"{chapter.number} takes {counted:.0f} ({told})"


def test_the_hours_of_the_course_are_the_sum_of_its_chapters(repository):
    hours = round(sum(chapter.minutes for chapter in CHAPTERS) / 60)
    said = README_HOURS.search((repository / "README.md").read_text(encoding="utf-8"))
    assert int(said[1]) == hours
