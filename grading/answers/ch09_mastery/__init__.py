"""Chapter 09, secret half: the quiz's key; the exercises' answers are beside it, by name."""

import math

import torch
from torch import Tensor, nn

from grading.answers.model import QuizKey


def _prove_dropout_in_validation() -> str:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 5))
        x = torch.randn(400, 20)
        with torch.no_grad():
            y = model.eval()(x).argmax(dim=1)  # what the model says in use is called right here
            before = [p.clone() for p in model.parameters()]
            model.train()
            shares = [(model(x).argmax(dim=1) == y).float().mean().item() for _ in range(5)]
    moved = any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    if moved:
        return "C"
    return "B" if len(set(shares)) > 1 and max(shares) < 1.0 else "A"


def _prove_flatten() -> str:
    batch = torch.zeros(32, 28, 28)

    def shape(layer: nn.Module, x: Tensor) -> list[int] | None:
        try:
            return list(layer(x).shape)
        except RuntimeError:
            return None

    wide = nn.Linear(784, 10)
    transposed = nn.Linear(784, 10)
    transposed.weight = nn.Parameter(wide.weight.T.clone())
    results = {
        "A": shape(nn.Linear(28, 10), batch),
        "B": shape(transposed, batch),
        "C": shape(wide, batch[:28]),
        "D": shape(wide, batch.flatten(1)),
    }
    return "".join(letter for letter, got in results.items() if got == [32, 10])


def _prove_mean() -> str:
    losses = torch.arange(72.0) ** 1.5
    batches = losses.split(32)
    means = [(batch.mean().item(), len(batch)) for batch in batches]
    values = {
        "A": sum(m * n for m, n in means) / len(losses),
        "B": sum(m for m, _ in means) / len(means),
        "C": sum(m for m, _ in means),
        "D": means[-1][0],
    }
    true = losses.mean().item()
    return "".join(k for k, v in values.items() if math.isclose(v, true, rel_tol=1e-5))


QUIZ = (
    QuizKey(
        "q09_1",
        "B",
        {
            "A": "no_grad stops the recording of gradients; dropout looks only at the mode.",
            "B": "Units are still dropped at random, so the model is judged with half of it "
            "missing.",
            "C": "Nothing steps, so no weight changes.",
            "D": "PyTorch does not know that you are validating.",
        },
        _prove_dropout_in_validation,
    ),
    QuizKey(
        "q09_2",
        "D",
        {
            "A": "It runs, but classifies the rows of the pictures one by one.",
            "B": "The layer transposes its weight already.",
            "C": "The same error with a different number: the rows are still taken for examples.",
            "D": "896 = 32 x 28 rows were taken for examples; now there are 32 of 784 numbers.",
        },
        _prove_flatten,
    ),
    QuizKey(
        "q09_3",
        "A",
        {
            "A": "Every example counts the same.",
            "B": "Each of the last 8 examples counts four times too much.",
            "C": "It grows with the number of batches.",
            "D": "Eight examples are not the whole set.",
        },
        _prove_mean,
    ),
)
