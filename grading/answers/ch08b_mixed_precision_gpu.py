"""Chapter 08b, secret half: cases, misconceptions, right variants and the quiz's key."""

import math
from typing import Any

import torch
from torch import nn

from course_lib.exercises import ch08b_mixed_precision_gpu as public
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.model import Answer, Misconception, QuizKey


def _size(generator: torch.Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))


# --- underflow_fraction -------------------------------------------------------------------------


def _fraction_cases(generator: torch.Generator) -> list[Case]:
    def values(*shape: int, low: float, high: float, zeros: float = 0.2) -> torch.Tensor:
        """Random signs, exponents between 10**low and 10**high, a share of exact zeros."""
        exponents = low + (high - low) * torch.rand(
            *shape, generator=generator, dtype=torch.float64
        )
        signs = torch.randint(2, shape, generator=generator) * 2 - 1
        kept = torch.rand(*shape, generator=generator) >= zeros
        return signs * 10**exponents * kept

    scale = float(2 ** _size(generator, 6, 12))
    return [
        public.fraction_case(values(40, low=-10, high=-4).float(), "float16"),
        public.fraction_case(values(5, 9, low=-9, high=3), "float16"),
        public.fraction_case(values(7, 6, low=-44, high=-36), "bfloat16"),
        public.fraction_case(torch.zeros(3, 4), "float16"),
        public.fraction_case(values(30, low=-12, high=-5).float(), "float16", scale),
        public.fraction_case(values(8, 5, low=-11, high=6).t(), "float16", scale * 4),
        public.fraction_case(values(25, low=-8, high=-6, zeros=0.5).float(), "float16", 1.0),
    ]


def _share(dead, population="nonzero"):
    """A measure with one mistake or none; ``dead(values, dtype, scale)`` is a mask."""

    def underflow_fraction(grads, dtype, scale=1.0):
        values = grads[grads != 0] if population == "nonzero" else grads.flatten()
        if values.numel() == 0:
            return 0.0
        return dead(values, dtype, scale).double().mean().item()

    return underflow_fraction


def _zero_after_cast(values, dtype, scale):
    return (values * scale).to(dtype) == 0


def _below_smallest_normal(values, dtype, scale):
    return (values * scale).abs() < torch.finfo(dtype).smallest_normal


def _zero_or_infinite(values, dtype, scale):
    cast = (values * scale).to(dtype)
    return (cast == 0) | cast.isinf()


def _count(grads, dtype, scale=1.0):
    return float((((grads * scale).to(dtype) == 0) & (grads != 0)).sum())


def _scaled_in_place(grads, dtype, scale=1.0):
    grads *= scale
    return _share(lambda values, dtype, scale: values.to(dtype) == 0)(grads, dtype)


def _nan_for_nothing(grads, dtype, scale=1.0):
    """The mean of no entries is NaN."""
    values = grads[grads != 0]
    return ((values * scale).to(dtype) == 0).double().mean().item()


def _kept_instead_of_lost(grads, dtype, scale=1.0):
    return _share(lambda values, dtype, scale: ~_zero_after_cast(values, dtype, scale))(
        grads, dtype, scale
    )


def _as_a_tensor(grads, dtype, scale=1.0):
    return torch.tensor(_share(_zero_after_cast)(grads, dtype, scale))


def _raises_for_nothing(grads, dtype, scale=1.0):
    values = grads[grads != 0]
    return ((values * scale).to(dtype) == 0).sum().item() / len(values)


def _stops_at_zeros(case: Case, got: Observation) -> bool:
    empty = not bool((case["grads"] != 0).any())
    if not empty:
        right = _share(_zero_after_cast)(
            case["grads"],
            public.DTYPES[case["dtype"]],
            1.0 if case["scale"] is None else case["scale"],
        )
        value = got.get("plain_returned", got.get("scaled_returned"))
        return got.error is None and type(value) is float and math.isclose(value, right)
    return got.error is not None and "ZeroDivision" in got.error.type


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


