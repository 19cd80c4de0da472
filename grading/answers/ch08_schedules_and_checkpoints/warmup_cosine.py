"""``warmup_cosine``, secret half. Long: it names many slips in one formula."""

import cmath
import contextlib
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from course_lib.exercises.ch08_schedules_and_checkpoints.warmup_cosine import schedule_case
from course_lib.exercises.checking.model import Case, Observation
from course_lib.exercises.checking.wire import type_name
from grading.answers.compare import difference, in_own_words
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, Symptom, Trial, right_but, wrong
from grading.chapter_text.reference import reference

OVER = "    if step >= total_steps:\n        return min_lr\n"
LINE = "return max_lr * step / warmup_steps"
PROGRESS = "(step - warmup_steps) / (total_steps - warmup_steps)"
SHIFTED = "(1 + math.cos(math.pi * progress)) / 2"
WAVE = f"min_lr + (max_lr - min_lr) * {SHIFTED}"


def _cases(generator: torch.Generator) -> list[Case]:
    cases, number = [], partial(size, generator)

    def rate(low: float, high: float) -> float:
        """With three decimals, so that what is said of a rate can be computed again."""
        share = float(torch.rand((), generator=generator, dtype=torch.float64))
        return round(low + (high - low) * share, 3)

    def case(asks: str, total: int, warmup: int, steps: list[int], floor: bool = True) -> None:
        settings = {"max_lr": rate(0.3, 0.9), "min_lr": rate(0.02, 0.2)}
        if not floor:
            settings["min_lr"] = None
        cases.append(
            schedule_case(
                asks, total_steps=total, warmup_steps=warmup, steps=sorted(set(steps)), **settings
            )
        )

    for floor in (True, False):
        warmup = number(7, 20)
        total = warmup + number(31, 90)
        middle = [number(1, warmup - 2) for _ in range(3)]
        case("warm", total, warmup, [0, 1, *middle, warmup - 1], floor)
        middle = [number(warmup + 2, total - 2) for _ in range(6)]
        case("cosine", total, warmup, [warmup, warmup + 1, *middle, total - 1], floor)
        late = [total + number(2, 60) for _ in range(3)]
        case("edges", total, warmup, [total, total + 1, *late, 2 * total - warmup], floor)
        case("edges", total, 0, [0, total, total + 3], floor)
    case("edges", total, total, [total, total + 1, total + 9])
    case("edges", 1, 0, [0, 1, 2])
    case("warm", total, total, [0, 1, total - 1])
    # All three parts: only a rate that is the same everywhere does not change here.
    case("float", total + 20, total, [0, 1, total, total + 5, total + 20, total + 30])
    return cases


def _begins_at_max(trials: Sequence[Trial]) -> bool:
    first = [(t.case["max_lr"], t.got["numbers"][0]) for t in trials if "cosine" in t.case["asks"]]
    return all(number is not None and math.isclose(lr, number) for lr, number in first)


def _divides_by_zero(case: Case, got: Observation, by_no_warmup: bool = False) -> bool:
    """It may raise where the cosine has no step, with ``by_no_warmup`` it has to where the warm-up has
    none, and is right everywhere else."""
    divided = by_no_warmup and case["warmup_steps"] == 0
    if got.error is None:
        return not divided and _right(case, got["rates"])
    empty = divided or case["warmup_steps"] == case["total_steps"]
    return empty and got.error.type == "ZeroDivisionError"


def _right(case: Case, rates: list) -> bool:
    [right] = reference("warmup_cosine")
    settings = (case["total_steps"], case["warmup_steps"], case["max_lr"], case["min_lr"] or 0.0)
    return difference([right(step, *settings) for step in case["steps"]], rates, 1e-5, 1e-7) is None


def _numpy_numbers(case: Case, got: Observation) -> bool:
    """Right in value, and of NumPy's type on the cosine."""
    numpy_type = any("float64" in type_name(rate) for rate in got["rates"])
    return _right(case, got["numbers"]) and (numpy_type or case["asks"][0] != "cosine")


