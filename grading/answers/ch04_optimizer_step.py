"""Chapter 04, secret half: cases, misconceptions, right variants and the quiz's key."""

import math
from itertools import pairwise

import torch
from torch import Tensor

from course_lib.exercises import ch04_optimizer_step as public
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.model import Answer, Misconception, QuizKey

_SHAPES = ((3, 2), (5,), ())


def _steps(generator: torch.Generator):
    def case(steps, *, lr, shapes=_SHAPES, **settings):
        return public.steps_case(generator, shapes, steps, lr=lr, **settings)

    return case


def _each(update, *, guard=True, skip=True):
    """A step that calls ``update(p, p.grad, lr)`` for each parameter: with one mistake or none."""

    def sgd_step(params, lr):
        with torch.set_grad_enabled(not guard):
            for p in params:
                if p.grad is not None or not skip:
                    update(p, p.grad, lr)

    return sgd_step


def _crashes_on_none(case: Case, got: Observation) -> bool:
    """The code fails on exactly those cases in which a gradient is missing."""
    missing = any(g is None for gradients in case["gradients"] for g in gradients)
    if not missing:
        return got.error is None
    return got.error is not None and "None" in got.error.message


def _recorded(case: Case, got: Observation) -> bool:
    return got.error is not None and "leaf Variable" in got.error.message


_IN_THE_GRAPH = (
    "You update a parameter while autograd records, and it refuses: a leaf that requires gradients "
    "must not be changed in place inside a graph. Put the update under torch.no_grad()."
)
_NEW_TENSOR = (
    "No parameter has moved. p = p - ... makes a new tensor and gives it the name p; the model "
    "still holds the old one. Change it in place: p -= ... or p.sub_(...)."
)
_NONE = (
    "A parameter that took no part in the loss has .grad None, and nothing can be computed with "
    "None. Skip such parameters."
)
_TRUTH = (
    "`if p.grad` asks whether a whole tensor is true, and PyTorch cannot say. Ask "
    "`if p.grad is not None`."
)


def _asks_for_truth(case: Case, got: Observation) -> bool:
    return got.error is not None and "Boolean value of Tensor" in got.error.message


_NEW_MEMORY = (
    "The values are right, but you gave the parameters new memory (p.data = ...). Whatever shared "
    "the old memory still sees the old values. Change it in place: p -= ... or p.sub_(...)."
)

# --- sgd_step -----------------------------------------------------------------------------------


def _sgd_cases(generator: torch.Generator) -> list[Case]:
    case = _steps(generator)
    return [
        case(1, lr=0.1),
        case(4, lr=(0.3, 0.05, 0.2, 0.1), shapes=((2, 4), (3,), (2, 2, 3)), through="tuple"),
        case(3, lr=0.02, dtype="float32"),
        case(3, lr=0.2, kind="any", skip=((0, 1), (1, 0), (2, 2)), through="generator"),
        case(2, lr=0.15, kind="any", shapes=((4, 3), (2,)), transposed=True, skip=((1, 1),)),
    ]


def _torch_sgd(params, lr):
    torch.optim.SGD(list(params), lr=lr).step()


def _rebinding(p, g, lr):
    p = p - lr * g


def _new_memory(p, g, lr):
    p.data = p.data - lr * g


def _cleared_afterwards(p, g, lr):
    p -= lr * g
    p.grad = None


def _scaled_gradient(p, g, lr):
    p -= g.mul_(lr)


def _never_switched_back(params, lr):
    torch.set_grad_enabled(False)
    for p in params:
        if p.grad is not None:
            p -= lr * p.grad


def _switched_on_afterwards(params, lr):
    torch.set_grad_enabled(False)
    for p in params:
        if p.grad is not None:
            p -= lr * p.grad
    torch.set_grad_enabled(True)


def _zeroed_afterwards(p, g, lr):
    p -= lr * g
    g.zero_()


def _into_the_gradient(p, g, lr):
    g -= lr * g


def _stops_at_a_gap(params, lr):
    with torch.no_grad():
        for p in params:
            if p.grad is None:
                break
            p -= lr * p.grad


def _first_parameter_only(params, lr):
    with torch.no_grad():
        for p in params:
            if p.grad is not None:
                p -= lr * p.grad
                return


def _if_gradient(params, lr):
    with torch.no_grad():
        for p in params:
            if p.grad:
                p -= lr * p.grad


def _by_index(params, lr):
    with torch.no_grad():
        for i in range(len(params)):
            if params[i].grad is not None:
                params[i].sub_(lr * params[i].grad)


def _no_parentheses(params, lr):
    with torch.no_grad:
        for p in params:
            if p.grad is not None:
                p -= lr * p.grad


def _frozen_for_the_update(params, lr):
    for p in params:
        if p.grad is not None:
            p.requires_grad_(False)
            p -= lr * p.grad


def _needs_a_list(case: Case, got: Observation) -> bool:
    """Works on a list; a tuple may be read, and perhaps not assigned to."""
    message = "" if got.error is None else got.error.message
    if case["through"] == "generator":
        return "generator" in message
    return not message or (case["through"] == "tuple" and "'tuple' object" in message)


# Right, written differently.


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


def _subtract(p, g, lr):
    p -= lr * g


