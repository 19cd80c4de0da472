"""``first_explosion``, secret half. Long: the cases plant 26 different events in calm histories."""

import bisect
import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from course_lib.exercises.ch03_backward_pass.first_explosion import history_case, in_words
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.draw import normal
from grading.answers.edit import edit
from grading.answers.model import Answer, Symptom, Trial, wrong

START = "    for t in "
BEFORE = "norms[:t]"
FINITE = " if math.isfinite(norm)"
MEDIAN = "statistics.median(norm for norm in norms[:t] if math.isfinite(norm))"
EXPLODES = "not math.isfinite(norms[t])"
WORST = "max(ratios, key=ratios.get)"
NOTHING = "    return None\n"

_LAYERS = ("fc1", "fc2", "head", "conv", "gate", "embed")


class _Run:
    """A calm history of ``steps`` norms per layer, into which a case plants its events."""

    def __init__(
        self, generator: torch.Generator, steps: int, layers: int = 3, jitter: float = 0.2
    ):
        self.generator = generator
        order = torch.randperm(len(_LAYERS), generator=generator)[:layers].tolist()
        self.names = [_LAYERS[i] for i in order]
        self.levels = [10 ** (2 * self.uniform() - 1) for _ in order]
        self.history = {
            name: [level * math.exp(jitter * normal(generator, 1).item()) for _ in range(steps)]
            for name, level in zip(self.names, self.levels, strict=True)
        }

    def uniform(self) -> float:
        return torch.rand((), generator=self.generator, dtype=torch.float64).item()

    def grow(self, layer: int, step: int, factor: float) -> "_Run":
        """Put one norm at ``factor`` times the layer's level, with a few percent of noise: how far it lies
        from a threshold is the same in every set."""
        return self.put(layer, self.levels[layer] * factor * (1 + 0.05 * self.uniform()), step)

    def put(self, layer: int, value: float, *steps: int) -> "_Run":
        for step in steps:
            self.history[self.names[layer]][step] = value
        return self

    def exactly(self, layer: int, step: int, factor: float) -> "_Run":
        """As ``grow``, without the noise."""
        return self.put(layer, factor * self.levels[layer], step)

    def start(self, layer: int, *shape: float, shuffled: bool = True) -> "_Run":
        """The first norms of a layer, as multiples of its level, in a random order if ``shuffled``."""
        n = len(shape)
        order = torch.randperm(n, generator=self.generator) if shuffled else range(n)
        for step, i in enumerate(order):
            self.put(layer, self.levels[layer] * shape[i] * (1 + 0.02 * self.uniform()), step)
        return self

    def case(self, asks: str, factor: float | None = None) -> Case:
        return history_case(asks, self.history, factor)