UNDERFLOW_FRACTION = Answer(
    exercise="underflow_fraction",
    cases=_fraction_cases,
    tolerance=(1e-6, 1e-9),
    variants=(_with_counts, _with_list, _half_the_smallest),
    misconceptions=(
        Misconception(
            "zeros counted",
            _share(_zero_after_cast, population="all"),
            "You count entries that were zero before the cast. They have not underflowed: leave "
            "them out, above and below the line.",
        ),
        Misconception(
            "scale ignored",
            _share(lambda values, dtype, scale: values.to(dtype) == 0),
            "You cast the gradients as they are. Multiply by scale first: that is what saves them.",
        ),
        Misconception(
            "subnormals counted",
            _share(_below_smallest_normal),
            "You count everything below the smallest normal number. Down to the smallest "
            "subnormal a value is stored, with fewer bits; it has not become zero.",
        ),
        Misconception(
            "overflow counted",
            _share(_zero_or_infinite),
            "You count entries that became infinite as well. That is overflow; the question is "
            "what became zero.",
        ),
        Misconception(
            "caller's gradients scaled in place",
            _scaled_in_place,
            "*= multiplies the caller's own gradients. Make a new tensor: grads * scale.",
            also=("unchanged",),
        ),
        Misconception(
            "NaN when nothing is non-zero",
            _nan_for_nothing,
            "When every gradient is zero you take the mean of nothing, which is NaN. Ask for that "
            "case first: the answer is 0.0.",
        ),
        Misconception(
            "division by zero when nothing is non-zero",
            _raises_for_nothing,
            "When every gradient is zero you divide by a count of 0. Ask for that case first: the "
            "answer is 0.0.",
            recognise=_stops_at_zeros,
        ),
        Misconception(
            "share that survives",
            _kept_instead_of_lost,
            "You return the share that survives. Asked for is the share that becomes zero.",
        ),
        Misconception(
            "a tensor returned",
            _as_a_tensor,
            "The share comes as a tensor. Take the number out with .item().",
        ),
        Misconception(
            "number instead of share",
            _count,
            "You return how many entries underflowed. Divide by the number of entries that were "
            "not zero.",
        ),
    ),
)

# --- amp_train_step -----------------------------------------------------------------------------


def _amp_cases(generator: torch.Generator) -> list[Case]:
    def case(kind: str, low: str, **settings: Any) -> Case:
        sizes = (_size(generator, 3, 5), _size(generator, 6, 9), _size(generator, 10, 12))
        n = _size(generator, 7, 11)
        return public.amp_case(generator, kind, n=n, sizes=sizes, dtype=low, **settings)

    # Leftovers from before the call are never scaled: at a large scale they would vanish unseen.
    return [
        case("plain", "float16", lr=0.2, init_scale=4.0, growth_interval=2, stale=True),
        case("plain", "bfloat16", lr=0.3, init_scale=None, stale=True, training=False),
        case("clip", "float16", lr=0.5, init_scale=256.0, max_norm=0.15),
        case("clip", "bfloat16", lr=0.5, init_scale=None, max_norm=0.05),
        case("clip", "float16", lr=0.05, init_scale=64.0, max_norm=1e4, factor=0.3, classes=False),
        case("overflow", "float16", lr=0.2, init_scale=2.0**20, factor=40.0, steps=2),
    ]


def _amp_step(
    *,
    clear=True,
    scaled=True,
    clip="right",
    step="scaler",
    update=True,
    loss="plain",
    autocast=True,
    mode=None,
):
    """A step with one mistake or none."""

    def amp_train_step(model, x, y, loss_fn, optimizer, scaler, *, dtype, max_norm=None):
        if mode is not None:
            model.train(mode)
        if clear is True:
            optimizer.zero_grad()
        with torch.autocast(x.device.type, dtype=dtype, enabled=autocast):
            value = loss_fn(model(x), y)
        big = scaler.scale(value) if scaled else value
        big.backward()
        if clip == "early" and max_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        if clear == "late":
            optimizer.zero_grad()
        if clip == "right" or step == "optimizer":
            scaler.unscale_(optimizer)
        if clip == "right" and max_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        if step == "scaler":
            scaler.step(optimizer)
        elif step == "optimizer":
            optimizer.step()
        if update:
            scaler.update()
        if loss == "tensor":
            return value.detach()
        return (big if loss == "scaled" else value).item()

    return amp_train_step


