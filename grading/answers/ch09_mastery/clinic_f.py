"""``clinic_f``, secret half."""

import functools
import operator
import statistics

import torch

from course_lib.exercises.checking.model import Case
from course_lib.exercises.support.classifier import classifier_case
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

START = "    total, n_examples = 0.0, 0\n"
_recorded = edit("torch.no_grad()", "torch.enable_grad()")


def _cases(g: torch.Generator) -> list[Case]:
    return [
        classifier_case(g, n=17, sizes=(3, 5, 4), batch_size=6, lr=0.1),
        classifier_case(g, n=22, sizes=(6, 4, 3), batch_size=5, lr=0.1),
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


def _all_at_once(model, loader, loss_fn):
    x, y = map(torch.cat, zip(*loader, strict=True))
    values = {name: value.detach() for name, value in model.state_dict().items()}
    return loss_fn(torch.func.functional_call(model, values, (x,)), y).item()


def _with_reduce(model, loader, loss_fn):
    def add(sums, batch):
        x, y = batch
        return sums[0] + loss_fn(model(x), y) * y.numel(), sums[1] + y.numel()

    with torch.no_grad():
        return float(operator.truediv(*functools.reduce(add, loader, (0, 0))))


ANSWER = Answer(
    exercise="clinic_f",
    cases=_cases,
    variants=(
        edit("torch.no_grad()", "torch.set_grad_enabled(False)"),
        _decorated,
        _with_einsum,
        _from_a_generator,
        edit(".item()", "").edit("total / n_examples", "float(total / n_examples)"),
        _all_at_once,
        _with_reduce,
    ),
    equivalent={
        "return total / n_examples -> return float(total / n_examples)": "It is a float.",
        "y -> x": "Only the length is taken, and both have the same.",
        "y -> x #2": "Only the length is taken, and both have the same.",
    },
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
        wrong(
            "sum instead of mean",
            edit("total / n_examples", "total"),
            "You return the sum over all examples. Divide it by their number.",
        ),
        wrong(
            "multiplied by the number of examples",
            edit("total / n_examples", "total * n_examples"),
            "A mean is the sum divided by the number of examples; you multiply by it.",
        ),
        wrong(
            "not weighted by the batch size",
            edit(" * len(y)", ""),
            "You add up means of batches, and divide by the number of examples. Multiply each mean by "
            "the size of its batch.",
        ),
        wrong(
            "divided by the batch size",
            edit(" * len(y)", " / len(y)"),
            "The loss of a batch is a mean already, and you divide it by the batch's size once more. "
            "Multiply by it: then the sum is over examples.",
        ),
        wrong(
            "only the last batch in the sum",
            edit("total +=", "total ="),
            "Each batch overwrites the sum of those before it. Add to it: +=.",
        ),
        wrong(
            "only the last batch counted",
            edit("n_examples +=", "n_examples ="),
            "You divide by the size of the last batch. Count the examples of all batches.",
        ),
        wrong(
            "only the first batch",
            edit("+= len(y)\n", "+= len(y)\n            break\n"),
            "You return the mean of the first batch: something ends the loop before the others come.",
        ),
        wrong(
            "started at a number other than 0",
            edit("0.0, 0", "1.0, 0"),
            "Your sum of losses does not start at 0.",
        ),
        *(
            wrong(
                "started at a number other than 0",
                edit("0.0, 0", f"0.0, {start}"),
                f"Your count of examples does not start at 0: it is one too {result} in the end.",
            )
            for start, result in ((1, "high"), (-1, "low"))
        ),
    ),
)
