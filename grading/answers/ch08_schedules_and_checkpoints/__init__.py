"""Chapter 08, secret half: the quiz's key; the exercises' answers are beside it, by name."""

import copy
from itertools import pairwise

import torch
from torch import nn

from course_lib.data import circles
from course_lib.models import MLP
from grading.answers.model import QuizKey


def _prove_adam_state_matters() -> str:
    """Resume without Adam's state: the rate is the first one again, and the loss jumps."""
    x, y = circles(200)

    def parts(seed: int):
        model = MLP(2, 16, 2, activation=nn.Tanh, seed=seed)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        return model, optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 60)

    def highest_loss(model, optimizer, scheduler, epochs: int, order: int) -> float:
        losses, generator = [], torch.Generator().manual_seed(order)
        for _ in range(epochs):
            for rows in torch.randperm(200, generator=generator).split(50):
                loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            scheduler.step()
        return max(losses)

    run = parts(0)
    highest_loss(*run, epochs=40, order=1)
    model, optimizer, scheduler = copy.deepcopy([part.state_dict() for part in run])
    going_on = highest_loss(*run, epochs=3, order=2)
    resumed = parts(1)
    resumed[0].load_state_dict(model)
    resumed[2].load_state_dict(scheduler)
    fresh_rate = resumed[1].param_groups[0]["lr"] > optimizer["param_groups"][0]["lr"]
    jumps = highest_loss(*resumed, epochs=3, order=2) > 1.5 * going_on
    return "D" if fresh_rate and jumps else "A"


def _prove_one_cycle_counts_calls() -> str:
    epochs, batches, max_lr = 20, 10, 0.1
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=max_lr)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=max_lr, total_steps=epochs * batches
    )
    rates = []
    for _ in range(epochs):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    rising = all(a < b for a, b in pairwise(rates))
    return "B" if rising and rates[-1] < max_lr else "A"


def _prove_state_dict_refers() -> str:
    model = nn.Linear(2, 1)
    best = model.state_dict()
    with torch.no_grad():
        model.weight += 1.0  # training goes on
    last = model.weight.detach().clone()
    model.load_state_dict(best)
    return "A" if torch.equal(model.weight, last) else "B"


QUIZ = (
    QuizKey(
        "q08_1",
        "D",
        {
            "A": "The next steps differ: Adam scales each step by averages that it no longer has.",
            "B": "Nothing complains. A scheduler's state does not contain its optimizer's.",
            "C": "What was learned is in the weights, and they are restored.",
            "D": "Both live in the optimizer: its averages, and in its param_groups the rate.",
        },
        _prove_adam_state_matters,
    ),
    QuizKey(
        "q08_2",
        "B",
        {
            "A": "It would, after total_steps calls; here there is only one call per epoch.",
            "B": "It counts calls. With a tenth of them or fewer it does not even finish the rise.",
            "C": "The error comes when you call step() too often, not too rarely.",
            "D": "A scheduler knows only how often it was called.",
        },
        _prove_one_cycle_counts_calls,
    ),
    QuizKey(
        "q08_3",
        "A",
        {
            "A": "state_dict() holds references: best moved along with the model. Copy to keep.",
            "B": "That would have needed a copy: copy.deepcopy, or a file.",
            "C": "Nothing remembers the initial weights.",
            "D": "Names and shapes are the same, and nothing else is compared.",
        },
        _prove_state_dict_refers,
    ),
)
