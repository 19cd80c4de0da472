"""Number questions on chapter 10."""

import random

import torch
from torch.utils.data import DistributedSampler

from course_lib.drills import Numbers, Template


def _draw_shards(rng: random.Random) -> Numbers:
    world = rng.choice((2, 3, 4, 8))
    return {"n": rng.randint(world, 200), "world": world, "drop_last": rng.random() < 0.5}


def _shard(numbers: Numbers) -> int:
    sampler = DistributedSampler(
        range(numbers["n"]),
        num_replicas=numbers["world"],
        rank=0,
        drop_last=numbers["drop_last"],
    )
    return len(list(sampler))


def _averaged(numbers: Numbers) -> float:
    each = [torch.tensor(float(g or 0), dtype=torch.float64) for g in numbers["gradients"]]
    return torch.stack(each).mean().item()


TEMPLATES = (
    Template(
        "shard",
        _draw_shards,
        "{n} examples are shared out to {world} processes, drop_last={drop_last}. How many does "
        "each get?",
        lambda n: n["n"] // n["world"] if n["drop_last"] else -(-n["n"] // n["world"]),
        _shard,
        lambda n: (
            f"{n['n']} / {n['world']} = {n['n'] / n['world']:.2f}; "
            f"{'the rest is left out' if n['drop_last'] else 'the order is filled up from its beginning'}."
        ),
    ),
    Template(
        "averaged gradients",
        lambda rng: {
            "gradients": [rng.choice((None, *range(-6, 9))) for _ in range(rng.choice((2, 4)))]
            + [4]
        },
        "Replicas have the gradients {gradients} for one weight. What is it after averaging?",
        lambda n: sum(g or 0 for g in n["gradients"]) / len(n["gradients"]),
        _averaged,
        lambda n: (
            f"The mean over {len(n['gradients'])} replicas; a gradient that is None counts as 0."
        ),
    ),
)