def _cases(generator: torch.Generator) -> list[Case]:
    run = partial(_Run, generator)
    nan, inf = math.nan, math.inf
    tail = run(24).grow(0, 9, 40)
    for step in range(10, 24):  # the weights are wrecked: the norms never come down again
        tail.grow(0, step, 30).grow(1, step, 4)
    silent = run(14).put(1, 0.0, *range(14))
    woken = run(15).grow(2, 12, 300).put(1, 0.0, *range(9)).put(1, 0.03, 9)
    # The first of three infinite ratios: a positive norm over a zero median.
    tied = run(13).put(0, 0.0, *range(9)).put(0, 0.2, 9).put(1, nan, 9).put(2, inf, 9)
    return [
        run(30).grow(1, 12, 40).grow(0, 20, 500).grow(2, 25, 60).case("found"),
        # Step 6 is 15 times the lower of the two middle values, but 7.5 times the median.
        run(16).start(0, 1, 1, 1, 3, 3, 3).exactly(0, 6, 15).grow(1, 11, 90).case("found"),
        # Step 8 is 12.5 times the median, but only 8.3 times the upper of the two middle values.
        run(18).start(0, 1, 1, 1, 1, 3, 3, 3, 3).exactly(0, 8, 25.5).grow(2, 13, 90).case("found"),
        # A spike among the first steps lifts the mean, not the median.
        run(20).grow(2, 2, 100).grow(2, 8, 14).grow(1, 15, 300).case("found"),
        # Step 5 is 20 times the median before it, and 4 times the median that includes it.
        run(17).start(0, 1, 1, 1, 9, 9).exactly(0, 5, 20).grow(1, 12, 70).case("found"),
        tail.case("found"),
        # Step 7 is 4 times the median, to the last bit: not *more* than 4 times.
        run(14).put(0, 0.5, *range(14)).put(0, 2.0, 7).grow(2, 11, 40).case("found", 4.0),
        run(19, jitter=0.05).grow(0, 8, 5).grow(1, 14, 60).case("found", 3.0),
        run(12, layers=2).grow(1, 11, 35).case("found"),
        silent.case("found"),
        run(4).grow(0, 3, 400).case("found"),
        # Step 15 is 15 times the median of all steps before, and 2.5 times that of the last five.
        run(19).start(1, *[1] * 10, *[6] * 5, shuffled=False).exactly(1, 15, 15.5).case("found"),
        run(18).grow(1, 3, 0.04).grow(0, 13, 60).case("found"),
        # Step 14 is 15 times the median of all steps before, and no larger than the first five.
        run(18).start(2, *[18] * 5, *[1] * 9, shuffled=False).exactly(2, 14, 15.5).case("found"),
        run(16).put(0, inf, 0, 1, 2, 4).grow(0, 7, 60).case("non_finite"),
        run(20).put(0, nan, 9).grow(1, 14, 100).case("non_finite"),
        run(18, layers=4).put(2, inf, 7).grow(0, 12, 100).case("non_finite"),
        run(16).put(1, nan, 5).put(2, inf, 8).case("non_finite"),
        run(17).put(2, nan, 1, 4).put(2, inf, 3).grow(2, 6, 60).case("non_finite"),
        _nan_among_the_first(run(14)).grow(2, 11, 60).case("non_finite"),
        _far_apart(run(17, layers=2)).put(0, inf, 1).grow(0, 9, 60).case("non_finite"),
        _several_at_once(run(15, layers=4), 8, (20, 60, 15, 1), (0, -1, 4, 0)).case("culprit"),
        _several_at_once(run(15, layers=4), 10, (25, 1, 14, 90), (3, 0, 0, -2)).case("culprit"),
        run(13).grow(0, 8, 900).put(2, nan, 8).case("culprit"),
        run(13).grow(2, 9, 900).put(1, inf, 9).put(0, nan, 9).case("culprit"),
        tied.case("culprit"),
        woken.case("culprit"),
    ]


def _nan_among_the_first(run: _Run) -> _Run:
    """Step 5 is 8 times the median of the finite norms. A NaN before them spoils the sorting: in
    the middle of what comes out lies a norm that step 5 exceeds 12 times, as it does that of the run."""
    for step, factor in enumerate((math.nan, 8.0, 1.0, 1.0, 2.0, 12.0, *[1.0] * 8)):
        run.exactly(0, step, factor)
    return run


def _several_at_once(run: _Run, step: int, factors: tuple, exponents: tuple) -> _Run:
    """Layers of very different size grow at one step: the largest norm is not the largest ratio."""
    for layer, (factor, exponent) in enumerate(zip(factors, exponents, strict=True)):
        name = run.names[layer]
        run.history[name] = [norm * 10.0**exponent for norm in run.history[name]]
        run.levels[layer] *= 10.0**exponent
        run.grow(layer, step, factor)
    return run


def _far_apart(run: _Run) -> _Run:
    """The second layer is so much larger that the first one's explosions are small beside it."""
    small, large = run.names
    level = max(run.history[small])
    run.history[large] = [1e4 * level * norm / run.levels[1] for norm in run.history[large]]
    return run


