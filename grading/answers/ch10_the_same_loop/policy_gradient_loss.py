"""``policy_gradient_loss``, secret half."""

import torch
from torch.distributions.utils import broadcast_all

from course_lib.exercises.ch10_the_same_loop.policy_gradient_loss import policy_case
from course_lib.exercises.checking.model import Case
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

ADVANTAGES = "rewards if baseline is None else rewards - baseline"
LOSS = "-(log_probs * advantages.detach()).mean()"


def _cases(generator: torch.Generator) -> list[Case]:
    def case(*asks, n, **settings):
        return policy_case(generator, *asks, n=n, **settings)

    return [
        case("loss", n=size(generator, 5, 9)),
        case("loss", n=size(generator, 11, 16), baseline="None"),
        case("loss", n=6, dtype=torch.float32),
        case("baseline", n=size(generator, 4, 8), baseline="number"),
        case("baseline", n=size(generator, 5, 9), baseline="tensor"),
        case("baseline", n=4, baseline="tensor", dtype=torch.float32),
        case("constant", n=7, baseline="tensor"),
        case("constant", n=5),
    ]


def _weighed(log_probs, rewards, baseline=0.0):
    with torch.no_grad():
        weights = rewards - (0.0 if baseline is None else baseline)
    return -torch.mean(weights * log_probs)


def _dot_product(log_probs: torch.Tensor, rewards: torch.Tensor, baseline=None) -> torch.Tensor:
    advantages = rewards.detach().clone()
    if baseline is not None:
        advantages -= baseline.detach() if torch.is_tensor(baseline) else baseline
    return torch.dot(log_probs, advantages) / -len(log_probs)


def _one_by_one(log_probs, rewards, baseline=None):
    n = rewards.numel()
    if not isinstance(baseline, torch.Tensor):
        baseline = [baseline or 0.0] * n
    terms = [
        p * (float(r) - float(b)) for p, r, b in zip(log_probs, rewards, baseline, strict=True)
    ]
    return sum(terms) * (-1 / n)


def _two_parts(log_probs, rewards, baseline=None):
    """The baseline as a term of its own."""
    loss = torch.einsum("n,n->", log_probs, -rewards.data)
    if baseline is not None:
        _, numbers = broadcast_all(log_probs, baseline)
        loss = loss + (log_probs * numbers.data.to(log_probs.dtype)).sum()
    return loss / log_probs.shape[0]


ANSWER = Answer(
    exercise="policy_gradient_loss",
    cases=_cases,
    tolerance=(1e-5, 1e-6),
    equivalent={
        "return -(log_probs * advantages.detach()).mean() -> return torch.as_tensor(-(log_probs * "
        "advantages.detach()).mean())": "It is a tensor already.",
    },
    variants=(_weighed, _dot_product, _one_by_one, _two_parts),
    misconceptions=(
        wrong(
            "sign",
            edit("return -", "return "),
            "The sign is wrong: an optimizer makes the loss small, so this one makes rewarded actions "
            "*less* likely. Return minus the mean.",
        ),
        wrong(
            "gradient through the baseline",
            edit("advantages.detach()", "advantages")
            .edit("rewards if", "rewards.detach() if")
            .edit("else rewards -", "else rewards.detach() -"),
            "A gradient reaches the baseline: a network that gives it would be trained to make this loss "
            "small, and not to predict rewards. Detach it.",
        ),
        wrong(
            "gradient through the rewards and the baseline",
            edit("advantages.detach()", "advantages"),
            "A gradient reaches the rewards and the baseline. They are plain numbers to this loss: "
            "detach reward - baseline.",
        ),
        wrong(
            "gradient through the rewards",
            edit(
                "rewards if baseline is None else rewards - baseline",
                "rewards if baseline is None else rewards - torch.as_tensor(baseline).detach()",
            ).edit("advantages.detach()", "advantages"),
            "A gradient reaches the rewards. They are plain numbers to this loss: detach them.",
        ),
        wrong(
            "sum for mean",
            edit(".mean()", ".sum()"),
            "You add up where the mean is asked for, so the step grows with the number of actions.",
        ),
        wrong(
            "reward not used",
            edit(LOSS, "-log_probs.mean()"),
            "The rewards have no influence: every action that was taken becomes more likely, good or "
            "bad.",
        ),
        wrong(
            "log forgotten",
            edit("log_probs * adv", "log_probs.exp() * adv"),
            "You turn the log-probabilities back into probabilities. Then an action's gradient is also "
            "multiplied by its own probability, and rare good actions hardly learn. Use the logarithm.",
        ),
        wrong(
            "log taken twice",
            edit("log_probs * adv", "log_probs.log() * adv"),
            "log_probs are logarithms already, and negative: their logarithm is NaN.",
        ),
        wrong(
            "baseline ignored",
            edit(ADVANTAGES, "rewards"),
            "The baseline has no influence. Subtract it from the rewards.",
        ),
        wrong(
            "baseline added",
            edit("rewards - baseline", "rewards + baseline"),
            "You add the baseline. Subtract it: what counts is how far a reward is above it.",
        ),
        wrong(
            "baseline asked for its truth",
            edit(ADVANTAGES, "rewards - baseline if baseline else rewards"),
            "`if baseline` fails for a tensor, which has no truth value. Ask `baseline is None`.",
        ),
        wrong(
            "means multiplied",
            edit(LOSS, "-(log_probs.mean() * advantages.detach().mean())"),
            "You multiply the two means, so it no longer matters which action brought which reward. "
            "Multiply first, then take the mean.",
        ),
        wrong(
            "rewards standardised",
            edit(
                "    return -",
                "    advantages = (advantages - advantages.mean()) / advantages.std()\n    return -",
            ),
            "You standardise the rewards within the batch. That is a common trick, but it is a baseline "
            "and a scale that nobody asked for here.",
        ),
        wrong(
            "number instead of a tensor",
            edit(".mean()", ".mean().item()"),
            "item() makes a plain number, which has no graph, so nothing can be learned from it. "
            "Return the tensor.",
        ),
        wrong(
            "log-probabilities detached",
            edit("log_probs * adv", "log_probs.detach() * adv"),
            "You detach the log-probabilities: they are what the gradient must reach. Detach the "
            "rewards and the baseline.",
        ),
    ),
)
