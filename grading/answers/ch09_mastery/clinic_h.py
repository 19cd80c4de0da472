"""``clinic_h``, secret half."""

import math

import torch

from course_lib.exercises.ch09_mastery.clinic_h import weights_case
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

ADAM = "torch.optim.Adam([w], lr=0.05)"


def _cases(g: torch.Generator) -> list[Case]:
    return [weights_case(g, size(g, 30, 60), size(g, 3, 6)) for _ in range(3)]


def _not_found(case: Case, expected: Observation, got: Observation) -> str | None:
    if got["has_graph"]:
        return "the weights still carry a graph"
    return None if got.get("found") else "not every weight is within 0.05 of the best one"


ANSWER = Answer(
    exercise="clinic_h",
    cases=_cases,
    compare={"repaired": _not_found},
    variants=(
        edit("lr=0.05", "lr=0.1"),
        edit("lr=0.05", "lr=0.02"),
        edit(ADAM, "torch.optim.SGD([w], lr=0.1)"),
    ),
    misconceptions=(
        wrong(
            "learning rate too low",
            edit("lr=0.05", "lr=1e-5"),
            "Adam moves a weight by about lr in each step: 300 steps of 0.00001 make 0.003. "
            "Multiply the rate by 10 until the loss falls, several times if need be.",
            recognise=lambda case, got: got["largest"] < 0.05,
        ),
        wrong(
            "still too low",
            edit("lr=0.05", "lr=3e-4"),
            "The weights move, but 300 steps are not enough to get there. Go on multiplying by 10.",
            recognise=lambda case, got: 0.05 <= got["largest"] < 0.5 and not got["found"],
        ),
        wrong(
            "now too high",
            edit(ADAM, "torch.optim.SGD([w], lr=5.0)"),
            "The weights leap farther with every step, until they are infinite or NaN. Divide the "
            "rate by 10.",
            recognise=lambda case, got: not math.isfinite(got["largest"]),
        ),
    ),
)
