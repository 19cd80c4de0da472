"""``momentum_step``, secret half. Long: velocities can be kept in many right and wrong ways."""

import collections
import itertools
from dataclasses import dataclass
from functools import partial

import torch

from course_lib.exercises.ch04_optimizer_step.steps import steps_case
from course_lib.exercises.checking.model import Case
from grading.answers.ch04_optimizer_step import step_mistakes as shared
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

RULE = "momentum * velocities[i] + p.grad"
GATHER = f"                velocities[i] = {RULE}\n"
MOVE = "                p -= lr * velocities[i]\n"


def _cases(generator: torch.Generator) -> list[Case]:
    case = partial(steps_case, generator, shapes=shared.SHAPES)
    rates, others = (0.1, 0.01, 0.2, 0.05, 0.15), (0.2, 0.03, 0.1, 0.3)
    gaps = ((0, 1), (2, 0), (3, 2))
    steady = ("gather", "move")
    return [
        case(5, *steady, lr=0.1),
        case(4, *steady, lr=0.05, shapes=((2, 3, 2), (4,)), through="tuple"),
        case(3, *steady, lr=0.02, dtype="float32"),
        case(4, "changing", lr=0.05, shapes=((2, 3, 2), (4,)), momentum=0.6),
        case(5, "gather", "changing", lr=rates),
        case(4, "gather", "changing", lr=others, shapes=((5,), (2, 4)), momentum=0.5),
        case(4, "any", lr=0.1, skip=gaps, through="generator"),
        case(3, "any", lr=0.1, shapes=((4, 2), (3,)), transposed=True, momentum=0.7),
    ]


def _torch_momentum(params, velocities, lr, momentum=0.9):
    optimizer = torch.optim.SGD(list(params), lr=lr, momentum=momentum)
    for p, v in zip(optimizer.param_groups[0]["params"], velocities, strict=True):
        optimizer.state[p]["momentum_buffer"] = v
    optimizer.step()


def _velocity_in_place(params, velocities, lr, momentum=0.9):
    with torch.no_grad():
        for p, v in zip(params, velocities, strict=True):
            if p.grad is not None:
                v.mul_(momentum).add_(p.grad)
                p.sub_(v, alpha=lr)


def _new_velocities(params, velocities, lr, momentum=0.9):
    params = list(params)
    for i in range(len(params)):
        if params[i].grad is None:
            continue
        velocities[i] = params[i].grad + velocities[i] * momentum
        params[i].data -= velocities[i] * lr


@torch.no_grad()
def _whole_list_replaced(params, velocities, lr, momentum=0.9):
    """Slice assignment: all entries of the list at once."""
    pairs = list(zip(params, velocities, strict=True))
    velocities[:] = [
        v if p.grad is None else torch.add(p.grad, v, alpha=momentum) for p, v in pairs
    ]
    for (p, _), v in zip(pairs, velocities, strict=True):
        p.copy_(p if p.grad is None else p - lr * v)


@torch.no_grad()
def _with_foreach(params, velocities, lr, momentum=0.9):
    both = [(p, v) for p, v in zip(params, velocities, strict=True) if p.grad is not None]
    if both:
        moved, gathered = map(list, zip(*both, strict=True))
        torch._foreach_mul_(gathered, momentum)
        torch._foreach_add_(gathered, [p.grad for p in moved])
        torch._foreach_add_(moved, gathered, alpha=-lr)


def _in_two_passes(params, velocities, lr: float, momentum: float = 0.9) -> None:
    params = tuple(params)
    kept = {i: p for i, p in enumerate(params) if p.grad is not None}
    new = {i: torch.lerp(p.grad, velocities[i] + p.grad, momentum) for i, p in kept.items()}
    for i, v in new.items():
        velocities[i] = v
        kept[i].data.copy_(kept[i].data - lr * v)


def _list_emptied_and_filled(params, velocities, lr, momentum=0.9):
    old = velocities.copy()
    velocities.clear()
    for p in params:
        velocity = old.pop(0)
        if p.grad is not None:
            velocity = velocity * momentum + p.grad
            p.data[...] = p.data - velocity.mul(lr)
        velocities += [velocity]


