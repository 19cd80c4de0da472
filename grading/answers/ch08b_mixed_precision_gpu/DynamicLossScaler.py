"""``DynamicLossScaler``, secret half.

Long: a scaler has a state, and what it does in each is a symptom of its own.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import numpy as np
import torch

from course_lib.exercises.ch08b_mixed_precision_gpu.DynamicLossScaler import (
    scaler_case,
    shown_scale,
    whose_in,
    wrong_step,
)
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.compare import Difference, difference, in_own_words
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, Symptom, Trial, raises, right_but, wrong

BACK_OFF = "            self.current_scale *= self.backoff_factor\n"
GROWN = "                self.good_updates = 0\n"
TOLERANCE = (1e-5, 1e-6)
_compared = partial(in_own_words, tolerance=TOLERANCE)


def _cases(generator: torch.Generator) -> list[Case]:
    def slope(n: int) -> list[float]:
        return (torch.randn(n, generator=generator) + 0.1).tolist()

    def spoiled(n: int, value: float, place: int = 0) -> list[float]:
        """The first and the last one belong to different parameters."""
        values = slope(n)
        values[place] = value
        return values

    init_scale = float(2 ** size(generator, 2, 6))
    interval = size(generator, 2, 3)
    rounds = 2 * interval + 1
    mixed = [[slope(2)] for _ in range(interval - 1)] + [[spoiled(2, math.inf)]]
    case = partial(scaler_case, init_scale=init_scale)
    overflows = partial(case, "skipping", "backoff")
    return [
        scaler_case("scaling", slopes=[[slope(3)], [slope(3)]]),
        case("scaling", slopes=[[slope(5), slope(2)]] * 2, lr=0.3),
        overflows(
            backoff_factor=0.25,
            slopes=[
                [slope(4)],
                [spoiled(4, math.inf)],
                [slope(4)],
                [spoiled(4, math.nan, place=-1)],
                [slope(4)],
            ],
        ),
        overflows(
            backoff_factor=0.5,
            slopes=[
                [spoiled(3, -math.inf), slope(2)],
                [slope(3), slope(2)],
                [slope(3), spoiled(2, math.nan)],
            ],
            groups=True,
        ),
        # There is no floor, not even at 1.
        case(
            "backoff", init_scale=1.0, slopes=[[spoiled(1, math.inf)], [spoiled(1, -math.inf)]] * 2
        ),
        case("growth", growth_factor=4.0, growth_interval=interval, slopes=[[slope(2)]] * rounds),
        # Two optimizers, and still one update each round.
        case("growth", growth_interval=2 * interval, slopes=[[slope(2), slope(3)]] * rounds),
        case(
            "growth",
            growth_interval=interval,
            slopes=mixed + [[slope(2)] for _ in range(interval + 1)],
        ),
    ]


def _moves(trials: Sequence[Trial], instead: bool) -> bool:
    """Whether an optimizer stepped where it should not (``instead``), or did not where it should."""
    return any(
        moved is instead and due is not instead
        for t in trials
        for now, then in zip(t.got["moved"], t.expected["moved"], strict=True)
        for moved, due in zip(now, then, strict=True)
    )


def _updates(trials: Sequence[Trial]) -> list[tuple[float, float, bool]]:
    """(scale before, scale after, was there an overflow) of every update."""
    return [
        (before, now, not math.isfinite(sum(map(sum, slopes))))
        for t in trials
        for (before, now), slopes in zip(pairwise(t.got["scales"]), t.case["slopes"], strict=True)
    ]


def _scale_words(case: Case, expected: Observation, got: Observation) -> str | None:
    """Which scale is off, for where the check has no line about it."""
    for number, (due, own) in enumerate(zip(expected["scales"], got["scales"], strict=True)):
        if difference(due, own, *TOLERANCE):
            when = f"after update {number}" if number else "at first"
            return Difference(f"the scale {when} should be {due:.10g}; yours is {shown_scale(own)}")
    return None


def _step_words(case: Case, expected: Observation, got: Observation) -> str | None:
    """Which step is off, for where the check has no line about it."""
    pairs = zip(expected["moved"], got["moved"], case["slopes"], strict=True)
    for number, (due, own, slopes) in enumerate(pairs, 1):
        for place in range(len(slopes)):
            if own[place] != due[place]:
                whose = whose_in(slopes, place)
                if own[place]:
                    met = f"{whose}gradients hold inf or NaN, and its weights move all the same"
                else:
                    met = f"{whose}gradients are finite, and yet its weights do not move"
                met = met if whose else f"the {met}".replace("its weights", "the weights")
                return Difference(f"in round {number} {met}")
    return Difference(words) if (words := wrong_step(expected["taken"], got["taken"])) else None


class _TorchScaler(torch.amp.GradScaler):
    """The oracle: its step tells whether it was taken."""

    def __init__(self, **options):
        super().__init__("cpu", **options)

    def step(self, optimizer):
        taken = []
        with optimizer.register_step_pre_hook(lambda *_: taken.append(True)):
            super().step(optimizer)
        return bool(taken)


class _WithTensors:
    def __init__(
        self,
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
    ):
        self.s = torch.tensor(float(init_scale))
        self.settings = (growth_factor, backoff_factor, growth_interval)
        self.streak = 0
        self.found: list[bool] = []

    def scale(self, loss):
        return self.s.to(loss.device) * loss

    def step(self, optimizer):
        inverse = 1.0 / self.s.item()
        params = [p for group in optimizer.param_groups for p in group["params"]]
        with torch.no_grad():
            for p in filter(lambda p: p.grad is not None, params):
                p.grad.mul_(inverse)
        total = sum(float(p.grad.abs().sum()) for p in params if p.grad is not None)
        self.found.append(not math.isfinite(total))
        if self.found[-1]:
            return False
        optimizer.step()
        return True

    def update(self):
        growth, backoff, interval = self.settings
        if any(self.found):
            self.s, self.streak = self.s * backoff, 0
        else:
            self.streak += 1
            if self.streak % interval == 0:
                self.s = self.s * growth
                self.streak = 0
        self.found = []


class _WithAGenerator:
    """The scale comes from a coroutine that is told how each round went."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        def scales(current, good=0):
            while True:
                if (yield current):
                    current, good = current * backoff_factor, 0
                elif (good := good + 1) == growth_interval:
                    current, good = current * growth_factor, 0

        self._scales, self._spoiled = scales(float(init_scale)), []
        self._now = next(self._scales)

    def scale(self, loss):
        return torch.mul(loss, self._now)

    def step(self, optimizer):
        grads = [p.grad for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        infinite = any(not g.isfinite().all().item() for g in grads)
        self._spoiled += [infinite]
        if not infinite:
            torch._foreach_div_(grads, self._now)
            optimizer.step()
        return not infinite

    def update(self):
        self._now = self._scales.send(any(self._spoiled))
        self._spoiled.clear()


@dataclass
class _Typed:
    """A data class; gradients are looked at as one long NumPy array."""

    init_scale: float = 2.0**16
    growth_factor: float = 2.0
    backoff_factor: float = 0.5
    growth_interval: int = 2000
    good: int = field(default=0, init=False)
    bad: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._scale = self.init_scale

    def scale(self, loss: torch.Tensor) -> torch.Tensor:
        return self._scale * loss

    def step(self, optimizer: torch.optim.Optimizer) -> bool:
        params = [p for group in optimizer.param_groups for p in group["params"]]
        grads = [p.grad for p in params if p.grad is not None]
        flat = np.concatenate([g.numpy().ravel() for g in grads])
        if not np.isfinite(flat).all():
            self.bad = True
            return False
        for g in grads:
            g.copy_(g / self._scale)
        optimizer.step()
        return True

    def update(self) -> None:
        match self.bad, self.good + 1 == self.growth_interval:
            case True, _:
                self._scale, self.good = self._scale * self.backoff_factor, 0
            case False, True:
                self._scale, self.good = self._scale * self.growth_factor, 0
            case _:
                self.good += 1
        self.bad = False


class _NewGradients:
    """The unscaled gradients are new tensors; the outcomes of a round are a set."""

    def __init__(self, init_scale=2**16, growth_factor=2, backoff_factor=0.5, growth_interval=2000):
        self.value, self.factors = init_scale, {True: growth_factor, False: backoff_factor}
        self.interval, self.streak, self.outcomes = growth_interval, 0, set()

    def scale(self, loss):
        return loss.mul(self.value)

    def step(self, optimizer):
        groups = (group["params"] for group in optimizer.param_groups)
        params = [p for p in itertools.chain.from_iterable(groups) if p.grad is not None]
        finite = all(math.isfinite(p.grad.abs().max().item()) for p in params)
        self.outcomes.add(finite)
        if finite:
            for p in params:
                p.grad = p.grad / self.value
            optimizer.step()
        return finite

    def update(self):
        good = False not in self.outcomes
        self.streak = self.streak + 1 if good else 0
        if not good or self.streak == self.interval:
            self.value, self.streak = self.value * self.factors[good], 0
        self.outcomes = set()


class _UnscalesFirst:
    """As PyTorch does it: unscale all, look for infinities on the way, clear up in update()."""

    def __init__(
        self,
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
    ) -> None:
        self._scale, self._growth_tracker = init_scale, 0
        self._config = (growth_factor, backoff_factor, growth_interval)
        self._found_inf: dict[int, bool] = {}

    def scale(self, loss: torch.Tensor) -> torch.Tensor:
        return loss * torch.as_tensor(self._scale, dtype=loss.dtype, device=loss.device)

    def step(self, optimizer: torch.optim.Optimizer) -> bool:
        found_inf = False
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                p.grad.div_(self._scale)
                found_inf = found_inf or bool((p.grad - p.grad).isnan().any())
        self._found_inf[id(optimizer)] = found_inf
        if not found_inf:
            optimizer.step()
        return not found_inf

    def update(self) -> None:
        growth, backoff, interval = self._config
        if any(self._found_inf.values()):
            self._scale *= backoff
            self._growth_tracker = 0
        elif (successful := self._growth_tracker + 1) >= interval:
            self._scale *= growth
            self._growth_tracker = 0
        else:
            self._growth_tracker = successful
        self._found_inf.clear()


ANSWER = Answer(
    exercise="DynamicLossScaler",
    cases=_cases,
    oracle=_TorchScaler,
    tolerance=TOLERANCE,
    compare={
        "skipping": _compared(_step_words, "taken", "moved"),
        "backoff": _compared(_scale_words, "scales", "scales_after_steps"),
        "growth": _compared(_scale_words, "scales", "default_interval"),
    },
    equivalent={
        "return loss * self.current_scale -> return torch.as_tensor(loss * self.current_scale)": (
            "It is a tensor."
        ),
    },
    variants=(
        edit("grad /= self.current_scale", "grad.mul_(1 / self.current_scale)"),
        _WithTensors,
        # Right: the count is never set back when the scale grows.
        edit(
            "self.good_updates == self.growth_interval",
            "self.good_updates % self.growth_interval == 0",
        ).edit(GROWN, ""),
        _WithAGenerator,
        _Typed,
        _NewGradients,
        _UnscalesFirst,
    ),
    misconceptions=(
        wrong(
            "grows every step",
            edit("self.good_updates == self.growth_interval", "True"),
            "The scale grows at every update. It should grow only after growth_interval good ones "
            "in a row.",
        ),
        wrong(
            "steps on inf",
            edit("            return False\n", ""),
            "You take the step although a gradient is inf or NaN, and the weights are ruined for "
            "good. Check first, and return False.",
        ),
        wrong(
            "never backs off",
            edit(BACK_OFF, ""),
            "The step is skipped, but the scale stays where it is, so the next one overflows as "
            "well. Multiply it by backoff_factor in update().",
        ),
        wrong(
            "count not started again after an overflow",
            edit(BACK_OFF + "            self.good_updates = 0\n", BACK_OFF),
            "The good updates must come in a row: after an inf or NaN, counting starts again at "
            "zero.",
        ),
        wrong(
            "overflow never forgotten",
            edit(GROWN + "        self.found_inf = False\n", GROWN),
            "After one overflow every update backs off, because nothing marks the start of a new "
            "round. Clear the flag at the end of update().",
        ),
        wrong(
            "grows one update late",
            edit("good_updates == ", "good_updates > "),
            "The scale grows one update too late: the counter has to reach growth_interval, not "
            "pass it.",
        ),
        wrong(
            "steps counted, not updates",
            edit("            self.good_updates += 1\n", "")
            .edit("good_updates == ", "good_updates >= ")
            .edit("optimizer.step()", "optimizer.step()\n        self.good_updates += 1"),
            "You count steps. With two optimizers that makes two per round: count the calls to "
            "update().",
        ),
        wrong(
            "step returns nothing",
            edit("        return True\n", ""),
            "A step that was taken returns nothing. Return True then, and False when it is skipped.",
        ),
        wrong(
            "scale changed in step()",
            edit(BACK_OFF, "").edit(
                "            return False\n", BACK_OFF + "            return False\n"
            ),
            "You change the scale inside step(). A second optimizer in the same round would then "
            "be unscaled with the wrong number: only update() changes it.",
        ),
        wrong(
            "gradients never unscaled",
            edit("            grad /= self.current_scale\n", "            pass\n"),
            "You step with gradients that are still multiplied by the scale. Divide each p.grad by "
            "it first.",
        ),
        wrong(
            "only the last optimizer counts",
            edit("        if not all(", "        self.found_inf = False\n        if not all("),
            "A later step that went well makes you forget an earlier one that did not. Any inf or "
            "NaN since the last update() backs off.",
        ),
        wrong(
            "scale shadowed by a number",
            edit("self.current_scale = init_scale", "self.current_scale = self.scale = init_scale"),
            "self.scale = ... puts a number where the method scale() is, so it can no longer be "
            "called. Give the number another name.",
            recognise=raises("object is not callable"),
        ),
        wrong(
            "a floor below which the scale does not fall",
            edit(
                BACK_OFF,
                f"{BACK_OFF}            self.current_scale = max(1.0, self.current_scale)\n",
            ),
            "Your scale never falls below 1. GradScaler has no such floor: every overflow multiplies "
            "it by backoff_factor.",
        ),
        wrong(
            "only the last parameter checked",
            edit("for grad in grads)", "for grad in grads[-1:])"),
            "You ask only one of the parameters for inf or NaN. It may be in any of them: look at "
            "every p.grad.",
        ),
        wrong(
            "state shared by all scalers",
            edit("self._found_inf: dict", "type(self)._found_inf: dict", _UnscalesFirst),
            "What you remember is kept in the class, so every scaler sees what another one met. Keep it "
            "in self.",
        ),
        wrong(
            "first parameter group only",
            edit("in optimizer.param_groups for", "in optimizer.param_groups[:1] for"),
            "You look only at param_groups[0]. An optimizer may have several groups: loop over "
            "all of them, or some gradients are neither checked nor unscaled.",
        ),
    ),
    symptoms=(
        Symptom(
            "another scale at first",
            edit("init_scale=2.0**16", "init_scale=2.0 * 16"),
            "Your scale is not init_scale at first, which is 2.0**16 where none is given.",
            lambda wrong, trials: any(
                t.got["first_scale"] != t.expected["first_scale"] for t in trials
            ),
        ),
        Symptom(
            "another default for growth_interval",
            edit("growth_interval=2000", "growth_interval=2001"),
            "growth_interval is 2000 where none is given. Your default is a different one.",
            lambda wrong, trials: any(t.got["default_interval"] != 2000 for t in trials),
        ),
        Symptom(
            "no step taken",
            edit("        optimizer.step()\n", ""),
            "No weight moves, whatever the gradients are: optimizer.step() is not called where they are "
            "finite.",
            lambda wrong, trials: not any(any(each) for t in trials for each in t.got["moved"]),
        ),
        Symptom(
            "the wrong steps skipped",
            edit("if not all(", "if all("),
            "Steps are taken although a gradient is infinite or NaN, and others are skipped although all "
            "are finite: your condition is the wrong way round.",
            lambda wrong, trials: _moves(trials, True) and _moves(trials, False),
        ),
        Symptom(
            "steps with inf or NaN taken",
            edit("if not all(", "if False and not all("),
            "A step is taken although a gradient is infinite or NaN. Look at every gradient of the "
            "optimizer before it steps.",
            lambda wrong, trials: _moves(trials, instead=True),
        ),
        Symptom(
            "step says something else than it did",
            edit("return True", "return False"),
            "What step returns is not what it did: True where the optimizer has stepped, False where the "
            "step was skipped, each a bool.",
            lambda wrong, trials: any(t.got["taken"] != t.got["moved"] for t in trials),
        ),
        Symptom(
            "steps of another length",
            edit("grad /= self.current_scale", "grad *= self.current_scale"),
            "The right steps are taken, but with the wrong length: the gradients have to be divided by the scale "
            "that the loss was multiplied by, all of them and once.",
            lambda wrong, trials: "scaling" in wrong,
        ),
        Symptom(
            "backs off without an overflow",
            edit("if self.found_inf:", "if True:"),
            "The scale falls at an update before which every gradient was finite.",
            lambda wrong, trials: any(
                now < before for before, now, overflow in _updates(trials) if not overflow
            ),
        ),
        Symptom(
            "never backs off",
            edit(BACK_OFF, ""),
            "After an inf or NaN the scale stays as it is, or rises. update() multiplies it by "
            "backoff_factor then.",
            lambda wrong, trials: all(
                now >= before for before, now, overflow in _updates(trials) if overflow
            ),
        ),
        Symptom(
            "backs off by another factor",
            edit(BACK_OFF, BACK_OFF.replace("*=", "=")),
            "After an inf or NaN the scale falls, but not to backoff_factor times what it was.",
            lambda wrong, trials: any(
                not math.isclose(now, before * t.case["options"].get("backoff_factor", 0.5))
                for t in trials
                for before, now, overflow in _updates([t])
                if overflow
            ),
        ),
        Symptom(
            "never grows",
            edit("self.good_updates += 1", "self.good_updates = 1"),
            "The scale never grows, however many good updates follow each other.",
            lambda wrong, trials: not any(now > before for before, now, _ in _updates(trials)),
        ),
        Symptom(
            "grows at the wrong time",
            edit(GROWN, ""),
            "The scale grows, but not after every growth_interval good updates in a row: the count begins "
            "at 0, goes up by 1, and starts over after an overflow and after each growth.",
            lambda wrong, trials: any(
                (now > before) != (due > was)
                for t in trials
                for (before, now), (was, due) in zip(
                    pairwise(t.got["scales"]), pairwise(t.expected["scales"]), strict=True
                )
            ),
        ),
        Symptom(
            "grows by another factor",
            edit("*= self.growth_factor", "*= 3 * self.growth_factor"),
            "The scale grows at the right time, but not to growth_factor times what it was.",
            right_but("growth"),
        ),
    ),
)
