"""``clinic_c``, secret half."""

import torch

from course_lib.exercises.checking.model import Case
from course_lib.exercises.support.classifier import classifier_case
from grading.answers.edit import edit
from grading.answers.model import Answer, Symptom, wrong

START = "    losses = []\n"
CLEAR = "        optimizer.zero_grad()\n"
BACKWARD = "        loss.backward()\n"
STEP = "        optimizer.step()\n"


def _cases(g: torch.Generator) -> list[Case]:
    return [
        classifier_case(g, n=22, sizes=(3, 5, 4), batch_size=8, lr=0.3, stale=True),
        classifier_case(g, n=17, sizes=(6, 4, 3), batch_size=5, lr=0.2),
        classifier_case(g, n=20, sizes=(4, 7, 2), batch_size=4, lr=0.4, momentum=0.9),
    ]


def _with_a_closure(model, loader, loss_fn, optimizer):
    def step(x, y):
        def closure():
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            return loss

        return optimizer.step(closure).item()

    return [step(x, y) for x, y in loader]


def _from_a_generator(model, loader, loss_fn, optimizer) -> list[float]:
    params = [p for group in optimizer.param_groups for p in group["params"]]

    def losses():
        for x, y in loader:
            loss = loss_fn(model(x), y)
            grads = torch.autograd.grad(loss, params)
            for p, grad in zip(params, grads, strict=True):
                p.grad = grad
            optimizer.step()
            yield float(loss.detach())

    return list(losses())


def _mapped(model, loader, loss_fn, optimizer):
    def turn(batch):
        for p in filter(lambda p: p.grad is not None, model.parameters()):
            p.grad.zero_()
        loss = loss_fn(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss.item()

    return [*map(turn, loader)]


ANSWER = Answer(
    exercise="clinic_c",
    cases=_cases,
    equivalent={"return losses -> return list(losses)": "It is a list."},
    variants=(
        edit(CLEAR, "").edit(BACKWARD, CLEAR + BACKWARD),
        edit(CLEAR, "")
        .edit(START, "    model.zero_grad()\n" + START)
        .edit(STEP, STEP + "        model.zero_grad(set_to_none=False)\n"),
        edit(CLEAR, "")
        .edit(
            BACKWARD, "        for p in model.parameters():\n            p.grad = None\n" + BACKWARD
        )
        .edit("loss.item()", "float(loss)"),
        _with_a_closure,
        _from_a_generator,
        _mapped,
        edit(CLEAR, "")
        .edit(START, "    optimizer.zero_grad()\n" + START)
        .edit(STEP, STEP + CLEAR)
        .edit("loss.item()", "loss")
        .edit("return losses", "return torch.stack(losses).tolist()"),
    ),
    misconceptions=(
        wrong(
            "zero_grad forgotten",
            edit(CLEAR, ""),
            "backward() adds to what is there, and nothing clears it. Call optimizer.zero_grad() "
            "once per batch.",
        ),
        wrong(
            "cleared once instead of once per batch",
            edit(CLEAR, "").edit("    for x, y", "    optimizer.zero_grad()\n    for x, y"),
            "zero_grad() comes before the loop, so it runs once. Every batch needs it.",
        ),
        wrong(
            "cleared after the step only",
            edit(CLEAR, "").edit(STEP, STEP + CLEAR),
            "You clear after the step, so the first batch still uses what was in .grad before the "
            "call. Clear before backward().",
        ),
        wrong(
            "loss tensors kept",
            edit("loss.item()", "loss"),
            "Your list holds tensors, each with its graph. loss.item() is the number alone.",
        ),
        wrong(
            "loss measured after the step",
            edit("loss.item()", "loss_fn(model(x), y).item()"),
            "You run the model again after the step. The loss of a batch is the one that you trained "
            "with, from before its step.",
        ),
        wrong(
            "cleared between backward and step",
            edit(CLEAR, "").edit(BACKWARD, BACKWARD + CLEAR),
            "zero_grad() throws the fresh gradients away before the step can use them.",
        ),
    ),
    symptoms=(
        Symptom(
            "another number of losses",
            edit("        losses.append(loss.item())\n", ""),
            "Your list does not have one loss for each batch.",
            lambda wrong, trials: any(
                len(t.got["returned"]) != len(t.expected["returned"]) for t in trials
            ),
        ),
    ),
)
