"""``train_one_epoch``, secret half. Long: any beat can be left out or moved, and the mean be another."""

import contextlib
import functools
import itertools
import math
import operator
import re
import statistics
from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_lib.exercises.ch05_complete_loop.train_one_epoch import epoch_case
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.compare import difference, in_own_words
from grading.answers.edit import edit
from grading.answers.model import Answer, Symptom, raises, right_but, wrong

FORWARD = "        predictions = model(x)\n"
CLEAR = "        optimizer.zero_grad()\n"
BACKWARD = "        loss.backward()\n"
STEP = "        optimizer.step()\n"
#: As a pattern of beats: there is a step before the first backward().
STEP_FIRST = "^[^B]*S.*B"


def _cases(generator: torch.Generator) -> list[Case]:
    case = functools.partial(epoch_case, generator)
    return [
        case(n=22, sizes=(3, 5, 4), batch_size=8, lr=0.3, momentum=0.5),
        case(n=17, sizes=(6, 4, 3), batch_size=5, lr=0.2, loss="smoothed", groups=True),
        case(n=13, sizes=(4, 5, 1), batch_size=4, lr=0.1, loss="squared", momentum=0.5),
        case(n=19, sizes=(4, 7, 2), batch_size=4, lr=0.4, momentum=0.9, stale=True),
        case(n=23, sizes=(5, 6, 3), batch_size=7, lr=0.3, batch_norm=True),
        case(n=11, sizes=(3, 4, 3), batch_size=5, lr=0.2, dataset=False),
    ]


def _mean_problem(case: Case, expected: Observation, got: Observation) -> str | None:
    if got.get("mean_of_its_losses"):
        return None
    right, returned = expected["returned"], got.get("returned")
    problem = difference(right, returned, 1e-5, 1e-7)
    if problem and type(returned) is float:
        return f"a right epoch has the mean loss {right:.4f} here; yours returns {returned:.4f}"
    return problem


def _stale_gradients_tell(case: Case, expected: Observation, got: Observation) -> str | None:
    if not got["moved"]:
        return None
    return (
        "with gradients in .grad from before the call, the weights are not those that each batch's own "
        "gradient gives"
    )


def _has(beats: str, got: Observation) -> bool:
    return re.search(beats, "".join(got.events)) is not None


def _stands_still(beats: str) -> Callable[[Case, Observation], bool]:
    """Recognises code that moves no weight, with a pattern that its beats have."""
    return lambda case, got: got.error is None and not got["moved"] and _has(beats, got)


