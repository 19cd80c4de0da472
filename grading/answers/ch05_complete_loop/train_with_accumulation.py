"""``train_with_accumulation``, secret half. Long: groups can be made, and missed, in many ways."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from course_lib.exercises.ch05_complete_loop.train_with_accumulation import accumulation_case
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.compare import in_own_words
from grading.answers.edit import edit
from grading.answers.model import Answer, Symptom, Trial, right_but, wrong

DUE = "i + 1 == group_start + group_length"
FORWARD = "        predictions = model(x)\n"


def _cases(generator: torch.Generator) -> list[Case]:
    case = partial(accumulation_case, generator)
    return [
        case(6, 3, sizes=(3, 5, 4), batch_size=4, lr=0.3, momentum=0.9, stale=True),
        case(8, 2, sizes=(4, 3, 1), batch_size=3, lr=0.1, loss="squared", dataset=False),
        case(3, 1, sizes=(2, 4, 3), batch_size=4, lr=0.2, momentum=0.5),
        case(7, 3, sizes=(5, 4, 3), batch_size=2, lr=0.3, momentum=0.5, groups=True),
        case(3, 5, sizes=(2, 6, 4), batch_size=5, lr=0.5, loss="smoothed"),
        case(5, 4, sizes=(3, 4, 2), batch_size=1, lr=0.3),
    ]


def _more_steps(trials: Sequence[Trial]) -> set[int]:
    """By the cases: whether there were more steps than were due (1), fewer (-1) or as many (0)."""
    pairs = [(len(t.got["steps"]), len(t.expected["steps"])) for t in trials]
    return {(made > due) - (made < due) for made, due in pairs}


def _other_weights(case: Case, expected: Observation, got: Observation) -> str | None:
    if len(got["steps"]) != len(expected["steps"]):
        return None
    return (
        f"with a last group shorter than {case['accumulate_steps']} batches, the weights are not those "
        "of steps by each group's own mean gradient"
    )


def _one_big_batch(model, loader, loss_fn, optimizer, accumulate_steps):
    batches = list(loader)
    starts = range(0, len(batches), accumulate_steps)
    for start in starts:
        group = batches[start : start + accumulate_steps]
        x, y = (torch.cat(parts) for parts in zip(*group, strict=True))
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()
    return len(starts)


def _scale_the_gradients(model, loader, loss_fn, optimizer, accumulate_steps):
    model.train()
    made, waiting = 0, 0

    def step():
        for p in model.parameters():
            p.grad /= waiting
        optimizer.step()
        model.zero_grad()

    model.zero_grad()
    for x, y in loader:
        loss_fn(model(x), y).backward()
        waiting += 1
        if waiting == accumulate_steps:
            step()
            made, waiting = made + 1, 0
    if waiting:
        step()
        made += 1
    return made


def _sum_losses_first(model, loader, loss_fn, optimizer, accumulate_steps):
    made, losses = 0, []
    for i, (x, y) in enumerate(loader, start=1):
        losses.append(loss_fn(model(x), y))
        if len(losses) == accumulate_steps or i == len(loader):
            optimizer.zero_grad(set_to_none=False)
            torch.stack(losses).mean().backward()
            optimizer.step()
            made, losses = made + 1, []
    return made


def _gradients_by_hand(model, loader, loss_fn, optimizer, accumulate_steps):
    """autograd.grad for each batch, and their mean written into .grad."""
    params = [p for p in model.parameters() if p.requires_grad]
    steps, waiting = 0, []
    for number, (x, y) in enumerate(loader, 1):
        waiting.append(torch.autograd.grad(loss_fn(model(x), y), params))
        if number % accumulate_steps and number < len(loader):
            continue
        for p, grads in zip(params, zip(*waiting, strict=True), strict=True):
            p.grad = torch.stack(grads).mean(0)
        optimizer.step()
        steps, waiting = steps + 1, []
    return steps


def _groups_from_an_iterator(model, loader, loss_fn, optimizer, accumulate_steps: int) -> int:
    batches, steps = iter(loader), 0
    while group := list(itertools.islice(batches, accumulate_steps)):
        optimizer.zero_grad()
        for x, y in group:
            loss_fn(model(x), y).div(len(group)).backward()
        optimizer.step()
        steps += 1
    return steps


def _with_groupby(model, loader, loss_fn, optimizer, accumulate_steps):
    steps = itertools.count()
    numbered = itertools.groupby(enumerate(loader), lambda pair: pair[0] // accumulate_steps)
    for _, group in numbered:
        losses = [loss_fn(model(x), y) for _, (x, y) in group]
        optimizer.zero_grad()
        for loss in losses:
            loss.backward(torch.tensor(1 / len(losses)))
        optimizer.step()
        next(steps)
    return next(steps)


@dataclass
class _Group:
    optimizer: torch.optim.Optimizer
    waiting: int = 0
    steps: int = 0

    def add(self, loss: torch.Tensor) -> None:
        """A running mean in .grad: what is there shrinks before the next gradient comes in."""
        for p in (p for group in self.optimizer.param_groups for p in group["params"]):
            p.grad = None if not self.waiting else p.grad * (self.waiting / (self.waiting + 1))
        self.waiting += 1
        (loss / self.waiting).backward()

    def step(self) -> None:
        self.optimizer.step()
        self.waiting, self.steps = 0, self.steps + 1


def _with_a_dataclass(model, loader, loss_fn, optimizer, accumulate_steps: int) -> int:
    group = _Group(optimizer)
    for x, y in loader:
        group.add(loss_fn(model(x), y))
        if group.waiting == accumulate_steps:
            group.step()
    if group.waiting:
        group.step()
    return group.steps


ANSWER = Answer(
    exercise="train_with_accumulation",
    cases=_cases,
    compare={"last_group": in_own_words(_other_weights, "parameters")},
    equivalent={
        **dict.fromkeys(
            ("model.train() -> nothing", "model.train() -> model", "model -> loss_fn"),
            "Whether it sets train mode is free.",
        ),
        "min(accumulate_steps, n_batches - group_start) -> "
        "min(n_batches - group_start, accumulate_steps)": "The smaller of two is the same.",
    },
    variants=(
        _one_big_batch,
        _scale_the_gradients,
        _sum_losses_first,
        _gradients_by_hand,
        _groups_from_an_iterator,
        _with_groupby,
        _with_a_dataclass,
    ),
    misconceptions=(
        wrong(
            "no division",
            edit(" / group_length", ""),
            "The gradients of a group are added but never divided, so a step is too long by a "
            "factor of the number of batches in the group. Divide each loss by the length of its "
            "group.",
        ),
        wrong(
            "cleared every batch",
            edit(FORWARD, "        optimizer.zero_grad()\n" + FORWARD),
            "zero_grad() runs for every batch, so only the last batch of a group is left when the "
            "step comes. Clear once per group.",
        ),
        wrong(
            "last group dropped",
            edit("/ group_length", "/ accumulate_steps").edit(
                DUE, "(i + 1) % accumulate_steps == 0"
            ),
            "A last group that is not full never gets its step: its batches are lost. Step at the "
            "end of the loader too.",
        ),
        wrong(
            "last group divided by accumulate_steps",
            edit("/ group_length", "/ accumulate_steps"),
            "The last group is shorter, but you still divide it by accumulate_steps: its step is "
            "too short. Divide by the number of batches that the group really has.",
        ),
        wrong(
            "leftover gradients counted in",
            edit("    optimizer.zero_grad()\n    n_batches", "    n_batches"),
            "Gradients from before the call are still there when the first group starts, and its "
            "step includes them. Clear once before the loop.",
        ),
        wrong(
            "divided by all batches of the epoch",
            edit("/ group_length", "/ n_batches"),
            "You divide each loss by the total number of batches. A step concerns only its own "
            "group: divide by the number of batches in that group.",
        ),
        wrong(
            "step at the first batch of a group",
            edit("/ group_length", "/ accumulate_steps").edit(DUE, "i % accumulate_steps == 0"),
            "i % accumulate_steps == 0 is true at the first batch of a group, so the step comes "
            "when the group has hardly begun. It belongs after the group's last batch.",
        ),
        wrong(
            "not cleared between groups",
            edit("            optimizer.zero_grad()\n", ""),
            "You do not clear between groups, so a group's step includes all earlier groups. "
            "Clear after each step.",
        ),
        wrong(
            "a step for every batch",
            edit(" / group_length", "").edit(DUE, "True"),
            "You step after every batch, so nothing is accumulated. Wait until accumulate_steps "
            "batches have added their gradients.",
        ),
        wrong(
            "last step not counted",
            edit("return n_steps", "return n_batches // accumulate_steps"),
            "The shorter last group gets its step, but you do not count it.",
        ),
        wrong(
            "nothing returned",
            edit("return n_steps", "return None"),
            "The steps are right, but nothing is returned: return their number.",
        ),
        wrong(
            "batches counted instead of steps",
            edit("return n_steps", "return n_batches"),
            "You return the number of batches. The result is the number of optimizer steps: one "
            "per group.",
        ),
    ),
    symptoms=(
        Symptom(
            "no step made",
            edit("            optimizer.step()\n", ""),
            "No optimizer step was made, so no weight has moved. When is your condition for a step true?",
            lambda wrong, trials: not any(t.got["steps"] for t in trials),
        ),
        Symptom(
            "steps without gradients",
            edit("(loss / group_length).backward()", "loss / group_length"),
            "You step, but no parameter has a gradient then: backward() has to run for every batch "
            "before the step.",
            lambda wrong, trials: all(
                g is None for t in trials for _, gradients in t.got["steps"] for g in gradients
            ),
        ),
        Symptom(
            "steps counted wrong",
            edit("n_steps += 1", "n_steps = 1"),
            "The training is right, but the number that you return is not that of the steps. Start at 0 "
            "and add 1 with each optimizer step.",
            right_but("count"),
        ),
        Symptom(
            "too few steps",
            edit("i - i % accumulate_steps", "i"),
            "You make fewer optimizer steps than there are groups. A group ends after accumulate_steps "
            "batches, or with the loader.",
            lambda wrong, trials: _more_steps(trials) in ({-1}, {-1, 0}),
        ),
        Symptom(
            "too many steps",
            edit(DUE, "True"),
            "You make more optimizer steps than there are groups. A group ends after accumulate_steps "
            "batches, or with the loader.",
            lambda wrong, trials: _more_steps(trials) in ({1}, {1, 0}),
        ),
        Symptom(
            "steps at the wrong batches",
            edit("== group_start + group_length", "!= group_start + group_length"),
            "For some loaders you make too few optimizer steps, for others too many. A group ends after "
            "accumulate_steps batches, or with the loader.",
            lambda wrong, trials: len(_more_steps(trials)) > 1,
        ),
        Symptom(
            "a different gradient from the group's mean",
            edit("loss / group_length", "loss * group_length"),
            "There are as many steps as groups, but their gradients are not the means over the groups. "
            "Divide each loss by the number of batches in its group, and clear between groups.",
            lambda wrong, trials: bool(wrong & {"groups", "last_group"}),
        ),
    ),
)
