"""``clinic_f``, secret half."""

import statistics

import torch

from course_lib.exercises.ch09_mastery.clinic_f import validation_case
from course_lib.exercises.checking.model import Case
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

START = "    total, n_examples = 0.0, 0\n"
_recorded = edit("torch.no_grad()", "torch.enable_grad()")


def _cases(g: torch.Generator) -> list[Case]:
    return [
        validation_case(g, n=17, sizes=(3, 5, 4), batch_size=6),
        validation_case(g, n=22, sizes=(6, 4, 3), batch_size=5),
    ]


@torch.inference_mode()
def _decorated(model, loader, loss_fn):
    pairs = [(loss_fn(model(x), y).item(), len(y)) for x, y in loader]
    return sum(loss * n for loss, n in pairs) / sum(n for _, n in pairs)


@torch.no_grad()
def _with_einsum(model, loader, loss_fn):
    rows = [(loss_fn(model(x), y), torch.tensor(float(len(y)))) for x, y in loader]
    losses, sizes = (torch.stack(column).double() for column in zip(*rows, strict=True))
    return (torch.einsum("b,b->", losses, sizes) / sizes.sum()).item()


def _from_a_generator(model, loader, loss_fn) -> float:
    def losses():
        for x, y in loader:
            with torch.inference_mode():
                yield from [loss_fn(model(x), y).item()] * y.shape[0]

    return statistics.fmean(losses())


ANSWER = Answer(
    exercise="clinic_f",
    cases=_cases,
    variants=(
        edit("torch.no_grad()", "torch.set_grad_enabled(False)"),
        _decorated,
        _with_einsum,
        _from_a_generator,
        edit(".item()", "").edit("total / n_examples", "float(total / n_examples)"),
    ),
    misconceptions=(
        wrong(
            "no no_grad in validation",
            _recorded.edit(".item()", ""),
            "You add up loss tensors with their graphs: the memory of every batch is kept until "
            "the end. Use torch.no_grad(), and .item() for the numbers.",
        ),
        wrong(
            "numbers taken out, graph still recorded",
            _recorded,
            "The result is a plain number now, but every forward pass still keeps what a backward "
            "pass would need. Put the loop under torch.no_grad().",
        ),
        wrong(
            "parameters frozen",
            _recorded.edit(START, START + "    model.requires_grad_(False)\n"),
            "You set requires_grad to False on the parameters, so this model can no longer be "
            "trained. torch.no_grad() stops the recording for a few lines and leaves the model "
            "alone.",
        ),
        wrong(
            "recording left switched off",
            edit(START, START + "    torch.set_grad_enabled(False)\n"),
            "You switch recording off and never on again: the next training fails. As a block, "
            "with torch.no_grad():, it ends by itself.",
        ),
        wrong(
            "put into train mode",
            edit(START, START + "    model.train()\n"),
            "The model came in eval mode, but you put it into train mode. Leave it as it is.",
        ),
        wrong(
            "a tensor returned",
            edit(".item()", ""),
            "No graph is recorded any more. But the result is a tensor, and the contract asks for "
            "a Python float: .item().",
        ),
        wrong(
            "mean of batch means",
            edit(".item() * len(y)", ".item()").edit("+= len(y)", "+= 1"),
            "The last batch is smaller and counts too much: weight each batch's mean by its size.",
        ),
    ),
)
