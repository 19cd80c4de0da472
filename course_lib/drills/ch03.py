"""Number questions on chapter 03."""

import random

import torch

from course_lib.drills import Numbers, Template


def _draw(rng: random.Random) -> Numbers:
    return {
        "w": rng.randint(-3, 3),
        "b": rng.randint(-2, 2),
        "x": [rng.choice((-3, -2, -1, 1, 2, 3)) for _ in range(2)],
        "t": [rng.randint(-5, 5) for _ in range(2)],
    }


def _slope(numbers: Numbers, i: int) -> int:
    x = numbers["x"][i]
    return 2 * x * (numbers["w"] * x + numbers["b"] - numbers["t"][i])


def _gradient(numbers: Numbers, count: int) -> float:
    w = torch.tensor(float(numbers["w"]), requires_grad=True)
    for x, t in list(zip(numbers["x"], numbers["t"], strict=True))[:count]:
        ((w * x + numbers["b"] - t) ** 2).backward()
    return w.grad.item()


TEMPLATES = (
    Template(
        "slope",
        _draw,
        "The loss is (w * x + b - t)^2 with w = {w}, b = {b}, x = {x[0]} and t = {t[0]}. What is "
        "w.grad after backward()?",
        lambda n: _slope(n, 0),
        lambda n: _gradient(n, 1),
        lambda n: "dL/dw = 2 * x * (w * x + b - t): the chain rule.",
    ),
    Template(
        "not cleared",
        _draw,
        "The loss is (w * x + b - t)^2 with w = {w} and b = {b}. You call backward() for x = "
        "{x[0]}, t = {t[0]} and again for x = {x[1]}, t = {t[1]}, without zero_grad(). What is "
        "w.grad?",
        lambda n: _slope(n, 0) + _slope(n, 1),
        lambda n: _gradient(n, 2),
        lambda n: f"backward() adds: {_slope(n, 0)} + {_slope(n, 1)}.",
    ),
)
