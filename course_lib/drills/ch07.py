"""Number questions on chapter 07."""

import torch
from torch.utils.data import DataLoader, TensorDataset

from course_lib.drills import Numbers, Template


def _updates(numbers: Numbers) -> int:
    data = TensorDataset(torch.arange(numbers["n"]))
    loader = DataLoader(data, batch_size=numbers["batch_size"])
    return sum(1 for _ in range(numbers["epochs"]) for _ in loader)


def _right(numbers: Numbers) -> list[bool]:
    pairs = zip(numbers["logits"], numbers["labels"], strict=True)
    return [row.index(max(row)) == label for row, label in pairs]


def _accuracy(numbers: Numbers) -> float:
    chosen = torch.tensor(numbers["logits"], dtype=torch.float64).argmax(dim=1)
    return (chosen == torch.tensor(numbers["labels"])).double().mean().item()


TEMPLATES = (
    Template(
        "updates of a run",
        lambda rng: {
            "n": rng.randint(2, 12) * 50,
            "batch_size": rng.choice((16, 32, 64)),
            "epochs": rng.randint(2, 9),
        },
        "{n} examples, batch size {batch_size}, {epochs} epochs. How many updates does the run "
        "make?",
        lambda n: -(-n["n"] // n["batch_size"]) * n["epochs"],
        _updates,
        lambda n: (
            f"{-(-n['n'] // n['batch_size'])} batches per epoch, times {n['epochs']}. Compare runs with "
            "other batch sizes at equal updates."
        ),
    ),
    Template(
        "accuracy",
        lambda rng: {
            "logits": [[rng.randint(-3, 5) + 0.5 * k for k in range(3)] for _ in range(5)],
            "labels": [rng.randrange(3) for _ in range(5)],
        },
        "Five examples have the logits {logits} and the labels {labels}. What is the accuracy, as "
        "a fraction?",
        lambda n: sum(_right(n)) / 5,
        _accuracy,
        lambda n: f"The largest logit is the right one in {sum(_right(n))} of 5 rows.",
    ),
)
