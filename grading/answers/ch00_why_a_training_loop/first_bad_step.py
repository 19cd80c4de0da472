"""``first_bad_step``, secret half. Long: it names many ways to compare with the wrong loss."""

import functools
import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch

from course_lib.exercises.ch00_why_a_training_loop.first_bad_step import losses_case as case
from course_lib.exercises.checking.model import Case, Observation
from course_lib.exercises.checking.wire import a_type, in_short
from grading.answers.edit import edit
from grading.answers.model import Answer, Symptom, Trial, wrong

BEGIN = "smallest = math.inf"
LOOP = "for step, loss in enumerate(losses):\n"
NOT_FINITE = "not math.isfinite(loss)"
LIMIT = "factor * smallest"
NOTHING = "    return None\n"


def _cases(generator: torch.Generator) -> list[Case]:
    def uniform(low: float, high: float) -> float:
        return low + (high - low) * torch.rand((), generator=generator, dtype=torch.float64).item()

    def falling(n: int) -> list[float]:
        """Never more than 1.4 times its smallest value so far."""
        return [2.5 * 0.9**i * uniform(0.9, 1.1) for i in range(n)]

    def calm(n: int) -> list[float]:
        """Falls all the way, and so little that nothing but what is not finite is bad, whatever it is
        compared with."""
        return [1.5 * 0.98**i * uniform(0.99, 1.0) for i in range(n)]

    leap = falling(9)
    leap += [min(leap) * 3.3, min(leap) * 9, min(leap) * 30]  # only the first one counts
    creeping = [1.0 * 1.25**i * uniform(0.99, 1.01) for i in range(12)]  # no single leap
    early = [1.0, uniform(4.0, 5.0), uniform(0.2, 0.3), uniform(0.8, 0.85)]
    small_leap, large_leap = falling(6), falling(5)
    small_leap += [min(small_leap) * uniform(2.2, 2.6), *falling(4)]
    large_leap += [min(large_leap) * uniform(3.4, 3.8), min(large_leap) * 1.5]
    # Falls by more than the factor: good steps, whatever comes later.
    steep = [uniform(40.0, 50.0), uniform(20.0, 30.0), uniform(4.0, 5.0), uniform(0.5, 0.9)]
    hidden = calm(7)
    nan_first = [*hidden[:4], math.nan, hidden[4], min(hidden[:5]) * 3.5]
    # Powers of two: exactly the factor, to the last bit, however it is computed.
    low = 2.0 ** int(uniform(-3, 3))
    at_the_factor = [2 * low, low, 2 * low, 4 * low, low, 4.5 * low]
    return [
        case(leap),
        case(creeping),
        case(early),
        case(small_leap, factor=uniform(1.8, 2.0)),
        case(large_leap, factor=uniform(4.5, 5.0)),
        case(falling(10)),
        case([uniform(1, 2)]),
        case([7e8, 6e8, uniform(2e9, 3e9), 1.0]),
        case(steep),
        case(nan_first, factor=3.0),
        # A leap, too: whoever looks for either finds it.
        *(case([*calm(n), math.inf], uniform(2.5, 3.5), asks=("finite", "clean")) for n in (4, 6)),
        case([math.nan, *calm(4)], factor=3.0),
        case([math.inf, *calm(6)], factor=3.0),
        case(at_the_factor, factor=4.0),
        case([*calm(4), math.nan, *(5 * loss for loss in calm(3)), 40.0], factor=3.0),
        case([*calm(8), math.nan, math.nan], factor=2.0),
    ]


def _one_pass(losses, factor=3.0):
    smallest = math.inf
    for step, loss in enumerate(losses):
        if not math.isfinite(loss) or loss > factor * smallest:
            return step
        smallest = min(smallest, loss)
    return None


def _with_accumulate(losses, factor=3.0):
    if not math.isfinite(losses[0]):
        return 0
    finite = [loss if math.isfinite(loss) else math.inf for loss in losses]
    so_far = itertools.accumulate(finite, min)
    pairs = zip(so_far, losses[1:], strict=False)
    bad = (i for i, (low, now) in enumerate(pairs, 1) if not now <= factor * low or now == math.inf)
    return next(bad, None)


