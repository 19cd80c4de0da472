"""Number questions on chapter 02."""

import math
import random

import torch
from torch.nn import functional as F

from course_lib.drills import Numbers, Template


def _draw_errors(rng: random.Random) -> Numbers:
    target = [rng.randint(0, 9) for _ in range(4)]
    return {"target": target, "prediction": [t + rng.choice((-3, -2, -1, 0, 1, 2)) for t in target]}


def _squares(numbers: Numbers) -> list[int]:
    pairs = zip(numbers["prediction"], numbers["target"], strict=True)
    return [(p - t) ** 2 for p, t in pairs]


def _mse(numbers: Numbers) -> float:
    prediction = torch.tensor(numbers["prediction"], dtype=torch.float32)
    return F.mse_loss(prediction, torch.tensor(numbers["target"], dtype=torch.float32)).item()


def _cross_entropy(numbers: Numbers) -> float:
    logits = torch.zeros(1, numbers["classes"], dtype=torch.float64)
    logits[0, 0] = numbers["logit"]
    return F.cross_entropy(logits, torch.tensor([0])).item()


TEMPLATES = (
    Template(
        "squared error",
        _draw_errors,
        "What is the mean squared error of the prediction {prediction} for {target}?",
        lambda n: sum(_squares(n)) / 4,
        _mse,
        lambda n: f"The squared differences are {_squares(n)}; take their mean.",
    ),
    Template(
        "cross-entropy",
        lambda rng: {
            "logit": rng.choice((0, 1, 2, 3, 4, 5)),
            "classes": rng.choice((2, 3, 5, 10, 100)),
        },
        "Of {classes} classes the right one has the logit {logit}, all others have 0. What is the "
        "cross-entropy, to three decimals?",
        lambda n: math.log(math.exp(n["logit"]) + n["classes"] - 1) - n["logit"],
        _cross_entropy,
        lambda n: (
            f"P(right) = e^{n['logit']} / (e^{n['logit']} + {n['classes'] - 1}); take minus its "
            "natural logarithm."
        ),
        rtol=0.02,
    ),
)
