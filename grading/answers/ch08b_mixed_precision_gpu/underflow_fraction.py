"""``underflow_fraction``, secret half."""

import functools
import math
import operator
from collections import Counter

import numpy as np
import torch

from course_lib.exercises.ch08b_mixed_precision_gpu.underflow_fraction import fraction_case
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong
from grading.chapter_text.reference import reference

NOTHING = "    if values.numel() == 0:\n        return 0.0\n"
SCALED = "(values * scale)"
SHARE = "lost.double().mean().item()"


def _cases(generator: torch.Generator) -> list[Case]:
    def values(*shape: int, low: float, high: float, zeros: float = 0.2) -> torch.Tensor:
        """Random signs, exponents between 10**low and 10**high, a share of exact zeros."""
        exponents = low + (high - low) * torch.rand(
            *shape, generator=generator, dtype=torch.float64
        )
        signs = torch.randint(2, shape, generator=generator) * 2 - 1
        kept = torch.rand(*shape, generator=generator) >= zeros
        return signs * 10**exponents * kept

    scale = float(2 ** size(generator, 6, 12))
    return [
        fraction_case(values(40, low=-10, high=-4).float(), "float16"),
        # Some are too large for float16: that is no underflow.
        fraction_case(values(5, 9, low=-9, high=9), "float16"),
        fraction_case(values(7, 6, low=-44, high=-36), "bfloat16"),
        fraction_case(torch.zeros(3, 4), "float16"),
        fraction_case(torch.tensor([1e-9]), "float16"),
        fraction_case([1e-8, -2e-8, 1.0, 0.0, 3.0], "float16", 2.0**14, saved=True),
        fraction_case(values(30, low=-12, high=-5).float(), "float16", scale),
        fraction_case(values(8, 5, low=-11, high=6).t(), "float16", scale * 4),
        fraction_case(values(25, low=-8, high=-6, zeros=0.5).float(), "float16", 1.0),
    ]


def _stops_at_zeros(case: Case, got: Observation) -> bool:
    """It raises where nothing is non-zero, and is right everywhere else."""
    if not (case["grads"] != 0).any():
        return got.error is not None and "ZeroDivision" in got.error.type
    [right] = reference("underflow_fraction")
    share = right(case["grads"], getattr(torch, case["dtype"]), case["scale"] or 1.0)
    return type(got["returned"]) is float and math.isclose(got["returned"], share)


def _given(case: Case) -> str:
    grads = case["grads"].flatten().tolist()
    shown = f"{len(grads)} gradients"
    if not any(grads):
        shown += " that are all 0,"
    elif len(grads) < 6:
        shown = f"[{', '.join(f'{g:g}' for g in grads)}]"
    scale = "" if case["scale"] is None else f" with scale={case['scale']:g}"
    return f"for {shown} in {case['dtype']}{scale}"


def _with_counts(grads, dtype, scale=1.0):
    alive = torch.count_nonzero(grads).item()
    if alive == 0:
        return 0.0
    return 1.0 - torch.count_nonzero((grads * scale).to(dtype)).item() / alive


def _with_list(grads, dtype, scale=1.0):
    values = [v for v in grads.flatten().tolist() if v != 0.0]
    lost = [v for v in values if torch.tensor(v * scale, dtype=torch.float64).to(dtype).item() == 0]
    return len(lost) / max(1, len(values))


def _half_the_smallest(grads, dtype, scale=1.0):
    """By the rule: up to half of the smallest subnormal rounds to zero (ties go to even)."""
    smallest = torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps
    sizes = grads.double().abs() * scale
    mask = sizes > 0
    if not bool(mask.any()):
        return 0.0
    return (sizes[mask] <= smallest / 2).float().mean().item()


def _through_numpy(grads, dtype, scale=1.0):
    values = (grads.double() * scale).numpy()
    alive = (grads != 0).numpy()
    survives = torch.from_numpy(values).to(dtype).bool().numpy()
    return float(np.logical_and(alive, ~survives).sum() / max(alive.sum(), 1))


