"""Number questions on chapter 04."""

import math
import random

import torch

from course_lib.drills import Numbers, Template


def _draw(rng: random.Random) -> Numbers:
    return {
        "w": rng.randint(-5, 5),
        "g": rng.choice((-4, -3, -2, 2, 3, 4)),
        "lr": rng.choice((0.01, 0.05, 0.1, 0.5)),
        "momentum": rng.choice((0.5, 0.8, 0.9)),
    }


def _after(numbers: Numbers, make: type[torch.optim.Optimizer], steps: int, **more: float) -> float:
    """The weight after steps with the same gradient each."""
    w = torch.tensor([float(numbers["w"])], dtype=torch.float64, requires_grad=True)
    optimizer = make([w], lr=numbers["lr"], **more)
    for _ in range(steps):
        w.grad = torch.tensor([float(numbers["g"])], dtype=torch.float64)
        optimizer.step()
    return round(w.item(), 6)


TEMPLATES = (
    Template(
        "sgd",
        _draw,
        "A weight is {w}, its gradient {g}, the learning rate {lr}. What is the weight after one "
        "step of plain SGD?",
        lambda n: n["w"] - n["lr"] * n["g"],
        lambda n: _after(n, torch.optim.SGD, 1),
        lambda n: f"{n['w']} - {n['lr']} * ({n['g']}): against the gradient.",
    ),
    Template(
        "momentum",
        _draw,
        "SGD with momentum {momentum} and lr {lr} starts at {w} and meets the gradient {g} twice. "
        "Where is the weight after two steps?",
        lambda n: n["w"] - n["lr"] * n["g"] * (2 + n["momentum"]),
        lambda n: _after(n, torch.optim.SGD, 2, momentum=n["momentum"]),
        lambda n: (
            f"The velocity is {n['g']}, then {n['momentum']} * ({n['g']}) + ({n['g']}); each step takes lr "
            "times the velocity."
        ),
    ),
    Template(
        "adam's first step",
        _draw,
        "A weight is {w}, its gradient {g}. Where is it after the very first step of Adam with lr "
        "{lr}?",
        lambda n: n["w"] - math.copysign(n["lr"], n["g"]),
        lambda n: _after(n, torch.optim.Adam, 1),
        lambda n: "The first step of Adam has the length lr, whatever the gradient's length is.",
        rtol=1e-3,
    ),
)