def _ratios_first(history, factor=10.0):
    """All ratios of a step in one list, then the largest."""
    steps = min(map(len, history.values()))
    for step in range(5, steps):
        ratios = []
        for norms in history.values():
            usual = statistics.median(n for n in norms[:step] if math.isfinite(n))
            if not math.isfinite(norms[step]):
                ratios.append(math.inf)
            elif usual == 0:
                ratios.append(math.inf if norms[step] > 0 else 0.0)
            else:
                ratios.append(norms[step] / usual)
        if max(ratios) > factor:
            return step, list(history)[ratios.index(max(ratios))]
    return None


def _with_sorting(history, factor=10.0):
    """Every explosion of the run as (step, -ratio, place), then the smallest."""
    candidates = []
    for place, norms in enumerate(history.values()):
        for step, norm in enumerate(norms):
            if step < 5:
                continue
            known = sorted(n for n in norms[:step] if abs(n) < math.inf)
            half = len(known) // 2
            usual = known[half] if len(known) % 2 else (known[half - 1] + known[half]) / 2
            finite = abs(norm) < math.inf
            if finite and not norm > factor * usual:
                continue
            ratio = norm / usual if finite and usual > 0 else math.inf
            candidates.append((step, -ratio, place))
    if not candidates:
        return None
    step, _, place = min(candidates)
    return step, list(history)[place]


def _with_tensors(history, factor=10.0):
    """torch.quantile interpolates between the middle values; nan_to_num makes NaN infinite."""
    names = list(history)
    table = torch.tensor([history[name] for name in names], dtype=torch.float64)
    for step in range(5, table.shape[1]):
        ratios = []
        for row in table:
            before = row[:step][torch.isfinite(row[:step])]
            ratio = (row[step] / torch.quantile(before, 0.5)).item()
            quiet = row[step] == 0
            ratios.append(0.0 if quiet else math.inf if math.isnan(ratio) else ratio)
        worst = max(range(len(names)), key=ratios.__getitem__)
        if ratios[worst] > factor:
            return step, names[worst]
    return None


def _with_a_generator(
    history: dict[str, list[float]], factor: float = 10.0
) -> tuple[int, str] | None:
    def ratio(norms: list[float], t: int) -> float:
        usual = statistics.median(filter(math.isfinite, norms[:t]))
        match norms[t], usual:
            case norm, _ if norm != norm or norm == math.inf:
                return math.inf
            case norm, 0.0:
                return math.inf if norm else 0.0
            case norm, _:
                return norm / usual

    def explosions():
        for t in range(5, min(map(len, history.values()))):
            ratios = {layer: ratio(norms, t) for layer, norms in history.items()}
            worst = max(ratios, key=lambda layer: ratios[layer])
            if ratios[worst] > factor:
                yield t, worst

    return next(explosions(), None)


def _through_numpy(history, factor=10.0):
    table = np.array(list(history.values()), dtype=float)
    for t in range(5, table.shape[1]):
        usual = np.array([np.median(row[:t][np.isfinite(row[:t])]) for row in table])
        now = table[:, t]
        with np.errstate(all="ignore"):
            ratios = np.where(np.isfinite(now), np.where(now == 0, 0.0, now / usual), np.inf)
        if (ratios > factor).any():
            return t, list(history)[int(ratios.argmax())]
    return None


def _with_bisect(history, factor=10.0):
    """Each layer's norms so far, kept in order of size."""
    known = {layer: sorted(filter(math.isfinite, norms[:5])) for layer, norms in history.items()}
    for t in range(5, len(next(iter(history.values())))):
        worst, place = factor, None
        for layer, norms in history.items():
            half = len(known[layer]) / 2
            usual = (known[layer][math.ceil(half - 1)] + known[layer][math.floor(half)]) / 2
            rest = math.inf if norms[t] > 0 else 0.0
            ratio = norms[t] / usual if usual and math.isfinite(norms[t]) else rest
            ratio = math.inf if math.isnan(norms[t]) else ratio
            worst, place = max((worst, place), (ratio, layer), key=lambda pair: pair[0])
            bisect.insort(known[layer], norms[t])
        if place is not None:
            return t, place


