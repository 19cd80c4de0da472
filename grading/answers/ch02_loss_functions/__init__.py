"""Chapter 02, secret half: the quiz's key; the exercises' answers are beside it, by name."""

import math
import warnings

import torch
from torch import nn
from torch.nn import functional as F

from grading.answers.model import QuizKey


def _prove_loss_of_a_sure_model() -> str:
    logits = torch.tensor([[5.0, 0.0, 0.0]])
    loss = F.cross_entropy(logits, torch.tensor([0])).item()
    probability = torch.softmax(logits, dim=1)[0, 0].item()
    options = {"A": -5.0, "B": 0.987, "C": 0.0, "D": 0.0134}
    assert math.isclose(probability, options["B"], abs_tol=5e-4)
    return min(options, key=lambda letter: abs(options[letter] - loss))


def _prove_softmax_twice() -> str:
    """The best that a softmax output can do is all of it on the target: what does that cost?"""
    target = torch.tensor([3])
    before = torch.full((1, 10), -1e4)
    before[0, 3] = 1e4
    try:
        best = F.cross_entropy(torch.softmax(before, dim=1), target).item()
    except RuntimeError:
        return "B"
    if best < 0:
        return "D"
    once = torch.softmax(torch.tensor([[2.0, 1.0, 0.1]]), dim=1)
    if torch.allclose(once, torch.softmax(once, dim=1), atol=1e-3):
        return "C"
    return "A" if math.isclose(best, 1.46, abs_tol=0.005) else ""


def _prove_silent_broadcasting() -> str:
    generator = torch.Generator().manual_seed(0)
    p = torch.randn(32, 1, generator=generator)
    y = torch.randn(32, generator=generator)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            loss = ((p - y) ** 2).mean()
        except RuntimeError:
            return "B"
    if heard:
        return "D"
    if torch.isclose(loss, nn.MSELoss()(p.squeeze(1), y)):
        return "A"
    pairs = torch.tensor([[(a - b) ** 2 for b in y.tolist()] for a in p[:, 0].tolist()])
    return "C" if torch.isclose(loss, pairs.mean()) else ""


QUIZ = (
    QuizKey(
        "q02_1",
        "D",
        {
            "A": "The other classes count too, and the loss is never negative.",
            "B": "That is the probability itself. The loss is minus its logarithm.",
            "C": "Softmax never reaches 1 for finite logits, so something is always left to pay.",
            "D": "The probability is 0.987, and -log(0.987) is 0.0134.",
        },
        _prove_loss_of_a_sure_model,
    ),
    QuizKey(
        "q02_2",
        "A",
        {
            "A": "The inner softmax never exceeds 1, so the outer one sees only logits from 0 to "
            "1: at best -log(e / (e + 9)) = 1.46.",
            "B": "Probabilities are real numbers like any others, so they pass for logits.",
            "C": "The second softmax sees numbers between 0 and 1 and flattens them.",
            "D": "Cross-entropy is minus the log of a probability: it cannot be negative.",
        },
        _prove_softmax_twice,
    ),
    QuizKey(
        "q02_3",
        "C",
        {
            "A": "That needs equal shapes: both [32], or both [32, 1].",
            "B": "Broadcasting stretches both to [32, 32], so the shapes do fit.",
            "C": "Each prediction meets each target; a model trained on it learns to predict the "
            "mean of all targets.",
            "D": "nn.MSELoss warns. Plain arithmetic says nothing.",
        },
        _prove_silent_broadcasting,
    ),
)
