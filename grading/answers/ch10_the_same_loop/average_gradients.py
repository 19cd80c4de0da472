"""``average_gradients``, secret half."""

import functools
from functools import partial

import numpy as np
import torch
from torch import nn

from course_lib.exercises.ch10_the_same_loop.average_gradients import replicas_case
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

GRADIENTS = "[p.grad for p in replicas if p.grad is not None]"
EACH = "for p in replicas:"
#: A solution that is named after a known mistake has to have these in common with it.
_mistake = partial(wrong, also=("gradients", "parameters"))


def _cases(generator: torch.Generator) -> list[Case]:
    case = partial(replicas_case, generator, shapes=((3, 2), (2,), (4,)), replicas=3)
    many = size(generator, 4, 6)
    return [
        case("together", "mean", "own"),
        case("together", "mean", "own", replicas=many, shapes=((5,), (), (2, 2), (1,))),
        case("together", "mean", replicas=2, dtype=torch.float32),
        case("together", "mean", "own", replicas=1),
        case("missing", without=((0, 0), (2, 2))),
        # One replica has none at all: its part of the model took no part.
        case("missing", replicas=3, without=((1, 0), (1, 1), (1, 2))),
        case("missing", replicas=4, without=((0, 1), (1, 1), (2, 1), (3, 1), (3, 0))),
        case("missing", replicas=many, without=tuple((r, 0) for r in range(1, many))),
        case("missing", replicas=1, without=((0, 2),)),
    ]


def _stacked(models):
    columns = list(zip(*[list(model.parameters()) for model in models], strict=True))
    for column in columns:
        if all(p.grad is None for p in column):
            continue
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in column]
        means = (
            torch.stack(gradients).mean(dim=0).expand(len(column), *column[0].shape).contiguous()
        )
        for p, mean in zip(column, means.unbind(0), strict=True):
            p.grad = mean


@torch.no_grad()
def _in_place(models):
    """Existing tensors are kept, missing ones are made."""
    named = [dict(model.named_parameters()) for model in models]
    for name in named[0]:
        replicas = [each[name] for each in named]
        present = [p for p in replicas if p.grad is not None]
        if not present:
            continue
        total = torch.zeros_like(replicas[0])
        for p in present:
            total += p.grad
        total *= 1 / len(models)
        for p in replicas:
            if p.grad is None:
                p.grad = torch.empty_like(p)
            p.grad.copy_(total)


def _as_one_vector(models):
    """What communication libraries do: one long vector per replica."""
    parameters = [list(model.parameters()) for model in models]
    used = [
        i
        for i in range(len(parameters[0]))
        if any(replica[i].grad is not None for replica in parameters)
    ]

    def flat(replica):
        return [
            (replica[i].grad if replica[i].grad is not None else replica[i] * 0)
            .detach()
            .reshape(-1)
            for i in used
        ]

    if not used:
        return
    mean = sum(torch.cat(flat(replica)) / len(models) for replica in parameters)
    for replica in parameters:
        start = 0
        for i in used:
            count = replica[i].numel()
            replica[i].grad = mean[start : start + count].clone().view_as(replica[i])
            start += count


def _by_name(models):
    for name, _ in models[0].named_parameters():
        replicas = [model.get_parameter(name) for model in models]
        if present := [p.grad for p in replicas if p.grad is not None]:
            total = functools.reduce(torch.add, present)
            for p in replicas:
                p.grad = total / len(models)


def _through_numpy(models):
    for replicas in zip(*map(nn.Module.parameters, models), strict=True):
        match [p.grad.numpy() for p in replicas if p.grad is not None]:
            case []:
                continue
            case arrays:
                mean = np.sum(arrays, axis=0) / len(models)
        for p in replicas:
            p.grad = torch.tensor(mean, dtype=p.dtype)


def _fails_where_nobody_has_one(case: Case, got: Observation) -> bool:
    nobody = any(all(g is None for g in column) for column in zip(*case["gradients"], strict=True))
    if got.error is not None or nobody:
        return got.error is not None and nobody
    return got["everywhere"] and got["filled"]


