"""Chapter 06, secret half: the quiz's key; the exercises' answers are beside it, by name."""

import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from course_lib.data import digits
from course_lib.models import MLP
from grading.answers.model import QuizKey


def _prove_updates() -> str:
    data = TensorDataset(torch.zeros(1000, 1))
    updates = sum(1 for _ in DataLoader(data, batch_size=32, drop_last=False))
    return {1000: "A", 31.25: "B", 31: "C", 32: "D"}[updates]


def _prove_forgetting() -> str:
    """Trains on sorted digits and looks at the accuracy on the zeros, epoch by epoch."""
    X, y = digits(size=8)
    order = y.argsort(stable=True)
    X, y = X[order], y[order]
    zeros = y == 0
    model = MLP(64, 32, 10, seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = DataLoader(TensorDataset(X, y), batch_size=16, shuffle=False)
    best, last, seen = [], [], 0
    for _ in range(3):
        best.append(0.0)
        for batch, labels in loader:
            loss = F.cross_entropy(model(batch), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen += int((labels == 0).sum())
            with torch.no_grad():
                accuracy = (model(X[zeros]).argmax(1) == 0).float().mean().item()
            best[-1] = max(best[-1], accuracy)
        last.append(accuracy)
    if seen == 0:
        return "A"
    if seen != 3 * int(zeros.sum()):
        return "C"
    return "B" if min(best) > 0.9 and max(last) < 0.1 else "D"


def _prove_noise() -> str:
    X, y = digits(size=8)
    model = MLP(64, 32, 10, seed=0)
    parameters = list(model.parameters())

    def gradient(rows: torch.Tensor) -> torch.Tensor:
        loss = nn.functional.cross_entropy(model(X[rows]), y[rows])
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])

    full = gradient(torch.arange(len(X)))
    generator = torch.Generator().manual_seed(0)

    def noise(size: int) -> float:
        draws = [torch.randperm(len(X), generator=generator)[:size] for _ in range(200)]
        return math.sqrt(sum((gradient(rows) - full).square().sum().item() for rows in draws) / 200)

    ratio = noise(64) / noise(16)
    claims = {"A": 0.5, "B": 0.25, "C": 1.0, "D": 2.0}
    return min(claims, key=lambda letter: abs(claims[letter] - ratio))


QUIZ = (
    QuizKey(
        "q06_1",
        "D",
        {
            "A": "That would be a batch size of 1.",
            "B": "There is no quarter of an update: the last 8 examples make a whole one.",
            "C": "31 are full. The last 8 examples make one more; only drop_last=True leaves it out.",
            "D": "31 full batches and one of 8.",
        },
        _prove_updates,
    ),
    QuizKey(
        "q06_2",
        "B",
        {
            "A": "They are seen at the start of every epoch: that is when the accuracy rises.",
            "B": "Each step helps the class at hand at the cost of the others, so the network "
            "forgets.",
            "C": "A loader drops nothing except, if you ask for it, a last batch that is too "
            "small.",
            "D": "A smaller rate forgets more slowly, and a larger one faster.",
        },
        _prove_forgetting,
    ),
    QuizKey(
        "q06_3",
        "A",
        {
            "A": "It falls as 1 / sqrt(batch): four times the examples, half the noise.",
            "B": "It is the variance that falls to a quarter; the distance is its root.",
            "C": "Chance errors of different examples cancel in the mean.",
            "D": "The gradient is a mean over the batch, not a sum.",
        },
        _prove_noise,
    ),
)
