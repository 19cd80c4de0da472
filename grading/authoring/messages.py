"""``python -m grading messages``: every sentence that a learner may read of a verdict, on one page.

For each solution of each exercise - the untouched stub, a function that does nothing, the known
mistakes, with ``--mutants`` some small changes of the reference - what grading says stands beside
what the instant check says, as Markdown. It is made to be read whole.
"""

from collections.abc import Iterator, Sequence

from course_lib.chapters import CHAPTERS
from course_lib.exercises import chapter_exercises
from course_lib.exercises.checking.check import CheckResult
from course_lib.exercises.checking.model import Exercise
from grading.authoring.solutions import (
    Solution,
    TooSlow,
    elsewhere,
    known_solutions,
    mutant_solutions,
)
from grading.judging.outcomes import ItemOutcome

#: The case set that the page is made with.
SEED = 11


def messages(names: Sequence[str], mutants: int) -> Iterator[str]:
    """The lines of the page about the exercises in ``names``."""
    yield "# What is said of solutions\n"
    for chapter in CHAPTERS:
        chosen = [each for each in chapter_exercises(chapter) if each.name in names]
        if chosen:
            yield f"## {chapter.number} {chapter.title}\n"
        for exercise in chosen:
            yield from exercise_messages(exercise, mutants)


def exercise_messages(exercise: Exercise, mutants: int) -> Iterator[str]:
    """The part of the page that is about one exercise: a row a solution."""
    yield f"### {exercise.name}\n\n{exercise.task}\n"
    yield "| solution | points | grading | check |\n|---|---|---|---|"
    solutions = [each for each in known_solutions(exercise) if each.kind != "right"]
    with elsewhere():
        for solution in [*solutions, *mutant_solutions(exercise, mutants)]:
            yield _row(solution)
    yield ""


def _row(solution: Solution) -> str:
    label = f"{solution.kind}: {solution.label}"
    try:
        outcome = solution.graded(SEED, free=solution.kind == "misconception")
    except TooSlow:
        return f"| {_cell(label)} | | it does not end | |"
    points = f"{outcome.score:g} of {outcome.max_score:g}"
    cells = label, points, _said_by_grading(outcome), _said_by_check(solution.checked())
    return f"| {' | '.join(map(_cell, cells))} |"


def _said_by_grading(outcome: ItemOutcome) -> str:
    name = f"**{outcome.misconception}.** " if outcome.misconception else ""
    lines = [f"{name}{outcome.message}"]
    for aspect in outcome.aspects:
        if aspect.problem and outcome.status != "not_attempted":
            lines.append(f"\u2717 {aspect.text}: {aspect.problem}")
    return "\n".join(lines)


def _said_by_check(result: CheckResult) -> str:
    wrong = [each for each in result.findings if not each.ok]
    lines = [f"{each.text}{'; ' if each.got else ''}{each.got}" for each in wrong]
    return "\n".join([result.state, *lines])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", "<br>")
