"""``hint("fit")``: the next hint of an exercise at each call, also after a restart."""

from typing import Any

from course_lib import progress
from course_lib.answers import exercise_answers
from course_lib.display import Text, show
from course_lib.exercises import find_exercise, name_of


def hint(name: Any = "") -> None:
    """Show the next of the two hints of the exercise ``name``; when both were shown, both again.

    ``name`` may also be the function or class itself. Which hints were shown is remembered. An
    unknown name is answered with the nearest ones.
    """
    show(Text(next_hint(name)))


def next_hint(name: Any) -> str:
    """What ``hint`` shows. An unknown name is answered with the nearest ones."""
    try:
        exercise = find_exercise(name_of(name))
    except LookupError as error:
        return str(error)
    name = exercise.name
    hints, shown = exercise.hints, progress.of(name).hints
    if shown >= len(hints):
        again = [f"Hint {stage}: {text}" for stage, text in enumerate(hints, start=1)]
        return "\n".join([f"There are no more hints for {name}. Here are both again.", *again])
    progress.record_hint(name)
    if shown + 1 < len(hints):
        more = f'(More: hint("{name}") again.)'
    elif (answers := exercise_answers(name)) is not None and answers.parts is not None:
        more = f'(The last one. Still stuck? parts("{name}") shows the lines to put in order.)'
    else:
        more = "(The last one.)"
    return f"Hint {shown + 1} of {len(hints)}: {hints[shown]}  {more}"
