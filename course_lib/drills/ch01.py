"""Number questions on chapter 01."""

import torch
from torch import nn

from course_lib.drills import Numbers, Template


def _count(numbers: Numbers) -> int:
    model = nn.Sequential(
        nn.Linear(numbers["n_in"], numbers["hidden"]),
        nn.ReLU(),
        nn.Linear(numbers["hidden"], numbers["out"]),
    )
    return sum(parameter.numel() for parameter in model.parameters())


def _sum(numbers: Numbers) -> int:
    return sum(x * w for x, w in zip(numbers["x"], numbers["w"], strict=True)) + numbers["b"]


def _unit(numbers: Numbers) -> float:
    layer = nn.Linear(3, 1)
    layer.weight.data = torch.tensor([numbers["w"]], dtype=torch.float32)
    layer.bias.data = torch.tensor([numbers["b"]], dtype=torch.float32)
    return torch.relu(layer(torch.tensor(numbers["x"], dtype=torch.float32))).item()


TEMPLATES = (
    Template(
        "parameters",
        lambda rng: {
            "n_in": rng.randint(2, 40) * 10,
            "hidden": rng.randint(2, 12) * 8,
            "out": rng.randint(2, 12),
        },
        "A network is Linear({n_in}, {hidden}), ReLU, Linear({hidden}, {out}). How many numbers "
        "does it learn?",
        lambda n: (n["n_in"] + 1) * n["hidden"] + (n["hidden"] + 1) * n["out"],
        _count,
        lambda n: (
            f"{n['n_in']} * {n['hidden']} + {n['hidden']} in the first layer, "
            f"{n['hidden']} * {n['out']} + {n['out']} in the second; a ReLU learns nothing."
        ),
    ),
    Template(
        "one unit",
        lambda rng: {
            "x": [rng.randint(-3, 3) for _ in range(3)],
            "w": [rng.randint(-3, 3) for _ in range(3)],
            "b": rng.randint(-2, 2),
        },
        "A unit with the weights {w} and the bias {b} gets the input {x}. What comes out after "
        "the ReLU?",
        lambda n: max(0, _sum(n)),
        _unit,
        lambda n: (
            f"The products and the bias add up to {_sum(n)}; the ReLU makes negative numbers 0."
        ),
    ),
)