@dataclass
class _Momentum:
    lr: float
    momentum: float

    def __call__(self, p: torch.Tensor, velocity: torch.Tensor) -> None:
        """NumPy shares the memory of all three."""
        values, speed = p.detach().numpy(), velocity.numpy()
        speed *= self.momentum
        speed += p.grad.numpy()
        values -= self.lr * speed


def _through_numpy(params, velocities, lr, momentum=0.9):
    pairs = zip(params, velocities, strict=True)
    trained = itertools.filterfalse(lambda pair: pair[0].grad is None, pairs)
    collections.deque(itertools.starmap(_Momentum(lr, momentum), trained), maxlen=0)


ANSWER = Answer(
    exercise="momentum_step",
    cases=_cases,
    oracle=_torch_momentum,
    variants=(
        _velocity_in_place,
        _new_velocities,
        _whole_list_replaced,
        _with_foreach,
        _in_two_passes,
        _list_emptied_and_filled,
        _through_numpy,
    ),
    misconceptions=(
        wrong(
            "damped gradient",
            edit("+ p.grad", "+ (1 - momentum) * p.grad"),
            "You weight the gradient by 1 - momentum: that is an average, as in Adam. Momentum in "
            "torch.optim.SGD adds the whole gradient: v = momentum * v + g.",
        ),
        wrong(
            "learning rate inside the velocity",
            edit("+ p.grad", "+ lr * p.grad").edit("p -= lr * ", "p -= "),
            "Your velocity contains the learning rate. As long as lr stays the same, you cannot "
            "tell; when it changes, old gradients keep their old rate. Keep gradients in the "
            "velocity and multiply by lr when you move.",
        ),
        wrong(
            "learning rate inside the velocity",
            edit("+ p.grad", "- lr * p.grad").edit("p -= lr * ", "p += "),
            "Your velocity contains the learning rate, and a minus sign. When lr changes, old "
            "gradients keep their old rate. Keep gradients in the velocity, v = momentum * v + g, "
            "and multiply by lr when you move.",
        ),
        wrong(
            "learning rate twice",
            edit("+ p.grad", "+ lr * p.grad"),
            "The learning rate comes in twice: in the velocity and in the move. The velocity holds "
            "plain gradients.",
        ),
        wrong(
            "moved by the old velocity",
            edit(GATHER + MOVE, MOVE + GATHER),
            "You move first and update the velocity afterwards, so each gradient acts one step "
            "late. Update the velocity, then move by it.",
        ),
        wrong(
            "gradients changed by the step",
            edit(RULE, "p.grad.add_(momentum * velocities[i]).clone()"),
            "You add the velocity to p.grad itself, so .grad no longer holds the gradient. Compute "
            "momentum * v + g, which is a new tensor.",
        ),
        shared.truth_of_a_tensor(edit(shared.ANY_GRADIENT, "if p.grad:")),
        wrong(
            "velocity not kept",
            edit("velocities[i] = ", "v = ").edit("lr * velocities[i]", "lr * v"),
            "The velocities in the list stay at zero, so nothing builds up from step to step. Write "
            "the new velocity back into the list, or change its tensor in place.",
        ),
        wrong(
            "new gradient weakened too",
            edit(RULE, "momentum * (velocities[i] + p.grad)"),
            "You multiply the new gradient by momentum as well. Only what was gathered before "
            "fades: v = momentum * v + g.",
        ),
        wrong(
            "new memory for the parameters",
            shared.NEW_MEMORY.solution,
            "The values are right, but you gave the parameters new memory (p.data = ...). Whatever "
            "shared the old memory still sees the old values. Change it in place: p -= ...",
        ),
        wrong(
            "parameters read twice",
            edit(
                MOVE,
                "        for i, p in enumerate(params):\n            if p.grad is not None:\n"
                + MOVE,
            ),
            "You loop over params twice. model.parameters() can be read only once, so the second "
            "loop finds nothing and no parameter moves. Do both in one loop, or make a list first.",
        ),
        wrong(
            "velocity fades without a gradient",
            edit(RULE, "velocities[i] + p.grad").edit(
                "if ", "velocities[i] = momentum * velocities[i]\n            if "
            ),
            "You weaken the velocity of a parameter that has no gradient. It should keep its "
            "velocity as it is: skip such a parameter altogether.",
        ),
        wrong(
            "moved by an old velocity without a gradient",
            edit(MOVE, MOVE.removeprefix("    ")),
            "A parameter without a gradient keeps moving by its old velocity. It should stay where "
            "it is: put the update under the same `if` as the velocity.",
        ),
        wrong(
            "momentum at the gradient",
            edit(RULE, "velocities[i] + momentum * p.grad"),
            "You multiply the gradient by momentum: v + 0.9 g never forgets. It belongs with the "
            "old velocity: 0.9 v + g.",
        ),
        wrong(
            "moved by the look-ahead",
            edit("lr * velocities[i]", "lr * (p.grad + momentum * velocities[i])"),
            "You move by gradient plus momentum times the new velocity: that is Nesterov's form. "
            "Here the parameter moves by lr times the velocity.",
        ),
        wrong(
            "wrong sign",
            edit("p -= ", "p += "),
            "You add the velocity to the parameters. It gathers gradients, which point uphill: "
            "subtract it.",
        ),
        wrong(
            "wrong sign",
            edit("+ p.grad", "- p.grad"),
            "Your velocity gathers the gradients with a minus sign, and you subtract it: you move "
            "uphill. One minus is enough.",
        ),
        *shared.another_default("momentum=0.9", "0.0", "1.8"),
        wrong(
            "learning rate left out",
            edit("p -= lr * ", "p -= "),
            "You subtract the whole velocity. Multiply it by lr.",
        ),
        wrong(
            "gradient left out of the step",
            edit("p -= lr * velocities[i]", "p -= lr"),
            "Each entry moves by lr, whatever the velocity is. Multiply lr by the velocity.",
        ),
        wrong(
            "divided by the velocity",
            edit("lr * velocities[i]", "lr / velocities[i]"),
            "You divide lr by the velocity, so small gradients make large steps. Multiply.",
        ),
        wrong(
            "velocity never fades",
            edit(RULE, "velocities[i] + p.grad"),
            "Your velocity is the sum of all gradients: nothing of it fades. Multiply the old velocity "
            "by momentum.",
        ),
        wrong(
            "momentum added instead of multiplied",
            edit(RULE, "momentum + p.grad"),
            "You add the number momentum to the gradient, and the old velocity plays no part. Multiply "
            "the old velocity by momentum: v = momentum * v + g.",
        ),
        wrong(
            "lr and momentum mixed up",
            edit("= momentum * ", "= lr * "),
            "You multiply the old velocity by lr. Multiply it by momentum.",
        ),
        wrong(
            "lr and momentum mixed up",
            edit("p -= lr * ", "p -= momentum * "),
            "Your parameter moves by momentum times the velocity. It should move by lr times the "
            "velocity.",
        ),
        wrong(
            "momentum ignored",
            edit("= momentum * ", "= 0.9 * "),
            "You always use 0.9. The caller may pass a different momentum.",
        ),
        shared.REBINDING,
        shared.RECORDED,
        shared.crash_without_gradient(edit(shared.ANY_GRADIENT, "if True:")),
        wrong(
            "moved without a gradient",
            edit(shared.ANY_GRADIENT, "if True:").edit(
                "+ p.grad", "+ (0 if p.grad is None else p.grad)"
            ),
            "You treat a missing gradient as zero, so the parameter keeps rolling and its velocity "
            "decays. Without a gradient both should stay as they are.",
        ),
        wrong(
            "velocities of the wrong parameters",
            edit("enumerate(params)", "enumerate(p for p in params if p.grad is not None)").edit(
                GATHER,
                "                if velocities[i].shape != p.shape:\n"
                "                    velocities[i] = torch.zeros_like(p)\n" + GATHER,
            ),
            "You count only the parameters that have a gradient, so after a gap the others get "
            "their neighbours' velocities. Entry i belongs to parameter i, gap or not.",
        ),
    ),
    symptoms=(
        shared.only_the_first(edit(MOVE, MOVE + "                break\n")),
        shared.not_finite(edit("momentum * velocities[i]", "momentum / velocities[i]")),
    ),
)
