"""``preference_loss``, secret half."""

import functools
import math
import operator
from functools import partial

import torch
from torch.nn import functional as F

from course_lib.exercises.ch10_the_same_loop.preference_loss import (
    drawn_case,
    preference_case,
    true_loss,
)
from course_lib.exercises.ch10_the_same_loop.results import is_about
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.draw import normal, size
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

DIFFERENCE = "chosen - rejected - margin"
LOSS = f"-torch.nn.functional.logsigmoid({DIFFERENCE}).mean()"
#: A solution that is named after a known mistake has to have these in common with it.
_mistake = partial(wrong, also=("loss", "gradients"))


def _cases(generator: torch.Generator) -> list[Case]:
    case = partial(drawn_case, generator)

    def far(n, dtype=torch.float64):
        """A few pairs far apart, in both directions, and a few close ones."""
        rejected = normal(generator, n, dtype=dtype)
        differences = normal(generator, n, dtype=dtype)
        differences[0], differences[1] = 1e4, -1e4
        differences[2] = -120.0  # its sigmoid is 0 in float32, and nearly 0 in float64
        return preference_case("stable", chosen=rejected + differences, rejected=rejected)

    margin = size(generator, 2, 9) / 4
    return [
        case("value", "moves", n=size(generator, 5, 9)),
        case("value", "moves", n=size(generator, 3, 4), margin=0.0),
        case("value", n=8, dtype=torch.float32),
        case("value", "moves", n=1),
        case("margin", n=size(generator, 4, 8), margin=margin),
        case("margin", n=5, margin=-0.6),
        far(size(generator, 5, 7)),
        far(4, dtype=torch.float32),
    ]


def _softplus(chosen, rejected, margin=0.0):
    return F.softplus(rejected - chosen + margin).mean()


def _two_classes(chosen: torch.Tensor, rejected: torch.Tensor, margin: float = 0.0) -> torch.Tensor:
    """Chapter 02's loss: which of the two is the better one?"""
    logits = torch.stack((chosen - margin, rejected), dim=1)
    return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long))


def _binary(chosen, rejected, margin=0.0):
    difference = chosen.sub(rejected).sub(margin)
    return F.binary_cross_entropy_with_logits(difference, torch.ones_like(difference))


def _log_of_a_sum(chosen, rejected, margin=0.0):
    return torch.mean(torch.logaddexp(torch.zeros_like(chosen), rejected + margin - chosen))


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(ctx, ahead):
        ctx.save_for_backward(ahead)
        return (-ahead).clamp(min=0) + torch.log1p((-ahead.abs()).exp())

    @staticmethod
    def backward(ctx, upstream):
        (ahead,) = ctx.saved_tensors
        return -upstream * torch.sigmoid(-ahead)


def _with_a_slope_of_its_own(chosen, rejected, margin=0.0):
    return _Loss.apply(chosen - rejected - margin).mean()


def _with_reduce(chosen, rejected, margin=0.0):
    def cost(pair):
        return torch.stack([pair[0] - pair[0], pair[1] - pair[0] + margin]).logsumexp(0)

    costs = map(cost, zip(chosen, rejected, strict=True))
    return functools.reduce(operator.add, costs) / chosen.numel()


def _is_off(case: Case, got: Observation) -> bool:
    """Far apart, one of the two scores decides alone."""
    return "stable" in case["asks"] or not is_about(got["loss"], true_loss(case), 1e-6)


def _reached(case: Case, got: Observation) -> list[bool]:
    """Whether a change of the chosen scores, and one of the rejected ones, changes the loss."""
    return [g is not None and bool(g.any()) for g in got["gradients"]]


