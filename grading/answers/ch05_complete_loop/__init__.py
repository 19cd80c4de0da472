"""Chapter 05, secret half: the quiz's key; the exercises' answers are beside it, by name."""

import torch
from torch import nn

from course_lib.exercises.support.classifier import build, classifier_case, has_moved
from course_lib.exercises.support.loop_watch import parameters_of
from grading.answers.model import QuizKey
from grading.chapter_text.reference import edited


def _prove_step_without_gradients() -> str:
    model = nn.Linear(3, 2)
    before = [p.detach().clone() for p in model.parameters()]
    try:
        torch.optim.Adam(model.parameters(), lr=0.5).step()
    except RuntimeError:
        return "B"
    after = list(model.parameters())
    if all(torch.equal(a, b) for a, b in zip(before, after, strict=True)):
        return "A"
    return "D" if all(not p.any() for p in after) else "C"


def _prove_clearing_place() -> str:
    """Train with zero_grad() at each of the four places; exactly one leaves the weights unmoved."""
    broken, clear = [], "        optimizer.zero_grad()\n"
    places = {"A": "predictions", "B": "optimizer.step", "C": "loss =", "D": "total_loss"}
    for letter, place in places.items():
        start = classifier_case(
            torch.Generator().manual_seed(0), n=12, sizes=(3, 4, 2), batch_size=4, lr=0.5
        )
        parts = build(start)
        line = f"        {place}"
        [train_one_epoch] = edited("train_one_epoch", [(clear, ""), (line, clear + line)])
        train_one_epoch(*parts)
        if not has_moved(start, {"parameters": parameters_of(parts[0])}):
            broken.append(letter)
    return "".join(broken)


def _prove_momentum_without_friction() -> str:
    """On L = w^2/2 the uncleared loop follows exactly momentum with coefficient 1."""

    def path(momentum: float, clear: bool) -> torch.Tensor:
        w = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.01, momentum=momentum)
        losses = []
        for _ in range(40):
            if clear:
                optimizer.zero_grad()
            loss = w**2 / 2
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses)

    forgotten, swing = path(0.0, clear=False), path(1.0, clear=True)
    same = torch.allclose(forgotten, swing, rtol=1e-9, atol=1e-12)
    quicker_at_first = forgotten[10] < path(0.0, clear=True)[10]
    return "D" if same and quicker_at_first else "A"


QUIZ = (
    QuizKey(
        "q05_1",
        "A",
        {
            "A": "Every parameter's .grad is None, and an optimizer skips those.",
            "B": "PyTorch does not complain: parameters without a gradient are skipped.",
            "C": "There is no gradient to move by, and an optimizer adds no noise.",
            "D": "step() never resets anything.",
        },
        _prove_step_without_gradients,
    ),
    QuizKey(
        "q05_2",
        "B",
        {
            "A": "Fine: the old gradients are gone before the new ones arrive.",
            "B": "The fresh gradients are thrown away before they are used; the weights never "
            "move.",
            "C": "Fine: neither the forward pass nor the loss touches .grad.",
            "D": "Fine: the next batch starts clean.",
        },
        _prove_clearing_place,
    ),
    QuizKey(
        "q05_3",
        "D",
        {
            "A": "At small learning rates on easy data it does not explode.",
            "B": "backward() adds; nothing divides by the number of batches.",
            "C": "Raise the learning rate a little and the same loop explodes.",
            "D": "Gradients that are never cleared act like momentum with coefficient 1.",
        },
        _prove_momentum_without_friction,
    ),
)