SGD_STEP = Answer(
    exercise="sgd_step",
    cases=_sgd_cases,
    oracle=_torch_sgd,
    variants=(_through_data, _decorated, _copied_into, _entry_by_entry),
    misconceptions=(
        Misconception(
            "wrong sign",
            _each(lambda p, g, lr: p.add_(lr * g)),
            "You add the gradient. It points uphill: to lower the loss, subtract it.",
        ),
        Misconception("rebinding instead of in place", _each(_rebinding), _NEW_TENSOR),
        Misconception(
            "update recorded in the graph",
            _each(_subtract, guard=False),
            _IN_THE_GRAPH,
            recognise=_recorded,
        ),
        Misconception("new memory for the parameters", _each(_new_memory), _NEW_MEMORY),
        Misconception(
            "learning rate left out",
            _each(lambda p, g, lr: p.sub_(g)),
            "You subtract the whole gradient. A step is lr times the gradient.",
        ),
        Misconception(
            "crash on a parameter without gradient",
            _each(_subtract, skip=False),
            _NONE,
            recognise=_crashes_on_none,
        ),
        Misconception(
            "gradients cleared by the step",
            _each(_cleared_afterwards),
            "Your step clears the gradients. Leave .grad alone: clearing is zero_grad()'s work.",
        ),
        Misconception(
            "gradients scaled by the step",
            _each(_scaled_gradient),
            "You multiply the gradient itself by lr, in place, so .grad is no gradient any more. "
            "Compute lr * p.grad, which is a new tensor.",
        ),
        Misconception(
            "gradients cleared by the step",
            _each(_zeroed_afterwards),
            "Your step sets the gradients to zero. Leave .grad alone: clearing is zero_grad()'s "
            "work.",
        ),
        Misconception(
            "gradient mode switched on afterwards",
            _switched_on_afterwards,
            "You switch gradient mode off and, at the end, on, also where it was off before. "
            "`with torch.no_grad():` brings back what was there.",
        ),
        Misconception(
            "gradient changed instead of the parameter",
            _each(_into_the_gradient),
            "You subtract from p.grad, so the parameter stays where it is. The step changes p.",
        ),
        Misconception(
            "stopped at a missing gradient",
            _stops_at_a_gap,
            "The first parameter without a gradient ends your loop, and those after it are never "
            "moved. Skip it with `continue`.",
        ),
        Misconception(
            "first parameter only",
            _first_parameter_only,
            "Only the first parameter moves: `return` stands inside the loop.",
        ),
        Misconception("truth of a tensor", _if_gradient, _TRUTH, recognise=_asks_for_truth),
        Misconception(
            "params taken for a list",
            _by_index,
            "model.parameters() is a generator: it has no length and no index. Walk over it with "
            "`for p in params`.",
            recognise=_needs_a_list,
        ),
        Misconception(
            "no_grad without parentheses",
            _no_parentheses,
            "torch.no_grad is a class. `with torch.no_grad():` makes the block that you want.",
            recognise=lambda case, got: (
                got.error is not None and "context manager" in got.error.message
            ),
        ),
        Misconception(
            "requires_grad switched off",
            _frozen_for_the_update,
            "You freeze the parameters to be allowed to change them, and leave them frozen: the "
            "next backward() gives them no gradient. Use `with torch.no_grad():`.",
        ),
        Misconception(
            "divided by the learning rate",
            _each(lambda p, g, lr: p.sub_(g / lr)),
            "You divide by lr. A step is lr times the gradient: a small rate makes small steps.",
        ),
        Misconception(
            "gradient mode left off",
            _never_switched_back,
            "You switch gradient mode off for the rest of the program: the next forward pass "
            "records no graph. Use `with torch.no_grad():`, which puts it back.",
        ),
    ),
)

# --- momentum_step ------------------------------------------------------------------------------


def _momentum_cases(generator: torch.Generator) -> list[Case]:
    case = _steps(generator)
    return [
        case(5, lr=0.1),
        case(4, lr=0.05, shapes=((2, 3, 2), (4,)), momentum=0.6, through="tuple"),
        case(3, lr=0.02, dtype="float32", momentum=0.8),
        case(5, lr=(0.1, 0.01, 0.2, 0.05, 0.15), kind="changing"),
        case(4, lr=(0.2, 0.03, 0.1, 0.3), shapes=((5,), (2, 4)), kind="changing", momentum=0.5),
        case(4, lr=0.1, kind="any", skip=((0, 1), (2, 0), (3, 2)), through="generator"),
        case(3, lr=0.1, kind="any", shapes=((4, 2), (3,)), transposed=True, momentum=0.7),
    ]


def _torch_momentum(params, velocities, lr, momentum=0.9):
    optimizer = torch.optim.SGD(list(params), lr=lr, momentum=momentum)
    for p, v in zip(optimizer.param_groups[0]["params"], velocities, strict=True):
        optimizer.state[p]["momentum_buffer"] = v
    optimizer.step()


def _momentum(
    velocity=lambda v, g, lr, momentum: momentum * v + g,
    move=lambda v, g, lr, momentum: lr * v,
    *,
    keep=True,
    fixed=None,
    missing="skip",
    guard=True,
):
    """A momentum step with one mistake or none."""

    def momentum_step(params, velocities, lr, momentum=0.9):
        momentum = fixed or momentum
        with torch.set_grad_enabled(not guard):
            for i, p in enumerate(params):
                g = p.grad
                if g is None and missing == "skip":
                    continue
                if g is None and missing == "zero":
                    g = torch.zeros_like(p)
                v = velocity(velocities[i], g, lr, momentum)
                if keep:
                    velocities[i] = v
                p -= move(v, g, lr, momentum)

    return momentum_step


def _momentum_rebinding(params, velocities, lr, momentum=0.9):
    for i, p in enumerate(params):
        if p.grad is not None:
            velocities[i] = momentum * velocities[i] + p.grad
            p = p - lr * velocities[i]


def _momentum_misplaced(params, velocities, lr, momentum=0.9):
    """Velocities are taken by counting only the parameters that have a gradient."""
    with torch.no_grad():
        for i, p in enumerate([p for p in params if p.grad is not None]):
            if velocities[i].shape != p.shape:
                velocities[i] = torch.zeros_like(p)
            velocities[i] = momentum * velocities[i] + p.grad
            p -= lr * velocities[i]


def _momentum_new_memory(params, velocities, lr, momentum=0.9):
    for i, p in enumerate(params):
        if p.grad is not None:
            velocities[i] = momentum * velocities[i] + p.grad
            p.data = p.data - lr * velocities[i]


def _momentum_read_twice(params, velocities, lr, momentum=0.9):
    with torch.no_grad():
        for i, p in enumerate(params):
            if p.grad is not None:
                velocities[i] = momentum * velocities[i] + p.grad
        for i, p in enumerate(params):
            if p.grad is not None:
                p -= lr * velocities[i]


def _velocity_fades(params, velocities, lr, momentum=0.9):
    with torch.no_grad():
        for i, p in enumerate(params):
            velocities[i] = momentum * velocities[i]
            if p.grad is not None:
                velocities[i] = velocities[i] + p.grad
                p -= lr * velocities[i]


