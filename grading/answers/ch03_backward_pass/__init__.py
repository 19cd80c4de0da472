"""Chapter 03, secret half: the quiz's key; the exercises' answers are beside it, by name."""

import math

import torch
from torch import nn

from grading.answers.model import QuizKey


def _prove_what_backward_changes() -> str:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    before = [p.detach().clone() for p in model.parameters()]
    hidden = model[1](model[0](torch.ones(2, 3)))
    loss = (model[2](hidden) ** 2).mean()
    value = loss.item()
    loss.backward()
    if any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)):
        return "A"
    if loss.item() != value:
        return "B"
    if not hidden.is_leaf and hidden.retains_grad:
        return "C"
    return "D" if all(p.grad is not None for p in model.parameters()) else ""


def _prove_slope_times_step() -> str:
    def loss_at(w):
        return (w * 3.0 + 1.0 - 5.0) ** 2

    w = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    loss_at(w).backward()
    if w.grad.item() != 12:
        return ""
    if loss_at(2.0) == 12:
        return "C"
    if loss_at(-10.0) < loss_at(4 / 3):  # the best w is 4/3
        return "A"
    torch.optim.SGD([w], lr=0.1).step()
    if w.item() == 12:
        return "D"
    return "B" if math.isclose(loss_at(2.001) - loss_at(2.0), 0.012, rel_tol=0.01) else ""


def _prove_gradients_add() -> str:
    w = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    first, second = (torch.autograd.grad((w * x) ** 2, w)[0].item() for x in (2.0, 3.0))
    try:
        for x in (2.0, 3.0):
            ((w * x) ** 2).backward()
    except RuntimeError:
        return "D"
    held = {"A": first + second, "B": second, "C": (first + second) / 2}
    return "".join(letter for letter, value in held.items() if value == w.grad.item())


QUIZ = (
    QuizKey(
        "q03_1",
        "D",
        {
            "A": "Moving the weights is optimizer.step()'s job; backward() moves nothing.",
            "B": "loss is a number that was computed earlier; nothing has been recomputed.",
            "C": "Only leaves keep their gradients; those of intermediate results are passed on "
            "and dropped.",
            "D": "That is all backward() leaves behind: gradients in the .grad of the leaves that "
            "the loss depends on.",
        },
        _prove_what_backward_changes,
    ),
    QuizKey(
        "q03_2",
        "B",
        {
            "A": "A gradient says in which direction and how steeply, not how far to go.",
            "B": "Slope times a small step: 12 * 0.001 = 0.012.",
            "C": "The loss is (7 - 5)² = 4; 12 is its slope.",
            "D": "A step of plain SGD subtracts lr times the gradient: with lr 0.1, w becomes 0.8.",
        },
        _prove_slope_times_step,
    ),
    QuizKey(
        "q03_3",
        "A",
        {
            "A": "backward() adds to what is there.",
            "B": "backward() adds; it does not overwrite.",
            "C": "Nothing divides by the number of batches.",
            "D": "A second backward() on the same graph raises an error, but the second batch has "
            "its own graph.",
        },
        _prove_gradients_add,
    ),
)
