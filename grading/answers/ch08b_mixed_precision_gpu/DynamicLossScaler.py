"""``DynamicLossScaler``, secret half."""

import math

import torch

from course_lib.exercises.ch08b_mixed_precision_gpu.DynamicLossScaler import scaler_case
from course_lib.exercises.checking.model import Case
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

BACK_OFF = "            self.current_scale *= self.backoff_factor\n"
GROWN = "                self.good_updates = 0\n"


def _cases(generator: torch.Generator) -> list[Case]:
    def slope(n: int) -> list[float]:
        return (torch.randn(n, generator=generator) + 0.1).tolist()

    def spoiled(n: int, value: float) -> list[float]:
        values = slope(n)
        values[size(generator, 0, n - 1)] = value
        return values

    init_scale = float(2 ** size(generator, 2, 6))
    interval = size(generator, 2, 3)
    mixed = [[slope(2)] for _ in range(interval - 1)] + [[spoiled(2, math.inf)]]
    return [
        scaler_case("scaling", slopes=[[slope(3)], [slope(3)]]),
        scaler_case("scaling", init_scale=init_scale, slopes=[[slope(5), slope(2)]] * 2, lr=0.3),
        scaler_case(
            "skipping",
            "backoff",
            init_scale=init_scale,
            backoff_factor=0.25,
            slopes=[
                [slope(4)],
                [spoiled(4, math.inf)],
                [slope(4)],
                [spoiled(4, math.nan)],
                [slope(4)],
            ],
        ),
        scaler_case(
            "skipping",
            "backoff",
            init_scale=init_scale,
            backoff_factor=0.5,
            slopes=[
                [spoiled(3, -math.inf), slope(2)],
                [slope(3), slope(2)],
                [slope(3), spoiled(2, math.nan)],
            ],
            groups=True,
        ),
        scaler_case(
            "growth",
            init_scale=init_scale,
            growth_factor=4.0,
            growth_interval=interval,
            slopes=[[slope(2)]] * (2 * interval + 1),
        ),
        # Two optimizers, and still one update each round.
        scaler_case(
            "growth",
            init_scale=init_scale,
            growth_interval=2 * interval,
            slopes=[[slope(2), slope(3)]] * (2 * interval + 1),
        ),
        scaler_case(
            "growth",
            init_scale=init_scale,
            growth_interval=interval,
            slopes=mixed + [[slope(2)] for _ in range(interval + 1)],
        ),
    ]


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


#: Right: the count is never set back when the scale grows.
_counts_on = edit(
    "self.good_updates == self.growth_interval", "self.good_updates % self.growth_interval == 0"
).edit(GROWN, "")


ANSWER = Answer(
    exercise="DynamicLossScaler",
    cases=_cases,
    oracle=_TorchScaler,
    tolerance=(1e-5, 1e-6),
    variants=(
        edit("grad /= self.current_scale", "grad.mul_(1 / self.current_scale)"),
        _WithTensors,
        _counts_on,
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
            "The good steps must come in a row: after an inf or NaN, counting starts again at "
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
            .edit(
                "        optimizer.step()\n",
                "        optimizer.step()\n        self.good_updates += 1\n",
            ),
            "You count steps. With two optimizers that makes two per round: count the calls to "
            "update().",
        ),
        wrong(
            "step answers nothing",
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
            "first parameter group only",
            edit("in optimizer.param_groups for", "in optimizer.param_groups[:1] for"),
            "You look only at param_groups[0]. An optimizer may have several groups: loop over "
            "all of them, or some gradients are neither checked nor unscaled.",
        ),
    ),
)