def _old_velocity_moves(params, velocities, lr, momentum=0.9):
    with torch.no_grad():
        for i, p in enumerate(params):
            if p.grad is not None:
                velocities[i] = momentum * velocities[i] + p.grad
            p -= lr * velocities[i]


def _gradient_weakened(params, velocities, lr, momentum=0.9):
    with torch.no_grad():
        for i, p in enumerate(params):
            if p.grad is not None:
                velocities[i] = velocities[i] + momentum * p.grad
                p -= lr * velocities[i]


def _moved_too_early(params, velocities, lr, momentum=0.9):
    with torch.no_grad():
        for i, p in enumerate(params):
            if p.grad is not None:
                p -= lr * velocities[i]
                velocities[i] = momentum * velocities[i] + p.grad


def _gathered_in_the_gradient(params, velocities, lr, momentum=0.9):
    with torch.no_grad():
        for i, p in enumerate(params):
            if p.grad is not None:
                p.grad.add_(velocities[i], alpha=momentum)
                velocities[i] = p.grad.clone()
                p -= lr * velocities[i]


def _momentum_if_gradient(params, velocities, lr, momentum=0.9):
    for p in params:
        if p.grad:
            p.data -= lr * p.grad


# Right, written differently.


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


MOMENTUM_STEP = Answer(
    exercise="momentum_step",
    cases=_momentum_cases,
    oracle=_torch_momentum,
    variants=(_velocity_in_place, _new_velocities, _whole_list_replaced),
    misconceptions=(
        Misconception(
            "damped gradient",
            _momentum(lambda v, g, lr, momentum: momentum * v + (1 - momentum) * g),
            "You weigh the gradient with 1 - momentum: that is an average, as in Adam. Momentum in "
            "torch.optim.SGD adds the whole gradient: v = momentum * v + g.",
        ),
        Misconception(
            "learning rate inside the velocity",
            _momentum(
                lambda v, g, lr, momentum: momentum * v + lr * g, lambda v, g, lr, momentum: v
            ),
            "Your velocity contains the learning rate. As long as lr stays the same nobody notices; "
            "when it changes, old gradients keep their old rate. Keep gradients in the velocity "
            "and multiply by lr when you move.",
        ),
        Misconception(
            "learning rate inside the velocity",
            _momentum(
                lambda v, g, lr, momentum: momentum * v - lr * g, lambda v, g, lr, momentum: -v
            ),
            "Your velocity contains the learning rate, and a minus sign. When lr changes, old "
            "gradients keep their old rate. Keep gradients in the velocity, v = momentum * v + g, "
            "and multiply by lr when you move.",
        ),
        Misconception(
            "learning rate twice",
            _momentum(lambda v, g, lr, momentum: momentum * v + lr * g),
            "The learning rate comes in twice: in the velocity and in the move. The velocity holds "
            "plain gradients.",
        ),
        Misconception(
            "moved by the old velocity",
            _moved_too_early,
            "You move first and update the velocity after, so each gradient acts one step late. "
            "Update the velocity, then move by it.",
        ),
        Misconception(
            "gradients changed by the step",
            _gathered_in_the_gradient,
            "You add the velocity to p.grad itself, so .grad is no gradient any more. Compute "
            "momentum * v + g, which is a new tensor.",
        ),
        Misconception(
            "truth of a tensor", _momentum_if_gradient, _TRUTH, recognise=_asks_for_truth
        ),
        Misconception(
            "velocity not kept",
            _momentum(keep=False),
            "Your velocity is forgotten after each step, so nothing gathers: this is plain SGD. "
            "Write the new velocity back into the list, or change its tensor in place.",
        ),
        Misconception(
            "new gradient weakened too",
            _momentum(lambda v, g, lr, momentum: momentum * (v + g)),
            "You multiply the new gradient by momentum as well. Only what was gathered before loses "
            "some: v = momentum * v + g.",
        ),
        Misconception(
            "new memory for the parameters",
            _momentum_new_memory,
            "The values are right, but you gave the parameters new memory (p.data = ...). Whatever "
            "shared the old memory still sees the old values. Change it in place: p -= ...",
        ),
        Misconception(
            "parameters read twice",
            _momentum_read_twice,
            "You loop over params twice. model.parameters() can be read once, so the second loop "
            "finds nothing and no parameter moves. Do both in one loop, or make a list first.",
        ),
        Misconception(
            "velocity fades without a gradient",
            _velocity_fades,
            "You weaken the velocity of a parameter that has no gradient. It keeps its velocity as it "
            "is: leave such a parameter out of everything.",
        ),
        Misconception(
            "moved by an old velocity without a gradient",
            _old_velocity_moves,
            "A parameter without gradient goes on moving by its old velocity. It is to stay where it "
            "is: put the update under the same question as the velocity.",
        ),
        Misconception(
            "momentum at the gradient",
            _gradient_weakened,
            "momentum stands at the gradient: v + 0.9 g never forgets. It belongs to the old velocity: "
            "0.9 v + g.",
        ),
        Misconception(
            "moved by the look-ahead",
            _momentum(move=lambda v, g, lr, momentum: lr * (g + momentum * v)),
            "You move by gradient plus momentum times the new velocity: that is Nesterov's form. "
            "Here the parameter moves by lr times the velocity.",
        ),
        Misconception(
            "wrong sign",
            _momentum(move=lambda v, g, lr, momentum: -lr * v),
            "You add the velocity to the parameters. It gathers gradients, which point uphill: "
            "subtract it.",
        ),
        Misconception(
            "wrong sign",
            _momentum(lambda v, g, lr, momentum: momentum * v - g),
            "Your velocity gathers the gradients with a minus sign, and you subtract it: you move "
            "uphill. One minus is enough.",
        ),
        Misconception(
            "momentum ignored",
            _momentum(fixed=0.9),
            "You always use 0.9. The caller may pass another momentum.",
        ),
        Misconception("rebinding instead of in place", _momentum_rebinding, _NEW_TENSOR),
        Misconception(
            "update recorded in the graph",
            _momentum(guard=False),
            _IN_THE_GRAPH,
            recognise=_recorded,
        ),
        Misconception(
            "crash on a parameter without gradient",
            _momentum(missing="crash"),
            _NONE,
            recognise=_crashes_on_none,
        ),
        Misconception(
            "moved without a gradient",
            _momentum(missing="zero"),
            "You treat a missing gradient as zero, so the parameter rolls on and its velocity "
            "decays. Without a gradient both stay as they are.",
        ),
        Misconception(
            "velocities of the wrong parameters",
            _momentum_misplaced,
            "You count only the parameters that have a gradient, so after a gap the others meet "
            "their neighbours' velocities. Entry i belongs to parameter i, gap or not.",
        ),
    ),
)