class _Found(NamedTuple):
    step: int
    layer: str


@dataclass(order=True)
class _Explosion:
    step: int
    less_than: float
    place: int
    layer: str = field(compare=False)


def _with_dataclasses(history: dict[str, list[float]], factor: float = 10.0):
    def explosions():
        for place, (layer, norms) in enumerate(history.items()):
            for t, norm in itertools.islice(enumerate(norms), 5, None):
                usual = statistics.median(filter(math.isfinite, norms[:t]))
                if not math.isfinite(norm):
                    yield _Explosion(t, -math.inf, place, layer)
                elif norm > factor * usual:
                    yield _Explosion(t, -norm / usual if usual else -math.inf, place, layer)

    first = min(explosions(), default=None)
    return first and _Found(first.step, first.layer)


def _problem(case: Case, expected: Observation, got: Observation) -> str | None:
    right, returned = expected["returned"], got.get("returned")
    if type(returned) is type(right) and returned == right:
        return None
    steps = len(next(iter(case["history"].values())))
    run = f"in a run of {steps} steps and {len(case['history'])} layers, with factor={case['factor'] or 10.0:g},"
    if right is None:
        return f"{run} nothing explodes, and yours says {in_words(returned)}"
    step, layer = right
    norm = case["history"][layer][step]
    return f'{run} step {step} of "{layer}" is the first explosion (norm {norm:.3g}), and yours says {in_words(returned)}'


def _overlooks_nan(case: Case, got: Observation) -> bool:
    """Infinities are found, NaN is passed over; whatever else may be wrong besides."""
    if "non_finite" not in case["asks"]:
        return True
    right = _ratios_first(case["history"], case["factor"] or 10.0)
    norm, found = case["history"][right[1]][right[0]], got["returned"]
    if math.isinf(norm):
        return found == right
    return not math.isnan(norm) or found is None or found[0] > right[0]


def _is_a_place(trial: Trial) -> bool:
    match trial.got["returned"]:
        case None:
            return True
        case (int() as step, str() as layer):
            history = trial.case["history"]
            return layer in history and 0 <= step < len(history[layer])
    return False


def _lateness(trials: Sequence[Trial]) -> set[int]:
    """By the cases: whether the step is later than it should be (1), earlier (-1) or right (0); no step
    is later than all."""
    pairs = [(t.expected["returned"], t.got["returned"]) for t in trials]
    steps = [[place[0] if place else math.inf for place in pair] for pair in pairs]
    return {(yours > right) - (yours < right) for right, yours in steps}


