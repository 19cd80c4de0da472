"""``sgd_step``, secret half."""

from collections.abc import Iterable
from functools import partial

import torch

from course_lib.exercises.ch04_optimizer_step.steps import steps_case
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.ch04_optimizer_step import step_mistakes as shared
from grading.answers.edit import edit
from grading.answers.model import Answer, raises, wrong

MOVE = "                p -= lr * p.grad\n"
MODE_OFF = edit(shared.GUARD, "torch.set_grad_enabled(False)\n    if True:")


def _cases(generator: torch.Generator) -> list[Case]:
    case = partial(steps_case, generator, shapes=shared.SHAPES)
    rates = (0.3, 0.05, 0.2, 0.1)
    shapes = ((2, 4), (3,), (2, 2, 3))
    gaps = ((0, 1), (1, 0), (2, 2))
    return [
        case(1, "update", "side", lr=0.1),
        case(4, "update", "side", lr=rates, shapes=shapes, through="tuple"),
        case(3, "update", "side", lr=0.02, dtype="float32"),
        case(3, "any", lr=0.2, skip=gaps, through="generator"),
        case(2, "any", lr=0.15, shapes=((4, 3), (2,)), transposed=True, skip=((1, 1),)),
    ]


def _needs_a_list(case: Case, got: Observation) -> bool:
    """Works on a list; a tuple may be read, and perhaps not assigned to."""
    message = "" if got.error is None else got.error.message
    if case["through"] == "generator":
        return "generator" in message
    return not message or (case["through"] == "tuple" and "'tuple' object" in message)


def _through_data(params, lr):
    for p in params:
        if p.grad is None:
            continue
        p.data.add_(p.grad, alpha=-lr)


@torch.no_grad()
def _decorated(params, lr):
    with_gradient = [p for p in params if p.grad is not None]
    torch._foreach_add_(with_gradient, [p.grad for p in with_gradient], alpha=-lr)


@torch.inference_mode()
def _copied_into(params, lr):
    for p in filter(lambda p: p.grad is not None, params):
        p.detach().copy_(p - p.grad * lr)


def _entry_by_entry(params, lr):
    """No whole-tensor update at all."""
    for p in params:
        if p.grad is not None:
            values = p.detach()
            for place in torch.ones_like(values).nonzero():
                index = tuple(place.tolist())
                values[index] = values[index] - lr * p.grad[index]


def _with_a_closure(params, lr: float) -> None:
    def moved(p: torch.Tensor) -> torch.Tensor:
        return p if p.grad is None else torch.sub(p, p.grad, alpha=lr)

    with torch.no_grad():
        [p.copy_(moved(p)) for p in params]


def _through_numpy(params, lr):
    """NumPy shares the tensor's memory."""
    for p, g in ((p.detach().numpy(), p.grad) for p in params):
        if g is not None:
            p -= lr * g.numpy()


def _as_one_vector(params, lr):
    trained = [p for p in params if p.grad is not None]
    if not trained:
        return
    before = torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    vector = torch.cat([p.flatten() for p in trained])
    vector -= lr * torch.cat([p.grad.flatten() for p in trained])
    for p, values in zip(trained, vector.split([p.numel() for p in trained]), strict=True):
        p[...] = values.view_as(p)
    torch.set_grad_enabled(before)


@torch.no_grad()
def _recursive(params: Iterable[torch.nn.Parameter], lr: float) -> None:
    match list(params):
        case [first, *others]:
            if (gradient := first.grad) is not None:
                first.lerp_(first - gradient, lr)
            _recursive(others, lr)


ANSWER = Answer(
    exercise="sgd_step",
    cases=_cases,
    oracle=lambda params, lr: torch.optim.SGD(list(params), lr=lr).step(),
    variants=(
        _through_data,
        _decorated,
        _copied_into,
        _entry_by_entry,
        _with_a_closure,
        _through_numpy,
        _as_one_vector,
        _recursive,
    ),
    misconceptions=(
        wrong(
            "wrong sign",
            edit("p -= ", "p += "),
            "You add the gradient. It points uphill: to lower the loss, subtract it.",
        ),
        shared.REBINDING,
        shared.RECORDED,
        shared.NEW_MEMORY,
        wrong(
            "learning rate left out",
            edit("lr * p.grad", "p.grad"),
            "You subtract the whole gradient. A step is lr times the gradient.",
        ),
        shared.crash_without_gradient(edit(shared.ANY_GRADIENT, "if True:")),
        wrong(
            "gradients cleared by the step",
            edit(MOVE, MOVE + "                p.grad = None\n"),
            "Your step clears the gradients. Leave .grad alone: clearing is zero_grad()'s job.",
            also=("gradients",),
        ),
        wrong(
            "gradients scaled by the step",
            edit("lr * p.grad", "p.grad.mul_(lr)"),
            "You multiply the gradient itself by lr, in place, so .grad no longer holds the "
            "gradient. Compute lr * p.grad, which is a new tensor.",
            also=("gradients",),
        ),
        wrong(
            "gradients cleared by the step",
            edit(MOVE, MOVE + "                p.grad.zero_()\n"),
            "Your step sets the gradients to zero. Leave .grad alone: clearing is zero_grad()'s "
            "job.",
            also=("gradients",),
        ),
        wrong(
            "gradient mode switched on afterwards",
            MODE_OFF.edit(MOVE, MOVE + "    torch.set_grad_enabled(True)\n"),
            "You switch gradient mode off, and on again at the end, even if it was off before. `with "
            "torch.no_grad():` restores what was there.",
        ),
        wrong(
            "gradient changed instead of the parameter",
            edit("p -= ", "p.grad -= "),
            "You subtract from p.grad, so the parameter stays where it is. The step changes p.",
        ),
        wrong(
            "stopped at a missing gradient",
            edit("is not None:", "is None:\n                break\n            else:"),
            "The first parameter without a gradient ends your loop, and those after it never move. "
            "Skip it with `continue`.",
        ),
        wrong(
            "first parameter only",
            edit(MOVE, MOVE + "                return\n"),
            "Only the first parameter moves: something inside the loop ends it after one round, such "
            "as a `return`.",
        ),
        shared.truth_of_a_tensor(edit(shared.ANY_GRADIENT, "if p.grad:")),
        wrong(
            "params taken for a list",
            edit("for p in params:", "for p in [params[i] for i in range(len(params))]:"),
            "model.parameters() is a generator: it has no length and no index. Walk over it with "
            "`for p in params`.",
            recognise=_needs_a_list,
        ),
        wrong(
            "no_grad without parentheses",
            edit("no_grad()", "no_grad"),
            "torch.no_grad is a class. `with torch.no_grad():` makes the block you want.",
            recognise=raises("context manager"),
        ),
        wrong(
            "requires_grad switched off",
            edit(shared.GUARD, "if True:").edit(
                MOVE, "                p.requires_grad_(False)\n" + MOVE
            ),
            "You freeze the parameters to be allowed to change them, and leave them frozen: the "
            "next backward() gives them no gradient. Use `with torch.no_grad():`.",
        ),
        wrong(
            "divided by the learning rate",
            edit("lr * p.grad", "p.grad / lr"),
            "You divide by lr. A step is lr times the gradient: a small rate makes small steps.",
        ),
        wrong(
            "gradient mode left off",
            MODE_OFF,
            "You switch gradient mode off for the rest of the program: the next forward pass "
            "records no graph. Use `with torch.no_grad():`, which puts it back.",
        ),
    ),
)