# --- adam_step ----------------------------------------------------------------------------------


def _adam_cases(generator: torch.Generator) -> list[Case]:
    case = _steps(generator)
    return [
        case(1, lr=0.1, kind="first"),
        case(1, lr=0.05, kind="first", shapes=((2, 5), (3,)), eps=0.1, scale=0.01),
        case(1, lr=0.2, kind="first", betas=(0.5, 0.7), scale=100.0),
        case(40, lr=0.01),
        case(25, lr=0.05, betas=(0.7, 0.85), eps=0.05, shapes=((4,), (2, 3, 2))),
        # Tiny gradients, beside which eps is large.
        case(12, lr=0.1, scale=1e-7, through="tuple"),
        case(10, lr=(0.1, 0.02, 0.05, 0.2, 0.01, 0.1, 0.3, 0.04, 0.1, 0.06)),
        case(30, lr=0.02, kind="single", dtype="float32"),
        case(
            7,
            lr=0.1,
            kind="any",
            skip=((0, 0), (2, 1), (3, 0), (3, 2), (5, 1)),
            through="generator",
        ),
        case(5, lr=0.05, kind="any", shapes=((4, 3), (2,)), transposed=True, betas=(0.8, 0.9)),
        # Equal shapes: a state that is found by shape is shared.
        case(4, lr=0.1, kind="any", shapes=((3,), (2, 2), (3,), (2, 2))),
    ]


