"""Number questions on lab 08b."""

import random

import torch

from course_lib.drills import Numbers, Template


def _smallest_shift(numbers: Numbers) -> int:
    """Tried out in float16."""
    gradient = 2.0 ** -numbers["power"]
    scaled = (gradient * 2.0**k for k in range(64))
    return next(k for k, value in enumerate(scaled) if torch.tensor(value).half().item() == value)


def _draw_scaler(rng: random.Random) -> Numbers:
    interval = rng.choice((2, 3, 4))
    return {
        "start": rng.choice((10, 12, 16)),
        "interval": interval,
        "good": rng.randint(0, 3 * interval),
        "bad": rng.choice((0, 1, 2)),
    }


def _scale(numbers: Numbers) -> float:
    scaler = torch.amp.GradScaler(
        "cpu", init_scale=2.0 ** numbers["start"], growth_interval=numbers["interval"]
    )
    w = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.0)
    for finite in [True] * numbers["good"] + [False] * numbers["bad"]:
        scaler.scale((w * (1.0 if finite else float("inf"))).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
    return scaler.get_scale()


TEMPLATES = (
    Template(
        "underflow",
        lambda rng: {"power": rng.randint(26, 48)},
        "A gradient is 2^-{power}. The loss is scaled by 2^k. What is the smallest k with which "
        "float16 holds the gradient exactly?",
        lambda n: n["power"] - 24,
        _smallest_shift,
        lambda n: f"The smallest number of float16 is 2^-24, so k = {n['power']} - 24.",
    ),
    Template(
        "scale",
        _draw_scaler,
        "A GradScaler starts at 2^{start} with growth_interval={interval}. After {good} good "
        "steps come {bad} with an inf. What is the scale then, as a number?",
        lambda n: 2.0 ** (n["start"] + n["good"] // n["interval"] - n["bad"]),
        _scale,
        lambda n: (
            f"It doubles once in {n['interval']} good steps in a row and halves at each inf: "
            f"2^({n['start']} + {n['good'] // n['interval']} - {n['bad']})."
        ),
    ),
)
