"""Number questions on chapter 09."""

import random

import torch

from course_lib.drills import Numbers, Template


def _rows(numbers: Numbers) -> int:
    """As the error message names them: what a linear layer takes for examples."""
    x = torch.zeros(numbers["n"], numbers["side"], numbers["side"])
    return x.flatten(end_dim=-2).shape[0]


def _draw_patience(rng: random.Random) -> Numbers:
    losses = [round(2.0 - 0.2 * i + rng.uniform(-0.05, 0.05), 2) for i in range(rng.randint(2, 6))]
    losses += [round(losses[-1] + rng.uniform(0.01, 0.3), 2) for _ in range(8)]
    return {"losses": losses, "patience": rng.randint(1, 4)}


def _last_epoch(numbers: Numbers) -> int:
    best, waited, epoch = float("inf"), 0, -1
    while waited < numbers["patience"]:
        epoch += 1
        loss = numbers["losses"][epoch]
        best, waited = (loss, 0) if loss < best else (best, waited + 1)
    return epoch


def _last_epoch_by_torch(numbers: Numbers) -> int:
    """No new minimum follows the smallest loss here, so it stops ``patience`` epochs later."""
    return int(torch.tensor(numbers["losses"]).argmin()) + numbers["patience"]


TEMPLATES = (
    Template(
        "rows",
        lambda rng: {"n": rng.choice((8, 16, 32, 64)), "side": rng.choice((8, 14, 28))},
        "A batch [{n}, {side}, {side}] goes into a linear layer without being flattened, and the "
        "error names the shape of mat1. How many rows has it?",
        lambda n: n["n"] * n["side"],
        _rows,
        lambda n: f"Every row of pixels is taken for an example: {n['n']} * {n['side']}.",
    ),
    Template(
        "early stopping",
        _draw_patience,
        "Validation losses would be {losses}. With patience {patience}, which epoch is the last "
        "that runs? Count from 0.",
        _last_epoch,
        _last_epoch_by_torch,
        lambda n: f"It stops after {n['patience']} epochs in a row without a new smallest loss.",
    ),
)