def _optimizer_step_scaled(model, x, y, loss_fn, optimizer, scaler, *, dtype, max_norm=None):
    optimizer.zero_grad()
    with torch.autocast(x.device.type, dtype=dtype):
        loss = loss_fn(model(x), y)
    scaler.scale(loss).backward()
    if max_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    scaler.update()
    return loss.item()


def _unscale_only_to_clip(model, x, y, loss_fn, optimizer, scaler, *, dtype, max_norm=None):
    with torch.autocast(device_type=x.device.type, dtype=dtype):
        predictions = model(x)
        loss = loss_fn(predictions, y)
    model.zero_grad()
    scaler.scale(loss).backward()
    if max_norm is not None:
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=max_norm)
    scaler.step(optimizer)
    scaler.update()
    return float(loss.detach())


def _clip_at_scaled_norm(model, x, y, loss_fn, optimizer, scaler, *, dtype, max_norm=None):
    """Clips the scaled gradients at the scaled norm: the same thing, without unscale_."""
    for p in model.parameters():
        p.grad = None
    with torch.autocast(x.device.type, dtype):
        loss = loss_fn(model(x), y)
    scaler.scale(loss).backward()
    if max_norm is not None:
        limit = max_norm * (scaler.get_scale() if scaler.is_enabled() else 1.0)
        norm = torch.stack([p.grad.norm() for p in model.parameters()]).norm()
        if norm > limit:
            for p in model.parameters():
                p.grad *= limit / norm
    scaler.step(optimizer)
    scaler.update()
    return loss.item()


def _with_grad_function(model, x, y, loss_fn, optimizer, scaler, *, dtype, max_norm=None):
    params = [p for group in optimizer.param_groups for p in group["params"]]
    with torch.autocast(x.device.type, dtype=dtype):
        loss = loss_fn(model(x), y)
    for p, g in zip(params, torch.autograd.grad(scaler.scale(loss), params), strict=True):
        p.grad = g
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(params, math.inf if max_norm is None else max_norm)
    scaler.step(optimizer)
    scaler.update()
    return loss.tolist()


def _past_the_scaler(case: Case, got: Observation) -> bool:
    """The scaler itself complains, for it was never asked to take or judge the step."""
    if case["init_scale"] is None:
        return True
    return got.error is not None and "recorded prior to update" in got.error.message


def _cleared_too_late(case: Case, got: Observation) -> bool:
    """The scaler finds no gradients to look at."""
    if case["init_scale"] is None:
        return got.error is None and _first_step_was_none(case, got)
    return got.error is not None and "recorded for this optimizer" in got.error.message


def _first_step_was_none(case: Case, got: Observation) -> bool:
    first = got.get("first_step") or []
    return all(torch.equal(a, b) for a, b in zip(case["weights"], first, strict=True))


def _stands_still(case: Case, got: Observation) -> bool:
    """No weight moves, whatever the scaler says of it."""
    if got.error is None:
        return _first_step_was_none(case, got)
    return case["init_scale"] is not None and "prior to update" in got.error.message


def _never_updates(case: Case, got: Observation) -> bool:
    """The second call meets a scaler that is still in the middle of its first round."""
    if case["init_scale"] is None:
        return got.error is None
    words = ("since the last update", "being called after step")
    return got.error is not None and any(word in got.error.message for word in words)


