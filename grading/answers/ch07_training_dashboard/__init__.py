"""Chapter 07, secret half: the quiz's key; the exercises' answers are beside it, by name."""

import math

import torch
from torch import nn

from grading.answers.model import QuizKey
from grading.chapter_text.reference import reference


def _prove_eval() -> str:
    """Tries all four claims on a small network with dropout."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    x = torch.randn(5, 3)
    returned = model.eval()
    claims = {"A": not model(x).requires_grad}
    before = model[0].weight.detach().clone()
    model(x).sum().backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    claims["B"] = torch.equal(before, model[0].weight)
    claims["C"] = isinstance(returned, float)
    in_use = torch.equal(model(x), model(x))
    model.train()
    claims["D"] = in_use and not torch.equal(model(x), model(x))
    return "".join(letter for letter, holds in claims.items() if holds)


def _prove_rate_of_ten() -> str:
    [run_experiment] = reference("run_experiment")
    highest, ends = [], []
    for name in ("sgd", "adam"):
        history = run_experiment(name, 10.0, 16, 50, 0)
        highest.append(max(history["loss"]))
        ends.append(history["accuracy"][-1])
    if not all(map(math.isfinite, highest)):
        return "B"
    if max(ends) >= 0.9:
        return "C"
    return "A" if min(highest) > 20 else "D"


def _prove_fewer_updates() -> str:
    """Batch 128 ends higher after as many epochs, and catches up after as many updates."""
    [run_experiment] = reference("run_experiment")
    small = run_experiment("adam", 0.01, 16, 50, 0)
    large = run_experiment("adam", 0.01, 128, 250, 0)  # 2 updates an epoch: 500, as many as `small`
    worse_first = large["loss"][49] > 2 * small["loss"][-1]
    caught_up = large["loss"][-1] < 1.5 * small["loss"][-1]
    return "C" if worse_first and caught_up else "A"


QUIZ = (
    QuizKey(
        "q07_1",
        "D",
        {
            "A": "The outputs still carry a graph. Preventing that is torch.no_grad()'s job.",
            "B": "A backward pass and a step still move every weight.",
            "C": "It computes nothing: it sets a flag on every module.",
            "D": "The flag `training` becomes False, and these layers look at it.",
        },
        _prove_eval,
    ),
    QuizKey(
        "q07_2",
        "A",
        {
            "A": "Each step jumps far across the valley, and no later step brings it back.",
            "B": "Cross-entropy's gradient at the logits never exceeds 1, so there is no runaway. "
            "With a squared error and SGD there would be.",
            "C": "The steps are far longer than the valley is wide: they jump over every solution.",
            "D": "Adam moves each weight by about the learning rate: here by 10 per step.",
        },
        _prove_rate_of_ten,
    ),
    QuizKey(
        "q07_3",
        "C",
        {
            "A": "They are less noisy: closer to the full gradient.",
            "B": "The loss is a mean over the batch; its size does not scale it.",
            "C": "2 updates an epoch against 10. Compare at equal numbers of updates first.",
            "D": "Running out of memory raises an error; nothing is cut silently.",
        },
        _prove_fewer_updates,
    ),
)
