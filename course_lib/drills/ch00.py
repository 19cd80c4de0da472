"""Number questions on chapter 00."""

import random

import torch

from course_lib.drills import Numbers, Template


def _draw_norm(rng: random.Random) -> Numbers:
    a, b, length = rng.choice(((3, 4, 5), (6, 8, 10), (5, 12, 13), (8, 15, 17)))
    return {"a": a, "b": b, "length": length, "limit": rng.choice((1, 2, 4))}


def _clipped(numbers: Numbers) -> float:
    weight = torch.zeros(2, requires_grad=True)
    weight.grad = torch.tensor([float(numbers["a"]), float(numbers["b"])])
    torch.nn.utils.clip_grad_norm_([weight], numbers["limit"])
    return weight.grad[0].item()


def _draw_losses(rng: random.Random) -> Numbers:
    losses = [2.0]
    for _ in range(rng.randint(1, 7)):
        losses.append(round(losses[-1] * rng.uniform(0.7, 0.95), 2))
    return {"losses": [*losses, round(losses[-1] * rng.uniform(4, 9), 2), round(losses[-1], 2)]}


def _first_leap(numbers: Numbers) -> int:
    losses = numbers["losses"]
    return next(i for i in range(1, len(losses)) if losses[i] > 3 * min(losses[:i]))


def _first_leap_by_torch(numbers: Numbers) -> int:
    losses = torch.tensor(numbers["losses"])
    smallest = losses.cummin(dim=0).values
    return int((losses[1:] > 3 * smallest[:-1]).nonzero()[0]) + 1


TEMPLATES = (
    Template(
        "clipping",
        _draw_norm,
        "A gradient is [{a}, {b}], and clipping allows a norm of {limit}. What is its first entry "
        "after clipping?",
        lambda n: n["a"] * n["limit"] / n["length"],
        _clipped,
        lambda n: (
            f"The norm is {n['length']}; both entries are multiplied by {n['limit']}/{n['length']}."
        ),
    ),
    Template(
        "first leap",
        _draw_losses,
        "The losses of a run are {losses}. Which step is the first with more than 3 times the "
        "smallest loss before it? Count from 0.",
        _first_leap,
        _first_leap_by_torch,
        lambda n: "Compare each loss with 3 times the smallest one before it.",
    ),
)