AMP_TRAIN_STEP = Answer(
    exercise="amp_train_step",
    cases=_amp_cases,
    # Gradients in 16 bits: another legitimate order of the same operations differs by a few ulps.
    tolerance=(2e-3, 2e-4),
    variants=(_unscale_only_to_clip, _clip_at_scaled_norm, _with_grad_function),
    misconceptions=(
        Misconception(
            "clip before unscale",
            _amp_step(clip="early"),
            "You clip while the gradients are still multiplied by the scale, so nearly all of "
            "them are cut. scaler.unscale_(optimizer) comes first.",
        ),
        Misconception(
            "backward without scaling",
            _amp_step(scaled=False),
            "backward() runs on the loss itself, and the scaler divides all the same: the steps "
            "are as many times too short as the scale is large. scaler.scale(loss).backward().",
        ),
        Misconception(
            "optimizer.step() past the scaler",
            _amp_step(step="optimizer"),
            "You call optimizer.step() yourself, so an infinite gradient goes straight into the "
            "weights. scaler.step(optimizer) looks first.",
        ),
        Misconception(
            "optimizer.step() past the scaler",
            _optimizer_step_scaled,
            "You call optimizer.step() on gradients that are still scaled, and the scaler has "
            "nothing to go by in update(). Use scaler.step(optimizer).",
            recognise=_past_the_scaler,
        ),
        Misconception(
            "cleared between backward and step",
            _amp_step(clear="late"),
            "You clear the gradients after backward() has made them, so the scaler finds none to "
            "unscale or to step with. Clear before backward().",
            recognise=_cleared_too_late,
        ),
        Misconception(
            "no step",
            _amp_step(step="none"),
            "scaler.step(optimizer) is missing: gradients are computed and unscaled, and no weight "
            "moves.",
            recognise=_stands_still,
        ),
        Misconception(
            "train mode set",
            _amp_step(mode=True),
            "You call model.train(). This function leaves the mode to whoever calls it.",
        ),
        Misconception(
            "no update()",
            _amp_step(update=False),
            "scaler.update() is missing: the scale never adapts, and a second unscale_ in the same "
            "round raises.",
            recognise=_never_updates,
        ),
        Misconception(
            "scaled loss returned",
            _amp_step(loss="scaled"),
            "You return the scaled loss. What you log should be the loss itself.",
        ),
        Misconception(
            "stale gradients",
            _amp_step(clear=False),
            "Gradients from before the call are still there, and they are added in. Clear them "
            "before backward().",
        ),
        Misconception(
            "max_norm ignored",
            _amp_step(clip="never"),
            "max_norm is never used: clip between unscale_ and step.",
        ),
        Misconception(
            "a tensor returned",
            _amp_step(loss="tensor"),
            "You return a tensor. The contract asks for a Python float: loss.item().",
        ),
        Misconception(
            "autocast forgotten",
            _amp_step(autocast=False),
            "The forward pass runs in float32: put forward and loss under torch.autocast with the "
            "dtype that was asked for.",
            recognise=lambda case, got: got.error is None and got["dtypes"] == ["float32"],
        ),
    ),
)

# --- DynamicLossScaler --------------------------------------------------------------------------


