"""``clinic_d``, secret half."""

import torch

from course_lib.exercises.ch09_mastery.clinic_d import line_case
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong


def _cases(g: torch.Generator) -> list[Case]:
    return [line_case(g, size(g, 20, 60)) for _ in range(3)]


def _off_the_line(case: Case, expected: Observation, got: Observation) -> str | None:
    ok = got.get("on_the_line")
    return None if ok else "the result is not the least-squares line within 2 %"


ANSWER = Answer(
    exercise="clinic_d",
    cases=_cases,
    compare={"repaired": _off_the_line},
    variants=(
        edit("range(300)", "range(400)"),
        edit("lr=0.3", "lr=0.05"),
        edit("lr=0.3", "lr=0.05, momentum=0.9"),
    ),
    misconceptions=(
        wrong(
            "learning rate too high",
            edit("lr=0.3", "lr=3.0"),
            "Each step lands farther from the minimum than it started, so the loss leaps and ends "
            "as infinity or NaN. Divide the learning rate by 10.",
            recognise=lambda case, got: got["pair"] and not got["finite"],
        ),
        wrong(
            "slope and intercept swapped",
            edit("w.item(), b.item()", "b.item(), w.item()"),
            "The numbers are right but in the wrong order: slope first, then intercept.",
            recognise=lambda case, got: got["swapped"],
        ),
        wrong(
            "learning rate now too low",
            edit("lr=0.3", "lr=0.0005"),
            "Nothing leaps any more, but in 300 steps this rate does not get there. Dividing by "
            "10 was enough.",
            recognise=lambda case, got: got["finite"] and not got["on_the_line"],
        ),
    ),
)