def _with_tensor(losses, factor=3.0):
    values = torch.tensor(losses, dtype=torch.float64)
    for i in range(len(values)):
        if not torch.isfinite(values[i]):
            return i
        if i and values[i] > factor * values[:i].min():
            return int(i)


def _recursive(losses: list[float], factor: float = 3.0) -> int | None:
    def look(step: int, smallest: float) -> int | None:
        match losses[step:]:
            case []:
                return None
            case [loss, *_] if abs(loss) == math.inf or loss != loss:
                return step
            case [loss, *_] if loss > factor * smallest:
                return step
            case [loss, *_]:
                return look(step + 1, min(loss, smallest))

    return look(0, math.inf)


def _through_numpy(losses, factor=3.0):
    values = np.array(losses, dtype=float)
    known = np.where(np.isfinite(values), values, np.inf)
    before = np.concatenate([[np.inf], np.minimum.accumulate(known)[:-1]])
    bad = np.flatnonzero(~np.isfinite(values) | (values > factor * before))
    return int(bad[0]) if bad.size else None


def _with_reduce(losses, factor=3.0):
    def look(seen, loss):
        step, smallest, found = seen
        if found is None and (math.isnan(loss) or math.isinf(loss) or loss / smallest > factor):
            found = step
        return step + 1, loss if loss < smallest else smallest, found

    return functools.reduce(look, losses, (0, math.inf, None))[-1]


@dataclass
class _Watch:
    factor: float
    smallest: float = math.inf

    def is_good(self, loss: float) -> bool:
        good = math.isfinite(loss) and loss <= self.factor * self.smallest
        self.smallest = min(self.smallest, loss)
        return good


def _with_takewhile(losses: list[float], factor: float = 3.0) -> int | None:
    good = len([*itertools.takewhile(_Watch(factor).is_good, losses)])
    return good if good < len(losses) else None


def _problem(case: Case, expected: Observation, got: Observation) -> str | None:
    right, returned = expected["returned"], got.get("returned")
    if returned is None if right is None else got.get("number") == right:
        return None
    given = "the default factor, 3" if case["factor"] is None else f"factor={case['factor']:.2g}"
    run = f"in a run of {len(case['losses'])} losses, with {given},"
    if right is None:
        return f"{run} no step is bad, and yours says {in_short(returned)}"
    loss = f"loss {case['losses'][right]:.3g}"
    return f"{run} step {right} is the first bad one ({loss}), and yours says {in_short(returned)}"


def _clean_problem(case: Case, expected: Observation, got: Observation) -> str | None:
    problem, returned = _problem(case, expected, got), got.get("returned")
    if not problem and type(returned) is not int:
        return f"the number of a step is an int, and yours is {a_type(returned)}"
    if problem or got.get("losses_left_alone") is True:
        return problem
    return "your code has changed the caller's list of losses"


def _is_another_number(case: Case, got: Observation) -> bool:
    """The right step, but as a float or as a number of NumPy's or PyTorch's: never as an int."""
    step, returned = _right_step(case), got.get("returned")
    if got.error is not None or step is None:
        return got.error is None and returned is None
    return got["number"] == step and type(returned) is not int


def _right_step(case: Case) -> int | None:
    return _one_pass(case["losses"], case["factor"] or 3.0)


def _late(trial: Trial) -> int:
    """1 where the first bad step is passed over; -1 where a step before it is named, or where none is bad."""
    steps = [each["returned"] for each in (trial.expected, trial.got)]
    right, yours = (math.inf if step is None else step for step in steps)
    return (yours > right) - (yours < right)


