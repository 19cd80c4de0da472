"""Number questions on chapter 05."""

import random

import torch

from course_lib.drills import Numbers, Template


def _draw_batches(rng: random.Random) -> Numbers:
    size = rng.choice((8, 16, 32))
    return {
        "sizes": [size, size, rng.choice((2, 4))],
        "losses": [rng.randint(1, 8) / 4 for _ in range(3)],
    }


def _mean(numbers: Numbers) -> float:
    """The mean over all examples, one by one."""
    each = [
        torch.full((size,), loss, dtype=torch.float64)
        for size, loss in zip(numbers["sizes"], numbers["losses"], strict=True)
    ]
    return torch.cat(each).mean().item()


def _draw_accumulation(rng: random.Random) -> Numbers:
    count = rng.choice((2, 4))
    return {"count": count, "gradients": [rng.randint(-6, 9) for _ in range(count)]}


def _accumulated(numbers: Numbers) -> float:
    w = torch.zeros((), dtype=torch.float64, requires_grad=True)
    for gradient in numbers["gradients"]:
        (w * gradient / len(numbers["gradients"])).backward()
    return w.grad.item()


TEMPLATES = (
    Template(
        "mean loss",
        _draw_batches,
        "Batches of {sizes} examples have the mean losses {losses}. What is the mean loss per "
        "example of the epoch?",
        lambda n: (
            sum(s * v for s, v in zip(n["sizes"], n["losses"], strict=True)) / sum(n["sizes"])
        ),
        _mean,
        lambda n: (
            f"Each loss times its batch's size, added up, divided by {sum(n['sizes'])} examples."
        ),
    ),
    Template(
        "accumulation",
        _draw_accumulation,
        "You accumulate over {count} equally large batches, whose own gradients of a weight are "
        "{gradients}. With each loss divided as it should be, what is .grad before the step?",
        lambda n: sum(n["gradients"]) / n["count"],
        _accumulated,
        lambda n: (
            f"backward() adds them; each loss is divided by {n['count']}, so the sum is a mean."
        ),
    ),
)