ANSWER = Answer(
    exercise="average_gradients",
    cases=_cases,
    tolerance=(1e-5, 1e-7),
    equivalent={
        "replicas -> models #3": "There are as many replicas of a parameter as models.",
    },
    variants=(_stacked, _in_place, _as_one_vector, _by_name, _through_numpy),
    misconceptions=(
        _mistake(
            "sum",
            edit(" / len(replicas)", ""),
            "You add the gradients up. With four replicas that is a step four times as long: divide by "
            "the number of replicas.",
        ),
        _mistake(
            "parameters averaged",
            edit(GRADIENTS, "[p.data for p in replicas]").edit("p.grad = mean", "p.data = mean"),
            "You average the parameters and leave the gradients as they were, so the replicas take "
            "different steps. Average the gradients, before the step.",
        ),
        _mistake(
            "gradients left as they were",
            edit("p.grad = mean.clone()", "pass"),
            "No replica's .grad has changed. Write the mean into all of them: p.grad = ...",
        ),
        _mistake(
            "only the first replica",
            edit(EACH, "for p in replicas[:1]:"),
            "Only the first replica gets the mean; the others step by their own gradients, and the "
            "models drift apart. Write it into all of them.",
        ),
        _mistake(
            "first replica left out",
            edit(EACH, "for p in replicas[1:]:"),
            "The first replica keeps its own gradient and drifts away from the others. Write the mean "
            "into all of them.",
        ),
        _mistake(
            "one tensor for all",
            edit("mean.clone()", "mean"),
            "All replicas share one gradient tensor. As soon as one of them clips or clears it in "
            "place, it changes for all. Give each a clone().",
        ),
        _mistake(
            "missing gradients left out of the mean",
            edit("len(replicas)", "len(gradients)"),
            "You divide by the number of gradients that are there. A missing one counts as zero: "
            "divide by the number of replicas.",
        ),
        _mistake(
            "missing gradients stay missing",
            edit(EACH, "for p in (p for p in replicas if p.grad is not None):"),
            "A replica without a gradient gets none, so its parameter stays behind when the others "
            "move. It gets the mean, too.",
        ),
        _mistake(
            "all or nothing",
            edit("if gradients", "if len(gradients) == len(replicas)"),
            "You average a parameter only when all replicas have a gradient for it. A missing one counts "
            "as zero, and its replica gets the mean as well.",
        ),
        _mistake(
            "zeros for what nobody has",
            edit(
                GRADIENTS, "[torch.zeros_like(p) if p.grad is None else p.grad for p in replicas]"
            ),
            "A gradient that is None in all replicas becomes a zero. An optimizer would then treat the "
            "parameter as one that takes part: weight decay and momentum would move it. Leave it None.",
        ),
        _mistake(
            "missing gradients not expected",
            edit(GRADIENTS, "[p.grad for p in replicas]"),
            "Your code fails when a gradient is None, as it is for a parameter that took no part in "
            "the loss. Leave those out of the sum.",
        ),
        _mistake(
            "each divided, none added",
            edit("mean.clone()", "None if p.grad is None else p.grad / len(replicas)"),
            "You divide each gradient by the number of replicas, and never add them up. The mean is the "
            "sum of all, divided by their number.",
        ),
        _mistake(
            "mean of what is already averaged",
            edit("mean.clone()", f"sum({GRADIENTS}) / len(replicas)"),
            "You compute the mean again for each replica, when the first ones have already been "
            "overwritten. Compute it once, then write it into all of them.",
        ),
        _mistake(
            "multiplied by the number",
            edit("sum(gradients) / len", "sum(gradients) * len"),
            "You multiply the sum by the number of replicas. The mean is the sum divided by it.",
        ),
        _mistake(
            "parameters added up",
            edit("sum(gradients)", "sum(p.detach() for p in replicas)"),
            "You add up the parameters and write that into .grad. Add up the gradients.",
        ),
        _mistake(
            "parameters written into .grad",
            edit("mean.clone()", "p.detach().clone()"),
            "You write each parameter itself into its .grad. Write the mean of the gradients.",
        ),
        _mistake(
            "only the first parameter",
            edit("*(model.parameters()", "*([*model.parameters()][:1]"),
            "Only the models' first parameter is averaged: your loop over the parameters ends after one "
            "round.",
        ),
        wrong(
            "a missing gradient averaged",
            edit("if gradients", "if True"),
            "Where no replica has a gradient your code fails: the sum of nothing is the number 0, and not "
            "a tensor. Leave such a parameter alone; its gradient stays None.",
            recognise=_fails_where_nobody_has_one,
        ),
    ),
)
