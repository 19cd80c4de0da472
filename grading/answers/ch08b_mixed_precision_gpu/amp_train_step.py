"""``amp_train_step``, secret half. Long: a step has many parts, which can be written and left out in many ways."""

import contextlib
import math
from dataclasses import dataclass
from typing import Any

import torch

from course_lib.exercises.ch08b_mixed_precision_gpu.amp_train_step import amp_case, build
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

CLEAR = "    optimizer.zero_grad()\n"
BACKWARD = "    scaler.scale(loss).backward()\n"
UNSCALE = "    scaler.unscale_(optimizer)\n"
CLIP = "        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)\n"
STEP = "    scaler.step(optimizer)\n"


def _cases(generator: torch.Generator) -> list[Case]:
    def case(asks: tuple[str, ...], low: str, **settings: Any) -> Case:
        sizes = (size(generator, 3, 5), size(generator, 6, 9), size(generator, 10, 12))
        n = size(generator, 7, 11)
        while True:
            drawn = amp_case(generator, *asks, n=n, sizes=sizes, dtype=low, **settings)
            if not _hangs_on_rounding(drawn):
                return drawn

    # Leftovers from before the call are never scaled: at a large scale they would vanish unseen.
    return [
        # Where a scaler is on, one step: what is left undone shows in the next, and has an aspect.
        case(("update", "loss"), "float16", lr=0.2, init_scale=4.0, steps=1),
        case(("update", "loss"), "bfloat16", lr=0.3, init_scale=None, training=False, steps=1),
        case(("update", "loss"), "float16", lr=0.1, init_scale=16.0, classes=False, steps=1),
        case(("stale",), "float16", lr=0.2, init_scale=4.0, stale=True, steps=1),
        # Two steps: is what was there before still there in the second?
        case(("stale",), "bfloat16", lr=0.3, init_scale=None, stale=True, steps=2),
        case(("clip",), "float16", lr=0.5, init_scale=256.0, max_norm=0.15, steps=1),
        case(("clip",), "bfloat16", lr=0.5, init_scale=None, max_norm=0.05, steps=1),
        case(
            ("clip",), "float16", lr=0.05, init_scale=64.0, max_norm=1e4, factor=0.3,
            classes=False, steps=1,
        ),
        case(("scaler",), "float16", lr=0.2, init_scale=4.0, growth_interval=2),
        case(("scaler",), "float16", lr=0.2, init_scale=2.0**20, factor=40.0, steps=2),
    ]  # fmt: skip


def _hangs_on_rounding(case: Case) -> bool:
    """Whether a hidden unit comes so near 0 that it may be on in 32 bits and off in 16. What is asked of
    the scaler shows all the same."""
    if "scaler" in case["asks"]:
        return False
    model, loss_fn, optimizer, _ = build(case)
    for x, y in zip(case["x"], case["y"], strict=True):
        hidden = model[0](x)
        if (hidden.abs() < 0.03 * hidden.abs().mean()).any():
            return True
        optimizer.zero_grad()
        loss_fn(model[1:](hidden), y).backward()
        optimizer.step()
    return False


def _past_the_scaler(case: Case, got: Observation) -> bool:
    """The scaler itself complains, for it was never asked to take or judge the step. Where it is
    switched off, the weights move all the same."""
    if case["init_scale"] is None:
        return got.error is None and got["step_length"] > 0
    return got.error is not None and "recorded prior to update" in got.error.message


def _cleared_too_late(case: Case, got: Observation) -> bool:
    """The scaler finds no gradients to look at."""
    if case["init_scale"] is None:
        return got.error is None and got["step_length"] == 0
    return got.error is not None and "recorded for this optimizer" in got.error.message


def _stands_still(case: Case, got: Observation) -> bool:
    """No weight moves, whatever the scaler says of it."""
    if got.error is None:
        return got["step_length"] == 0
    return case["init_scale"] is not None and "prior to update" in got.error.message