ANSWER = Answer(
    exercise="first_explosion",
    cases=_cases,
    equivalent={
        "return None -> nothing": "A function that ends without return gives None.",
        "return (t, max(ratios, key=ratios.get)) -> "
        "return list((t, max(ratios, key=ratios.get)))": "A list of two is taken for a pair, too.",
    },
    compare=dict.fromkeys(("found", "non_finite", "culprit"), _problem),
    results=(),  # None is a result, too
    variants=(
        _ratios_first,
        _with_sorting,
        _with_tensors,
        _with_a_generator,
        _through_numpy,
        _with_bisect,
        _with_dataclasses,
    ),
    misconceptions=(
        wrong(
            "None for every run",
            edit("return t, ", "_ = t, "),
            "Your function returns None for every run. Return (step, layer) as soon as a step has an "
            "explosion.",
            recognise=lambda case, got: got.error is None and got["returned"] is None,
        ),
        wrong(
            "mean for median",
            edit("statistics.median", "statistics.mean"),
            "You compare with the mean. One early spike lifts the mean for the rest of the run and "
            "hides later explosions; the median does not notice it.",
        ),
        wrong(
            "current step included in the median",
            edit(BEFORE, "norms[: t + 1]"),
            "Your median includes the norm that you are judging. Use the steps before t only: "
            "norms[:t].",
        ),
        wrong(
            "median of the whole run",
            edit(BEFORE, "norms"),
            "Your median looks at the whole run, so what comes after an explosion decides whether "
            "it was one. Use the steps before t only: norms[:t].",
        ),
        wrong(
            "lower middle value for median",
            edit("statistics.median", "statistics.median_low"),
            "With an even number of norms you take the lower of the two middle ones, as "
            "torch.median does. The median is their mean: statistics.median.",
        ),
        wrong(
            "upper middle value for median",
            edit("statistics.median", "statistics.median_high"),
            "With an even number of norms you take the upper of the two middle ones. The median is "
            "their mean: statistics.median.",
        ),
        wrong(
            "NaN ignored",
            edit(EXPLODES, "norms[t] == math.inf"),
            "Every comparison with NaN is False, so norm > factor * median never notices it. Check "
            "math.isfinite(norm) first.",
            recognise=_overlooks_nan,
        ),
        wrong(
            "compared with the last few steps",
            edit(BEFORE, "norms[t - 5 : t]"),
            "Your median looks at only the last few steps. When the norms have risen slowly, it "
            "has risen with them: use all steps before t.",
        ),
        wrong(
            "compared with the first few steps",
            edit(BEFORE, "norms[:5]"),
            "Your median only ever looks at the first five steps. What is usual changes during a "
            "run: use all steps before t.",
        ),
        wrong(
            "compared with the previous step only",
            edit(MEDIAN, "norms[t - 1] if math.isfinite(norms[t - 1]) else 0.0"),
            "You compare with the step just before. One odd step then decides how the next is "
            "judged: use the median of all steps before t.",
        ),
        wrong(
            "compared with the smallest norm",
            edit("statistics.median", "min"),
            "You compare with the smallest norm so far, as chapter 00 did with losses. What is "
            "usual for a layer is the median of its norms.",
        ),
        wrong(
            "one median for all layers",
            edit(f"for norm in {BEFORE}", "for each in history.values() for norm in each[:t]"),
            "You take one median over all layers. Layers differ in size: compare each with its own "
            "norms.",
        ),
        wrong(
            "layers searched one after another",
            edit("min(candidates)", "candidates[0]", of=_with_sorting),
            "You search the first layer through the whole run before you look at the second. Let "
            "the loop over steps be the outer one: the earliest step counts.",
        ),
        wrong(
            "last of equal ratios",
            edit("max(ratios,", "max(reversed(ratios),"),
            "When ratios are equal, you return the last layer. The first in the dict wins: use >, "
            "not >=, when you compare with the best so far.",
        ),
        wrong(
            "infinity kept in the median",
            edit(FINITE, " if not math.isnan(norm)"),
            "You leave NaN out of the median, but infinity stays in. Leave out both: math.isfinite "
            "is False for either.",
        ),
        wrong(
            "search begins at step 6",
            edit("range(5,", "range(6,"),
            "Your search begins one step late. Steps are counted from 0: with five norms before it, "
            "step 5 is the first that can explode.",
        ),
        wrong(
            "layer before step",
            edit(f"t, {WORST}", f"{WORST}, t"),
            "The pair is right but in the wrong order: the step first, then the layer.",
        ),
        wrong(
            "step without layer",
            edit(f"t, {WORST}", "t"),
            "You return the step alone. Return the pair: the step and the layer that exploded.",
        ),
        wrong(
            "None inside the loop",
            edit(NOTHING, "    " + NOTHING),
            "Your search gives up after step 5: something inside the loop ends it, such as `return "
            "None`. That belongs after the loop.",
        ),
        wrong(
            "non-finite norms ignored",
            edit(f"{EXPLODES} or", f"{EXPLODES}:\n                continue\n            if"),
            "You skip norms that are infinite or NaN. They are the worst explosions of all: treat "
            "their ratio as infinite.",
        ),
        wrong(
            "non-finite norms kept in the median",
            edit(FINITE, ""),
            "Infinite and NaN norms from the first steps stay in your medians, and with a NaN in it a "
            "list has no reliable order. Leave non-finite norms out of the median.",
        ),
        wrong(
            "last instead of first",
            edit(START, f"    last = None\n{START}")
            .edit("return t,", "last = t,")
            .edit(NOTHING, "    return last\n"),
            "You return the last explosion. Everything after the first one is its consequence: "
            "stop at the first step that has one.",
        ),
        wrong(
            "largest instead of first",
            edit(START, f"    found = {{}}\n{START}")
            .edit(f"return t, {WORST}", f"found[t, {WORST}] = max(ratios.values())")
            .edit(NOTHING, "    return max(found, key=found.get, default=None)\n"),
            "You return the largest explosion of the run. The first one is the cause, however "
            "small: the largest ratio decides only among the layers of that step.",
        ),
        wrong(
            "first layer instead of largest ratio",
            edit(WORST, "next(iter(ratios))"),
            "At a step where several layers explode, you return the first of them. Compare their "
            "ratios and return the largest.",
        ),
        wrong(
            "largest norm instead of largest ratio",
            edit(
                "key=ratios.get",
                "key=lambda name: history[name][t] if math.isfinite(history[name][t]) else math.inf",
            ),
            "At a step where several layers explode, you return the one with the largest norm. "
            "Layers differ in size: the largest ratio to a layer's own median decides.",
        ),
        wrong(
            "steps before 5 count",
            edit("range(5,", "range(1,"),
            "You judge the first steps too. With fewer than five norms a median says little: "
            "begin at step 5.",
        ),
        wrong(
            "the factor itself counts",
            edit("> factor * median", ">= factor * median > 0"),
            "A norm of exactly factor times the median is not an explosion yet: it must be larger.",
        ),
        wrong(
            "last step never looked at",
            edit("n_steps)", "n_steps - 1)"),
            "Your search ends one step early: range(5, n) already stops at step n - 1.",
        ),
        wrong(
            "factor ignored",
            edit("factor * median", "10.0 * median"),
            "You always use 10. The caller may pass a different factor.",
        ),
        wrong(
            "division by zero",
            edit(" or (median == 0 and norms[t] > 0)", ""),
            "A layer that has been silent so far has a median of 0, and you divide by it. A "
            "positive norm over a zero median counts as an infinite ratio.",
        ),
    ),
    symptoms=(
        Symptom(
            "not a step and a layer",
            edit("return t, ", "return n_steps, "),
            "What you return is not (step, layer): the number of a step of the run, then the name of a "
            "layer. Only where nothing explodes is it None.",
            lambda wrong, trials: not all(map(_is_a_place, trials)),
        ),
        Symptom(
            "calm steps taken for explosions",
            edit("> factor * median", "> median"),
            "Where you are wrong, you name a step before the first explosion, or a step of a run that has no "
            "explosion. A finite norm must exceed factor times the median of its own layer, from step 5 on.",
            lambda wrong, trials: _lateness(trials) in ({-1}, {-1, 0}),
        ),
        Symptom(
            "explosions passed over",
            edit("> factor * median", "> 2 * factor * median"),
            "Where the step is wrong, you pass over the first explosion. A step counts as soon as one "
            "layer explodes, and a norm that is infinite or NaN is always an explosion.",
            lambda wrong, trials: _lateness(trials) in ({1}, {1, 0}),
        ),
        Symptom(
            "calm steps and explosions confused",
            edit("> factor * median", "> t * median"),
            "In some runs you take a calm step for an explosion, in others you pass over one. Print the "
            "norm, the median and the limit that you compare with, for one layer, step by step.",
            lambda wrong, trials: 1 in _lateness(trials),
        ),
        Symptom(
            "the right step, another layer",
            edit("norms[t] / median", "norms[t] * median"),
            "The steps are right, the layers are not. Of the layers that explode at that step, name the one "
            "with the largest ratio, norm / median; if ratios are equal, the first.",
            lambda wrong, trials: True,
        ),
    ),
)
