"""Chapter 08, secret half: cases, misconceptions, right variants and the quiz's key.

The misconceptions and variants of ``checkpointing`` stand in ``checkpoints.py``.
"""

import copy
import io
import math
from itertools import pairwise

import torch
from torch import nn

from course_lib.data import circles
from course_lib.exercises import ch08_schedules_and_checkpoints as public
from course_lib.exercises.checking.model import Case, Observation
from course_lib.exercises.support.stopping import state_after, stopping_case
from course_lib.models import MLP
from grading.answers import checkpoints
from grading.answers.compare import difference
from grading.answers.model import Answer, Misconception, QuizKey

# --- warmup_cosine ------------------------------------------------------------------------------


def _integer(generator: torch.Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))


def _rate(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator, dtype=torch.float64))


def _schedule_cases(generator: torch.Generator) -> list[Case]:
    cases = []

    def case(kind: str, total: int, warmup: int, steps: list[int], floor: bool = True) -> None:
        settings = {"max_lr": _rate(generator, 0.3, 0.9), "min_lr": _rate(generator, 0.02, 0.2)}
        if not floor:
            settings["min_lr"] = None
        cases.append(
            public.schedule_case(
                kind, total_steps=total, warmup_steps=warmup, steps=sorted(set(steps)), **settings
            )
        )

    for floor in (True, False):
        warmup = _integer(generator, 7, 20)
        total = warmup + _integer(generator, 31, 90)
        middle = [_integer(generator, 1, warmup - 2) for _ in range(3)]
        case("warm", total, warmup, [0, 1, *middle, warmup - 1], floor)
        middle = [_integer(generator, warmup + 2, total - 2) for _ in range(6)]
        case("cosine", total, warmup, [warmup, warmup + 1, *middle, total - 1], floor)
        late = [total + _integer(generator, 2, 60) for _ in range(3)]
        case("edges", total, warmup, [total, total + 1, *late, 2 * total - warmup], floor)
        middle = [_integer(generator, 1, total - 2) for _ in range(3)]
        case("edges", total, 0, [0, 1, *middle, total - 1, total + 3], floor)
    case("edges", total, total, [total, total + 1, total + 9])
    return cases


def _lambda_schedule(warm, progress, rate, over=lambda step, total: step >= total):
    """A schedule put together from parts, of which a misconception gets one wrong."""

    def warmup_cosine(step, total_steps, warmup_steps, max_lr, min_lr=0.0):
        if over(step, total_steps):
            return min_lr
        if step < warmup_steps:
            return warm(step, warmup_steps, max_lr, min_lr)
        return rate(progress(step, total_steps, warmup_steps), max_lr, min_lr)

    return warmup_cosine


def _line(step, warmup_steps, max_lr, min_lr):
    return max_lr * step / warmup_steps


def _since_warmup(step, total_steps, warmup_steps):
    return (step - warmup_steps) / max(1, total_steps - warmup_steps)


def _half_wave(progress, max_lr, min_lr):
    return min_lr + (max_lr - min_lr) * (1 + math.cos(math.pi * progress)) / 2


def _with(**parts):
    right = {"warm": _line, "progress": _since_warmup, "rate": _half_wave}
    return _lambda_schedule(**(right | parts))


def _no_warmup_asked_first(step, total_steps, warmup_steps, max_lr, min_lr=0.0):
    if step <= warmup_steps:
        return max_lr * step / warmup_steps
    progress = min(1.0, (step - warmup_steps) / (total_steps - warmup_steps))
    return min_lr + (max_lr - min_lr) * (1 + math.cos(math.pi * progress)) / 2


def _end_not_asked_first(step, total_steps, warmup_steps, max_lr, min_lr=0.0):
    if step < warmup_steps:
        return max_lr * step / warmup_steps
    progress = min(1.0, (step - warmup_steps) / (total_steps - warmup_steps))
    return min_lr + (max_lr - min_lr) * (1 + math.cos(math.pi * progress)) / 2


def _end_never_asked(step, total_steps, warmup_steps, max_lr, min_lr=0.0):
    if step < warmup_steps:
        return max_lr * step / warmup_steps
    return _half_wave((step - warmup_steps) / (total_steps - warmup_steps), max_lr, min_lr)


def _zero_after_the_end(step, total_steps, warmup_steps, max_lr, min_lr=0.0):
    if step >= total_steps:
        return 0.0
    return _with()(step, total_steps, warmup_steps, max_lr, min_lr)