def _torch_adam(params, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    params = list(params)
    if "optimizer" not in state:
        state["optimizer"] = torch.optim.Adam(params, lr=lr, betas=betas, eps=eps)
    state["optimizer"].param_groups[0]["lr"] = lr
    state["optimizer"].step()


def _adam(
    *,
    correct=lambda m, v, t, beta1, beta2: (m / (1 - beta1**t), v / (1 - beta2**t)),
    move=lambda m, v, eps: m / (v.sqrt() + eps),
    betas_used=lambda betas: betas,
    eps_used=lambda eps: eps,
    lr_used=lambda lr: lr,
    counter="own",
    keep=True,
    sign=1,
    first=lambda m, g, beta: beta * m + (1 - beta) * g,
    second=lambda g: g * g,
    missing="skip",
    guard=True,
    assign=None,
):
    """An Adam step with one mistake or none. ``counter``: "own" per parameter, "shared" and raised
    by every parameter, "call" once per call, "stuck" at 1."""

    def adam_step(params, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        beta1, beta2 = betas_used(betas)
        state["calls"] = state.get("calls", 0) + 1
        with torch.set_grad_enabled(not guard):
            for i, p in enumerate(params):
                g = p.grad
                if g is None and missing == "skip":
                    continue
                zeros = torch.zeros_like(p, requires_grad=False)
                if g is None and missing == "zero":
                    g = zeros
                t, m, v = state.get(i, (0, zeros, zeros)) if keep else (0, zeros, zeros)
                state["raised"] = state.get("raised", 0) + 1
                t += 1
                m, v = first(m, g, beta1), first(v, second(g), beta2)
                state[i] = (t, m, v)
                used = {"own": t, "shared": state["raised"], "call": state["calls"], "stuck": 1}
                m_hat, v_hat = correct(m, v, used[counter], beta1, beta2)
                step = sign * lr_used(lr) * move(m_hat, v_hat, eps_used(eps))
                if assign:
                    assign(p, step)
                else:
                    p -= step

    return adam_step


def _counter_raised_late(params, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    with torch.no_grad():
        for i, p in enumerate(params):
            if p.grad is None:
                continue
            t, m, v = state.get(i, (0, torch.zeros_like(p), torch.zeros_like(p)))
            m = betas[0] * m + (1 - betas[0]) * p.grad
            v = betas[1] * v + (1 - betas[1]) * p.grad**2
            p -= lr * m / (1 - betas[0] ** t) / ((v / (1 - betas[1] ** t)).sqrt() + eps)
            state[i] = (t + 1, m, v)


def _corrected_moments_kept(params, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    with torch.no_grad():
        for i, p in enumerate(params):
            if p.grad is None:
                continue
            t, m, v = state.get(i, (0, torch.zeros_like(p), torch.zeros_like(p)))
            t += 1
            m = (betas[0] * m + (1 - betas[0]) * p.grad) / (1 - betas[0] ** t)
            v = (betas[1] * v + (1 - betas[1]) * p.grad**2) / (1 - betas[1] ** t)
            state[i] = (t, m, v)
            p -= lr * m / (v.sqrt() + eps)


def _state_by_shape(params, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    """Each moment is found under its parameter's shape."""
    with torch.no_grad():
        for p in params:
            if p.grad is None:
                continue
            t, m, v = state.get(p.shape, (0, torch.zeros_like(p), torch.zeros_like(p)))
            t += 1
            m = betas[0] * m + (1 - betas[0]) * p.grad
            v = betas[1] * v + (1 - betas[1]) * p.grad**2
            state[p.shape] = t, m, v
            m_hat, v_hat = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
            p -= lr * m_hat / (v_hat.sqrt() + eps)


def _one_state_for_all(params, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    with torch.no_grad():
        for p in params:
            if p.grad is None:
                continue
            t = state["t"] = state.get("t", 0) + 1
            m = state["m"] = betas[0] * state.get("m", 0.0) + (1 - betas[0]) * p.grad
            v = state["v"] = betas[1] * state.get("v", 0.0) + (1 - betas[1]) * p.grad**2
            p -= lr * m / (1 - betas[0] ** t) / ((v / (1 - betas[1] ** t)).sqrt() + eps)


def _moments_share_memory(params, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    with torch.no_grad():
        for i, p in enumerate(params):
            if p.grad is None:
                continue
            if i not in state:
                zeros = torch.zeros_like(p)
                state[i] = [0, zeros, zeros]
            state[i][0] += 1
            t, m, v = state[i]
            m.mul_(betas[0]).add_((1 - betas[0]) * p.grad)
            v.mul_(betas[1]).add_((1 - betas[1]) * p.grad**2)
            p -= lr * m / (1 - betas[0] ** t) / ((v / (1 - betas[1] ** t)).sqrt() + eps)


def _adam_if_gradient(params, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    for p in params:
        if p.grad:
            p.data -= lr * p.grad.sign()


def _shapes_meet(case: Case, got: Observation) -> bool:
    """The second parameter meets the moments of the first."""
    message = "" if got.error is None else got.error.message
    return "must match the size" in message or "match the broadcast shape" in message


def _rebind(p, step):
    p = p - step


def _replace(p, step):
    p.data = p.data - step


# Right, written differently.


def _like_the_documentation(params, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    b1, b2 = betas
    for p in params:
        if p.grad is None:
            continue
        own = state.setdefault(id(p), {"t": 0, "m": 0.0, "v": 0.0})
        own["t"] += 1
        own["m"] = b1 * own["m"] + (1 - b1) * p.grad
        own["v"] = b2 * own["v"] + (1 - b2) * p.grad.square()
        step_size = lr / (1 - b1 ** own["t"])
        root = own["v"].sqrt() / math.sqrt(1 - b2 ** own["t"])
        p.data -= step_size * own["m"] / (root + eps)


@torch.no_grad()
def _keyed_by_the_tensor(params, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    """Moments are changed in place, the tensors themselves are the keys."""
    for p in list(params):
        g = p.grad
        if g is not None:
            if p not in state:
                state[p] = [torch.zeros((), dtype=torch.int64), *torch.zeros(2, *p.shape).to(p)]
            count, m, v = state[p]
            count += 1
            m.lerp_(g, 1 - betas[0])
            v.mul_(betas[1]).addcmul_(g, g, value=1 - betas[1])
            t = count.item()
            p.addcdiv_(
                m / (1 - betas[0] ** t), (v / (1 - betas[1] ** t)).sqrt_().add_(eps), value=-lr
            )


def _from_the_whole_history(params, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    """Keeps all gradients, and computes the corrected moments as weighted means of them."""
    for i, p in enumerate(params):
        if p.grad is None:
            continue
        history = state.setdefault(i, [])
        history.append(p.grad.clone())
        powers = torch.arange(len(history) - 1, -1, -1, dtype=torch.float64)

        def mean(values, beta, powers=powers):
            weights = beta**powers
            stacked = torch.stack(values)
            shape = (-1, *[1] * (stacked.dim() - 1))
            return ((weights / weights.sum()).to(stacked.dtype).reshape(shape) * stacked).sum(dim=0)

        m, v = mean(history, betas[0]), mean([g * g for g in history], betas[1])
        with torch.no_grad():
            p.copy_(p - lr * m / (v.sqrt() + eps))


_FLOAT64 = (1e-6, 1e-9)

ADAM_STEP = Answer(
    exercise="adam_step",
    cases=_adam_cases,
    oracle=_torch_adam,
    tolerance=_FLOAT64,
    tolerances={"single_parameters": (1e-4, 1e-5)},
    variants=(_like_the_documentation, _keyed_by_the_tensor, _from_the_whole_history),
    misconceptions=(
        Misconception(
            "no bias correction",
            _adam(correct=lambda m, v, t, beta1, beta2: (m, v)),
            "You use the moments as they are. They start at zero and are far too small at first: "
            "divide m by 1 - beta1**t and v by 1 - beta2**t.",
        ),
        Misconception(
            "first moment not corrected",
            _adam(correct=lambda m, v, t, beta1, beta2: (m, v / (1 - beta2**t))),
            "You correct v, and not m. Both start at zero: divide m by 1 - beta1**t too.",
        ),
        Misconception(
            "second moment not corrected",
            _adam(correct=lambda m, v, t, beta1, beta2: (m / (1 - beta1**t), v)),
            "You correct m, and not v. Both start at zero: divide v by 1 - beta2**t too.",
        ),
        Misconception(
            "eps inside the root",
            _adam(move=lambda m, v, eps: m / (v + eps).sqrt()),
            "You add eps under the root, where its effect is much larger. Take the root first, then "
            "add eps.",
        ),
        Misconception(
            "eps added before the correction",
            _adam(
                correct=lambda m, v, t, beta1, beta2: (
                    m / (1 - beta1**t) * math.sqrt(1 - beta2**t),
                    v,
                )
            ),
            "You correct the finished quotient, so eps is scaled with it. Correct v, take its root, "
            "then add eps.",
        ),
        Misconception(
            "root missing",
            _adam(move=lambda m, v, eps: m / (v + eps)),
            "You divide by the second moment itself. It is a mean of squares: take its root.",
        ),
        Misconception(
            "betas swapped",
            _adam(betas_used=lambda betas: betas[::-1]),
            "You use the first beta for the second moment and the other way round: beta1 belongs to "
            "the mean of the gradients, beta2 to the mean of their squares.",
        ),
        Misconception(
            "one step counter raised by every parameter",
            _adam(counter="shared"),
            "One counter is raised once per parameter, so with three parameters it runs three times "
            "too fast, and the corrections are too weak. Each parameter counts its own steps.",
        ),
        Misconception(
            "one counter for all parameters",
            _adam(counter="call"),
            "You count calls. A parameter without a gradient makes no step in that call, so its own "
            "count is lower: each parameter counts its own steps.",
        ),
        Misconception(
            "step counter stuck at 1",
            _adam(counter="stuck"),
            "Your counter is 1 at every step, so the corrections of the first step are applied for "
            "ever. Keep it in state and raise it.",
        ),
        Misconception(
            "counter one step ahead",
            _adam(
                correct=lambda m, v, t, beta1, beta2: (
                    m / (1 - beta1 ** (t + 1)),
                    v / (1 - beta2 ** (t + 1)),
                )
            ),
            "Your counter is one step ahead: the correction of the first step divides by "
            "1 - beta ** 2. Start it at 0 and raise it once, before its use.",
        ),
        Misconception(
            "counter raised after its use",
            _counter_raised_late,
            "At the first step your t is 0, and 1 - beta**0 is 0: you divide by zero, and every "
            "weight becomes nan. Raise t first, so that it begins at 1.",
        ),
        Misconception(
            "corrected moments kept",
            _corrected_moments_kept,
            "You put the corrected moments back into state, so they are corrected again at each "
            "step. Keep m and v as they are; m-hat and v-hat are for this step only.",
        ),
        Misconception(
            "one state for all parameters",
            _one_state_for_all,
            "All parameters share one entry of state, so the second meets the moments of the first. "
            "Give each parameter its own entry: its number is a good key.",
            recognise=_shapes_meet,
        ),
        Misconception(
            "one state for all parameters",
            _state_by_shape,
            "You find a parameter's moments by its shape, so two parameters of one shape share "
            "them. Give each parameter its own entry: its number is a good key.",
        ),
        Misconception(
            "both moments in one tensor",
            _moments_share_memory,
            "Both moments start as one and the same tensor, and what is changed in place in one "
            "changes in the other. Make two: torch.zeros_like(p) for each.",
        ),
        Misconception(
            "sums instead of means",
            _adam(first=lambda m, g, beta: beta * m + g),
            "You add the whole gradient, as momentum does. Adam's moments are means: the new value "
            "comes in with the weight 1 - beta.",
        ),
        Misconception(
            "weights of old and new swapped",
            _adam(first=lambda m, g, beta: (1 - beta) * m + beta * g),
            "You give the new gradient the weight beta and the old mean what is left. It is the "
            "other way round: beta is what remains of the old.",
        ),
        Misconception(
            "multiplied by the correction",
            _adam(correct=lambda m, v, t, beta1, beta2: (m * (1 - beta1**t), v * (1 - beta2**t))),
            "You multiply by 1 - beta**t, which makes moments that are too small smaller still. "
            "Divide by it.",
        ),
        Misconception(
            "beta times t",
            _adam(correct=lambda m, v, t, beta1, beta2: (m / (1 - beta1 * t), v / (1 - beta2 * t))),
            "You compute beta * t. The correction needs a power: beta**t.",
        ),
        Misconception(
            "gradient not squared",
            _adam(second=lambda g: g),
            "Your second moment averages the gradients themselves, and the root of a negative "
            "number is nan. It averages their squares.",
        ),
        Misconception(
            "learning rate left out",
            _adam(move=lambda m, v, eps: m / (v.sqrt() + eps), lr_used=lambda lr: 1.0),
            "Each step has a length of about 1. Multiply by lr.",
        ),
        Misconception("truth of a tensor", _adam_if_gradient, _TRUTH, recognise=_asks_for_truth),
        Misconception(
            "moments not kept",
            _adam(keep=False),
            "Your moments start from zero at every step, so each step is a first step, of length lr "
            "whatever the gradient. Keep them in state.",
        ),
        Misconception(
            "eps left out",
            _adam(eps_used=lambda eps: 0.0),
            "You leave eps out. It keeps the step small where the gradients are smaller than eps, "
            "and the division possible where they are zero.",
        ),
        Misconception(
            "eps ignored",
            _adam(eps_used=lambda eps: 1e-8),
            "You always use 1e-8. The caller may pass another eps.",
        ),
        Misconception(
            "betas ignored",
            _adam(betas_used=lambda betas: (0.9, 0.999)),
            "You always use 0.9 and 0.999. The caller may pass other betas.",
        ),
        Misconception(
            "wrong sign",
            _adam(sign=-1),
            "You move uphill: subtract the step.",
        ),
        Misconception(
            "absolute value for square",
            _adam(second=lambda g: g.abs()),
            "Your second moment averages the absolute values. It averages the squares of the "
            "gradients, and the root comes at the end.",
        ),
        Misconception("rebinding instead of in place", _adam(assign=_rebind), _NEW_TENSOR),
        Misconception("new memory for the parameters", _adam(assign=_replace), _NEW_MEMORY),
        Misconception(
            "update recorded in the graph", _adam(guard=False), _IN_THE_GRAPH, recognise=_recorded
        ),
        Misconception(
            "crash on a parameter without gradient",
            _adam(missing="crash"),
            _NONE,
            recognise=_crashes_on_none,
        ),
        Misconception(
            "moved without a gradient",
            _adam(missing="zero"),
            "You treat a missing gradient as zero, so the parameter rolls on. Without a gradient it "
            "keeps its value, its moments and its step count.",
        ),
    ),
)

# --- clip_gradients -----------------------------------------------------------------------------


def _clip_cases(generator: torch.Generator) -> list[Case]:
    def case(*, shapes=_SHAPES, **settings):
        return public.clip_case(generator, shapes, **settings)

    return [
        case(norm=12.0, max_norm=3.0),
        case(norm=2.0, max_norm=0.5, shapes=((4,), (2, 3, 2)), through="tuple"),
        case(norm=500.0, max_norm=1.0, dtype="float32"),
        case(norm=0.4, max_norm=2.5, kind="gentle"),
        # A square above max_norm whose root is not.
        case(norm=2.2, max_norm=2.5, kind="gentle"),
        case(norm=0.0, max_norm=1.5, kind="gentle"),
        case(norm=1.0, max_norm=1.0, kind="gentle", without=(0, 1, 2)),
        case(norm=9.0, max_norm=1.2, kind="any", without=(1,), through="generator"),
        case(norm=6.0, max_norm=2.0, kind="any", shapes=((3,), (2, 2), (4,), ()), without=(0, 3)),
    ]


def _torch_clip(params, max_norm):
    return float(torch.nn.utils.clip_grad_norm_(list(params), max_norm))


def _clip(
    total=lambda gradients: math.sqrt(sum((g.double() ** 2).sum().item() for g in gradients)),
    factor=lambda norm, max_norm: min(1.0, max_norm / norm) if norm else 1.0,
    returned=lambda norm, factor: norm,
    *,
    scale=lambda p, factor: p.grad.mul_(factor),
):
    """Clipping with one mistake or none."""

    def clip_gradients(params, max_norm):
        params = [p for p in params if p.grad is not None]
        norm = total([p.grad for p in params])
        f = factor(norm, max_norm)
        for p in params:
            scale(p, f)
        return returned(norm, f)

    return clip_gradients


def _each_alone(params, max_norm):
    total = 0.0
    for p in params:
        if p.grad is not None:
            norm = p.grad.norm().item()
            total += norm**2
            if norm > max_norm:
                p.grad.mul_(max_norm / norm)
    return math.sqrt(total)


def _clamped(params, max_norm):
    total = 0.0
    for p in params:
        if p.grad is not None:
            total += p.grad.norm().item() ** 2
            p.grad.clamp_(-max_norm, max_norm)
    return math.sqrt(total)


def _replace_gradient(p, factor):
    p.grad = p.grad * factor


def _read_twice(params, max_norm):
    total = math.sqrt(sum(p.grad.norm().item() ** 2 for p in params if p.grad is not None))
    if total > max_norm:
        for p in params:
            if p.grad is not None:
                p.grad.mul_(max_norm / total)
    return total


def _crash_on_missing(params, max_norm):
    params = list(params)
    total = math.sqrt(sum(p.grad.norm().item() ** 2 for p in params))
    if total > max_norm:
        for p in params:
            p.grad.mul_(max_norm / total)
    return total


def _test_without_root(params, max_norm):
    gradients = [p.grad for p in params if p.grad is not None]
    squares = sum((g**2).sum().item() for g in gradients)
    if squares > max_norm:
        for g in gradients:
            g.mul_(max_norm / math.sqrt(squares))
    return math.sqrt(squares)


def _scale_a_new_tensor(p, factor):
    g = p.grad
    g = g * factor


def _scale_the_parameter(p, factor):
    with torch.no_grad():
        p.mul_(factor)


def _by_running_total(params, max_norm):
    total = 0.0
    for p in params:
        if p.grad is not None:
            total = math.hypot(total, p.grad.norm().item())
            if total > max_norm:
                p.grad.mul_(max_norm / total)
    return total


def _silent_when_small(params, max_norm):
    gradients = [p.grad for p in params if p.grad is not None]
    norm = float(sum((g**2).sum().item() for g in gradients) ** 0.5)
    if norm <= max_norm:
        return None
    for g in gradients:
        g.mul_(max_norm / norm)
    return norm


def _integer_zero(params, max_norm):
    params = list(params)
    if all(p.grad is None for p in params):
        return 0
    return _clip()(params, max_norm)


def _missing_gradient(case: Case, got: Observation) -> bool:
    if all(g is not None for g in case["gradients"]):
        return got.error is None
    return got.error is not None and "None" in got.error.message


# Right, written differently.


def _one_long_vector(params, max_norm):
    gradients = [p.grad for p in params if p.grad is not None]
    if not gradients:
        return 0.0
    norm = torch.cat([g.reshape(-1) for g in gradients]).norm()
    factor = (max_norm / (norm + 1e-6)).clamp(max=1.0)
    for g in gradients:
        g *= factor
    return norm.item()


def _norm_of_norms(params, max_norm):
    params = list(params)
    norms = [p.grad.norm().item() for p in params if p.grad is not None]
    norm = math.hypot(*norms)
    if norm > max_norm:
        for p in params:
            if p.grad is not None:
                p.grad.copy_(p.grad / norm * max_norm)
    return float(norm)


@torch.no_grad()
def _with_foreach(params, max_norm):
    gradients: list[Tensor] = [p.grad for p in params if p.grad is not None]
    norm = sum(torch.sum(g * g) for g in gradients) ** 0.5
    if norm > max_norm:
        torch._foreach_mul_(gradients, float(max_norm / norm))
    return float(norm)


CLIP_GRADIENTS = Answer(
    exercise="clip_gradients",
    cases=_clip_cases,
    oracle=_torch_clip,
    # PyTorch adds 1e-6 to the norm that it divides by; leaving that out is right too.
    tolerance=(1e-5, 1e-7),
    variants=(_one_long_vector, _norm_of_norms, _with_foreach),
    misconceptions=(
        Misconception(
            "each gradient clipped alone",
            _each_alone,
            "You clip each parameter's gradient by its own norm. That turns the common direction, "
            "and the common norm can still be too large. One norm and one factor for all.",
        ),
        Misconception(
            "small gradients scaled up",
            _clip(factor=lambda norm, max_norm: max_norm / norm if norm else 1.0),
            "Gradients that were small enough have been made larger. Clipping only ever shrinks: "
            "the factor is at most 1.",
        ),
        Misconception(
            "values clamped",
            _clamped,
            "You clamp each entry to the range from -max_norm to max_norm. That turns the direction. "
            "Scale all entries by one factor.",
        ),
        Misconception(
            "norm after clipping returned",
            _clip(returned=lambda norm, factor: norm * factor),
            "You return the norm after clipping. Return the one before: it shows in a log how large "
            "the gradients really were.",
        ),
        Misconception(
            "nothing returned for small gradients",
            _silent_when_small,
            "When nothing has to be clipped you return nothing. The norm is of interest then, too: "
            "return it in every case.",
        ),
        Misconception(
            "factor returned",
            _clip(returned=lambda norm, factor: factor),
            "You return the factor. Return the norm before clipping.",
        ),
        Misconception(
            "nothing returned",
            _clip(returned=lambda norm, factor: None),
            "The gradients are right, but you return nothing. Return the norm before clipping.",
        ),
        Misconception(
            "root missing",
            _clip(lambda gradients: sum((g**2).sum().item() for g in gradients)),
            "You add up the squares and take no root.",
        ),
        Misconception(
            "norms added",
            _clip(lambda gradients: sum(g.norm().item() for g in gradients)),
            "You add up the norms of the parameters. The common norm is the root of the sum of their "
            "squares.",
        ),
        Misconception(
            "largest norm for the common one",
            _clip(lambda gradients: max((g.norm().item() for g in gradients), default=0.0)),
            "You take the largest of the parameters' norms. The common norm is that of all "
            "gradients laid end to end: the root of the sum of all squares.",
        ),
        Misconception(
            "mean of the norms",
            _clip(
                lambda gradients: sum(g.norm().item() for g in gradients) / max(len(gradients), 1)
            ),
            "You average the parameters' norms. The common norm is that of all gradients laid end "
            "to end: the root of the sum of all squares.",
        ),
        Misconception(
            "L1",
            _clip(lambda gradients: float(sum(g.abs().sum().item() for g in gradients))),
            "You add up the absolute values: that is the L1 norm. The L2 norm is the root of the "
            "sum of squares.",
        ),
        Misconception(
            "scaled to norm 1",
            _clip(factor=lambda norm, max_norm: 1 / norm if norm > max_norm else 1.0),
            "You divide by the norm, so the gradients end at norm 1. They should end at max_norm: "
            "multiply by max_norm / norm.",
        ),
        Misconception(
            "factor turned round",
            _clip(factor=lambda norm, max_norm: max(1.0, norm / max_norm)),
            "You multiply by norm / max_norm, which makes large gradients larger. Turn it round: "
            "max_norm / norm.",
        ),
        Misconception(
            "small gradients scaled up",
            _test_without_root,
            "You compare the sum of squares with max_norm, without the root. Where the sum is above "
            "max_norm and the norm is not, gradients that were small enough are made larger.",
        ),
        Misconception(
            "division by a norm of 0",
            _clip(factor=lambda norm, max_norm: min(1.0, max_norm / norm)),
            "When all gradients are zero, or there are none, the norm is 0, and you divide by it. "
            "Divide only when the norm is larger than max_norm.",
        ),
        Misconception(
            "gradients not scaled",
            _clip(scale=_scale_a_new_tensor),
            "g = g * factor makes a new tensor and gives it the name g; the gradients stay as they "
            "were. Scale in place: g.mul_(factor) or g *= factor.",
        ),
        Misconception(
            "parameters scaled",
            _clip(scale=_scale_the_parameter),
            "You scale the parameters themselves. Clipping is about the gradients: p.grad.",
        ),
        Misconception(
            "scaled before all are measured",
            _by_running_total,
            "You scale each gradient as soon as it is added, so each gets another factor. Measure "
            "all of them first, then scale all by one factor.",
        ),
        Misconception(
            "0 for 0.0",
            _integer_zero,
            "Without any gradient you return the int 0. A float is asked for in every case: 0.0.",
        ),
        Misconception(
            "tensor returned",
            _clip(returned=lambda norm, factor: torch.tensor(norm)),
            "The norm is a tensor. A number for a log is a Python float: call .item().",
        ),
        Misconception(
            "gradients replaced",
            _clip(scale=_replace_gradient),
            "The values are right, but each .grad is a new tensor. Scale in place: p.grad.mul_(...) "
            "or p.grad *= ...",
        ),
        Misconception(
            "parameters read twice",
            _read_twice,
            "model.parameters() is a generator: it can be read once. Your second loop finds nothing "
            "left, so the gradients are measured and not scaled. Make a list first.",
        ),
        Misconception(
            "crash on a parameter without gradient",
            _crash_on_missing,
            _NONE,
            recognise=_missing_gradient,
        ),
    ),
)

ANSWERS = (SGD_STEP, MOMENTUM_STEP, ADAM_STEP, CLIP_GRADIENTS)

# --- quiz ---------------------------------------------------------------------------------------


def _prove_plain_step() -> str:
    w = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    w.grad = torch.tensor(2.0, dtype=torch.float64)
    torch.optim.SGD([w], lr=0.1).step()
    moved = w.item() - 1
    claims = {"A": 0.2, "B": -2.0, "C": -0.2, "D": -20.0}
    return "".join(letter for letter, claim in claims.items() if math.isclose(moved, claim))


def _prove_first_adam_step() -> str:
    lr = 0.01
    weights = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    weights.grad = torch.tensor([0.001, 1000.0], dtype=torch.float64)
    torch.optim.Adam([weights], lr=lr).step()
    small, large = weights.detach().abs().tolist()
    if small == large == 0:
        return "C"
    if math.isclose(small, lr, rel_tol=1e-4) and math.isclose(large, lr, rel_tol=1e-4):
        return "A"
    return "B" if large > small else "D"


def _prove_zig_zag() -> str:
    """SGD on L = (x^2 + 60 y^2) / 2."""

    def crossings(lr: float) -> int:
        place = torch.tensor([-4.0, 1.0], dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.SGD([place], lr=lr)
        heights = []
        for _ in range(150):
            optimizer.zero_grad()
            ((place[0] ** 2 + 60 * place[1] ** 2) / 2).backward()
            heights.append(place[1].item())
            optimizer.step()
        return sum(a * b < 0 for a, b in pairwise(heights))

    if crossings(0.01) >= crossings(0.032):
        return "A"
    if crossings(0.032) != crossings(0.032):
        return "B"
    start = torch.tensor([-4.0, 1.0], dtype=torch.float64)
    downhill = -start * torch.tensor([1.0, 60.0], dtype=torch.float64)
    if torch.cosine_similarity(downhill, -start, dim=0) > 0.99:
        return "C"
    return "D" if 1 < 0.032 * 60 < 2 and crossings(0.032) > 100 else ""


QUIZ = (
    QuizKey(
        "q04_1",
        "C",
        {
            "A": "The step goes against the gradient, not along it.",
            "B": "That leaves the learning rate out.",
            "C": "lr times gradient is 0.2, and the step is downhill.",
            "D": "That divides by the learning rate instead of multiplying.",
        },
        _prove_plain_step,
    ),
    QuizKey(
        "q04_2",
        "A",
        {
            "A": "After bias correction m is the gradient and v its square, so m over the root of v "
            "is plus or minus 1.",
            "B": "That is what SGD would do; Adam divides by the gradient's size.",
            "C": "Bias correction undoes exactly that.",
            "D": "Adam makes the two steps equal; it does not reverse them.",
        },
        _prove_first_adam_step,
    ),
    QuizKey(
        "q04_3",
        "D",
        {
            "A": "A smaller rate would creep along without crossing the valley.",
            "B": "The race uses exact gradients: the same start gives the same path.",
            "C": "The gradient points almost straight across the valley, not at the minimum.",
            "D": "0.032 times the curvature 60 is 1.92: the height is multiplied by 1 - 1.92 = -0.92 "
            "at every step.",
        },
        _prove_zig_zag,
    ),
)