def _never_updates(case: Case, got: Observation) -> bool:
    """The second call meets a scaler that is still in the middle of its first round."""
    if case["init_scale"] is None or len(case["x"]) == 1:
        return got.error is None
    words = ("since the last update", "being called after step")
    return got.error is not None and any(word in got.error.message for word in words)


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


def _with_a_generator(model, x, y, loss_fn, optimizer, scaler, *, dtype, max_norm=None):
    """The beats one after another from a generator; the loss outside autocast."""

    def beats():
        with torch.amp.autocast(x.device.type, dtype=dtype):
            outputs = model(x)
        loss = loss_fn(outputs.float(), y)
        yield loss.item()
        optimizer.zero_grad(set_to_none=False)
        scaler.scale(loss).backward()
        yield scaler.unscale_(optimizer)
        if max_norm is not None:
            yield torch.nn.utils.clip_grad_norm_([*model.parameters()], max_norm)
        yield scaler.step(optimizer)
        yield scaler.update()

    first, *_ = beats()
    return first


def _typed_with_a_decorator(
    model: torch.nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    loss_fn: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    *,
    dtype: torch.dtype,
    max_norm: float | None = None,
) -> float:
    @torch.autocast(x.device.type, dtype=dtype)
    def forward() -> torch.Tensor:
        return loss_fn(model(x), y)

    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = None
    loss = forward()
    torch.autograd.backward(scaler.scale(loss))
    scaler.unscale_(optimizer)
    norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters()])
    if max_norm is not None and norm > max_norm:
        for p in model.parameters():
            p.grad.mul_(max_norm / norm)
    scaler.step(optimizer)
    scaler.update()
    return loss.detach().float().numpy().item()


def _with_foreach(model, x, y, loss_fn, optimizer, scaler, *, dtype, max_norm=None):
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.amp.autocast(next(model.parameters()).device.type, dtype))
        loss = loss_fn(model(x), y)
    params = [p for group in optimizer.param_groups for p in group["params"]]
    for p in params:
        if p.grad is not None:
            p.grad.zero_()
    scaler.scale(loss).backward()
    if max_norm is not None:
        scaler.unscale_(optimizer)
        grads = [p.grad for p in params if p.grad is not None]
        norm = torch.stack(torch._foreach_norm(grads)).norm()
        torch._foreach_mul_(grads, (max_norm / (norm + 1e-6)).clamp(max=1.0).item())
    scaler.step(optimizer)
    scaler.update()
    return loss.item()