def _nothing_after_the_end(step, total_steps, warmup_steps, max_lr, min_lr=0.0):
    if step < total_steps:
        return _with()(step, total_steps, warmup_steps, max_lr, min_lr)


def _whole_numbers(step, total_steps, warmup_steps, max_lr, min_lr=0.0):
    if step >= total_steps:
        return min_lr
    if step < warmup_steps:
        return max_lr * (step // warmup_steps)
    return _half_wave((step - warmup_steps) // (total_steps - warmup_steps), max_lr, min_lr)


def _at_least_one(step, total_steps, warmup_steps, max_lr, min_lr=0.0):
    return _with()(step, total_steps, max(1, warmup_steps), max_lr, min_lr)


def _divides_by_zero(case: Case, got: Observation) -> bool:
    """It raises where a part has no step at all, and is right everywhere else."""
    if got.error is not None:
        empty = case["warmup_steps"] in (0, case["total_steps"])
        return empty and got.error.type == "ZeroDivisionError"
    low = case["min_lr"] or 0.0
    settings = (case["total_steps"], case["warmup_steps"], case["max_lr"], low)
    rates = [_with()(step, *settings) for step in case["steps"]]
    return difference(rates, got[f"{case['kind']}_rates"], 1e-5, 1e-7) is None


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
    import cmath

    if step < warmup_steps and step < total_steps:
        return step * (max_lr / warmup_steps)
    left = max(total_steps - step, 0)
    if left == 0:
        return min_lr
    wave = cmath.exp(1j * cmath.pi * (1 - left / (total_steps - warmup_steps)))
    return float(min_lr + (max_lr - min_lr) * (wave.real + 1) / 2)


WARMUP_COSINE = Answer(
    exercise="warmup_cosine",
    cases=_schedule_cases,
    variants=(_one_expression, _with_torch, _as_a_table, _complex_wave),
    misconceptions=(
        Misconception(
            "jump at the seam",
            _with(progress=lambda step, total, warmup: step / total),
            "Your cosine starts counting at step 0, so at the end of the warm-up it has already "
            "fallen, and the rate jumps. Count from the warm-up's end: how many steps since then, "
            "out of how many.",
        ),
        Misconception(
            "cosine stretched over all steps",
            _with(progress=lambda step, total, warmup: (step - warmup) / total),
            "You count from the warm-up's end and divide by all steps, so the cosine is not down "
            "when the schedule ends. It lasts total_steps - warmup_steps.",
        ),
        Misconception(
            "cosine upside down",
            _with(rate=lambda p, high, low: low + (high - low) * (1 - math.cos(math.pi * p)) / 2),
            "Your cosine rises from min_lr to max_lr. (1 - cos) goes from 0 to 2; (1 + cos) goes "
            "from 2 to 0.",
        ),
        Misconception(
            "cosine not shifted",
            _with(rate=lambda p, high, low: low + (high - low) * math.cos(math.pi * p)),
            "math.cos goes down to -1, and so your rate falls below min_lr. Shift and halve it: "
            "(1 + cos) / 2 goes from 1 to 0.",
        ),
        Misconception(
            "a tensor instead of a float",
            _with(rate=lambda p, high, low: torch.tensor(_half_wave(p, high, low))),
            "The number comes as a tensor. math.cos takes and gives Python floats.",
        ),
        Misconception(
            "an int at step 0",
            _with(
                warm=lambda step, warmup, high, low: 0 if step == 0 else high * step / warmup,
            ),
            "At step 0 you return the int 0. The result is a float in every case: 0.0.",
        ),
        Misconception(
            "no floor after the end",
            _with(over=lambda step, total: False),
            "A cosine goes up again after its lowest point, and so does your rate after "
            "total_steps. Return min_lr from there on.",
        ),
        Misconception(
            "no floor after the end",
            _end_never_asked,
            "A cosine goes up again after its lowest point, and so does your rate after "
            "total_steps; and where the warm-up fills all steps you divide by 0. Ask first whether "
            "the schedule is over, and return min_lr then.",
        ),
        Misconception(
            "division by zero",
            _no_warmup_asked_first,
            "You divide by the length of a part that can be empty: warmup_steps may be 0, and may "
            "be all of total_steps. Ask which part the step is in, with < rather than <=, before "
            "you divide.",
            recognise=_divides_by_zero,
        ),
        Misconception(
            "division by zero",
            _end_not_asked_first,
            "You divide by the length of the cosine, which is 0 when the warm-up fills all steps. "
            "Ask first whether the schedule is over, and return min_lr then.",
            recognise=_divides_by_zero,
        ),
        Misconception(
            "min_lr added on top",
            _with(rate=lambda p, high, low: low + high * (1 + math.cos(math.pi * p)) / 2),
            "You add min_lr to a cosine of the full height, so the rate starts above max_lr. The "
            "cosine has to span the distance from min_lr to max_lr.",
        ),
        Misconception(
            "min_lr is only a limit",
            _with(rate=lambda p, high, low: max(low, high * (1 + math.cos(math.pi * p)) / 2)),
            "Your cosine falls to 0 and is cut off at min_lr, so the rate is flat long before the "
            "end. Let the cosine itself lead from max_lr to min_lr.",
        ),
        Misconception(
            "zero after the end",
            _zero_after_the_end,
            "From total_steps on your rate is 0. The floor is min_lr.",
        ),
        Misconception(
            "nothing returned after the end",
            _nothing_after_the_end,
            "From total_steps on you return nothing. The schedule is over, and the rate stays "
            "min_lr: return that.",
        ),
        Misconception(
            "shifted and not halved",
            _with(rate=lambda p, high, low: low + (high - low) * (1 + math.cos(math.pi * p))),
            "1 + cos goes from 2 to 0, so your rate starts at twice the height and jumps at the "
            "end of the warm-up. Halve it.",
        ),
        Misconception(
            "pi left out",
            _with(rate=lambda p, high, low: low + (high - low) * (1 + math.cos(p)) / 2),
            "math.cos(progress) with progress from 0 to 1 is the first bit of the wave only: it "
            "falls to 0.54. Half a wave takes progress times pi.",
        ),
        Misconception(
            "cosine down to 0",
            _with(rate=lambda p, high, low: high * (1 + math.cos(math.pi * p)) / 2),
            "Your cosine goes down to 0, past min_lr, and jumps up to it at the end. Let it span "
            "the distance from max_lr to min_lr, and stand on min_lr.",
        ),
        Misconception(
            "no warm-up",
            _with(warm=lambda step, warmup, high, low: high),
            "Before warmup_steps your rate is max_lr already. That is the moment to rise: from 0, "
            "by the same amount in each step.",
        ),
        Misconception(
            "warm-up cut off at min_lr",
            _with(warm=lambda step, warmup, high, low: max(low, high * step / warmup)),
            "Your warm-up never goes below min_lr. It starts at 0; min_lr is the floor of the "
            "cosine only.",
        ),
        Misconception(
            "warm-up along a cosine",
            _with(
                warm=lambda step, warmup, high, low: (
                    high * (1 - math.cos(math.pi * step / warmup)) / 2
                )
            ),
            "Your warm-up follows a cosine as well. It is a straight line: after a quarter of the "
            "warm-up the rate is a quarter of max_lr.",
        ),
        Misconception(
            "whole numbers divided with //",
            _whole_numbers,
            "// throws away what is behind the decimal point, so your progress is 0 until it is 1. "
            "Divide with /.",
        ),
        Misconception(
            "at least one step of warm-up",
            _at_least_one,
            "With max(1, warmup_steps) a warm-up of 0 becomes one of a step, and step 0 has the "
            "rate 0. Ask step < warmup_steps first: with 0 that is never true, and nothing is "
            "divided.",
        ),
        Misconception(
            "straight line down",
            _with(rate=lambda p, high, low: high + (low - high) * p),
            "After the warm-up your rate falls in a straight line. A cosine falls slowly at first, "
            "fast in the middle and slowly at the end.",
        ),
        Misconception(
            "quarter of a wave",
            _with(rate=lambda p, high, low: low + (high - low) * math.cos(math.pi * p / 2)),
            "You use a quarter of the wave, from 1 to 0: it falls fastest just before the end. "
            "Take half a wave, from 1 to -1, and shift it.",
        ),
        Misconception(
            "whole wave",
            _with(
                rate=lambda p, high, low: low + (high - low) * (1 + math.cos(2 * math.pi * p)) / 2
            ),
            "You use a whole wave: the rate is at its lowest half way and comes back to max_lr at "
            "the end. Half a wave is enough: pi, not 2 pi.",
        ),
        Misconception(
            "cosine of degrees",
            _with(rate=lambda p, high, low: low + (high - low) * (1 + math.cos(180 * p)) / 2),
            "math.cos takes radians: half a turn is pi, not 180.",
        ),
        Misconception(
            "warm-up one step ahead",
            _with(warm=lambda step, warmup, high, low: high * (step + 1) / warmup),
            "Your warm-up is one step ahead: step 0 should have the rate 0, and max_lr comes at "
            "warmup_steps, not one step before.",
        ),
        Misconception(
            "warm-up from min_lr",
            _with(warm=lambda step, warmup, high, low: low + (high - low) * step / warmup),
            "Your warm-up starts at min_lr. Here it starts at 0; min_lr is the floor of the "
            "cosine only.",
        ),
    ),
)


# --- EarlyStopping ------------------------------------------------------------------------------


def _stopping_cases(generator: torch.Generator) -> list[Case]:
    """Losses are multiples of a power of 1/2, so that a tie is a tie in any arithmetic."""
    nan, inf = math.nan, math.inf

    def unit() -> float:
        return _integer(generator, 1, 6) / 64

    def case(kind: str, losses: list[float], **settings) -> Case:
        sizes = [(3, 4, 2), (2, 5, 3), (4, 3, 5)][_integer(generator, 0, 2)]
        return stopping_case(generator, kind, losses=losses, sizes=sizes, **settings)

    def two_plateaus(patience: int) -> list[float]:
        """Almost stops, improves once more, then stops; lower than the epoch before is no
        improvement."""
        best = 2.0 + unit()
        losses = [3.0 + unit(), best]
        losses += [best + 1.0 - i * unit() / 64 for i in range(patience - 1)]
        best -= unit()
        losses += [best] + [best + 0.75 - i * unit() / 64 for i in range(3 * patience)]
        return losses

    def creeping(delta: float, count: int) -> list[float]:
        """Each epoch a little lower, by less than delta, and now and then exactly delta."""
        losses, best = [3.0 + unit()], 3.0
        for i in range(count):
            step = delta if i % 4 == 3 else delta / 4 * _integer(generator, 1, 3)
            losses.append(losses[-1] - step)
            best = min(best, losses[-1])
        return [*losses, losses[-1] + unit(), best + delta / 2]

    delta = _integer(generator, 2, 5) / 16
    return [
        case("stop", two_plateaus(3), patience=3),
        case("stop", two_plateaus(4), patience=4, min_delta=0.0),
        case("stop", [2.0 + unit(), 1.5, *[1.5 + unit() for _ in range(13)]]),
        case("short", [2.0, 1.0 + unit(), 1.0 - unit(), 2.0 - unit(), 0.5, 0.75], patience=1),
        case("short", [2.0, 1.0, nan, 1.0, 1.0, 0.5, 0.5, 0.5, inf, nan, 0.25], patience=4),
        case("delta", creeping(delta, 14), patience=40, min_delta=delta),
        case("delta", [2.0, 2.0 - delta, 2.0 - 2 * delta, 1.0], patience=9, min_delta=delta),
        case("delta", [2.0 + unit(), 2.5, 2.0, 2.25, 1.5, 1.5, 1.75], patience=9),
        case("nan", [nan, inf, 2.0 + unit(), nan, 2.5, 1.0 + unit(), nan, inf, 0.5], patience=12),
        case("nan", [2.0 + unit(), nan, 1.5, 3.0, nan, 1.0], patience=9, min_delta=unit()),
        # The lowest loss is neither an improvement nor the last one.
        case("delta", [2.0 + unit(), 1.5, 1.5 - delta / 2, 1.75], patience=9, min_delta=delta),
    ]


class _Stopper:
    """A right one in parts, for misconceptions that get one part wrong."""

    def __init__(self, patience=10, min_delta=0.0):
        self.patience, self.min_delta = patience, min_delta
        self.best_loss, self.best_state, self.bad = math.inf, None, 0

    def improved(self, loss):
        return loss < self.best_loss - self.min_delta

    def state_of(self, model):
        return copy.deepcopy(model.state_dict())

    def step(self, val_loss, model):
        if self.improved(val_loss):
            self.best_loss, self.best_state, self.bad = val_loss, self.state_of(model), 0
        else:
            self.bad += 1
        return self.bad >= self.patience


class _ByReference(_Stopper):
    def state_of(self, model):
        return model.state_dict()


class _ShallowCopy(_Stopper):
    def state_of(self, model):
        return dict(model.state_dict())


class _Detached(_Stopper):
    def state_of(self, model):
        return {name: value.detach().cpu() for name, value in model.state_dict().items()}


class _WholeModel(_Stopper):
    def state_of(self, model):
        return copy.deepcopy(model)


class _ParametersOnly(_Stopper):
    def state_of(self, model):
        return {name: p.detach().clone() for name, p in model.named_parameters()}


class _OneLate(_Stopper):
    def step(self, val_loss, model):
        super().step(val_loss, model)
        return self.bad > self.patience


class _OneEarly(_Stopper):
    def step(self, val_loss, model):
        super().step(val_loss, model)
        return self.bad + 1 >= self.patience


class _NeverReset(_Stopper):
    def step(self, val_loss, model):
        if self.improved(val_loss):
            self.best_loss, self.best_state = val_loss, self.state_of(model)
        else:
            self.bad += 1
        return self.bad >= self.patience


class _AcceptsNaN(_Stopper):
    def improved(self, loss):
        return not loss >= self.best_loss - self.min_delta


class _NoDelta(_Stopper):
    def improved(self, loss):
        return loss < self.best_loss


class _DeltaAdded(_Stopper):
    def improved(self, loss):
        return loss < self.best_loss + self.min_delta


class _TiesCount(_Stopper):
    def improved(self, loss):
        return loss <= self.best_loss - self.min_delta


class _PreviousEpoch(_Stopper):
    """best_loss and best_state are right; the counter looks one epoch back."""

    def __init__(self, patience=10, min_delta=0.0):
        super().__init__(patience, min_delta)
        self.previous = math.inf

    def step(self, val_loss, model):
        if self.improved(val_loss):
            self.best_loss, self.best_state = val_loss, self.state_of(model)
        self.bad = 0 if val_loss < self.previous - self.min_delta else self.bad + 1
        self.previous = val_loss
        return self.bad >= self.patience


class _BestIsPrevious(_Stopper):
    def step(self, val_loss, model):
        stop = super().step(val_loss, model)
        self.best_loss = val_loss
        return stop


class _BestCreeps(_Stopper):
    def step(self, val_loss, model):
        stop = super().step(val_loss, model)
        self.best_loss = min(self.best_loss, val_loss)
        return stop


class _NothingReturned(_Stopper):
    def step(self, val_loss, model):
        return True if super().step(val_loss, model) else None


class _NothingAtFirst(_Stopper):
    """best_loss is None before the first improvement, so that a NaN gets in first."""

    def __init__(self, patience=10, min_delta=0.0):
        super().__init__(patience, min_delta)
        self.best_loss = None

    def improved(self, loss):
        return self.best_loss is None or loss < self.best_loss - self.min_delta


class _PutsBack(_Stopper):
    def step(self, val_loss, model):
        stop = super().step(val_loss, model)
        if stop:
            model.load_state_dict(self.best_state)
        return stop


class _GoOn(_Stopper):
    def step(self, val_loss, model):
        return not super().step(val_loss, model)


class _HigherIsBetter(_Stopper):
    def improved(self, loss):
        return loss > self.best_loss + self.min_delta


class _StateCreeps(_Stopper):
    def step(self, val_loss, model):
        lower = val_loss < self.best_loss
        stop = super().step(val_loss, model)
        if lower:
            self.best_state = self.state_of(model)
        return stop


class _Evaluates(_Stopper):
    def step(self, val_loss, model):
        model.eval()
        return super().step(val_loss, model)


class _StopsAtNaN(_Stopper):
    def step(self, val_loss, model):
        return True if math.isnan(val_loss) else super().step(val_loss, model)


class _TakesTheFirst(_Stopper):
    def improved(self, loss):
        return self.best_state is None or super().improved(loss)


class _OwnPatience(_Stopper):
    def __init__(self, patience=10, min_delta=0.0):
        super().__init__(10, min_delta)


class _SkipsNaN(_Stopper):
    def step(self, val_loss, model):
        return False if math.isnan(val_loss) else super().step(val_loss, model)


class _LastState(_Stopper):
    def step(self, val_loss, model):
        stop = super().step(val_loss, model)
        self.best_state = self.state_of(model)
        return stop


def _no_nan_at_first(self, loss):
    """Otherwise right: only the value before the first epoch is another one."""
    return loss < (math.inf if self.best_loss is None else self.best_loss) - self.min_delta


# Right, written differently.


class _CountsUpwards:
    def __init__(self, patience=10, min_delta=0.0):
        self.patience = patience
        self.min_delta = min_delta
        self.best_loss = float("inf")
        self.best_state = None
        self.epoch = self.best_epoch = 0

    def step(self, val_loss, model):
        self.epoch += 1
        if val_loss + self.min_delta < self.best_loss:
            self.best_loss = val_loss
            self.best_epoch = self.epoch
            self.best_state = {k: v.clone() for k, v in model.state_dict().items()}
        return self.epoch - self.best_epoch >= self.patience


class _KeepsBytes:
    """Saves to memory and loads again: a copy like any other."""

    best_loss = math.inf
    best_state = None

    def __init__(self, patience=10, min_delta=0.0):
        self.left = self.patience = patience
        self.min_delta = min_delta

    def step(self, val_loss, model):
        if math.isnan(val_loss) or not self.best_loss - val_loss > self.min_delta:
            self.left -= 1
            return not self.left > 0
        buffer = io.BytesIO()
        torch.save(model.state_dict(), buffer)
        buffer.seek(0)
        self.best_loss, self.best_state = val_loss, torch.load(buffer, weights_only=True)
        self.left = self.patience
        return False


class _KeepsHistory:
    """Looks at the whole history each time."""

    def __init__(self, patience=10, min_delta=0.0):
        self.patience, self.min_delta, self.history = patience, min_delta, []
        self._best = None

    @property
    def best_loss(self):
        return self._best[0] if self._best else torch.inf

    @property
    def best_state(self):
        return None if self._best is None else self._best[1].state_dict()

    def step(self, val_loss, model):
        good = bool(val_loss < self.best_loss - self.min_delta)
        if good:
            self._best = (val_loss, copy.deepcopy(model))
        self.history.append(good)
        return len(self.history) >= self.patience and not any(self.history[-self.patience :])


class _InAPreparedDict:
    """Copies into tensors that are made once."""

    def __init__(self, patience=10, min_delta=0.0):
        self.patience, self.min_delta = patience, min_delta
        self.best_loss, self.best_state, self.waited = math.inf, None, 0

    def step(self, val_loss, model):
        self.waited += 1
        if val_loss < self.best_loss - self.min_delta:
            if self.best_state is None:
                self.best_state = {
                    name: torch.empty_like(value) for name, value in model.state_dict().items()
                }
            for name, value in model.state_dict().items():
                self.best_state[name].copy_(value)
            self.best_loss, self.waited = val_loss, 0
        return not self.waited < self.patience


def _compare_stop(case: Case, expected: Observation, got: Observation) -> str | None:
    stops, wanted = got.get("stops"), expected["stops"]
    if not isinstance(stops, list) or any(type(stop) is not bool for stop in stops):
        return "step does not always return True or False"
    if stops == wanted:
        return None
    patience = 10 if case["patience"] is None else case["patience"]
    made, due = (
        f"after {len(answers)} epochs" if answers and answers[-1] else "never"
        for answers in (stops, wanted)
    )
    return f"with patience={patience} one run should stop {due}, and yours stops {made}"


def _compare_best(case: Case, expected: Observation, got: Observation) -> str | None:
    for name in ("before", "best_losses"):
        if name in expected.values:
            problem = difference(expected[name], got.get(name), 1e-5, 1e-7)
            if problem:
                return f"{name.replace('_', ' ')}: {problem}"
    if case["kind"] != "delta" or got.get("delta_state") is None:
        return None
    kept, last = got["delta_state"], state_after(case, len(case["losses"]) - 1)
    # A state by reference is the last one: that is the state's own aspect.
    if all(difference(state, kept, 1e-5, 1e-7) for state in (expected["delta_state"], last)):
        return "best_state belongs to another epoch than best_loss"
    return None


EARLY_STOPPING = Answer(
    exercise="EarlyStopping",
    cases=_stopping_cases,
    compare={"stop": _compare_stop, "best": _compare_best},
    variants=(_CountsUpwards, _KeepsBytes, _KeepsHistory, _InAPreparedDict),
    misconceptions=(
        Misconception(
            "state by reference",
            _ByReference,
            "state_dict() gives references to the living weights, so your best_state trains on "
            "with the model and ends as the last one. Copy it: copy.deepcopy, or clone each "
            "tensor.",
        ),
        Misconception(
            "state by reference",
            _ShallowCopy,
            "A copy of the dict still holds the same tensors: best_state trains on with the model. "
            "Copy the tensors too, with copy.deepcopy or clone.",
        ),
        Misconception(
            "state by reference",
            _Detached,
            "detach() cuts the graph and cpu() moves what is elsewhere; neither copies memory that "
            "is already on the CPU. best_state trains on with the model: clone each tensor.",
        ),
        Misconception(
            "off by one",
            _OneLate,
            "You stop one epoch late: the counter has to reach patience, not pass it.",
        ),
        Misconception(
            "off by one",
            _OneEarly,
            "You stop one epoch early. The best epoch itself does not count; the patience-th "
            "epoch after it, if none of them improves, is where to stop.",
        ),
        Misconception(
            "counter never reset",
            _NeverReset,
            "You count all epochs without improvement. Patience is about epochs in a row: an "
            "improvement sets the counter back to 0.",
        ),
        Misconception(
            "NaN accepted",
            _AcceptsNaN,
            "Every comparison with NaN is False, so with `not (val_loss >= ...)` a NaN passes for "
            "an improvement and its ruined weights are kept. Ask the question the other way "
            "round: val_loss < best_loss - min_delta.",
        ),
        Misconception(
            "min_delta ignored",
            _NoDelta,
            "Any lower loss counts as an improvement for you. It has to be lower by more than "
            "min_delta.",
            also=("delta_state",),
        ),
        Misconception(
            "min_delta with the wrong sign",
            _DeltaAdded,
            "You add min_delta where it should be taken away: losses above the best one then "
            "count as improvements.",
        ),
        Misconception(
            "a tie counts as an improvement",
            _TiesCount,
            "You use <=. A loss that is lower by exactly min_delta (with 0: the same loss again) "
            "is no improvement.",
        ),
        Misconception(
            "compared with the previous epoch",
            _PreviousEpoch,
            "Your counter looks one epoch back. A noisy curve often falls from one epoch to the "
            "next without ever reaching its best again: compare with best_loss.",
        ),
        Misconception(
            "compared with the previous epoch",
            _BestIsPrevious,
            "Your best_loss follows every epoch, so you compare with the epoch before. Change it "
            "only when there is an improvement.",
        ),
        Misconception(
            "best_loss moves without an improvement",
            _BestCreeps,
            "Your best_loss follows every lower loss, also one that is lower by less than "
            "min_delta. A slow but steady fall then never counts. Change it only together with "
            "best_state.",
        ),
        Misconception(
            "whole model kept",
            _WholeModel,
            "best_state is a model. What load_state_dict takes is a state_dict: copy that.",
            also=("is_dict",),
        ),
        Misconception(
            "buffers forgotten",
            _ParametersOnly,
            "You keep the parameters only. Batch norm's running averages are buffers, and they "
            "belong to the best epoch too: state_dict() has both.",
        ),
        Misconception(
            "nothing returned when it goes on",
            _NothingReturned,
            "step returns True to stop, and nothing at all otherwise. Return False then: the answer "
            "is a bool in every epoch.",
        ),
        Misconception(
            "no infinity at first",
            _NothingAtFirst,
            "Before the first improvement best_loss is None, and whatever comes first is taken, a "
            "NaN too. Start with infinity: every number is below it, and NaN is not.",
        ),
        Misconception(
            "no infinity at first",
            type("_NothingAtFirst", (_NothingAtFirst,), {"improved": _no_nan_at_first}),
            "Before the first improvement best_loss is None. It is to be infinity: every number is "
            "below it, so the first epoch needs no question of its own.",
        ),
        Misconception(
            "model changed by step",
            _PutsBack,
            "Your step puts the best weights back into the model. It only watches: whoever calls it "
            "decides when to load best_state.",
        ),
        Misconception(
            "best_state changes without an improvement",
            _StateCreeps,
            "You keep the state of every lower loss, also of one that is lower by less than "
            "min_delta. best_state and best_loss belong together: change both, or neither.",
            also=("delta_state",),
        ),
        Misconception(
            "model left in eval mode",
            _Evaluates,
            "Your step calls model.eval(). It only watches: whoever trains goes on in eval mode "
            "then, without dropout and with batch norm's averages standing still.",
        ),
        Misconception(
            "stopped at once by NaN",
            _StopsAtNaN,
            "You stop at the first NaN. It is an epoch without improvement like any other: it "
            "counts towards patience, and a later epoch may be better again.",
        ),
        Misconception(
            "first epoch taken whatever it is",
            _TakesTheFirst,
            "You take the first epoch as the best one without looking at its loss, so a NaN gets "
            "in, and nothing is ever smaller than NaN. Infinity as the first best_loss is enough.",
        ),
        Misconception(
            "patience ignored",
            _OwnPatience,
            "You wait for ten epochs whatever patience says. Keep the argument in __init__, and "
            "count up to it.",
        ),
        Misconception(
            "True to go on",
            _GoOn,
            "Your step returns True as long as training should go on. It is the other way round: "
            "True means stop.",
        ),
        Misconception(
            "higher taken for better",
            _HigherIsBetter,
            "You wait for a loss that is higher than the best. A loss is better when it is lower.",
        ),
        Misconception(
            "NaN does not count",
            _SkipsNaN,
            "An epoch with NaN goes by as if it had not been. It is an epoch without improvement, "
            "and counts towards patience: a run that is nothing but NaN has to end.",
        ),
        Misconception(
            "last state kept",
            _LastState,
            "You store the state in every epoch, so best_state is the last one. Store it only "
            "when the loss has improved.",
        ),
    ),
)

ANSWERS = (WARMUP_COSINE, checkpoints.CHECKPOINTING, EARLY_STOPPING)


# --- quiz ---------------------------------------------------------------------------------------


def _prove_adam_state_matters() -> str:
    """Resume without Adam's state: the rate is the first one again, and the loss jumps."""
    x, y = circles(200)

    def parts(seed: int):
        model = MLP(2, 16, 2, activation=nn.Tanh, seed=seed)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        return model, optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 60)

    def highest_loss(model, optimizer, scheduler, epochs: int, order: int) -> float:
        losses, generator = [], torch.Generator().manual_seed(order)
        for _ in range(epochs):
            for rows in torch.randperm(200, generator=generator).split(50):
                loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            scheduler.step()
        return max(losses)

    run = parts(0)
    highest_loss(*run, epochs=40, order=1)
    model, optimizer, scheduler = copy.deepcopy([part.state_dict() for part in run])
    going_on = highest_loss(*run, epochs=3, order=2)
    resumed = parts(1)
    resumed[0].load_state_dict(model)
    resumed[2].load_state_dict(scheduler)
    fresh_rate = resumed[1].param_groups[0]["lr"] > optimizer["param_groups"][0]["lr"]
    jumps = highest_loss(*resumed, epochs=3, order=2) > 1.5 * going_on
    return "D" if fresh_rate and jumps else "A"


def _prove_one_cycle_counts_calls() -> str:
    epochs, batches, max_lr = 20, 10, 0.1
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=max_lr)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=max_lr, total_steps=epochs * batches
    )
    rates = []
    for _ in range(epochs):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    rising = all(a < b for a, b in pairwise(rates))
    return "B" if rising and rates[-1] < max_lr else "A"


