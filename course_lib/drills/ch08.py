"""Number questions on chapter 08."""

import math
import random
import warnings

import torch
from torch.optim import lr_scheduler

from course_lib.drills import Numbers, Template


def _rate(numbers: Numbers, make: type, steps: int, **more: float) -> float:
    """The rate of the real scheduler after so many of its steps."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=numbers["lr"])
    scheduler = make(optimizer, **more)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an optimizer that makes no steps
        for _ in range(steps):
            scheduler.step()
    return optimizer.param_groups[0]["lr"]


def _draw_cosine(rng: random.Random) -> Numbers:
    total = rng.choice((10, 20, 40))
    return {
        "lr": rng.choice((0.1, 0.2, 0.4)),
        "total": total,
        "step": total * rng.choice((0, 1, 2, 4)) // 4,
    }


TEMPLATES = (
    Template(
        "step schedule",
        lambda rng: {
            "lr": rng.choice((0.1, 0.4, 0.8)),
            "every": rng.choice((3, 5, 10)),
            "gamma": rng.choice((0.1, 0.5)),
            "epoch": rng.randint(1, 22),
        },
        "StepLR starts at {lr} and multiplies by {gamma} every {every} epochs. What is the rate "
        "after {epoch} steps of the scheduler?",
        lambda n: n["lr"] * n["gamma"] ** (n["epoch"] // n["every"]),
        lambda n: _rate(n, lr_scheduler.StepLR, n["epoch"], step_size=n["every"], gamma=n["gamma"]),
        lambda n: (
            f"It was multiplied {n['epoch'] // n['every']} times: {n['epoch']} // {n['every']}."
        ),
    ),
    Template(
        "cosine schedule",
        _draw_cosine,
        "CosineAnnealingLR goes from {lr} to 0 in {total} steps. What is the rate after {step} of "
        "them, to three decimals?",
        lambda n: n["lr"] * (1 + math.cos(math.pi * n["step"] / n["total"])) / 2,
        lambda n: _rate(n, lr_scheduler.CosineAnnealingLR, n["step"], T_max=n["total"]),
        lambda n: "lr * (1 + cos(pi * step / total)) / 2.",
    ),
)
