"""Chapter 10, secret half: the quiz's key; the exercises' answers are beside it, by name."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from grading.answers.model import QuizKey


def _prove_unequal_shards() -> str:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    y = torch.randn(40, generator=generator, dtype=torch.float64)
    w = torch.randn(3, generator=generator, dtype=torch.float64, requires_grad=True)
    squares = (x @ w - y).square()

    def gradient(weights: Tensor) -> Tensor:
        return torch.autograd.grad((squares * weights).sum(), w, retain_graph=True)[0]

    large, small = torch.zeros(2, 40, dtype=torch.float64)
    large[:30], small[30:] = 1 / 30, 1 / 10
    averaged = (gradient(large) + gradient(small)) / 2
    threefold = torch.ones(40, dtype=torch.float64)
    threefold[30:] = 3
    again = (gradient(small) + gradient(large)) / 2
    claims = {
        "A": torch.allclose(averaged, gradient(torch.full((40,), 1 / 40, dtype=torch.float64))),
        "B": torch.allclose(averaged, gradient(large) + gradient(small)),
        "C": not torch.allclose(averaged, again),
        "D": torch.allclose(averaged, gradient(threefold / threefold.sum())),
    }
    return "".join(letter for letter, holds in claims.items() if holds)


def _prove_missing_mask() -> str:
    """What reaches position 2, when the character after it changes?"""
    q, k, v = torch.randn(3, 1, 1, 5, 4, generator=torch.Generator().manual_seed(0))
    changed = v.clone()
    changed[:, :, 3] += 1.0

    def moved(causal: bool) -> bool:
        before, after = (
            F.scaled_dot_product_attention(q, k, each, is_causal=causal) for each in (v, changed)
        )
        return not torch.allclose(before[:, :, 2], after[:, :, 2])

    weights = (q @ k.mT / 2).softmax(dim=-1)
    if not torch.allclose(weights.sum(dim=-1), torch.ones(1, 1, 5)):
        return "A"
    return "B" if moved(causal=False) and not moved(causal=True) else ""


def _prove_baseline() -> str:
    """All outcomes of a policy over three actions, added up."""
    policy = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    rewards = torch.tensor([2.0, 3.0, 4.0], dtype=torch.float64)
    directions = torch.eye(3, dtype=torch.float64) - policy

    def moments(baseline: float) -> tuple[Tensor, float]:
        gradients = (rewards - baseline).unsqueeze(1) * directions
        mean = policy @ gradients
        return mean, (policy @ (gradients - mean).square().sum(dim=1)).item()

    (plain, noisy), (mean, quiet) = moments(0.0), moments(3.3)
    if not torch.allclose(plain, mean):
        return "D" if mean.norm() < plain.norm() else "A"
    return "B" if math.isclose(noisy, quiet) else "C"


QUIZ = (
    QuizKey(
        "q10_1",
        "D",
        {
            "A": "That takes equal shards, or means that are weighted by the shards' sizes.",
            "B": "The two are averaged: their sum, divided by two.",
            "C": "The averaging waits for both; who is quicker plays no part.",
            "D": "Half of the result comes from 10 examples and half from 30: 1/20 each against 1/60.",
        },
        _prove_unequal_shards,
    ),
    QuizKey(
        "q10_2",
        "B",
        {
            "A": "A softmax over all positions adds up to 1 as well.",
            "B": "It has learned to copy the next character, and when it writes there is none.",
            "C": "Learning by heart would need the mask, too: the answer must come from what was read.",
            "D": "Dropout hides at random and only in training; the mask hides what comes later, always.",
        },
        _prove_missing_mask,
    ),
    QuizKey(
        "q10_3",
        "C",
        {
            "A": "The mean of log-probability gradients is 0, so a constant times it adds nothing.",
            "B": "Each single gradient changes, and with it how far they are spread.",
            "C": "The expected gradient stays the same; with a good baseline its variance is a fraction.",
            "D": "The expected gradient keeps its length as well as its direction.",
        },
        _prove_baseline,
    ),
)
