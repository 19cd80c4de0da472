"""``clinic_e``, secret half."""

import torch
from torch.nn import functional as F

from course_lib.exercises.ch09_mastery.clinic_e import logits_case
from course_lib.exercises.checking.model import Case
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

CALL = "cross_entropy(logits, targets)"
LOSS = f"torch.nn.functional.{CALL}"
CATEGORICAL = "torch.distributions.Categorical(logits=logits)"


def _cases(g: torch.Generator) -> list[Case]:
    return [logits_case(g, size(g, 3, 6), size(g, 8, 11)) for _ in range(3)]


def _with_vmap(logits, targets):
    one_hot = F.one_hot(targets, logits.shape[1]).to(logits.dtype)
    return torch.vmap(F.cross_entropy)(logits, one_hot).mean()


ANSWER = Answer(
    exercise="clinic_e",
    cases=_cases,
    tolerance=(1e-4, 1e-6),
    equivalent={
        f"return {LOSS} -> return torch.as_tensor({LOSS})": "It is a tensor.",
    },
    variants=(
        edit(CALL, "cross_entropy(input=logits, target=targets)"),
        lambda logits, targets: F.nll_loss(torch.log_softmax(logits, dim=1), targets),
        lambda logits, targets: (
            logits.logsumexp(1) - logits[torch.arange(len(targets)), targets]
        ).mean(),
        lambda logits, targets: torch.nn.CrossEntropyLoss()(logits, targets),
        lambda logits, targets: sum(map(F.cross_entropy, logits, targets)) / len(targets),
        _with_vmap,
        edit(LOSS, f"-{CATEGORICAL}.log_prob(targets).mean()"),
    ),
    misconceptions=(
        wrong(
            "softmax before cross_entropy",
            edit(CALL, "cross_entropy(torch.softmax(logits, dim=1), targets)"),
            "cross_entropy applies the softmax itself. Given probabilities, it sees logits between "
            "0 and 1, and with ten classes it cannot fall below 1.46.",
        ),
        wrong(
            "log forgotten",
            edit(CALL, "nll_loss(torch.softmax(logits, dim=1), targets)"),
            "nll_loss wants log-probabilities. Given probabilities, it returns minus a "
            "probability, which is never positive.",
        ),
        wrong(
            "sum instead of mean",
            edit(CALL, 'cross_entropy(logits, targets, reduction="sum")'),
            "You add up over the batch: the loss, and with it every gradient, grows with the "
            "batch size.",
        ),
        wrong(
            "loss cut off from the graph",
            edit(CALL, f"{CALL}.detach()"),
            "The number is right, but no graph leads to it, so backward() cannot start there. Leave out "
            "detach().",
        ),
        wrong(
            "squared error on classes",
            lambda logits, targets: F.mse_loss(
                torch.softmax(logits, dim=1), F.one_hot(targets, logits.shape[1]).float()
            ),
            "Squared error on probabilities hardly punishes a confident mistake. For classes, use "
            "cross-entropy on the logits.",
        ),
    ),
)
