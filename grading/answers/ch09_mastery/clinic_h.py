"""``clinic_h``, secret half."""

import math

import numpy as np
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


def _updated_by_hand(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    w = torch.zeros(x.size(1))
    for _ in range(600):
        w = w - 0.1 * 2 * torch.einsum("nd,n->d", x, x @ w - y) / len(y)
    return w


def _with_numpy(x, y):
    best, *_ = np.linalg.lstsq(x.double().numpy(), y.double().numpy(), rcond=None)
    return torch.from_numpy(best).float()


ANSWER = Answer(
    exercise="clinic_h",
    cases=_cases,
    compare={"repaired": _not_found},
    variants=(
        edit("lr=0.05", "lr=0.1"),
        edit("lr=0.05", "lr=0.02"),
        edit(ADAM, "torch.optim.SGD([w], lr=0.1)"),
        _updated_by_hand,
        _with_numpy,
    ),
    misconceptions=(
        wrong(
            "learning rate too low",
            edit("lr=0.05", "lr=1e-5"),
            "The weights hardly move. Adam moves a weight by about lr in each step, and with this rate "
            "all your steps together do not get far. Multiply it by 10 until the loss falls, several "
            "times if need be.",
            recognise=lambda case, got: got["largest"] < 0.05,
        ),
        wrong(
            "still too low",
            edit("lr=0.05", "lr=3e-4"),
            "The weights move, but your steps are not enough to get there. Go on multiplying the rate "
            "by 10.",
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