def _typed_with_a_generator(grads: torch.Tensor, dtype: torch.dtype, scale: float = 1.0) -> float:
    scaled = grads.mul(scale).to(dtype).reshape(-1).unbind()
    lost = [
        bool(after == 0) for before, after in zip(grads.reshape(-1), scaled, strict=True) if before
    ]
    return sum(lost) / len(lost) if lost else 0.0


def _mean_without_nan(grads, dtype, scale=1.0):
    lost = (grads * scale).to(dtype).eq(0).double().masked_fill(grads == 0, math.nan)
    return 0.0 if math.isnan(share := lost.nanmean().item()) else share


def _recursive(grads, dtype, scale=1.0):
    """One dimension after another; counts come back as a pair."""

    def counts(part):
        if part.dim():
            return functools.reduce(operator.add, map(counts, part), Counter())
        return Counter(alive=bool(part), lost=bool(part) and not (part * scale).to(dtype))

    found = counts(grads.clone())
    return found["lost"] / found["alive"] if found["alive"] else 0.0


ANSWER = Answer(
    exercise="underflow_fraction",
    cases=_cases,
    tolerance=(1e-6, 1e-9),
    given=_given,
    equivalent=dict.fromkeys(
        (
            "return lost.double().mean().item() -> return float(lost.double().mean().item())",
            "return 0.0 -> return float(0.0)",
        ),
        "It is a float.",
    ),
    variants=(
        _with_counts,
        _with_list,
        _half_the_smallest,
        _through_numpy,
        _typed_with_a_generator,
        _mean_without_nan,
        _recursive,
    ),
    misconceptions=(
        wrong(
            "zeros counted",
            edit("grads[grads != 0]", "grads.flatten()"),
            "You count entries that were zero before the cast. They have not underflowed: leave "
            "them out, above and below the fraction bar.",
        ),
        wrong(
            "scale ignored",
            edit(SCALED, "values"),
            "You cast the gradients as they are. Multiply by scale first: that is what saves them.",
        ),
        wrong(
            "subnormals counted",
            edit(".to(dtype) == 0", ".abs() < torch.finfo(dtype).smallest_normal"),
            "You count everything below the smallest normal number. Down to the smallest "
            "subnormal a value is stored, with fewer bits; it has not become zero.",
        ),
        wrong(
            "overflow counted",
            edit("    return lost", f"    lost |= {SCALED}.to(dtype).isinf()\n    return lost"),
            "You count entries that became infinite as well. That is overflow; the question is "
            "what became zero.",
        ),
        wrong(
            "caller's gradients scaled in place",
            edit("    values =", "    grads *= scale\n    values =").edit(SCALED, "values"),
            "*= multiplies the caller's own gradients. Make a new tensor: grads * scale.",
            also=("unchanged",),
        ),
        wrong(
            "NaN when nothing is non-zero",
            edit(NOTHING, ""),
            "When every gradient is zero you take the mean of nothing, which is NaN. Check for "
            "that case first: the answer is 0.0.",
        ),
        wrong(
            "division by zero when nothing is non-zero",
            edit(NOTHING, "").edit(SHARE, "lost.sum().item() / len(values)"),
            "When every gradient is zero you divide by a count of 0. Check for that case first: "
            "the answer is 0.0.",
            recognise=_stops_at_zeros,
        ),
        wrong(
            "share that survives",
            edit("(dtype) == 0", "(dtype) != 0"),
            "You return the share that survives. The task asks for the share that becomes zero.",
        ),
        wrong(
            "a tensor returned",
            edit("return 0.0", "return torch.tensor(0.0)").edit(SHARE, "lost.float().mean()"),
            "The share is a tensor. Take the number out with .item().",
        ),
        wrong(
            "number instead of share",
            edit(SHARE, "float(lost.sum())"),
            "You return how many entries underflowed. Divide by the number of entries that were "
            "not zero.",
        ),
    ),
)