ANSWER = Answer(
    exercise="preference_loss",
    cases=_cases,
    tolerance=(1e-5, 1e-6),
    equivalent={
        f"return {LOSS} -> return torch.as_tensor({LOSS})": "It is a tensor already.",
    },
    variants=(
        _softplus,
        _two_classes,
        _binary,
        _log_of_a_sum,
        _with_a_slope_of_its_own,
        _with_reduce,
    ),
    misconceptions=(
        _mistake(
            "swapped",
            edit(DIFFERENCE, "rejected - chosen - margin"),
            "Chosen and rejected are swapped: this loss is small when the *rejected* answer has the "
            "higher score.",
        ),
        _mistake(
            "plain difference",
            edit(LOSS, f"-({DIFFERENCE}).mean()"),
            "You return minus the difference itself. It has no lower limit, so one easy pair can be "
            "driven apart for ever; -log(sigmoid(...)) stops pulling at pairs that are right.",
        ),
        _mistake(
            "log of a sigmoid that is 0",
            edit(LOSS, f"-torch.log(torch.sigmoid({DIFFERENCE})).mean()"),
            "When the rejected score is far above the chosen one, the sigmoid is 0 in floating point and "
            "its logarithm minus infinity. torch.nn.functional.logsigmoid takes both steps in one.",
        ),
        _mistake(
            "sigmoid without the log",
            edit("logsigmoid", "sigmoid"),
            "The log is missing. Minus a probability has hardly any gradient where the model is wrong and "
            "sure of it.",
        ),
        _mistake(
            "sigmoid from 1, without the log",
            edit(LOSS, f"(1 - torch.sigmoid({DIFFERENCE})).mean()"),
            "1 - sigmoid is the probability of being wrong. The loss is minus the *log* of the "
            "probability of being right.",
        ),
        _mistake(
            "small number inside the log",
            edit(LOSS, f"-torch.log(torch.sigmoid({DIFFERENCE}) + 1e-8).mean()"),
            "A small number inside the log keeps it finite, but wrong: no loss can exceed -log of that number "
            "(18.4 for 1e-8), and where the model is most wrong the gradient is 0. Use torch.nn.functional.logsigmoid.",
        ),
        _mistake(
            "difference clamped",
            edit(f"({DIFFERENCE})", f"(({DIFFERENCE}).clamp(-50, 50))"),
            "You clamp the difference. The loss stays finite, but beyond the limit it is wrong, and its "
            "gradient is 0. Use torch.nn.functional.logsigmoid, which needs no limit.",
        ),
        _mistake(
            "margin ignored",
            edit(" - margin", ""),
            "The margin has no influence. Subtract it from the difference.",
        ),
        _mistake(
            "margin added",
            edit("rejected - margin", "rejected + margin"),
            "You add the margin, so a chosen answer may even be worse by that much. Subtract it.",
        ),
        _mistake(
            "sum for mean",
            edit(".mean()", ".sum()"),
            "You add up where the mean is asked for, so the loss grows with the number of pairs. Return "
            "the mean.",
        ),
        _mistake(
            "sign forgotten",
            edit("return -", "return "),
            "The sign is missing: a log-probability is never positive, and the loss is minus its mean.",
        ),
        _mistake(
            "hinge",
            edit(LOSS, "(margin + rejected - chosen).clamp(min=0).mean()"),
            "That is a hinge: it grows linearly below the margin and is 0 above. The task asks for "
            "-log(sigmoid(...)).",
        ),
        _mistake(
            "squared difference",
            edit(LOSS, f"(({DIFFERENCE}) ** 2).mean()"),
            "A squared difference is smallest when both answers have the *same* score. The loss is "
            "-log(sigmoid(...)) of the difference.",
        ),
        _mistake(
            "number instead of a tensor",
            edit(".mean()", ".mean().item()"),
            "item() makes a plain number, which has no graph, so nothing can be learned from it. "
            "Return the tensor.",
        ),
        _mistake(
            "rejected detached",
            edit("chosen - rejected", "chosen - rejected.detach()"),
            "No gradient reaches the rejected scores: only half of each comparison is learned. Leave out "
            "detach().",
        ),
        _mistake(
            "nothing returned",
            edit("return -", "-"),
            "Return the loss; without a return, your function gives back None.",
        ),
        _mistake(
            "loss detached",
            edit(".mean()", ".mean().detach()"),
            "The number is right, but it is cut off from the graph, so nothing can be learned from it. "
            "Leave out detach().",
        ),
        _mistake(
            "mean forgotten",
            edit(".mean()", ""),
            "You return a loss for each pair. backward() needs one number: their mean.",
        ),
        _mistake(
            "a margin that nobody asked for",
            edit("margin=0.0", "margin=1.0"),
            "Called without a margin, your loss uses one all the same. The default is 0.0.",
        ),
        _mistake(
            "scores added",
            edit("chosen - rejected", "chosen + rejected"),
            "You add the two scores, so both are pushed up. What counts is how far the chosen one is "
            "above the rejected one: their difference.",
        ),
        _mistake(
            "rejected subtracted twice",
            edit("- margin", "- rejected"),
            "You subtract the rejected scores twice, and the margin not at all: chosen - rejected - margin.",
        ),
        wrong(
            "always log(2)",
            edit(DIFFERENCE, "0 * chosen + 0 * rejected - margin"),
            "Your loss is log(2) = 0.693 for all scores, as if chosen and rejected were always level. "
            "Subtract the rejected scores from the chosen ones.",
            recognise=lambda case, got: (
                bool(case["margin"]) or abs(got["number"] - math.log(2)) < 1e-6
            ),
        ),
        wrong(
            "chosen scores without influence",
            edit("chosen - rejected", "0 * chosen - rejected"),
            "The chosen scores have no influence on your loss. Take the difference of both scores.",
            recognise=lambda case, got: _is_off(case, got) and _reached(case, got) == [False, True],
        ),
        wrong(
            "rejected scores without influence",
            edit("chosen - rejected", "chosen - 0 * rejected"),
            "The rejected scores have no influence on your loss. Take the difference of both scores.",
            recognise=lambda case, got: _is_off(case, got) and _reached(case, got) == [True, False],
        ),
    ),
)
