"""``best_learning_rate``, secret half."""

import functools
import heapq
import math

import numpy as np
import torch

from course_lib.exercises.ch07_training_dashboard.best_learning_rate import rates_case
from course_lib.exercises.checking.model import Case, Observation
from course_lib.exercises.checking.wire import a_type
from grading.answers.compare import difference, in_own_words
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

FINITE = "all(math.isfinite(loss) for loss in losses)"
FINAL = "finite[lr][-1]"
CHOICE = f"min(finite, key=lambda lr: {FINAL})"


def _history(generator: torch.Generator, final: float, epochs: int) -> list[float]:
    """A loss that falls to ``final``, its lowest."""
    fall = torch.rand(epochs, generator=generator, dtype=torch.float64).sort(descending=True).values
    return [round(final + 0.1 + 0.5 * value, 4) for value in fall[:-1].tolist()] + [final]


def _cases(generator: torch.Generator) -> list[Case]:
    def draw(*finals: float, best: int = -1, lost: tuple[int, ...] = ()):
        """Rates in a mixed order, one history for each final loss. Of the runs that are not ``lost`` the
        ``best`` one has not the largest rate."""
        rates = [1.0, 0.3, 0.1, 0.03, 0.01, 0.003]
        kept = [number for number in range(len(finals)) if number not in lost]
        while True:
            order = torch.randperm(len(rates), generator=generator).tolist()
            if best < 0 or best != min(kept, key=lambda number: order[number]):
                break
        epochs = 4 + int(torch.randint(4, (1,), generator=generator))
        return {
            rates[place]: _history(generator, final, epochs)
            for place, final in zip(order, finals, strict=False)
        }

    # The lowest value ever and the lowest mean belong to other rates than the lowest final loss.
    finite = draw(0.41, 0.22, 0.37, 0.3, best=1)
    rates = list(finite)
    finite[rates[0]][-2] = 0.05
    finite[rates[0]][0] = finite[rates[1]][0] = finite[rates[1]][1] = 9.0
    plain = draw(0.33, 0.35, 0.21, 0.52, 0.44, best=2)

    nan_first = draw(0.9, 0.25, 0.31, 0.6, best=1, lost=(0,))
    nan_first[next(iter(nan_first))][-1] = math.nan
    inside = draw(0.35, 0.01, 0.28, 0.02, 0.5, best=2, lost=(1, 3))
    keys = list(inside)
    inside[keys[1]][1] = math.inf
    inside[keys[3]][2] = math.nan
    inside[keys[2]][:2] = [9.0, 9.0]  # the best one has not the lowest mean
    falling = draw(0.4, 0.3, 0.6, best=1, lost=(2,))
    falling[list(falling)[2]][-1] = -math.inf

    hopeless = draw(0.3, 0.2, 0.4)
    for value, history in zip((math.nan, math.inf, math.nan), hopeless.values(), strict=True):
        history[1] = value
    lost = draw(0.5, 0.6)
    for history in lost.values():
        history[-1] = math.nan
    # Large is not infinite, 0 is a loss, and one run is a choice too.
    huge = {rate: [1e30, *losses] for rate, losses in draw(0.3, 0.0, 0.4, best=1).items()}
    alone = draw(4e18)
    drawn = (finite, plain, huge, alone, nan_first, inside, falling, hopeless, lost)
    return [rates_case(results) for results in drawn]


def _another_rate(case: Case, expected: Observation, got: Observation) -> str:
    best, returned = expected["returned"], got.get("returned")
    yours = f"{returned:g}" if type(returned) is float else a_type(returned)
    if type(returned) is tuple and all(type(each) is float for each in returned):
        yours = f"({', '.join(f'{each:g}' for each in returned)})"
    return f"the best rate here is {best:g}; yours is {yours}"


def _another_rate_or_results(case: Case, expected: Observation, got: Observation) -> str:
    chosen = "choice_among_stable_runs"
    if chosen in expected.values and (
        chosen not in got.values or difference(expected[chosen], got[chosen], 1e-5, 1e-7)
    ):
        return _another_rate(case, expected, got)
    before, after = expected["results"], got.get("results")
    lost = [rate for rate in before if isinstance(after, dict) and rate not in after]
    return f"results has lost its entry {lost[0]:g}" if lost else "results is not as it was"


def _running_best(results):
    best = None
    for lr, losses in results.items():
        diverged = any(math.isnan(loss) or math.isinf(loss) for loss in losses)
        if not diverged and (best is None or losses[-1] < results[best][-1]):
            best = lr
    if best is None:
        raise ValueError("no run stayed finite")
    return best


def _sorted_pairs(results):
    pairs = sorted((v[-1], lr) for lr, v in results.items() if all(map(math.isfinite, v)))
    try:
        return pairs[0][1]
    except IndexError:
        raise ValueError("all diverged") from None


def _with_tensors(results):
    rates = list(results)
    losses = torch.tensor([results[lr] for lr in rates], dtype=torch.float64)
    stable = losses.isfinite().all(dim=1)
    if not stable.any():
        raise ValueError("all diverged")
    return rates[torch.where(stable, losses[:, -1], math.inf).argmin().item()]


def _min_raises_by_itself(results):
    stayed = [lr for lr in results if math.isfinite(sum(map(abs, results[lr])))]
    return min(stayed, key=lambda lr: results[lr][-1])


