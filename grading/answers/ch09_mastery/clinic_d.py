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


def _updated_by_hand(x, y):
    w = b = 0.0
    for _ in range(400):
        error = w * x + b - y
        w, b = w - 0.3 * (2 * error * x).mean().item(), b - 0.3 * 2 * error.mean().item()
    return w, b


def _with_a_matrix(x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    table = torch.stack([x, torch.ones_like(x)], dim=1)
    line = torch.zeros(2, requires_grad=True)
    for _ in range(500):
        (slope,) = torch.autograd.grad((table @ line - y).square().mean(), line)
        with torch.no_grad():
            line -= 0.2 * slope
    first, second = line.tolist()
    return first, second


ANSWER = Answer(
    exercise="clinic_d",
    cases=_cases,
    compare={"repaired": _off_the_line},
    variants=(
        edit("range(300)", "range(400)"),
        edit("lr=0.3", "lr=0.05"),
        edit("lr=0.3", "lr=0.05, momentum=0.9"),
        _updated_by_hand,
        _with_a_matrix,
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
            "Nothing leaps any more, but with this rate your steps do not get there. Dividing by 10 "
            "was enough.",
            recognise=lambda case, got: got["finite"] and not got["on_the_line"],
        ),
    ),
)
