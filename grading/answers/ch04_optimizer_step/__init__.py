"""Chapter 04, secret half: the quiz's key; the exercises' answers are beside it, by name."""

import math
from itertools import pairwise

import torch

from grading.answers.model import QuizKey


def _prove_plain_step() -> str:
    w = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    w.grad = torch.tensor(2.0, dtype=torch.float64)
    torch.optim.SGD([w], lr=0.1).step()
    moved = w.item() - 1
    claims = {"A": 0.2, "B": -2.0, "C": -0.2, "D": -20.0}
    return "".join(letter for letter, claim in claims.items() if math.isclose(moved, claim))


def _prove_first_adam_step() -> str:
    lr = 0.01
    weights = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    weights.grad = torch.tensor([0.001, 1000.0], dtype=torch.float64)
    torch.optim.Adam([weights], lr=lr).step()
    small, large = weights.detach().abs().tolist()
    if small == large == 0:
        return "C"
    if math.isclose(small, lr, rel_tol=1e-4) and math.isclose(large, lr, rel_tol=1e-4):
        return "A"
    return "B" if large > small else "D"


def _prove_zig_zag() -> str:
    """SGD on L = (x^2 + 60 y^2) / 2."""

    def crossings(lr: float) -> int:
        place = torch.tensor([-4.0, 1.0], dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.SGD([place], lr=lr)
        heights = []
        for _ in range(150):
            optimizer.zero_grad()
            ((place[0] ** 2 + 60 * place[1] ** 2) / 2).backward()
            heights.append(place[1].item())
            optimizer.step()
        return sum(a * b < 0 for a, b in pairwise(heights))

    if crossings(0.01) >= crossings(0.032):
        return "A"
    if crossings(0.032) != crossings(0.032):
        return "B"
    start = torch.tensor([-4.0, 1.0], dtype=torch.float64)
    downhill = -start * torch.tensor([1.0, 60.0], dtype=torch.float64)
    if torch.cosine_similarity(downhill, -start, dim=0) > 0.99:
        return "C"
    return "D" if 1 < 0.032 * 60 < 2 and crossings(0.032) > 100 else ""


QUIZ = (
    QuizKey(
        "q04_1",
        "C",
        {
            "A": "The step goes against the gradient, not along it.",
            "B": "That leaves the learning rate out.",
            "C": "lr times gradient is 0.2, and the step is downhill.",
            "D": "That divides by the learning rate instead of multiplying.",
        },
        _prove_plain_step,
    ),
    QuizKey(
        "q04_2",
        "A",
        {
            "A": "After bias correction m is the gradient and v its square, so m over the root of v "
            "is plus or minus 1.",
            "B": "That is what SGD would do; Adam divides by the gradient's size.",
            "C": "Bias correction undoes exactly that.",
            "D": "Adam makes the two steps equal; it does not reverse them.",
        },
        _prove_first_adam_step,
    ),
    QuizKey(
        "q04_3",
        "D",
        {
            "A": "A smaller rate would creep along without crossing the valley.",
            "B": "The race uses exact gradients: the same start gives the same path.",
            "C": "The gradient points almost straight across the valley, not at the minimum.",
            "D": "0.032 times the curvature 60 is 1.92: the height is multiplied by 1 - 1.92 = -0.92 "
            "at every step.",
        },
        _prove_zig_zag,
    ),
)