def _through_numpy(results):
    finals = {lr: np.where(np.isfinite(v).all(), v[-1], np.nan) for lr, v in results.items()}
    values = np.array(list(finals.values()), dtype=float)
    return list(finals)[int(np.nanargmin(values))]  # raises ValueError where all are NaN


def _from_a_generator(results: dict[float, list[float]]) -> float:
    def stable():
        for lr, losses in results.items():
            if not any(loss - loss != 0 for loss in losses):
                yield losses[-1], lr

    best = min(stable(), default=None)
    if best is None:
        raise ValueError("no run to choose from")
    return best[1]


def _with_a_heap(results):
    heap = []
    for lr, losses in results.items():
        if torch.tensor(losses, dtype=torch.float64).isfinite().all():
            heapq.heappush(heap, (losses[-1], lr))
    match heap:
        case [(_, lr), *_]:
            return lr
    raise ValueError("nothing to choose from")


class _AllDiverged(ValueError):
    pass


def _taken_out_of_a_copy(results):
    left = dict(results)
    for lr in [*left]:
        if any(not abs(loss) < math.inf for loss in left[lr]):
            del left[lr]
    if not left:
        raise _AllDiverged(f"all of {len(results)}")
    return functools.reduce(lambda a, b: a if left[a][-1] <= left[b][-1] else b, left)


ANSWER = Answer(
    exercise="best_learning_rate",
    cases=_cases,
    compare={
        "final": in_own_words(_another_rate, "returned"),
        "diverged": in_own_words(_another_rate_or_results, "choice_among_stable_runs", "results"),
    },
    equivalent={
        **dict.fromkeys(
            (
                "if not finite: -> never",
                "raise ValueError('every run diverged') -> nothing",
                "finite -> results",
            ),
            "min() of nothing raises a ValueError, too.",
        ),
        "ValueError('every run diverged') -> ValueError()": "What the error says is free.",
        "finite -> results #3": "Both hold the history of a rate that is in both.",
        "return min(finite, key=lambda lr: finite[lr][-1]) -> "
        "return float(min(finite, key=lambda lr: finite[lr][-1]))": "It is a float.",
    },
    variants=(
        _running_best,
        _sorted_pairs,
        _with_tensors,
        _min_raises_by_itself,
        _through_numpy,
        _from_a_generator,
        _with_a_heap,
        _taken_out_of_a_copy,
    ),
    misconceptions=(
        wrong(
            "NaN wins",
            edit(FINITE, "True"),
            "A run that ended in NaN is chosen. Every comparison with NaN is False, so min() "
            "keeps a NaN that comes first. Take diverged runs out before you compare.",
        ),
        wrong(
            "NaN wins",
            edit("losses[-1] < results", "not losses[-1] >= results", _running_best).edit(
                "not diverged and ", ""
            ),
            "A run that ended in NaN is chosen: `not loss >= best` is True for NaN. Take diverged "
            "runs out before you compare.",
        ),
        wrong(
            "lowest ever instead of final",
            edit(FINAL, "min(finite[lr])"),
            "You compare the lowest loss of each run. A run that passed a low point and rose "
            "again does not end there: compare the last entries.",
        ),
        wrong(
            "mean instead of final",
            edit(FINAL, "sum(finite[lr]) / len(finite[lr])"),
            "You compare the mean loss of each run, which punishes a bad start. Compare the last "
            "entries.",
        ),
        wrong(
            "loss instead of learning rate",
            edit(CHOICE, "min(losses[-1] for losses in finite.values())"),
            "You return the lowest loss. The result is the learning rate that reached it: the key, "
            "not the value.",
        ),
        wrong(
            "rate and loss returned",
            edit(f"return {CHOICE}", f"best = {CHOICE}\n    return best, finite[best][-1]"),
            "You return the rate together with its loss. The task asks for the rate alone.",
        ),
        wrong(
            "error as soon as one run diverged",
            edit("if not finite", "if len(finite) < len(results)"),
            "You raise ValueError when any run diverged. Leave that run out and choose among the "
            "others; the error is only for when none is left.",
        ),
        wrong(
            "error returned, not raised",
            edit("raise ValueError", "return ValueError"),
            "You return a ValueError object, and the caller carries on with it as if it were a "
            "rate. Use `raise`, which stops.",
        ),
        wrong(
            "only the last entry checked",
            edit(FINITE, "math.isfinite(losses[-1])"),
            "A run that was infinite or NaN along the way counts as finite, because its last "
            "entry is. Any such entry means that the run diverged: check all of them.",
        ),
        wrong(
            "infinity taken for finite",
            edit("math.isfinite(loss)", "not math.isnan(loss)"),
            "You check only for NaN, so a run with an infinite loss stays in. math.isfinite is "
            "False for both.",
        ),
        wrong(
            "no error when all diverged",
            edit('raise ValueError("every run diverged")', "return None"),
            "When every run diverged you return None, and the caller would train with that. Raise "
            "ValueError.",
        ),
        wrong(
            "largest stable learning rate",
            edit(CHOICE, "max(finite)"),
            "You choose the largest rate that stayed finite. Finite does not mean good: choose by "
            "the final loss.",
        ),
        wrong(
            "highest instead of lowest",
            edit("return min(", "return max("),
            "You choose the run with the highest final loss. A loss is better when it is lower.",
        ),
        wrong(
            "results changed",
            edit("dict(results)", "results", _taken_out_of_a_copy),
            "Your function removes the diverged runs from the caller's dict, so the caller can no "
            "longer plot them. Collect the good ones in a new dict.",
        ),
    ),
)