class _TorchScaler:
    """``torch.amp.GradScaler`` behind the exercise's three methods: the oracle."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scaler = torch.amp.GradScaler(
            "cpu",
            init_scale=init_scale,
            growth_factor=growth_factor,
            backoff_factor=backoff_factor,
            growth_interval=growth_interval,
        )

    def scale(self, loss):
        return self.scaler.scale(loss)

    def step(self, optimizer):
        taken = False

        def mark(*args):
            nonlocal taken
            taken = True

        handle = optimizer.register_step_pre_hook(mark)
        self.scaler.step(optimizer)
        handle.remove()
        return taken

    def update(self):
        self.scaler.update()


class _Scaler:
    """Right, with switches for the mistakes of its subclasses."""

    grow_always = False
    step_on_inf = False
    back_off = True
    reset_count = True
    change_in_step = False
    unscale = True
    remember = True
    forget = True
    answer = True
    all_groups = True
    late = 0
    per_step = False

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.value, self.good, self.bad = init_scale, 0, False
        self.growth, self.backoff, self.interval = growth_factor, backoff_factor, growth_interval

    def scale(self, loss):
        return loss * self.value

    def step(self, optimizer):
        groups = optimizer.param_groups if self.all_groups else optimizer.param_groups[:1]
        grads = [p.grad for g in groups for p in g["params"] if p.grad is not None]
        finite = all(bool(torch.isfinite(grad).all()) for grad in grads)
        if self.remember:
            self.bad = self.bad or not finite
        else:
            self.bad = not finite
        if not finite and not self.step_on_inf:
            if self.change_in_step:
                self.value *= self.backoff
            return False
        if self.unscale:
            for grad in grads:
                grad /= self.value
        optimizer.step()
        if self.per_step:
            self.good += 1
        return True if self.answer else None

    def update(self):
        if self.bad:
            if self.back_off and not self.change_in_step:
                self.value *= self.backoff
            if self.reset_count:
                self.good = 0
        else:
            self.good += not self.per_step
            if self.grow_always or self.good >= self.interval + self.late:
                self.value *= self.growth
                self.good = 0
        if self.forget:
            self.bad = False


def _broken(**switches: bool) -> type:
    return type("DynamicLossScaler", (_Scaler,), switches)


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


def _scaler_cases(generator: torch.Generator) -> list[Case]:
    def slope(n: int) -> list[float]:
        return (torch.randn(n, generator=generator) + 0.1).tolist()

    def spoiled(n: int, value: float) -> list[float]:
        values = slope(n)
        values[_size(generator, 0, n - 1)] = value
        return values

    scale = float(2 ** _size(generator, 2, 6))
    interval = _size(generator, 2, 3)
    mixed = [[slope(2)] for _ in range(interval - 1)] + [[spoiled(2, math.inf)]]
    return [
        public.scaler_case("plain", {}, [[slope(3)], [slope(3)]]),
        public.scaler_case("plain", {"init_scale": scale}, [[slope(5), slope(2)]] * 2, lr=0.3),
        public.scaler_case(
            "overflow",
            {"init_scale": scale, "backoff_factor": 0.25},
            [[slope(4)], [spoiled(4, math.inf)], [slope(4)], [spoiled(4, math.nan)], [slope(4)]],
        ),
        public.scaler_case(
            "two",
            {"init_scale": scale, "backoff_factor": 0.5},
            [
                [spoiled(3, -math.inf), slope(2)],
                [slope(3), slope(2)],
                [slope(3), spoiled(2, math.nan)],
            ],
        ),
        public.scaler_case(
            "growth",
            {"init_scale": scale, "growth_factor": 4.0, "growth_interval": interval},
            [[slope(2)]] * (2 * interval + 1),
        ),
        # Two optimizers, and still one update each round.
        public.scaler_case(
            "growth",
            {"init_scale": scale, "growth_interval": 2 * interval},
            [[slope(2), slope(3)]] * (2 * interval + 1),
        ),
        public.scaler_case(
            "mixed",
            {"init_scale": scale, "growth_interval": interval},
            mixed + [[slope(2)] for _ in range(interval + 1)],
        ),
    ]


DYNAMIC_LOSS_SCALER = Answer(
    exercise="DynamicLossScaler",
    cases=_scaler_cases,
    oracle=_TorchScaler,
    tolerance=(1e-5, 1e-6),
    variants=(_Scaler, _WithTensors, type("_Renamed", (_WithTensors,), {})),
    misconceptions=(
        Misconception(
            "grows every step",
            _broken(grow_always=True),
            "The scale grows at every update. It should grow only after growth_interval good ones "
            "in a row.",
        ),
        Misconception(
            "steps on inf",
            _broken(step_on_inf=True),
            "You take the step although a gradient is inf or NaN, and the weights are spoiled for "
            "good. Look first, and return False.",
        ),
        Misconception(
            "never backs off",
            _broken(back_off=False),
            "The step is skipped, but the scale stays where it is, so the next one overflows as "
            "well. Multiply it by backoff_factor in update().",
        ),
        Misconception(
            "count not started again after an overflow",
            _broken(reset_count=False),
            "The good steps must come in a row: after an inf or NaN counting starts at zero.",
        ),
        Misconception(
            "overflow never forgotten",
            _broken(forget=False),
            "After one overflow every update backs off, for nobody notes that a new round has "
            "begun. Clear the mark at the end of update().",
        ),
        Misconception(
            "grows one update late",
            _broken(late=1),
            "The scale grows one update too late: the counter has to reach growth_interval, not "
            "pass it.",
        ),
        Misconception(
            "steps counted, not updates",
            _broken(per_step=True),
            "You count steps. With two optimizers that makes two per round: count the calls of "
            "update().",
        ),
        Misconception(
            "step answers nothing",
            _broken(answer=False),
            "A step that was taken returns nothing. Return True then, and False when it is skipped.",
        ),
        Misconception(
            "scale changed in step()",
            _broken(change_in_step=True),
            "You change the scale inside step(). A second optimizer in the same round would then "
            "be unscaled with the wrong number: only update() changes it.",
        ),
        Misconception(
            "gradients never unscaled",
            _broken(unscale=False),
            "You step with gradients that are still multiplied by the scale. Divide each p.grad by "
            "it first.",
        ),
        Misconception(
            "only the last optimizer counts",
            _broken(remember=False),
            "A later step that went well makes you forget an earlier one that did not. Any inf or "
            "NaN since the last update() backs off.",
        ),
        Misconception(
            "first parameter group only",
            _broken(all_groups=False),
            "You look at param_groups[0]. An optimizer may have several groups: walk over all of "
            "them, or some gradients are neither checked nor unscaled.",
        ),
    ),
)

ANSWERS = (UNDERFLOW_FRACTION, AMP_TRAIN_STEP, DYNAMIC_LOSS_SCALER)

# --- quiz ---------------------------------------------------------------------------------------


def _prove_underflow() -> str:
    stored = torch.tensor(1e-8).to(torch.float16).item()
    if stored == 0:
        return "A"
    return "D" if math.isinf(stored) else "B" if stored < 6e-5 else "C"


def _prove_place_of_clipping() -> str:
    """The norm that an optimizer sees with max_norm 0.5, for each of the four places."""
    right = []
    for letter in "ABCD":
        w = torch.ones(4, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)

        def clip(w=w):
            nn.utils.clip_grad_norm_([w], 0.5)

        if letter == "A":
            clip()
        scaler.scale((w * w).sum()).backward()
        if letter == "B":
            clip()
        scaler.unscale_(optimizer)
        if letter == "D":
            clip()
        scaler.step(optimizer)
        if letter == "C":
            clip()
        moved = (1 - w.detach()).norm().item() / 0.1
        if math.isclose(moved, 0.5, rel_tol=1e-3):
            right.append(letter)
    return "".join(right)


def _prove_range() -> str:
    half, brain, full = (torch.finfo(t) for t in (torch.float16, torch.bfloat16, torch.float32))
    same_range = math.isclose(brain.smallest_normal, full.smallest_normal) and brain.max > 1e38
    more_precise = brain.eps < half.eps
    return "A" if more_precise else "C" if same_range else ""


QUIZ = (
    QuizKey(
        "q08b_1",
        "A",
        {
            "A": "It lies below half of the smallest subnormal number, 2**-24 = 6e-8.",
            "B": "That needs a smaller exponent than float16 has.",
            "C": "Values do not round up to the smallest normal number.",
            "D": "That is the other end: above 65,504.",
        },
        _prove_underflow,
    ),
    QuizKey(
        "q08b_2",
        "D",
        {
            "A": "There are no gradients of this batch yet.",
            "B": "The gradients are still multiplied by the scale, so nearly everything is cut.",
            "C": "The update has been made.",
            "D": "There the gradients have their true size.",
        },
        _prove_place_of_clipping,
    ),
    QuizKey(
        "q08b_3",
        "C",
        {
            "A": "It is less precise: 7 fraction bits against 10.",
            "B": "Autocast never touches the loss's size.",
            "C": "Its smallest normal number is that of float32, about 1.2e-38.",
            "D": "Parameters and gradients are float32 in both cases.",
        },
        _prove_range,
    ),
)