@dataclass
class _Step:
    """The loss in float32, with autocast switched off for it."""

    model: torch.nn.Module
    device: str

    def loss(self, x, y, loss_fn, dtype: torch.dtype) -> torch.Tensor:
        with torch.autocast(self.device, dtype=dtype):
            logits = self.model(x)
            with torch.autocast(self.device, enabled=False):
                return loss_fn(logits.float(), y)

    def clip(self, limit: float | None) -> None:
        params = [p for p in self.model.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm([p.grad for p in params])
        torch.nn.utils.clip_grads_with_norm_(params, math.inf if limit is None else limit, norm)


def _with_a_dataclass(model, x, y, loss_fn, optimizer, scaler, *, dtype, max_norm=None):
    step = _Step(model, x.device.type)
    optimizer.zero_grad()
    loss = step.loss(x, y, loss_fn, dtype)
    torch.autograd.backward([scaler.scale(loss)])
    scaler.unscale_(optimizer)
    step.clip(max_norm)
    scaler.step(optimizer)
    scaler.update()
    return float(loss)


ANSWER = Answer(
    exercise="amp_train_step",
    cases=_cases,
    # Gradients in 16 bits: another legitimate order of the same operations differs by a few ulps.
    tolerance=(2e-3, 2e-4),
    # After several steps; stale gradients move them by more.
    # Losses are compared with scaled ones, and the smallest scale is 4: a loss in float32 is near enough.
    tolerances={"parameters_roughly": (0.03, 0.01), "losses": (0.02, 0.01)},
    equivalent={
        "return loss.item() -> return float(loss.item())": "It is a float.",
        "x -> y #2": "Only the device is asked for, and both are on the same one.",
    },
    variants=(
        edit(UNSCALE, "")
        .edit(CLIP, f"    {UNSCALE}{CLIP}")
        .edit("optimizer.zero_grad()", "model.zero_grad()")
        .edit("loss.item()", "float(loss.detach())"),
        _clip_at_scaled_norm,
        _with_grad_function,
        _with_a_generator,
        _typed_with_a_decorator,
        _with_foreach,
        _with_a_dataclass,
    ),
    misconceptions=(
        wrong(
            "clip before unscale",
            edit(UNSCALE, ""),
            "You clip while the gradients are still multiplied by the scale, so nearly all of "
            "them are cut. scaler.unscale_(optimizer) comes first.",
        ),
        wrong(
            "backward without scaling",
            edit(BACKWARD, "    loss.backward()\n"),
            "backward() runs on the loss itself, but the scaler still divides, so the steps are "
            "too short by a factor of the scale. Call scaler.scale(loss).backward().",
        ),
        wrong(
            "optimizer.step() past the scaler",
            edit(STEP, "    optimizer.step()\n"),
            "You call optimizer.step() yourself, bypassing the scaler, so an infinite gradient goes "
            "straight into the weights. scaler.step(optimizer) checks first.",
        ),
        wrong(
            "optimizer.step() past the scaler",
            edit(UNSCALE, "").edit(STEP, "    optimizer.step()\n"),
            "You call optimizer.step() on gradients that are still scaled, bypassing the scaler, which "
            "then has nothing to go by in update(). Use scaler.step(optimizer).",
            recognise=_past_the_scaler,
        ),
        wrong(
            "cleared between backward and step",
            edit(CLEAR, "").edit(BACKWARD, BACKWARD + CLEAR),
            "You clear the gradients after backward() has made them, so the scaler finds none to "
            "unscale or to step with. Clear before backward().",
            recognise=_cleared_too_late,
        ),
        wrong(
            "no step",
            edit(STEP, ""),
            "No weight moves: is scaler.step(optimizer) missing? Gradients alone, even when they are "
            "computed and unscaled, change no weight.",
            recognise=_stands_still,
        ),
        wrong(
            "train mode set",
            edit("    with torch.autocast", "    model.train()\n    with torch.autocast"),
            "You call model.train(). This function leaves the mode to its caller.",
        ),
        wrong(
            "no update()",
            edit("    scaler.update()\n", ""),
            "scaler.update() is missing: the scale never adapts, and a second unscale_ in the same "
            "round raises.",
            recognise=_never_updates,
        ),
        wrong(
            "scaled loss returned",
            edit(BACKWARD, "    loss = scaler.scale(loss)\n    loss.backward()\n"),
            "You return the scaled loss. What you log should be the loss itself.",
        ),
        wrong(
            "stale gradients",
            edit(CLEAR, ""),
            "Gradients from before the call are still there, and they are added in. Clear them "
            "before backward().",
        ),
        wrong(
            "cleared after the step only",
            edit(CLEAR, "").edit("    return loss", CLEAR + "    return loss"),
            "You clear after the step only, so the first step also uses what was in .grad before your "
            "function was called. Clear before backward().",
        ),
        wrong(
            "max_norm ignored",
            edit("if max_norm is not None", "if False"),
            "max_norm is never used: clip between unscale_ and step.",
        ),
        wrong(
            "a tensor returned",
            edit("loss.item()", "loss.detach()"),
            "You return a tensor. The contract asks for a Python float: loss.item().",
        ),
        wrong(
            "autocast forgotten",
            edit("dtype=dtype)", "dtype=dtype, enabled=False)"),
            "The forward pass runs in float32: put forward and loss under torch.autocast with the "
            "requested dtype.",
            recognise=lambda case, got: got.error is None and got["dtypes"] == ["float32"],
        ),
    ),
)
