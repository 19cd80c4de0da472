"""``adam_step``, secret half. Long: there are 34 ways to get Adam wrong."""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from course_lib.exercises.ch04_optimizer_step.steps import steps_case
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.ch04_optimizer_step import step_mistakes as shared
from grading.answers.compare import in_own_words
from grading.answers.edit import edit
from grading.answers.model import Answer, Symptom, right_but, wrong

NO_GRADIENT = "if p.grad is None:"
READ, WRITE = "state.get(i, ", "state[i] = "
KEEP = "            state[i] = (t, m, v)\n"
MOVE = "            p -= lr * m_hat"
FIRST, SECOND = "beta1 * m + (1 - beta1) * p.grad", "beta2 * v + (1 - beta2) * p.grad**2"
CORRECT_FIRST, CORRECT_SECOND = "m / (1 - beta1**t)", "v / (1 - beta2**t)"


def _cases(generator: torch.Generator) -> list[Case]:
    case = partial(steps_case, generator, shapes=shared.SHAPES)
    rates = (0.1, 0.02, 0.05, 0.2, 0.01, 0.1, 0.3, 0.04, 0.1, 0.06)
    gaps = ((0, 0), (2, 1), (3, 0), (3, 2), (5, 1))
    return [
        # Large gradients, beside which eps is nothing.
        case(1, "first", lr=0.1, scale=1e4),
        case(1, "first", lr=0.2, shapes=((2, 5), (3,)), scale=1e3),
        case(1, "settings", lr=0.05, shapes=((2, 5), (3,)), eps=0.1, scale=0.01),
        # Other betas change nothing in the first step, once it is corrected.
        case(1, "first", lr=0.2, betas=(0.5, 0.7), scale=1e4),
        case(30, "first_moment", lr=0.01, scale=1e3, even=True),
        case(6, "first_moment", lr=0.1, scale=1e4, even=True, betas=(0.7, 0.99)),
        case(30, "second_moment", lr=0.01, scale=1e3, betas=(0.0, 0.999)),
        case(6, "second_moment", lr=0.1, scale=1e4, betas=(0.0, 0.8)),
        case(40, "settings", lr=0.01, scale=1e3),
        case(3, "settings", lr=None, shapes=((2,), (3, 2)), scale=1e3),
        case(30, "settings", lr=0.02, dtype="float32"),
        case(25, "settings", lr=0.05, betas=(0.7, 0.85), eps=0.05, shapes=((4,), (2, 3, 2))),
        # Tiny gradients, beside which eps is large.
        case(12, "settings", lr=0.1, scale=1e-7, through="tuple"),
        case(10, "settings", lr=rates),
        case(7, "any", "side", lr=0.1, skip=gaps, through="generator"),
        case(5, "any", "side", lr=0.05, shapes=((4, 3), (2,)), transposed=True, betas=(0.8, 0.9)),
        # Equal shapes: a state that is found by shape is shared.
        case(4, "any", "side", lr=0.1, shapes=((3,), (2, 2), (3,), (2, 2))),
    ]


#: Steps that a mistake makes tiny are known to fewer digits.
_LOOSE = (1e-5, 1e-5)


