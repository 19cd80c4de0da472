"""Number questions on chapter 06."""

import random

import torch
from torch.utils.data import DataLoader, TensorDataset

from course_lib.drills import Numbers, Template


def _draw(rng: random.Random) -> Numbers:
    return {
        "n": rng.randint(40, 900),
        "batch_size": rng.choice((7, 10, 16, 32)),
        "drop_last": rng.random() < 0.5,
    }


def _loader(numbers: Numbers, drop_last: bool) -> DataLoader:
    data = TensorDataset(torch.arange(numbers["n"]))
    return DataLoader(data, batch_size=numbers["batch_size"], drop_last=drop_last)


TEMPLATES = (
    Template(
        "updates",
        _draw,
        "{n} examples, batches of {batch_size}, drop_last={drop_last}. How many updates does an "
        "epoch make?",
        lambda n: n["n"] // n["batch_size"] + (n["n"] % n["batch_size"] > 0 and not n["drop_last"]),
        lambda n: len(_loader(n, n["drop_last"])),
        lambda n: (
            f"{n['n']} / {n['batch_size']} = {n['n'] / n['batch_size']:.2f}; a part of a batch "
            f"{'is dropped' if n['drop_last'] else 'is a batch, too'}."
        ),
    ),
    Template(
        "last batch",
        _draw,
        "{n} examples, batches of {batch_size}, drop_last=False. How many examples has the last "
        "batch?",
        lambda n: n["n"] % n["batch_size"] or n["batch_size"],
        lambda n: len(list(_loader(n, False))[-1][0]),
        lambda n: (
            f"{n['n'] // n['batch_size']} whole batches fit; the last one has what is left, or is whole."
        ),
    ),
)