def _clear_at_the_end(model, loader, loss_fn, optimizer):
    model.train()
    model.zero_grad()
    weighted = []
    count = 0
    for x, y in loader:
        predictions = model(x)
        loss = loss_fn(predictions, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        weighted.append(float(loss.detach()) * x.shape[0])
        count += x.shape[0]
    return sum(weighted) / count


def _with_closure(model, loader, loss_fn, optimizer):
    model.train(True)
    total = torch.zeros((), dtype=torch.float64)
    seen = 0
    for x, y in loader:

        def closure(x=x, y=y):
            model.zero_grad(set_to_none=False)
            loss = loss_fn(model(x), y)
            loss.backward()
            return loss

        total += optimizer.step(closure).detach() * y.size(0)
        seen += y.size(0)
    return (total / seen).item()


def _with_autograd_grad(model, loader, loss_fn, optimizer):
    model.train()
    parameters = list(model.parameters())
    losses, sizes = [], []
    for x, y in loader:
        loss = loss_fn(model(x), y)
        for parameter, gradient in zip(
            parameters, torch.autograd.grad(loss, parameters), strict=True
        ):
            parameter.grad = gradient
        optimizer.step()
        losses.append(loss.item())
        sizes.append(len(x))
    return math.fsum(a * b for a, b in zip(losses, sizes, strict=True)) / sum(sizes)


def _generator_of_losses(model, loader, loss_fn, optimizer):
    def losses():
        for x, y in loader:
            for group in optimizer.param_groups:
                for p in group["params"]:
                    p.grad = None
            loss = loss_fn(model.forward(x), y)
            loss.backward()
            optimizer.step()
            yield from [loss.item()] * len(y)

    model.train()
    return statistics.fmean(losses())


class _Trainer:
    """An object that is called, with typed methods."""

    __name__ = "callable_object"

    def __call__(self, model: nn.Module, loader, loss_fn, optimizer) -> float:
        model.train()
        sums = torch.zeros(2, dtype=torch.float64)
        for batch in loader:
            sums += self._step(model, *batch, loss_fn, optimizer)
        return float(sums[0] / sums[1])

    def _step(self, model, x: Tensor, y: Tensor, loss_fn, optimizer) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        (loss := loss_fn(model(x), y)).backward()
        optimizer.step()
        return torch.tensor([loss.item(), 1.0], dtype=torch.float64) * y.shape[0]


def _with_functional_call(model, loader, loss_fn, optimizer):
    """The model as a function of its parameters and buffers, and the mean so far."""
    model.train()
    values = dict(itertools.chain(model.named_parameters(), model.named_buffers()))
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    mean = seen = 0
    for x, y in loader:
        loss = loss_fn(torch.func.functional_call(model, values, (x,)), y)
        for p, gradient in zip(trained, torch.autograd.grad(loss, trained), strict=True):
            p.grad = gradient
        optimizer.step()
        seen += len(y)
        mean += (loss.item() - mean) * len(y) / seen
    return mean


def _with_reduce(model, loader, loss_fn, optimizer):
    def turn(sums, batch):
        x, y = batch
        with contextlib.ExitStack() as stack:
            stack.callback(optimizer.zero_grad)
            stack.callback(optimizer.step)
            loss = loss_fn(model(x), y)
            loss.backward(retain_graph=True)
        return sums[0] + loss.data.numpy() * len(y), sums[1] + len(y)

    model.train()
    optimizer.zero_grad()
    return float(operator.truediv(*functools.reduce(turn, loader, (0.0, 0))))


ANSWER = Answer(
    exercise="train_one_epoch",
    cases=_cases,
    compare={"mean": _mean_problem, "stale": in_own_words(_stale_gradients_tell, "parameters")},
    equivalent={
        "return total_loss / n_examples -> return float(total_loss / n_examples)": "It is a float.",
        **dict.fromkeys(
            ("y -> x #2", "y -> predictions #2", "y -> x #3", "y -> predictions #3"),
            "Only the length is taken, and inputs, predictions and targets have the same.",
        ),
    },
    variants=(
        _clear_at_the_end,
        _with_closure,
        _with_autograd_grad,
        _generator_of_losses,
        _Trainer(),
        _with_functional_call,
        _with_reduce,
    ),
    misconceptions=(
        wrong(
            "zero_grad between backward and step",
            edit(CLEAR, "").edit(BACKWARD, BACKWARD + CLEAR),
            "You clear the gradients after backward() has filled them and before step() uses "
            "them. The step finds nothing to move by, so the weights never change.",
            recognise=_stands_still("B[^FLS]*ZS"),
        ),
        wrong(
            "step before backward",
            edit(STEP, "").edit(BACKWARD, STEP + BACKWARD),
            "step() runs before backward() has computed this batch's gradients. Right after "
            "clearing there is nothing to move by, so the weights never move.",
            recognise=_stands_still(STEP_FIRST),
        ),
        wrong(
            "step before backward",
            edit(STEP, "").edit(CLEAR, STEP + CLEAR),
            "step() changes the weights while the graph of this batch still needs their old "
            "values, so the backward() that follows raises. Put step() after backward().",
            recognise=lambda case, got: (
                got.error is not None and "inplace" in got.error.message and _has(STEP_FIRST, got)
            ),
        ),
        wrong(
            "step before backward",
            edit(STEP, "").edit(FORWARD, STEP + FORWARD),
            "step() comes first in the loop, so each batch moves the weights by the gradients of "
            "the batch before it; the last batch is never used. Put step() after backward().",
        ),
        wrong(
            "no step",
            edit(STEP, ""),
            "Gradients are computed but never used: without optimizer.step() no weight moves. "
            "(Mind the parentheses: optimizer.step alone only names the method.)",
            recognise=_stands_still("^[^S]*B[^S]*$"),
        ),
        wrong(
            "no backward",
            edit(BACKWARD, ""),
            "loss.backward() is missing, so step() has no gradients from this batch to move by.",
            recognise=lambda case, got: got.error is None and _has("^[^B]*S[^B]*$", got),
        ),
        wrong(
            "one step for the whole epoch",
            edit(STEP, "").edit("    return", "    optimizer.step()\n    return"),
            "step() comes after the loop over the batches, so there is one update for all of "
            "them, by the last batch's gradient. Each batch needs its own step: move it into the "
            "loop.",
        ),
        wrong(
            "no zero_grad",
            edit(CLEAR, ""),
            "backward() adds to the gradients that are already there. Without zero_grad() each "
            "step uses the sum of all batches so far, plus anything left from before the call.",
        ),
        wrong(
            "cleared once, not once per batch",
            edit(CLEAR, "").edit("    for x, y", "    optimizer.zero_grad()\n    for x, y"),
            "zero_grad() comes before the loop and runs only once, so from the second batch on "
            "each step uses the sum of all batches so far. Move it into the loop.",
        ),
        wrong(
            "cleared after the step only",
            edit(CLEAR, "").edit(STEP, STEP + CLEAR),
            "You clear after each step only, so the first step also uses what was in .grad before "
            "your function was called. Clear before backward().",
        ),
        wrong(
            "softmax before the loss",
            edit("= loss_fn(predictions, y)", "= loss_fn(torch.softmax(predictions, dim=-1), y)"),
            "You apply a softmax before loss_fn. The loss takes the model's predictions as they "
            "are; cross-entropy does the softmax itself (chapter 02).",
        ),
        wrong(
            "arguments of loss_fn swapped",
            edit("= loss_fn(predictions, y)", "= loss_fn(y, predictions)"),
            "loss_fn gets its arguments in the wrong order: predictions first, then the targets.",
            recognise=raises("not implemented for 'Long'", lambda case: case["loss"] != "squared"),
        ),
        wrong(
            "examples counted by loader.dataset",
            edit("total_loss / n_examples", "total_loss / len(loader.dataset)"),
            "You ask the loader for its dataset. A loader is anything that yields pairs x, y, and "
            "not every loader has that attribute: count the examples as they come, with len(y).",
            recognise=raises("no attribute 'dataset'", lambda case: not case["dataset"]),
        ),
        wrong(
            "mean of batch means",
            edit("loss.item() * len(y)", "loss.item()").edit("+= len(y)", "+= 1"),
            "You average the batches' means. The last batch is smaller, so its examples count too "
            "much: weight each mean by its batch's size.",
        ),
        wrong(
            "batch means divided by examples",
            edit("loss.item() * len(y)", "loss.item()"),
            "You add up the batches' means and divide by the number of examples, so the result is "
            "too small. Multiply each mean by its batch's size before you add it.",
        ),
        wrong(
            "sum over examples divided by batches",
            edit("+= len(y)", "+= 1"),
            "You weight each batch by its size, but then divide by the number of batches. Divide "
            "by the number of examples.",
        ),
        wrong(
            "sum of batch means",
            edit("loss.item() * len(y)", "loss.item()").edit(" / n_examples", ""),
            "You return the sum of the batches' means: it grows with the number of batches. "
            "Weight each by its batch's size and divide by the number of examples.",
        ),
        wrong(
            "last batch only",
            edit("total_loss / n_examples", "loss.item()"),
            "You return the loss of the last batch. One small batch tells you little: average "
            "over all examples of the epoch.",
        ),
        wrong(
            "return inside the loop",
            edit("    return", "        return"),
            "The epoch ends after its first batch: something inside the loop ends it, such as a "
            "`return`. That belongs after the loop, one indentation level further out.",
        ),
        wrong(
            "tensor with graph returned",
            edit("loss.item()", "loss"),
            "You add up loss tensors, so the result keeps every batch's graph alive in memory. "
            "Add loss.item(), a plain number.",
        ),
        wrong(
            "a tensor returned",
            edit("loss.item()", "loss.detach()"),
            "The number is right, but it is a tensor. Take the plain number out with .item().",
        ),
        wrong(
            "nothing returned",
            edit("return total_loss / n_examples", "return None"),
            "The epoch is trained, but nothing is returned. Return the mean loss after the loop; "
            "printing it is not enough.",
        ),
        wrong(
            "train mode not set",
            edit("model.train()", "pass"),
            "The loop trains in whatever mode it finds. After an evaluation that is eval mode, "
            "where dropout is off and batch norm neither uses nor updates batch statistics: call "
            "model.train() first.",
        ),
        wrong(
            "loss measured after the step",
            edit("loss.item()", "loss_fn(model(x), y).item()"),
            "You compute the loss once more after the step. That costs a second forward pass and "
            "reports a different number: log the loss that you trained on.",
        ),
    ),
    symptoms=(
        Symptom(
            "mean loss off",
            edit("total_loss += ", "total_loss = "),
            "The training is right, what you return is not. It is a mean over all examples: add up each "
            "batch's loss times its size, from 0, and divide once by the number of all examples.",
            right_but("mean"),
        ),
    ),
)
