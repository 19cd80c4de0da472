"""``policy_gradient_loss``, secret half."""

import functools
from functools import partial

import torch
from torch.distributions.utils import broadcast_all

from course_lib.exercises.ch10_the_same_loop.policy_gradient_loss import policy_case
from course_lib.exercises.checking.model import Case
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, raises, wrong

ADVANTAGES = "rewards if baseline is None else rewards - baseline"
LOSS = "-(log_probs * advantages.detach()).mean()"
#: A solution that is named after a known mistake has to have these in common with it.
_mistake = partial(wrong, also=("loss", "gradient"))


def _cases(generator: torch.Generator) -> list[Case]:
    case = partial(policy_case, generator)
    return [
        case("value", "learns", n=size(generator, 5, 9)),
        case("value", "learns", n=size(generator, 11, 16), baseline="None"),
        case("value", "learns", n=6, dtype=torch.float32),
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


def _matched(log_probs, rewards, baseline=None):
    match baseline:
        case None:
            lower = rewards
        case torch.Tensor():
            lower = rewards - baseline
        case number:
            lower = rewards.sub(float(number))
    return (-log_probs @ lower.detach()).div(lower.numel())


def _with_vmap(log_probs, rewards, baseline=None):
    with torch.inference_mode():
        usual = torch.zeros_like(rewards) + (0 if baseline is None else baseline)
    terms = torch.vmap(lambda p, r, b: p * (b - r))(log_probs, rewards.data, usual.clone())
    return functools.reduce(torch.add, terms.unbind()) / len(terms)


ANSWER = Answer(
    exercise="policy_gradient_loss",
    cases=_cases,
    tolerance=(1e-5, 1e-6),
    equivalent={
        f"return {LOSS} -> return torch.as_tensor({LOSS})": "It is a tensor already.",
    },
    variants=(_weighed, _dot_product, _one_by_one, _two_parts, _matched, _with_vmap),
    misconceptions=(
        _mistake(
            "sign",
            edit("return -", "return "),
            "The sign is wrong: an optimizer makes the loss small, so yours makes rewarded actions "
            "*less* likely. Return minus the mean.",
        ),
        _mistake(
            "gradient through the baseline",
            edit("advantages.detach()", "advantages")
            .edit("rewards if", "rewards.detach() if")
            .edit("else rewards -", "else rewards.detach() -"),
            "A gradient reaches the baseline: a network that gives it would be trained to make this loss "
            "small, and not to predict rewards. Detach it.",
        ),
        _mistake(
            "gradient through the rewards and the baseline",
            edit("advantages.detach()", "advantages"),
            "A gradient reaches the rewards and the baseline. They are plain numbers to this loss: "
            "detach reward - baseline.",
        ),
        _mistake(
            "gradient through the rewards",
            edit("advantages.detach()", "advantages").edit(
                "rewards - baseline", "rewards - torch.as_tensor(baseline).detach()"
            ),
            "A gradient reaches the rewards. They are plain numbers to this loss: detach them.",
        ),
        _mistake(
            "sum for mean",
            edit(".mean()", ".sum()"),
            "You add up where the mean is asked for, so the step grows with the number of actions. "
            "Return minus the mean.",
        ),
        _mistake(
            "reward not used",
            edit(LOSS, "-log_probs.mean()"),
            "The rewards have no influence: every action that was taken becomes more likely, good or "
            "bad.",
        ),
        _mistake(
            "log forgotten",
            edit("log_probs * adv", "log_probs.exp() * adv"),
            "You turn the log-probabilities back into probabilities. Then an action's gradient is also "
            "multiplied by its own probability, and rare good actions hardly learn. Use the logarithm.",
        ),
        _mistake(
            "log taken twice",
            edit("log_probs * adv", "log_probs.log() * adv"),
            "log_probs are logarithms already, and negative: their logarithm is NaN. Use them as they are.",
        ),
        _mistake(
            "baseline ignored",
            edit(ADVANTAGES, "rewards"),
            "The baseline has no influence. Subtract it from the rewards.",
        ),
        _mistake(
            "baseline added",
            edit("rewards - baseline", "rewards + baseline"),
            "You add the baseline. Subtract it: what counts is how far a reward is above it.",
        ),
        _mistake(
            "truth value of the baseline",
            edit(ADVANTAGES, "rewards - baseline if baseline else rewards"),
            "`if baseline` fails for a tensor of several numbers, which has no truth value. Test "
            "`baseline is None`.",
        ),
        _mistake(
            "means multiplied",
            edit(LOSS, "-(log_probs.mean() * advantages.detach().mean())"),
            "You multiply the two means, so it no longer matters which action brought which reward. "
            "Multiply first, then take the mean.",
        ),
        _mistake(
            "rewards standardised",
            edit("* advantages", "* ((advantages - advantages.mean()) / advantages.std())"),
            "You standardise the rewards within the batch. That is a common trick, but it is a baseline "
            "and a scale that nobody asked for here.",
        ),
        _mistake(
            "number instead of a tensor",
            edit(".mean()", ".mean().item()"),
            "item() makes a plain number, which has no graph, so nothing can be learned from it. "
            "Return the tensor.",
        ),
        _mistake(
            "cut off from the log-probabilities",
            edit("log_probs * adv", "log_probs.detach() * adv"),
            "The number is right, but no gradient gets from it to the log-probabilities, so nothing can "
            "be learned. Detach the rewards and the baseline, and nothing else.",
        ),
        _mistake(
            "nothing returned",
            edit("return -", "-"),
            "Return the loss; without a return, your function gives back None.",
        ),
        _mistake(
            "mean forgotten",
            edit(".mean()", ""),
            "You return one number for each action. backward() needs one for all of them: the mean.",
        ),
        _mistake(
            "divided by the reward",
            edit("log_probs * adv", "log_probs / adv"),
            "You divide the log-probability by the reward. Multiply: a large reward has to count more.",
        ),
        _mistake(
            "log-probabilities left out",
            edit("log_probs * advantages.detach()", "advantages.detach()"),
            "The log-probabilities do not occur in your loss, so there is nothing to learn from. "
            "Multiply them by the rewards.",
        ),
        _mistake(
            "rewards times rewards",
            edit("log_probs * adv", "rewards * adv"),
            "You multiply the rewards by the rewards; the log-probabilities do not occur. Multiply "
            "log_probs by the rewards.",
        ),
        _mistake(
            "log-probabilities squared",
            edit("advantages.detach()", "log_probs.detach()"),
            "You multiply the log-probabilities by themselves; the rewards do not occur. Multiply "
            "log_probs by the rewards.",
        ),
        _mistake(
            "log-probabilities for rewards",
            edit("rewards if", "log_probs if"),
            "Without a baseline you multiply the log-probabilities by themselves, and the rewards do "
            "not occur. Multiply log_probs by the rewards.",
        ),
        _mistake(
            "baseline subtracted from the log-probabilities",
            edit("rewards - baseline", "log_probs - baseline"),
            "You subtract the baseline from the log-probabilities. Subtract it from the rewards.",
        ),
        _mistake(
            "rewards cancelled",
            edit("rewards - baseline", "rewards - rewards"),
            "With a baseline you subtract the rewards from themselves, which leaves 0. Subtract the "
            "baseline.",
        ),
        _mistake(
            "log-probabilities subtracted",
            edit("rewards - baseline", "rewards - log_probs"),
            "You subtract the log-probabilities from the rewards. Subtract the baseline.",
        ),
        _mistake(
            "a baseline that nobody asked for",
            edit("baseline=None", "baseline=10"),
            "Called without a baseline, your loss subtracts one all the same. The default is None: the "
            "rewards as they are.",
        ),
        wrong(
            "None taken for a number",
            edit(ADVANTAGES, "rewards - baseline"),
            "Without a baseline your code raises a TypeError, because it computes with None. Test "
            "`baseline is None` first, and take the rewards as they are.",
            recognise=lambda case, got: (
                (got.error is not None and got.error.type == "TypeError")
                == (case["baseline"] is None)
            ),
        ),
        wrong(
            "error without a baseline",
            edit("rewards if baseline is None", "baseline.detach() if baseline is None"),
            "Called without a baseline, your code raises an error. Take the rewards as they are "
            "then.",
            recognise=raises("", lambda case: case["baseline"] is None),
        ),
        wrong(
            "error with a baseline",
            edit("rewards - baseline", "rewards - baselines"),
            "Only a call with a baseline raises an error: look at the line that uses it, which should be "
            "rewards - baseline.",
            recognise=raises("", lambda case: case["baseline"] is not None),
        ),
        wrong(
            "error with a number as baseline",
            edit("rewards - baseline", "rewards - baseline.detach()"),
            "A baseline that is a plain number raises an error: it has no detach(). Detach the "
            "difference, which is always a tensor.",
            recognise=raises("", lambda case: type(case["baseline"]) is float),
        ),
    ),
)