def _prove_state_dict_refers() -> str:
    model = nn.Linear(2, 1)
    best = model.state_dict()
    with torch.no_grad():
        model.weight += 1.0  # training goes on
    last = model.weight.detach().clone()
    model.load_state_dict(best)
    return "A" if torch.equal(model.weight, last) else "B"


QUIZ = (
    QuizKey(
        "q08_1",
        "D",
        {
            "A": "The next steps differ: Adam scales each step by averages that it no longer has.",
            "B": "Nothing complains. A scheduler's state does not contain its optimizer's.",
            "C": "What was learned is in the weights, and they are restored.",
            "D": "Both live in the optimizer: its averages, and in its param_groups the rate.",
        },
        _prove_adam_state_matters,
    ),
    QuizKey(
        "q08_2",
        "B",
        {
            "A": "It would, after total_steps calls; there is one call per epoch only.",
            "B": "It counts calls. A tenth of them or less does not even finish the rise.",
            "C": "The error comes when you call step() too often, not too rarely.",
            "D": "A scheduler knows nothing but how often it was called.",
        },
        _prove_one_cycle_counts_calls,
    ),
    QuizKey(
        "q08_3",
        "A",
        {
            "A": "state_dict() holds references: best moved along with the model. Copy to keep.",
            "B": "It would have taken a copy: copy.deepcopy, or a file.",
            "C": "Nothing remembers the initial weights.",
            "D": "Names and shapes are the same, and nothing else is compared.",
        },
        _prove_state_dict_refers,
    ),
)