ANSWER = Answer(
    exercise="first_bad_step",
    cases=_cases,
    equivalent={
        "return None -> nothing": "A function that ends without return gives None.",
        "min(smallest, loss) -> min(loss, smallest)": "The smaller of two is the same.",
    },
    compare={"leap": _problem, "finite": _problem, "clean": _clean_problem},
    results=(),  # None is a result, too
    variants=(
        _one_pass,
        _with_accumulate,
        _with_tensor,
        _recursive,
        _through_numpy,
        _with_reduce,
        _with_takewhile,
    ),
    misconceptions=(
        wrong(
            "NaN ignored",
            edit(f"{NOT_FINITE} or ", ""),
            "Every comparison with NaN is False, so your test lets NaN pass. Check "
            "math.isfinite(loss) first.",
        ),
        wrong(
            "NaN ignored",
            edit(NOT_FINITE, "math.isinf(loss)"),
            "You test for infinity, but NaN slips through: every comparison with NaN is False. "
            "math.isfinite(loss) is False for both.",
        ),
        wrong(
            "step 0 for every run",
            edit(BEGIN, "smallest = 0.0"),
            "Your function says 0 for every run, so the first loss passes for a leap. Does your "
            "smallest loss start at 0, or is a comparison the wrong way round? Start with something "
            "larger than any loss: math.inf.",
        ),
        wrong(
            "None for every run",
            edit("            return step\n", "            pass\n"),
            "Your function returns None for every run. Return the number of the first bad step as soon "
            "as you have found it.",
            recognise=lambda case, got: got.error is None and got["returned"] is None,
        ),
        wrong(
            "only infinity and NaN found",
            edit(f" or loss > {LIMIT}", ""),
            "You find losses that are not finite, and no leaps. Compare each loss with factor times the "
            "smallest one before it, and keep that one up to date.",
        ),
        wrong(
            "smallest of nothing",
            edit(LIMIT, "factor * min(losses[:step])"),
            "Before step 0 there is no loss, and min() of an empty list raises a ValueError. Start "
            "with math.inf as the smallest loss, or treat step 0 separately.",
        ),
        wrong(
            "last instead of first",
            edit(BEGIN, "smallest, last = math.inf, None")
            .edit("return step", "last = step")
            .edit("return None", "return last"),
            "You return the last bad step. The first one is where the trouble began: return as "
            "soon as you find it.",
        ),
        wrong(
            "compared with the previous loss only",
            edit("smallest = min(smallest, loss)", "smallest = loss"),
            "You compare with the loss just before. A loss can climb in small steps, or fall after "
            "a leap: compare with the smallest loss of all earlier steps.",
        ),
        wrong(
            "compared with the first loss only",
            edit(LIMIT, "factor * losses[0]"),
            "You compare with the loss of step 0. By then the loss may have fallen far below it: "
            "compare with the smallest loss of all earlier steps.",
        ),
        wrong(
            "counted from one",
            edit("enumerate(losses)", "enumerate(losses, 1)"),
            "Your steps start at 1. Here, as in Python, the first step is step 0.",
        ),
        wrong(
            "factor ignored",
            edit(LIMIT, "3.0 * smallest"),
            "Your function always uses 3.0. Use the argument factor.",
        ),
        wrong(
            "both at once",
            edit(f"{NOT_FINITE} or ", f"{NOT_FINITE} and "),
            "You ask for a loss that is not finite and, at once, too large. One of the two is enough: "
            "or.",
        ),
        *(
            wrong(
                "another default for factor",
                edit("factor=3.0", default),
                "Without an argument, factor is 3.0. Yours has a different default.",
            )
            for default in ("factor=6.0", "factor=0.0")
        ),
        wrong(
            "factor left out",
            edit(f"> {LIMIT}", "> smallest"),
            "You compare with the smallest loss itself, so the slightest rise counts. A leap is more than "
            "factor times the smallest loss.",
        ),
        wrong(
            "compared with the factor alone",
            edit(f"> {LIMIT}", "> factor"),
            "You compare the loss with the factor. Compare it with factor times the smallest loss so far.",
        ),
        wrong(
            "infinity not asked for",
            edit(NOT_FINITE, "math.isnan(loss)"),
            "You test for NaN but not for infinity: at step 0 there is no smaller loss to compare "
            "an infinite one with. math.isfinite(loss) is False for both.",
        ),
        wrong(
            "the factor itself counts",
            edit("loss > ", "loss >= "),
            "A loss of exactly factor times the smallest one is not bad yet: it must be larger.",
        ),
        wrong(
            "compared with the largest loss so far",
            edit(LIMIT, "factor * max(losses[:step], default=math.inf)"),
            "You compare with the largest loss so far, so a leap after a long fall is missed. "
            "Remember the smallest one.",
        ),
        wrong(
            "compared with the mean so far",
            edit(LIMIT, "factor * (sum(losses[:step]) / step if step else math.inf)"),
            "You compare with the mean of the losses so far, which the high early losses pull up. "
            "Compare with the smallest loss of all earlier steps.",
        ),
        wrong(
            "compared with the smallest of the whole run",
            edit(LIMIT, "factor * min(losses)"),
            "You compare with the smallest loss of the whole run, later steps included. During a "
            "run those are not known yet: use only the steps before this one.",
        ),
        wrong(
            "compared with the smallest of the whole run",
            edit(
                f"loss > {LIMIT}",
                "step > 0 and loss > factor * min(x for x in losses if not math.isnan(x))",
            ),
            "You compare with the smallest loss of the whole run, later steps included, so a run "
            "that falls fast looks bad. Use the steps before this one only.",
        ),
        wrong(
            "the list of losses changed",
            edit(LOOP, "for step in range(len(losses)):\n        loss = losses.pop(0)\n"),
            "Your function takes entries out of the list, or writes into it. The list belongs to "
            "the caller: read it, with enumerate(losses), and leave it unchanged.",
            recognise=lambda case, got: (
                got.error is None
                and got["returned"] == _right_step(case)
                and got["losses_left_alone"] is False
            ),
        ),
        wrong(
            "step 0 never looked at",
            edit(NOT_FINITE, f"step > 0 and {NOT_FINITE}"),
            "You start at step 1. Step 0 is bad too if its loss is not finite.",
        ),
        wrong(
            "leaps before NaN",
            edit(f"{NOT_FINITE} or ", "").edit(
                NOTHING, f"    {LOOP}        if {NOT_FINITE}:\n            return step\n{NOTHING}"
            ),
            "You search for leaps first, and for NaN and infinity only if there are none. Check "
            "for both at each step: the first bad step counts, whatever its kind.",
        ),
        wrong(
            "None inside the loop",
            edit(NOTHING, "    " + NOTHING),
            "Your search ends after step 0: something inside the loop ends it, such as `return "
            "None`. That belongs after the loop, when all steps have been checked.",
        ),
        wrong(
            "-1 for None",
            edit("return None", "return -1"),
            "When no step is bad, return None. In Python, index -1 is the last element of a list, "
            "and code that uses your result would look there.",
        ),
        wrong(
            "0 for None",
            edit("return None", "return 0"),
            "When no step is bad, you return 0, which is the number of the first step. Return "
            "None.",
        ),
        wrong(
            "False for None",
            edit("return None", "return False"),
            "When no step is bad, you return False. Return None: nothing was found.",
        ),
        wrong(
            "all bad steps",
            edit(BEGIN, "smallest, steps = math.inf, []")
            .edit("return step", "steps.append(step)")
            .edit("return None", "return steps"),
            "You return a list of all bad steps. Return only the first, as an int, as soon as you "
            "find it.",
        ),
        wrong(
            "loss instead of step",
            edit("return step", "return loss"),
            "You return the bad loss. Return the number of its step instead: enumerate(losses) "
            "gives both.",
        ),
        wrong(
            "another kind of number",
            edit("return step", "return torch.tensor(step)"),
            "The step is right, but it is not a Python int. int(...) turns a NumPy number or a "
            "tensor into one.",
            recognise=_is_another_number,
        ),
    ),
    symptoms=(
        Symptom(
            "not the number of a step",
            edit("return step", "return smallest"),
            "What you return is not the number of a step: an int, or None where no step is bad.",
            lambda wrong, trials: any(
                type(t.got["returned"]) not in (int, type(None)) for t in trials
            ),
        ),
        Symptom(
            "good steps taken for bad ones",
            edit("min(smallest, loss)", "min(step, loss)"),
            "Where you are wrong, you name a step before the first bad one, or a step of a run that has no bad "
            "step. A finite loss is good if it is at most factor times the smallest one before it.",
            lambda wrong, trials: 1 not in map(_late, trials),
        ),
        Symptom(
            "bad steps passed over",
            edit(LIMIT, f"{LIMIT} + 1"),
            "Where you are wrong, you pass over the first bad step. A step is bad whose loss is not finite, "
            "or is larger than factor times the smallest one before it.",
            lambda wrong, trials: -1 not in map(_late, trials),
        ),
        Symptom(
            "good and bad steps confused",
            edit(LIMIT, "factor + step"),
            "In some runs you take a good step for a bad one, in others you pass over a bad one. Print each "
            "loss, the limit that you compare it with, and factor times the smallest loss so far.",
            lambda wrong, trials: {1, -1} <= {*map(_late, trials)},
        ),
    ),
)