def _one_expression(step, total_steps, warmup_steps, max_lr, min_lr=0.0):
    warm = min(1.0, step / max(1, warmup_steps)) if warmup_steps else 1.0
    span = total_steps - warmup_steps
    done = min(max(step - warmup_steps, 0), span) / span if span else 1.0
    if step < warmup_steps:
        return max_lr * warm
    return max_lr - (max_lr - min_lr) * math.sin(math.pi * done / 2) ** 2


def _with_torch(step, total_steps, warmup_steps, max_lr, min_lr=0.0):
    step = torch.tensor(float(step), dtype=torch.float64)
    if step >= total_steps:
        return float(min_lr)
    if step < warmup_steps:
        return torch.lerp(
            torch.zeros_like(step), max_lr * torch.ones_like(step), step / warmup_steps
        ).item()
    angle = torch.pi * (step - warmup_steps) / (total_steps - warmup_steps)
    return (0.5 * (max_lr + min_lr) + 0.5 * (max_lr - min_lr) * torch.cos(angle)).item()


def _as_a_table(step, total_steps, warmup_steps, max_lr, min_lr=0.0):
    rates = [max_lr * i / warmup_steps for i in range(warmup_steps)]
    n = total_steps - warmup_steps
    rates += [min_lr + (max_lr - min_lr) * (math.cos(i * math.pi / n) + 1) / 2 for i in range(n)]
    return rates[step] if step < len(rates) else float(min_lr)


def _complex_wave(step, total_steps, warmup_steps, max_lr, min_lr=0.0):
    if step < warmup_steps and step < total_steps:
        return step * (max_lr / warmup_steps)
    left = max(total_steps - step, 0)
    if left == 0:
        return min_lr
    wave = cmath.exp(1j * cmath.pi * (1 - left / (total_steps - warmup_steps)))
    return float(min_lr + (max_lr - min_lr) * (wave.real + 1) / 2)


def _match_statement(
    step: int, total_steps: int, warmup_steps: int, max_lr: float, min_lr: float = 0.0
) -> float:
    match step:
        case _ if step >= total_steps:
            return min_lr
        case _ if step < warmup_steps:
            return float(np.linspace(0.0, max_lr, warmup_steps + 1)[step])
        case _:
            angle = np.interp(step, [warmup_steps, total_steps], [0.0, np.pi])
            return float(min_lr + (max_lr - min_lr) * np.cos(angle / 2) ** 2)


def _two_closures(step, total_steps, warmup_steps, max_lr, min_lr=0.0):
    def warm(i):
        return max_lr * (i / warmup_steps)

    def cosine(i):
        x = (i - warmup_steps) / (total_steps - warmup_steps)
        return 0.5 * (max_lr * (1 + math.cos(math.pi * x)) + min_lr * (1 - math.cos(math.pi * x)))

    parts = ((total_steps, lambda i: float(min_lr)), (warmup_steps, cosine), (0, warm))
    return next(part for start, part in parts if step >= start)(step)


def _from_a_generator(step, total_steps, warmup_steps, max_lr, min_lr=0.0):
    def rates():
        yield from (max_lr * i / warmup_steps for i in range(warmup_steps))
        falling = total_steps - warmup_steps
        for i in range(falling):
            share = (1 - math.cos(math.pi * i / falling)) / 2
            yield max_lr * (1 - share) + min_lr * share
        yield from itertools.repeat(min_lr)

    return next(itertools.islice(rates(), step, None))


@dataclass(frozen=True)
class _Schedule:
    total: int
    warmup: int
    highest: float
    lowest: float

    def __call__(self, step: int) -> float:
        if step >= self.total:
            return self.lowest
        with contextlib.suppress(ZeroDivisionError):
            if (share := step / self.warmup) < 1:
                return self.highest * share
        turn = math.pi * ((step - self.warmup) / (self.total - self.warmup) - 0.5)
        return self.lowest + (self.highest - self.lowest) * (1 - math.sin(turn)) / 2


def _with_a_dataclass(step, total_steps, warmup_steps, max_lr, min_lr=0.0):
    return _Schedule(total_steps, warmup_steps, max_lr, min_lr)(step)


