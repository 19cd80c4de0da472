"""``clip_gradients``, secret half. Long: it names many slips in the norm and in the factor."""

import functools
import itertools
import math

import torch
from torch import Tensor

from course_lib.exercises.ch04_optimizer_step.clip_gradients import clip_case
from course_lib.exercises.checking.model import Case
from grading.answers.ch04_optimizer_step.step_mistakes import SHAPES, crash_without_gradient
from grading.answers.edit import edit
from grading.answers.model import Answer, Symptom, right_but, wrong

COLLECT = "    gradients = "
NORM = "sum((g**2).sum().item() for g in gradients) ** 0.5"
SCALE = "        for g in gradients:\n            g.mul_("
IF_LARGE = "    if norm > max_norm:\n"
CLIP = f"{IF_LARGE}{SCALE}max_norm / norm)\n"
RETURN = "    return float(norm)\n"
PARAMETERS = edit(COLLECT, f"    params = [p for p in params if p.grad is not None]\n{COLLECT}")


def _cases(generator: torch.Generator) -> list[Case]:
    case = functools.partial(clip_case, generator, shapes=SHAPES)
    shapes, scaled = ((3,), (2, 2), (4,), (1,)), ("direction", "length")
    return [
        case(*scaled, "norm", norm=12.0, max_norm=3.0),
        case(*scaled, "norm", norm=2.0, max_norm=0.5, shapes=((4,), (2, 3, 2)), through="tuple"),
        case(*scaled, "norm", norm=500.0, max_norm=1.0, dtype="float32"),
        case(*scaled, norm=7.0, max_norm=0.7, shapes=((5,),)),
        case("careful", "norm", norm=0.4, max_norm=2.5),
        # A square above max_norm whose root is not.
        case("careful", norm=2.2, max_norm=2.5),
        case("careful", "norm", norm=0.0, max_norm=1.5),
        case("careful", "norm", norm=1.0, max_norm=1.0, without=(0, 1, 2)),
        case("careful", norm=9.0, max_norm=1.2, without=(1,), through="generator"),
        case("careful", norm=6.0, max_norm=2.0, shapes=shapes, without=(0, 3)),
    ]


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


def _through_numpy(params, max_norm: float) -> float:
    """NumPy shares the gradients' memory."""
    arrays = [p.grad.numpy() for p in params if p.grad is not None]
    norm = math.sqrt(sum(float((a.astype(float) ** 2).sum()) for a in arrays))
    for a in arrays:
        a *= min(1.0, max_norm / norm) if norm else 1.0
    return norm


def _with_itertools(params, max_norm):
    mine, others = itertools.tee(p.grad for p in params if p.grad is not None)
    norm = math.hypot(*(g.detach().norm(p=2).item() for g in mine))
    if max_norm < norm:
        for g in others:
            g.div_(norm).mul_(max_norm)
    return norm


def _number_by_number(params, max_norm):
    gradients = [p.grad for p in params if p.grad is not None]
    numbers = itertools.chain.from_iterable(g.flatten().tolist() for g in gradients)
    norm = math.sqrt(math.fsum(number * number for number in numbers))
    if norm <= max_norm:
        return norm
    for g in gradients:
        g /= norm / max_norm
    return norm


def _with_reduce(params, max_norm):
    """The norm that PyTorch has a function for, and a factor of 1 for short gradients."""
    gradients = tuple(filter(torch.is_tensor, (p.grad for p in params)))
    norm = torch.nn.utils.get_total_norm(gradients).item() if gradients else 0.0
    factor = max(norm, max_norm) / max_norm
    functools.reduce(lambda _, g: g.copy_(g / factor), gradients, None)
    return norm