def _torch_adam(params, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    params = list(params)
    if "optimizer" not in state:
        state["optimizer"] = torch.optim.Adam(params, lr=lr, betas=betas, eps=eps)
    state["optimizer"].param_groups[0]["lr"] = lr
    state["optimizer"].step()


def _shapes_meet(case: Case, got: Observation) -> bool:
    """The second parameter meets the moments of the first."""
    message = "" if got.error is None else got.error.message
    return "must match the size" in message or "match the broadcast shape" in message


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


@torch.no_grad()
def _moments_by_comprehension(params, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    """The step size carries both corrections, and eps its own."""
    trained = {i: p for i, p in enumerate(params) if p.grad is not None}
    for name, beta, power in (("m", betas[0], 1), ("v", betas[1], 2)):
        old = state.setdefault(name, {})
        old |= {i: beta * old.get(i, 0.0) + (1 - beta) * p.grad**power for i, p in trained.items()}
    count = state.setdefault("t", dict.fromkeys(trained, 0))
    for i, p in trained.items():
        count[i] = t = count.get(i, 0) + 1
        root = (1 - betas[1] ** t) ** 0.5
        step_size = lr * root / (1 - betas[0] ** t)
        p.data.addcdiv_(state["m"][i], state["v"][i].sqrt() + eps * root, value=-step_size)


class _Adam:
    """Typed, with an object for each parameter in the state."""

    __name__ = "callable_object"

    class Memory:
        def __init__(self, p: torch.Tensor) -> None:
            self.t, self.moments = 0, torch.zeros(2, *p.shape, dtype=p.dtype)

    def __call__(self, params, state: dict, lr=1e-3, betas=(0.9, 0.999), eps=1e-8) -> None:
        for number, p in enumerate(params):
            g = p.grad
            if g is None:
                continue
            memory = state.get(number) or state.setdefault(number, self.Memory(p))
            memory.t += 1
            for moment, beta, new in zip(memory.moments, betas, (g, g * g), strict=True):
                moment.mul_(beta).add_(new, alpha=1 - beta)
            m, v = (
                moment / (1 - beta**memory.t)
                for moment, beta in zip(memory.moments, betas, strict=True)
            )
            p.detach().sub_(m.div(v.sqrt().add(eps)).mul(lr))


def _through_numpy(params, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    """Running products for the powers, sums for the moments."""
    for i, p in enumerate(params):
        if (grad := p.grad) is None:
            continue
        g = grad.numpy()
        means, left = state.get(i, ((0 * g, 0 * g), (1.0, 1.0)))
        means = [b * mean + power for b, mean, power in zip(betas, means, (g, g**2), strict=True)]
        left = [b * rest for b, rest in zip(betas, left, strict=True)]
        state[i] = means, left
        m, v = (
            mean * (1 - b) / (1 - rest) for mean, b, rest in zip(means, betas, left, strict=True)
        )
        values = p.detach().numpy()
        values -= lr * m / (np.sqrt(v) + eps)


@dataclass
class _Moments:
    m: torch.Tensor
    v: torch.Tensor
    steps: int = 0

    def after(self, gradient: torch.Tensor, beta1: float, beta2: float) -> "_Moments":
        m = torch.lerp(gradient, self.m, beta1)
        return _Moments(m, torch.lerp(gradient.square(), self.v, beta2), self.steps + 1)


@torch.no_grad()
def _with_a_dataclass(
    params, state: dict, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps=1e-8
) -> None:
    memory = state.setdefault("all", {})
    for p in params:
        if p.grad is not None:
            at = id(p)
            start = _Moments(torch.zeros_like(p), torch.zeros_like(p))
            memory[at] = now = memory.get(at, start).after(p.grad, *betas)
            m_hat, v_hat = (
                moment / (1 - beta**now.steps)
                for moment, beta in zip((now.m, now.v), betas, strict=True)
            )
            p += -lr * m_hat / (v_hat**0.5 + eps)


ANSWER = Answer(
    exercise="adam_step",
    cases=_cases,
    oracle=_torch_adam,
    tolerance=(1e-6, 1e-9),
    tolerances={"single_parameters": (1e-4, 1e-5), "directions": _LOOSE},
    # Where the parameters are then is a matter of the second moment, too; for a name it counts.
    compare={"first_moment": in_own_words(lambda *_: None, "directions", tolerance=_LOOSE)},
    variants=(
        _like_the_documentation,
        _keyed_by_the_tensor,
        _from_the_whole_history,
        _moments_by_comprehension,
        _Adam(),
        _through_numpy,
        _with_a_dataclass,
    ),
    misconceptions=(
        wrong(
            "no bias correction",
            edit(CORRECT_FIRST, "m").edit(CORRECT_SECOND, "v"),
            "You use the moments as they are. They start at zero and are far too small at first: "
            "divide m by 1 - beta1**t and v by 1 - beta2**t.",
        ),
        wrong(
            "first moment not corrected",
            edit(CORRECT_FIRST, "m"),
            "You correct v but not m. Both start at zero: divide m by 1 - beta1**t too.",
        ),
        wrong(
            "second moment not corrected",
            edit(CORRECT_SECOND, "v"),
            "You correct m but not v. Both start at zero: divide v by 1 - beta2**t too.",
        ),
        wrong(
            "eps inside the root",
            edit("v_hat.sqrt() + eps", "(v_hat + eps).sqrt()"),
            "You add eps under the root, where its effect is much larger. Take the root first, then "
            "add eps.",
        ),
        wrong(
            "eps added before the correction",
            edit(CORRECT_FIRST, f"{CORRECT_FIRST} * (1 - beta2**t) ** 0.5").edit(
                CORRECT_SECOND, "v"
            ),
            "You correct the finished quotient, so eps is scaled with it. Correct v, take its root, "
            "then add eps.",
        ),
        wrong(
            "root missing",
            edit("v_hat.sqrt()", "v_hat"),
            "You divide by the second moment itself. It is a mean of squares: take its root.",
        ),
        wrong(
            "betas swapped",
            edit("beta1, beta2 = betas", "beta2, beta1 = betas"),
            "You use the first beta for the second moment and vice versa: beta1 belongs to the "
            "mean of the gradients, beta2 to the mean of their squares.",
        ),
        wrong(
            "one step counter raised by every parameter",
            edit("t = t + 1", 't = state["t"] = state.get("t", 0) + 1'),
            "In the first call the second parameter is corrected as if it were at its second step, the "
            "third as if at its third. Is there one counter that every parameter raises? Each counts "
            "its own steps.",
        ),
        wrong(
            "one counter for all parameters",
            edit("= betas\n", '= betas\n    state["t"] = state.get("t", 0) + 1\n').edit(
                "t = t + 1", 't = state["t"]'
            ),
            "You count calls. A parameter without a gradient makes no step in that call, so its own "
            "count is lower: each parameter counts its own steps.",
        ),
        wrong(
            "step counter stuck at 1",
            edit("t = t + 1", "t = 1"),
            "Your counter is 1 at every step, so the corrections of the first step are applied for "
            "ever. Keep it in state and raise it.",
        ),
        wrong(
            "counter one step ahead",
            edit("(0, torch", "(1, torch"),
            "Your counter is one step ahead: the correction of the first step divides by 1 - beta "
            "** 2. Start it at 0 and raise it once, before you use it.",
        ),
        wrong(
            "every weight nan at once",
            edit("            t = t + 1\n", "").edit("(t, m, v)", "(t + 1, m, v)"),
            "Every weight becomes nan in the first step. That happens when t is still 0: 1 - beta**0 is "
            "0, and you divide by zero. Raise t before you use it. (The root of a negative number is "
            "nan, too.)",
        ),
        wrong(
            "corrected moments kept",
            edit(KEEP, "").edit(MOVE, "            state[i] = (t, m_hat, v_hat)\n" + MOVE),
            "You put the corrected moments back into state, so they are corrected again at each "
            "step. Keep m and v as they are; m-hat and v-hat are for this step only.",
        ),
        wrong(
            "one state for all parameters",
            edit(READ, "state.get(0, ").edit(WRITE, "state[0] = "),
            "All parameters share one entry of state, so the second gets the moments of the first. "
            "Give each parameter its own entry: its number is a good key.",
            recognise=_shapes_meet,
        ),
        wrong(
            "one state for all parameters",
            edit(READ, "state.get(p.shape, ").edit(WRITE, "state[p.shape] = "),
            "You look up a parameter's moments by its shape, so two parameters of the same shape "
            "share them. Give each parameter its own entry: its number is a good key.",
        ),
        wrong(
            "both moments in one tensor",
            edit("torch.zeros_like(p), torch.zeros_like(p)", "*[torch.zeros_like(p)] * 2")
            .edit(f"m = {FIRST}", "m.mul_(beta1).add_((1 - beta1) * p.grad)")
            .edit(f"v = {SECOND}", "v.mul_(beta2).add_((1 - beta2) * p.grad**2)"),
            "Both moments start as the same tensor, so changing one in place changes the other. "
            "Make two: torch.zeros_like(p) for each.",
        ),
        wrong(
            "sums instead of means",
            edit("(1 - beta1) * p.grad", "p.grad").edit("(1 - beta2) * p.grad", "p.grad"),
            "You add the whole gradient, as momentum does. Adam's moments are means: the new value "
            "comes in with the weight 1 - beta.",
        ),
        wrong(
            "weights of old and new swapped",
            edit(FIRST, "(1 - beta1) * m + beta1 * p.grad").edit(
                SECOND, "(1 - beta2) * v + beta2 * p.grad**2"
            ),
            "You give the new gradient the weight beta and the old mean the rest. It is the other "
            "way round: beta is what remains of the old.",
        ),
        wrong(
            "multiplied by the correction",
            edit("m / (", "m * (").edit("v / (", "v * ("),
            "You multiply by 1 - beta**t, which makes moments that are too small even smaller. "
            "Divide by it.",
        ),
        wrong(
            "beta times t",
            edit("beta1**t", "beta1 * t").edit("beta2**t", "beta2 * t"),
            "You compute beta * t. The correction needs a power: beta**t.",
        ),
        wrong(
            "gradient not squared",
            edit("p.grad**2", "p.grad"),
            "You take the root of a mean of gradients, and the root of a negative number is nan. The "
            "second moment is the mean of their squares.",
        ),
        wrong(
            "learning rate left out",
            edit("p -= lr * ", "p -= "),
            "Each step has a length of about 1. Multiply by lr.",
        ),
        shared.truth_of_a_tensor(edit(NO_GRADIENT, "if not p.grad:")),
        wrong(
            "moments not kept",
            edit(KEEP, ""),
            "Your moments start from zero at every step, so each step is a first step, of length lr "
            "whatever the gradient. Keep them in state.",
        ),
        wrong(
            "eps left out",
            edit(" + eps", ""),
            "You leave eps out. It keeps the step small where the gradients are smaller than eps, "
            "and makes the division possible where they are zero.",
        ),
        wrong(
            "eps ignored",
            edit(" + eps", " + 1e-8"),
            "You always use 1e-8. The caller may pass a different eps.",
        ),
        *shared.another_default("lr=1e-3", "2e-3", "0.0"),
        *shared.another_default("eps=1e-8", "2e-8", "0.0"),
        *shared.another_default(
            "betas=(0.9, 0.999)", "(0.0, 0.999)", "(1.8, 0.999)", "(0.9, 0.0)", "(0.9, 1.998)"
        ),
        wrong(
            "stopped at a missing gradient",
            edit("continue\n", "break\n"),
            "The first parameter without a gradient ends the loop, so those after it do not move. Skip "
            "it: continue.",
        ),
        wrong(
            "betas ignored",
            edit("= betas\n", "= 0.9, 0.999\n"),
            "You always use 0.9 and 0.999. The caller may pass different betas.",
        ),
        wrong("wrong sign", edit("p -= ", "p += "), "You move uphill: subtract the step."),
        wrong(
            "absolute value for square",
            edit("p.grad**2", "p.grad.abs()"),
            "Your second moment averages the absolute values. It should average the squares of the "
            "gradients, and the root comes at the end.",
        ),
        shared.REBINDING,
        shared.NEW_MEMORY,
        shared.RECORDED,
        shared.crash_without_gradient(edit(NO_GRADIENT, "if False:")),
        wrong(
            "moved without a gradient",
            edit(
                f"{NO_GRADIENT}\n                continue",
                "g = 0 * p if p.grad is None else p.grad",
            )
            .edit("(1 - beta1) * p.grad", "(1 - beta1) * g")
            .edit("(1 - beta2) * p.grad", "(1 - beta2) * g"),
            "You treat a missing gradient as zero, so the parameter keeps rolling. Without a "
            "gradient it keeps its value, its moments and its step count.",
        ),
    ),
    symptoms=(
        shared.only_the_first(edit("+ eps)\n", "+ eps)\n            break\n")),
        shared.not_finite(edit("p.grad**2", "p.grad**3")),
        Symptom(
            "first moment goes astray after the first step",
            edit(FIRST, "(1 - beta1) * p.grad"),
            "The first step is right, and so are all steps with a beta1 of 0. With another one the "
            "first moment goes astray: look at how m is kept, weighted and corrected.",
            lambda wrong, _: "first_moment" in wrong and not wrong & {"first", "second_moment"},
        ),
        Symptom(
            "length goes astray after the first step",
            edit(SECOND, "torch.maximum(v, (1 - beta2**t) * p.grad**2)"),
            "The first step is right, and where all gradients have one size, later ones go in the right "
            "direction. Their length is wrong: look at how v and t are kept, and at both corrections.",
            lambda wrong, _: "second_moment" in wrong and not wrong & {"first", "first_moment"},
        ),
        Symptom(
            "astray after the first step",
            edit("beta1 * m + ", "m + "),
            "The first step is right, the later ones are not: look at what is kept from step to step, m, "
            "v and t, and at where it is used.",
            lambda wrong, trials: "first" not in wrong and "second_moment" in wrong,
        ),
        Symptom(
            "first moment",
            edit("(1 - beta1) * p.grad", "p.grad"),
            "With a beta1 of 0 your steps are right, and with another one not even the first is. So it "
            "is the first moment: m = beta1 * m + (1 - beta1) * gradient, divided by 1 - beta1**t.",
            lambda wrong, trials: "first" in wrong and "second_moment" not in wrong,
        ),
        Symptom(
            "astray in some settings",
            edit("v_hat.sqrt() + eps", "v_hat.sqrt() - eps"),
            "The first step is right, and so are later ones with a beta1 of 0, as long as eps is tiny "
            "compared with the gradients. Look at how eps, lr and betas come in, and at the correction of m in "
            "later steps.",
            right_but("settings"),
        ),
        Symptom(
            "first step off",
            edit("p.grad**2", "2"),
            "Your first step is off already. At t = 1 the corrected moments are the gradient and its "
            "square, so every entry moves by about lr, against the sign of its gradient.",
            lambda wrong, trials: "first" in wrong,
        ),
    ),
)