def _problem(case: Case, expected: Observation, got: Observation) -> str | None:
    for step, right, rate in zip(case["steps"], expected["numbers"], got["numbers"], strict=True):
        if difference(right, rate, 1e-5, 1e-7):
            total, warmup = case["total_steps"], case["warmup_steps"]
            floor = "" if case["min_lr"] is None else f", min_lr={case['min_lr']:g}"
            yours = "yours is not a number" if rate is None else f"yours is {rate:.6g}"
            settings = f"total_steps={total}, warmup_steps={warmup}, max_lr={case['max_lr']:g}"
            return f"with {settings}{floor}, step {step} has the rate {right:.6g}; {yours}"
    return None


def _always_the_same(case: Case, expected: Observation, got: Observation) -> str | None:
    if all(type(rate) is float for rate in got["rates"]):
        return "not counted, since the rate never changes over the steps tried"
    return None


ANSWER = Answer(
    exercise="warmup_cosine",
    cases=_cases,
    equivalent=dict.fromkeys(
        (
            f"return {WAVE} -> return float({WAVE})",
            "return min_lr -> return float(min_lr)",
            f"{LINE} -> return float({LINE.removeprefix('return ')})",
        ),
        "It is a float.",
    ),
    compare=dict.fromkeys(("warm", "cosine", "edges"), _problem)
    | {"float": in_own_words(_always_the_same, "all_floats")},
    variants=(
        _one_expression,
        _with_torch,
        _as_a_table,
        _complex_wave,
        _match_statement,
        _two_closures,
        _from_a_generator,
        _with_a_dataclass,
    ),
    misconceptions=(
        wrong(
            "jump at the seam",
            edit(PROGRESS, "step / total_steps"),
            "Your cosine starts counting at step 0, so at the end of the warm-up it has already "
            "fallen, and the rate jumps. Count from the warm-up's end: how many steps since then, "
            "out of how many.",
        ),
        wrong(
            "cosine stretched over all steps",
            edit(PROGRESS, "(step - warmup_steps) / total_steps"),
            "You count from the warm-up's end and divide by all steps, so the cosine is not yet "
            "at its lowest when the schedule ends. It lasts total_steps - warmup_steps steps.",
        ),
        wrong(
            "cosine upside down",
            edit("1 + math.cos", "1 - math.cos"),
            "Your cosine rises from min_lr to max_lr. (1 - cos) goes from 0 to 2; (1 + cos) goes "
            "from 2 to 0.",
        ),
        wrong(
            "cosine not shifted",
            edit(SHIFTED, "math.cos(math.pi * progress)"),
            "math.cos goes down to -1, so your rate falls below min_lr. Shift and halve it: (1 + "
            "cos) / 2 goes from 1 to 0.",
        ),
        wrong(
            "a tensor instead of a float",
            edit(WAVE, f"torch.tensor({WAVE})"),
            "Your result is a tensor. math.cos takes and returns Python floats.",
            also=("rates",),
        ),
        wrong(
            "NumPy's float instead of Python's",
            edit(WAVE, WAVE.replace("math.cos", "__import__('numpy').cos")),
            "Your result is a NumPy number, since np.cos returns one. math.cos returns a Python "
            "float; float(...) turns it into one.",
            recognise=_numpy_numbers,
        ),
        wrong(
            "an int at step 0",
            edit(LINE, "return 0 if step == 0 else max_lr * step / warmup_steps"),
            "At step 0 you return the int 0. The result must always be a float: 0.0.",
            also=("rates",),
        ),
        wrong(
            "no floor after the end",
            edit(OVER, "").edit("(total_steps - warmup", "max(1, total_steps - warmup"),
            "A cosine goes up again after its lowest point, and so does your rate after "
            "total_steps. Return min_lr from there on.",
        ),
        wrong(
            "no floor after the end",
            edit(OVER, ""),
            "A cosine goes up again after its lowest point, and so does your rate after "
            "total_steps; and where the warm-up fills all steps you divide by 0. First ask "
            "whether the schedule is over, and return min_lr if it is.",
        ),
        wrong(
            "division by zero",
            edit(OVER, "")
            .edit("step < warmup_steps", "step <= warmup_steps")
            .edit(PROGRESS, f"min(1.0, {PROGRESS})"),
            "You divide by the length of a part that can be empty: warmup_steps may be 0, or as "
            "large as total_steps. Ask which part the step is in, with < rather than <=, before "
            "you divide.",
            recognise=partial(_divides_by_zero, by_no_warmup=True),
        ),
        wrong(
            "division by zero",
            edit(OVER, "").edit(PROGRESS, f"min(1.0, {PROGRESS})"),
            "You divide by the length of the cosine, which is 0 when the warm-up fills all steps. "
            "First ask whether the schedule is over, and return min_lr if it is.",
            recognise=_divides_by_zero,
        ),
        wrong(
            "min_lr added on top",
            edit("(max_lr - min_lr) * (1", "max_lr * (1"),
            "You add min_lr to a cosine of the full height, so the rate starts above max_lr. The "
            "cosine has to span the distance from min_lr to max_lr.",
        ),
        wrong(
            "min_lr is only a limit",
            edit(WAVE, f"max(min_lr, max_lr * {SHIFTED})"),
            "Your cosine falls to 0 and is cut off at min_lr, so the rate is flat long before the "
            "end. Let the cosine itself go from max_lr to min_lr.",
        ),
        wrong(
            "zero after the end",
            edit("return min_lr\n", "return 0.0\n"),
            "From total_steps on your rate is 0. The floor is min_lr.",
        ),
        wrong(
            "nothing returned after the end",
            edit("return min_lr\n", "return None\n"),
            "From total_steps on you return nothing. The schedule is over, and the rate stays at "
            "min_lr: return that.",
        ),
        wrong(
            "shifted but not halved",
            edit(")) / 2", "))"),
            "1 + cos goes from 2 to 0, so your rate starts at twice the height and jumps at the "
            "end of the warm-up. Halve it.",
        ),
        wrong(
            "pi left out",
            edit("math.pi * progress", "progress"),
            "math.cos(progress) with progress from 0 to 1 is only the first bit of the wave: it "
            "falls to 0.54. Half a wave takes progress times pi.",
        ),
        wrong(
            "cosine down to 0",
            edit(WAVE, f"max_lr * {SHIFTED}"),
            "Your cosine goes down to 0, past min_lr, and jumps up to it at the end. Scale it to "
            "the distance from max_lr to min_lr, and add min_lr.",
        ),
        wrong(
            "no warm-up",
            edit(LINE, "return max_lr"),
            "Before warmup_steps your rate is already max_lr. That is when it should rise: from "
            "0, by the same amount in each step.",
        ),
        wrong(
            "warm-up cut off at min_lr",
            edit(LINE, "return max(min_lr, max_lr * step / warmup_steps)"),
            "Your warm-up never goes below min_lr. It should start at 0; min_lr is only the floor "
            "of the cosine.",
        ),
        wrong(
            "warm-up along a cosine",
            edit(LINE, "return max_lr * (1 - math.cos(math.pi * step / warmup_steps)) / 2"),
            "Your warm-up follows a cosine as well. It should be a straight line: after a quarter "
            "of the warm-up the rate is a quarter of max_lr.",
        ),
        wrong(
            "max_lr until the end",
            edit(LINE, "return max_lr * (step // warmup_steps)").edit(
                PROGRESS, PROGRESS.replace("/", "//")
            ),
            "After the warm-up your rate stays at max_lr until the schedule is over, as it does where "
            "progress is always 0. Is there a //? It throws away what comes after the decimal point: "
            "divide with /.",
        ),
        wrong(
            "at least one step of warm-up",
            edit(OVER, "    warmup_steps = max(1, warmup_steps)\n" + OVER),
            "With max(1, warmup_steps) a warm-up of 0 steps becomes one of 1 step, and step 0 has "
            "rate 0. Test step < warmup_steps first: with 0 that is never true, and nothing is "
            "divided.",
        ),
        wrong(
            "straight line down",
            edit(WAVE, "max_lr + (min_lr - max_lr) * progress"),
            "After the warm-up your rate falls in a straight line. A cosine falls slowly at first, "
            "fast in the middle and slowly at the end.",
        ),
        wrong(
            "quarter of a wave",
            edit(SHIFTED, "math.cos(math.pi * progress / 2)"),
            "You use a quarter of the wave, from 1 to 0: it falls fastest just before the end. "
            "Take half a wave, from 1 to -1, and shift it.",
        ),
        wrong(
            "whole wave",
            edit("math.pi * progress", "2 * math.pi * progress"),
            "You use a whole wave: the rate is at its lowest halfway and comes back to max_lr at "
            "the end. Half a wave is enough: pi, not 2 pi.",
        ),
        wrong(
            "cosine of degrees",
            edit("math.pi * progress", "180 * progress"),
            "math.cos takes radians: half a turn is pi, not 180.",
        ),
        wrong(
            "warm-up one step ahead",
            edit(LINE, "return max_lr * (step + 1) / warmup_steps"),
            "Your warm-up is one step ahead: step 0 should have rate 0, and max_lr comes at "
            "warmup_steps, not one step before.",
        ),
        wrong(
            "warm-up from min_lr",
            edit(LINE, "return min_lr + (max_lr - min_lr) * step / warmup_steps"),
            "Your warm-up starts at min_lr. Here it starts at 0; min_lr is only the floor of the "
            "cosine.",
        ),
    ),
    symptoms=(
        Symptom(
            "no rate returned",
            edit("    if step >= total_steps", "    return None\n    if step >= total_steps"),
            "What your function returns is not a number, at any step. Each of the three branches should "
            "return its rate.",
            lambda wrong, trials: all(n is None for t in trials for n in t.got["numbers"]),
        ),
        Symptom(
            "one rate for all steps",
            edit("if step >= total_steps", "if True"),
            "Your rate is the same at every step of a run. It rises during the warm-up and falls along "
            "the cosine.",
            lambda wrong, trials: all(len(set(t.got["numbers"])) == 1 for t in trials),
        ),
        Symptom(
            "warm-up and cosine off",
            edit("if step >= total_steps", "if step >= max_lr"),
            "Neither the warm-up nor the cosine has the right rates. Which of your three branches does each "
            "step take? Print the rate for step 0, warmup_steps and total_steps.",
            lambda wrong, trials: {"warm", "cosine"} <= wrong,
        ),
        Symptom(
            "warm-up off",
            edit(LINE, "return max_lr / warmup_steps"),
            "The cosine is right, the warm-up is not: from 0 at step 0 it rises in a straight line, to "
            "max_lr at warmup_steps.",
            lambda wrong, trials: "warm" in wrong,
        ),
        Symptom(
            "cosine does not begin at max_lr",
            edit(SHIFTED, "1 / 2"),
            "At warmup_steps, where the cosine begins, your rate is not max_lr. There progress is 0, and the "
            "cosine of 0 is 1.",
            lambda wrong, trials: "cosine" in wrong and not _begins_at_max(trials),
        ),
        Symptom(
            "cosine off after its first step",
            edit(PROGRESS, "(step - warmup_steps) / (total_steps + warmup_steps)"),
            "Your cosine begins at max_lr but does not come down as it should. Between warmup_steps and "
            "total_steps, progress goes from 0 to 1, and the rate from max_lr to min_lr.",
            lambda wrong, trials: "cosine" in wrong,
        ),
        Symptom(
            "off at the ends",
            edit("        return min_lr\n", "        return max_lr\n"),
            "Warm-up and cosine are right. What is not: the rate from total_steps on, which should be min_lr, "
            "or a run without a warm-up or with only a warm-up.",
            lambda wrong, trials: "edges" in wrong,
        ),
        Symptom(
            "not always a Python float",
            edit("        return min_lr\n", "        return torch.as_tensor(min_lr)\n"),
            "The rates are right, but not each of them is a Python float. Where a tensor or an int may "
            "come back, float(...) turns it into one.",
            right_but("float"),
        ),
    ),
)