ANSWER = Answer(
    exercise="clip_gradients",
    cases=_cases,
    oracle=lambda params, max_norm: float(torch.nn.utils.clip_grad_norm_(list(params), max_norm)),
    # PyTorch adds 1e-6 to the norm that it divides by; within the tolerance, leaving that out is right.
    equivalent={
        "return float(norm) -> return float(float(norm))": "It is a float.",
        "norm > max_norm -> norm >= max_norm": "At exactly max_norm the factor is 1.",
        "(g ** 2).sum().item() -> (g ** 2).sum()": "float() at the end takes the number out.",
    },
    variants=(
        _one_long_vector,
        _norm_of_norms,
        _with_foreach,
        _through_numpy,
        _with_itertools,
        _number_by_number,
        _with_reduce,
    ),
    misconceptions=(
        wrong(
            "each gradient clipped alone",
            edit(" > max_norm", "").edit("(max_norm / norm", "(min(1, max_norm / g.norm())"),
            "You clip each parameter's gradient by its own norm. That changes the common "
            "direction, and the common norm can still be too large. Use one norm and one factor "
            "for all.",
        ),
        wrong(
            "small gradients scaled up",
            edit(IF_LARGE, "    if norm > 0:\n"),
            "Gradients that were small enough have been made larger. Clipping only ever shrinks: "
            "the factor is at most 1.",
        ),
        wrong(
            "values clamped",
            edit(CLIP, "    for g in gradients:\n        g.clamp_(-max_norm, max_norm)\n"),
            "You clamp each entry to the range from -max_norm to max_norm. That changes the "
            "direction. Scale all entries by one factor.",
        ),
        wrong(
            "norm after clipping returned",
            edit("float(norm)", "float(min(norm, max_norm))"),
            "You return the norm after clipping. Return the one before: in a log it shows how "
            "large the gradients really were.",
        ),
        wrong(
            "nothing returned for small gradients",
            edit(RETURN, "    " + RETURN),
            "When nothing has to be clipped, you return nothing. The norm is still of interest: "
            "return it in every case.",
        ),
        wrong(
            "factor returned",
            edit("float(norm)", "min(1.0, max_norm / norm) if norm else 1.0"),
            "You return the factor. Return the norm before clipping.",
        ),
        wrong(
            "nothing returned",
            edit(RETURN, ""),
            "The gradients are right, but you return nothing. Return the norm before clipping.",
        ),
        wrong(
            "root missing",
            edit(" ** 0.5", ""),
            "You add up the squares but do not take the root.",
        ),
        wrong(
            "norms added",
            edit(NORM, "sum(g.norm().item() for g in gradients)"),
            "You add up the norms of the parameters. The common norm is the root of the sum of their "
            "squares.",
        ),
        wrong(
            "largest norm for the common one",
            edit(NORM, "max((g.norm().item() for g in gradients), default=0.0)"),
            "You take the largest of the parameters' norms. The common norm is that of all "
            "gradients laid end to end: the root of the sum of all squares.",
        ),
        wrong(
            "mean of the norms",
            edit(NORM, "sum(g.norm().item() for g in gradients) / max(len(gradients), 1)"),
            "You average the parameters' norms. The common norm is that of all gradients laid end "
            "to end: the root of the sum of all squares.",
        ),
        wrong(
            "L1",
            edit(NORM, "sum(g.abs().sum().item() for g in gradients)"),
            "You add up the absolute values: that is the L1 norm. The L2 norm is the root of the "
            "sum of squares.",
        ),
        wrong(
            "scaled to norm 1",
            edit("mul_(max_norm / norm)", "mul_(1 / norm)"),
            "You divide by the norm, so the gradients end up with norm 1. They should end up with "
            "norm max_norm: multiply by max_norm / norm.",
        ),
        wrong(
            "factor turned round",
            edit("mul_(max_norm / norm)", "mul_(norm / max_norm)"),
            "You multiply by norm / max_norm, which makes large gradients larger. The factor is "
            "max_norm / norm.",
        ),
        wrong(
            "small gradients scaled up",
            edit("if norm > max_norm", "if norm**2 > max_norm"),
            "You compare the sum of squares with max_norm, without taking the root. When the sum "
            "is above max_norm but the norm is not, gradients that were small enough are made "
            "larger.",
        ),
        wrong(
            "division by a norm of 0",
            edit(IF_LARGE, "    factor = min(1.0, max_norm / norm)\n    if True:\n").edit(
                "mul_(max_norm / norm)", "mul_(factor)"
            ),
            "When all gradients are zero, or there are none, the norm is 0, and you divide by it. "
            "Divide only when the norm is larger than max_norm.",
        ),
        wrong(
            "gradients not scaled",
            edit("g.mul_(", "g = g * ("),
            "g = g * factor makes a new tensor and gives it the name g; the gradients stay as they "
            "were. Scale in place: g.mul_(factor) or g *= factor.",
        ),
        wrong(
            "parameters scaled",
            PARAMETERS.edit(SCALE, "        for p in params:\n            p.data.mul_("),
            "You scale the parameters themselves. Clipping is about the gradients: p.grad.",
        ),
        wrong(
            "scaled before all are measured",
            edit(
                f"    norm = {NORM}\n{CLIP}",
                "    norm = 0.0\n"
                "    for g in gradients:\n"
                "        norm = (norm**2 + (g**2).sum().item()) ** 0.5\n"
                "        if norm > max_norm:\n"
                "            g.mul_(max_norm / norm)\n",
            ),
            "You scale each gradient as soon as it is added, so each gets a different factor. "
            "Measure all of them first, then scale all by one factor.",
        ),
        wrong(
            "0 for 0.0",
            edit("    norm = ", "    if not gradients:\n        return 0\n    norm = "),
            "When there are no gradients, you return the int 0. Return a float in every case: 0.0.",
        ),
        wrong(
            "tensor returned",
            edit("float(norm)", "torch.tensor(norm)"),
            "The norm is a tensor. A number for a log should be a Python float: call .item().",
        ),
        wrong(
            "gradients replaced",
            PARAMETERS.edit(SCALE, "        for p in params:\n            p.grad = p.grad * ("),
            "The values are right, but each .grad is a new tensor. Scale in place: p.grad.mul_(...) "
            "or p.grad *= ...",
        ),
        wrong(
            "parameters read twice",
            edit(
                SCALE,
                "        for g in [p.grad for p in params if p.grad is not None]:\n            g.mul_(",
            ),
            "model.parameters() is a generator: it can be read only once. Your second loop finds "
            "nothing left, so the gradients are measured but not scaled. Make a list first.",
        ),
        crash_without_gradient(
            edit(" if p.grad is not None", ""),
            lambda case: any(g is None for g in case["gradients"]),
        ),
    ),
    symptoms=(
        Symptom(
            "wrong norm returned",
            edit("return float(norm)", "return float(max_norm)"),
            "The gradients are scaled as they should be, but the result is not what was asked for: their "
            "common norm before clipping, as a float.",
            right_but("norm"),
        ),
        Symptom(
            "gradients not scaled alike",
            edit("g.mul_(max_norm / norm)", "g.mul_(max_norm / norm / g.dim())"),
            "Afterwards the gradients together point in another direction: each has to be multiplied by the "
            "same number, max_norm / norm.",
            lambda wrong, trials: (
                "direction" in wrong
                and all(
                    t.got["direction"] is not None
                    for t in trials
                    if t.expected["direction"] is not None
                )
            ),
        ),
        Symptom(
            "a length other than max_norm",
            edit("mul_(max_norm / norm)", "mul_(max_norm / norm / 2)"),
            "Gradients that are too large do not have the common norm max_norm afterwards. Multiply each by "
            "max_norm / norm, where norm is the length of all of them together.",
            lambda wrong, trials: "length" in wrong,
        ),
    ),
)
