"""Chapter 09, secret half: the capstone's cases, misconceptions and variants; the quiz's key."""

import copy
import io
import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.exercises import ch09_mastery as public
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.clinic import CLINIC
from grading.answers.model import Answer, Misconception, QuizKey

# --- train: a right loop in which single decisions can be made wrongly --------------------------


def _capstone(
    *,
    optimizer_class: Any = torch.optim.AdamW,
    schedule: str = "epoch",
    lr_after_step: bool = False,
    clip: str = "right",
    eval_mode: bool = True,
    batch_means: bool = False,
    no_grad: bool = True,
    restore: bool = True,
    patience_counts: bool = True,
    patience_extra: int = 0,
    train_means: bool = False,
    use_decay: bool = True,
    amp_dtype: torch.dtype | None = torch.bfloat16,
    clear: bool = True,
    train_mode: str = "each epoch",
    count_from: int = 0,
    choose_by: str = "val",
    reset_patience: bool = True,
    better: Any = lambda loss, best: loss < best,
    shortened: int = 0,
    restore_on_stop: bool = True,
    measured_after: bool = False,
    clear_after: bool = False,
    validate_on: str = "val",
    amp_always: bool = False,
    scale: bool = True,
    first_best: float = math.inf,
    keep: str = "state_dict",
):
    def train(
        model, train_loader, val_loader, *, epochs=100, lr=3e-4, weight_decay=0.01,
        max_norm=1.0, patience=None, device=None, amp=False,
    ):  # fmt: skip
        device = torch.device(device or "cpu")
        model.to(device)
        decay = weight_decay if use_decay else 0.0
        optimizer = optimizer_class(model.parameters(), lr=lr, weight_decay=decay)
        length = max(1, epochs - shortened)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=length)
        use_amp = (amp or amp_always) and amp_dtype is not None
        scaled = use_amp and amp_dtype == torch.float16 and scale
        scaler = torch.amp.GradScaler("cpu", enabled=scaled)
        history: dict[str, Any] = {"train_loss": [], "val_loss": [], "lr": [], "best_epoch": 0}
        best, waited, best_state = first_best, 0, copy.deepcopy(model.state_dict())
        model.train()
        for epoch in range(epochs):
            if schedule == "ahead":
                scheduler.step()
            rate = optimizer.param_groups[0]["lr"]
            if train_mode == "each epoch":
                model.train()
            total = seen = 0
            for x, y in train_loader:
                x, y = x.to(device), y.to(device)
                with torch.autocast("cpu", dtype=amp_dtype or torch.bfloat16, enabled=use_amp):
                    loss = F.cross_entropy(model(x), y)
                if clear and not clear_after:
                    optimizer.zero_grad()
                scaler.scale(loss).backward()
                if clip in ("right", "values", "at 1") or (clip == "early" and not scaled):
                    scaler.unscale_(optimizer)
                if clip == "values":
                    nn.utils.clip_grad_value_(model.parameters(), max_norm)
                elif clip in ("right", "early", "at 1"):
                    limit = 1.0 if clip == "at 1" else max_norm
                    nn.utils.clip_grad_norm_(model.parameters(), limit)
                scaler.step(optimizer)
                scaler.update()
                if clear_after:
                    optimizer.zero_grad()
                if schedule == "batch":
                    scheduler.step()
                weight = 1 if train_means else len(y)
                total, seen = total + loss.item() * weight, seen + weight
            if schedule == "epoch":
                scheduler.step()
            model.train(not eval_mode)
            losses, sizes = [], []
            with torch.set_grad_enabled(not no_grad):
                for x, y in val_loader if validate_on == "val" else train_loader:
                    losses.append(F.cross_entropy(model(x.to(device)), y.to(device)).item())
                    sizes.append(1 if batch_means else len(y))
            val_loss = sum(a * b for a, b in zip(losses, sizes, strict=True)) / sum(sizes)
            if measured_after:
                with torch.no_grad():
                    parts = [(F.cross_entropy(model(x), y).item(), len(y)) for x, y in train_loader]
                total, seen = sum(a * n for a, n in parts), sum(n for _, n in parts)
            history["train_loss"].append(total / seen)
            history["val_loss"].append(val_loss)
            history["lr"].append(optimizer.param_groups[0]["lr"] if lr_after_step else rate)
            value = val_loss if choose_by == "val" else total / seen
            if better(value, best):
                best, history["best_epoch"] = value, epoch + count_from
                waited = 0 if reset_patience else waited
                best_state = copy.deepcopy(
                    dict(model.named_parameters()) if keep == "parameters" else model.state_dict()
                )
            else:
                waited += 1
                if patience_counts and patience is not None and waited >= patience + patience_extra:
                    if not restore_on_stop:
                        return history
                    break
        if restore:
            model.load_state_dict(best_state, strict=keep == "state_dict")
        return history

    return train


def _by_hand(
    model, train_loader, val_loader, *, epochs=100, lr=3e-4, weight_decay=0.01, max_norm=1.0,
    patience=None, device=None, amp=False,
):  # fmt: skip
    """Own cosine, own clipping, the best weights in a buffer, validation on everything at once."""
    if device is None:
        device = next(model.parameters()).device
    loss_fn = nn.CrossEntropyLoss()
    groups = [{"params": list(model.parameters())}]
    optimizer = torch.optim.AdamW(groups, lr=lr, weight_decay=weight_decay, foreach=False)
    train_loss, val_loss, rates = [], [], []
    buffer = io.BytesIO()
    for epoch in range(epochs):
        rate = lr * (1 + math.cos(math.pi * epoch / epochs)) / 2
        for group in optimizer.param_groups:
            group["lr"] = rate
        rates.append(rate)
        model.train()
        losses = []
        for x, y in train_loader:
            model.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=amp):
                logits = model(x.to(device))
            loss = loss_fn(logits.float() if amp else logits, y.to(device))
            loss.backward()
            norm = torch.stack([p.grad.norm() for p in model.parameters()]).norm()
            factor = min(1.0, max_norm / norm.item())
            for p in model.parameters():
                p.grad.mul_(factor)
            optimizer.step()
            losses += [loss.item()] * len(y)
        train_loss.append(sum(losses) / len(losses))
        model.eval()
        with torch.inference_mode():
            parts = [(model(x.to(device)), y.to(device)) for x, y in val_loader]
            logits, targets = (torch.cat(part) for part in zip(*parts, strict=True))
            val_loss.append(loss_fn(logits, targets).item())
        best_epoch = min(range(epoch + 1), key=lambda e: (math.isnan(val_loss[e]), val_loss[e]))
        if best_epoch == epoch:
            buffer = io.BytesIO()
            torch.save(model.state_dict(), buffer)
        if patience is not None and epoch - best_epoch >= patience:
            break
    buffer.seek(0)
    model.load_state_dict(torch.load(buffer, weights_only=True))
    return {
        "best_epoch": best_epoch, "lr": rates, "val_loss": val_loss, "train_loss": train_loss,
    }  # fmt: skip


def _with_lambda_schedule(
    model, train_loader, val_loader, *, epochs=100, lr=3e-4, weight_decay=0.01, max_norm=1.0,
    patience=None, device=None, amp=False,
):  # fmt: skip
    """float16 with a scaler, a LambdaLR, clones of the parameters, and eval mode at the end."""
    if device is not None:
        model = model.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr, weight_decay=weight_decay)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda e: 0.5 * (1.0 + math.cos(math.pi * e / epochs))
    )
    scaler = torch.amp.GradScaler("cpu", enabled=amp)
    result = {"train_loss": [], "val_loss": [], "lr": [], "best_epoch": None}
    kept: dict[str, Tensor] = {}
    since = 0
    for epoch in range(epochs):
        result["lr"].append(float(scheduler.get_last_lr()[0]))
        weighted = torch.zeros((), dtype=torch.float64)
        count = 0
        model.train()
        for x, y in train_loader:
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", dtype=torch.float16, enabled=amp):
                loss = F.cross_entropy(model(x), y)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            scaler.step(optimizer)
            scaler.update()
            weighted += loss.detach() * len(y)
            count += len(y)
        result["train_loss"].append((weighted / count).item())
        with torch.no_grad():
            model.eval()
            sums = [
                (F.cross_entropy(model(x), y, reduction="sum").item(), len(y))
                for x, y in val_loader
            ]
        value = sum(s for s, _ in sums) / sum(n for _, n in sums)
        since += 1
        if value < min([v for v in result["val_loss"] if v == v], default=math.inf):
            kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
            result["best_epoch"], since = epoch, 0
        result["val_loss"].append(value)
        if since == patience:
            break
        scheduler.step()
    model.load_state_dict(kept)
    return result


def _first_minimum(*arguments, **options):
    """Keeps the epoch of `val_loss.index(min(val_loss))`, as a list of floats with NaN sees it."""
    reached: list[float] = []

    def better(loss: float, best: float) -> bool:
        reached.append(loss)
        return reached.index(min(reached)) == len(reached) - 1

    return _capstone(better=better)(*arguments, **options)


_oracle = _capstone()


def _cases(generator: torch.Generator) -> list[Case]:
    def size(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=generator))

    def case(kind: str, **settings: Any) -> Case:
        shape = {
            "sizes": (size(3, 6), size(7, 10), size(3, 4)),
            # The last batch is smaller, but never a single example: batch norm refuses that.
            "n_train": 8 * size(3, 5) + size(2, 5),
            "n_val": 9 * size(2, 3) + size(1, 4),
            "batch_size": 8,
            # Also AdamW's own default: a decay that is not handed on costs one aspect, not all.
            "weight_decay": 0.01,
        }
        return public.capstone_case(generator, kind, **(shape | settings))

    return [
        case("loop", epochs=1, lr=0.03, weight_decay=0.3, stale=True),
        case("schedule", epochs=4, lr=0.05),
        # Below the usual norms: AdamW cancels a constant rescaling, so only this shows clipping.
        case("clip", epochs=2, lr=0.04, max_norm=0.15, device="cpu"),
        case("modes", epochs=2, lr=0.05, batch_norm=True),
        _turning(case, "best", epochs=10, lr=0.25, noise=0.6),
        _impatient(case, "patience", epochs=20, lr=0.25, noise=0.6, batch_norm=True),
        _falling(case, "creep", 1e-9, 5e-4, epochs=4, lr=1e-5),
        # A loss above any that one would start with, as of a network that is sure of its mistakes.
        _falling(case, "sure", 0.01, math.inf, epochs=3, lr=0.01, confidence=300.0),
        case("nan", epochs=5, lr=0.1, nan_epochs=(0, 4)),
        # No weight changes at such a rate, so every epoch has the same val_loss.
        case("tie", epochs=3, lr=1e-30),
        case("full", epochs=1, lr=0.02, float32=True),
        case(
            "amp", epochs=2, lr=0.02, max_norm=0.2, amp=True, n_train=43, device="cpu",
            device_object=True,
        ),
    ]  # fmt: skip


def _validation_losses(drawn: Case) -> list[float]:
    """Of a right run that goes on to its last epoch."""
    model, train_loader, val_loader = public.build_capstone(drawn)
    options = drawn["options"] | {"patience": None}
    return _oracle(model, train_loader, val_loader, **options)["val_loss"]


def _turning(case: Any, kind: str, **settings: Any) -> Case:
    """A case whose validation loss has its minimum inside the run: drawn until it has."""
    while True:
        drawn = case(kind, **settings)
        losses = _validation_losses(drawn)
        best = losses.index(min(losses))
        if 0 < best < len(losses) - 3 and losses[-1] > 1.02 * min(losses):
            return drawn


def _falling(case: Any, kind: str, least: float, most: float, **settings: Any) -> Case:
    """A case in which each epoch is a new best, by at least ``least`` and at most ``most``."""
    while True:
        drawn = case(kind, **settings)
        losses = _validation_losses(drawn)
        large = losses[-1] > 12 or "confidence" not in settings
        if large and all(least < a - b < most for a, b in pairwise(losses)):
            return drawn


def _impatient(case: Any, kind: str, **settings: Any) -> Case:
    """A case in which patience matters: it runs out before the epochs do, and later than a counter
    that is never set back, which does not stop where one that is one too small does."""
    while True:
        drawn = case(kind, **settings)
        losses = _validation_losses(drawn)
        for patience in (3, 2, 4):
            stop, in_all = _stop(losses, patience), _stop(losses, patience, in_a_row=False)
            if in_all < stop < len(losses) - 1 and in_all != _stop(losses, patience - 1):
                drawn["options"]["patience"] = patience
                return drawn


def _stop(losses: list[float], patience: int, in_a_row: bool = True) -> int:
    """How many epochs are run until ``patience`` of them (in a row or in all) were no new best."""
    best, waited = math.inf, 0
    for epoch, loss in enumerate(losses):
        waited = (0 if in_a_row else waited) if loss < best else waited + 1
        best = min(best, loss)
        if waited == patience:
            return epoch + 1
    return len(losses)


def _amp_problem(case: Case, expected: Observation, got: Observation) -> str | None:
    """Either precision is right, so losses are compared loosely; what a step used, closely."""
    if case["kind"] == "full" and got["dtypes"] != ["float32"]:
        return "with amp=False the forward pass did not stay in float32"
    if case["kind"] != "amp":
        return None
    losses, wanted = got.get("amp_train_loss"), expected["amp_train_loss"]
    if not isinstance(losses, list) or len(losses) != len(wanted):
        return "train_loss is not a list with one float per epoch"
    if any(
        type(loss) is not float or not abs(loss - want) <= 0.05 * want
        for loss, want in zip(losses, wanted, strict=True)
    ):
        return "the training losses are not those of a right run"
    if not {"bfloat16", "float16"} & set(got["dtypes"]):
        return "with amp=True the forward pass did not run in lower precision"
    if "float16" in got["dtypes"] and not got["scaled"]:
        return "with float16 the loss has to be scaled by a GradScaler; bfloat16 needs none"
    weights = got.get("amp_parameters")
    if not isinstance(weights, list) or any(
        not isinstance(p, Tensor) or p.dtype != torch.float32 or not p.isfinite().all()
        for p in weights
    ):
        return "the weights must stay float32 and finite"
    limit = case["options"]["max_norm"]
    norms = got["norms"]
    if norms and not all(0.2 * limit < norm < 1.01 * limit for norm in norms if norm):
        return "the gradients of a step were not clipped at their true size"
    return None


def _smallest_of_all(val_loss: float, best: float) -> bool:
    """What `min` makes of NaN: the first value stays when it is one."""
    return not val_loss >= best


def _clips_scaled_gradients(case: Case, got: Observation) -> bool:
    if case["kind"] != "amp":
        return got.error is None
    norms = [norm for norm in got["norms"] if norm]
    return bool(norms) and max(norms) < 0.01 * case["options"]["max_norm"]


TRAIN = Answer(
    exercise="train",
    cases=_cases,
    compare={"amp": _amp_problem},
    tolerance=(1e-5, 1e-8),
    tolerances={"amp_train_loss": (0.05, 0.01)},
    variants=(_by_hand, _with_lambda_schedule, _capstone(amp_dtype=torch.float16)),
    misconceptions=(
        Misconception(
            "last weights instead of best",
            _capstone(restore=False),
            "At the end the model holds the weights of the last epoch. Keep a copy of the best "
            "epoch's state_dict, a real copy, and load it before you return.",
        ),
        Misconception(
            "best weights only at the end of a whole run",
            _capstone(restore_on_stop=False),
            "When patience is used up, you return before the best weights are loaded. Leave the loop "
            "with break, so that what comes after it runs in both cases.",
            also=("patience_parameters", "patience_buffers"),
        ),
        Misconception(
            "scheduler never stepped",
            _capstone(schedule="never"),
            "The learning rate stays where it started: scheduler.step() is missing.",
        ),
        Misconception(
            "scheduler stepped per batch",
            _capstone(schedule="batch"),
            "The scheduler steps after every batch, so the cosine is used up many times too "
            "early, and then rises again. Step it once per epoch.",
        ),
        Misconception(
            "clipping before unscaling",
            _capstone(clip="early", amp_dtype=torch.float16),
            "You clip while the gradients are still multiplied by the loss scale, so nearly all of "
            "them are cut. scaler.unscale_(optimizer) comes first.",
            recognise=_clips_scaled_gradients,
        ),
        Misconception(
            "no clipping",
            _capstone(clip="never"),
            "max_norm has no effect: the gradients are not clipped, or only after the step, when the "
            "weights have moved. Clip them between backward() and step().",
        ),
        Misconception(
            "validation in train mode",
            _capstone(eval_mode=False),
            "The model validates in train mode: batch norm standardises with the validation batch "
            "and even learns from it. Call model.eval() before, model.train() in each epoch.",
        ),
        Misconception(
            "validation loss by batch means",
            _capstone(batch_means=True),
            "You average the batches' means. The last validation batch is smaller and counts too "
            "much: weigh each by its size.",
        ),
        Misconception(
            "gradients recorded in validation",
            _capstone(no_grad=False),
            "Validation records graphs that nobody uses, which costs memory. Put it under "
            "torch.no_grad().",
        ),
        Misconception(
            "patience ignored",
            _capstone(patience_counts=False),
            "The run goes on to the last epoch whatever patience says. Count the epochs in a row "
            "without a new best, and stop at the patience-th.",
        ),
        Misconception(
            "patience off by one",
            _capstone(patience_extra=1),
            "You stop one epoch too late: the patience-th epoch in a row without a new best is "
            "the last one.",
        ),
        Misconception(
            "patience off by one",
            _capstone(patience_extra=-1),
            "You stop one epoch too early: patience epochs without a new best have to go by, and "
            "the best epoch itself is none of them.",
        ),
        Misconception(
            "patience never set back",
            _capstone(reset_patience=False),
            "You count all epochs without a new best. Patience is about epochs in a row: a new best "
            "sets the counter back to 0.",
        ),
        Misconception(
            "NaN taken for the best",
            _capstone(better=_smallest_of_all),
            "An epoch whose val_loss is NaN passes for the best one: `not val_loss >= best` is True "
            "for NaN. Ask val_loss < best_loss instead.",
        ),
        Misconception(
            "NaN taken for the best",
            _first_minimum,
            "An epoch whose val_loss is NaN passes for the best one: min() keeps a NaN that comes "
            "first, for every comparison with NaN is False. Ask val_loss < best_loss instead.",
        ),
        Misconception(
            "a tie taken for a new best",
            _capstone(better=lambda loss, best: loss <= best),
            "An epoch that only equals the best one is taken for a new best, so a run that stands "
            "still is never stopped. Ask val_loss < best_loss.",
        ),
        Misconception(
            "best loss starts at a number",
            _capstone(first_best=10.0),
            "An epoch counts as the best one only below a number of your choice. A first loss may be "
            "larger than any number: start with float('inf').",
        ),
        Misconception(
            "small improvements do not count",
            _capstone(better=lambda loss, best: loss < best - 1e-3),
            "An epoch counts as a new best only when it is better by some margin. Every smaller "
            "val_loss is a new best here, however small the difference.",
        ),
        Misconception(
            "best weights without buffers",
            _capstone(keep="parameters"),
            "You keep the best parameters but not the buffers: batch norm's running statistics stay "
            "those of the last epoch. state_dict() holds both.",
            also=("patience_parameters", "patience_buffers"),
        ),
        Misconception(
            "mixed precision without being asked",
            _capstone(amp_always=True),
            "Autocast is on with amp=False, too. Hand the switch on: torch.autocast(..., "
            "enabled=amp).",
            also=("dtypes",),
        ),
        Misconception(
            "float16 without a scaler",
            _capstone(amp_dtype=torch.float16, scale=False),
            "You train in float16 and do not scale the loss, so small gradients become zero. Use a "
            "GradScaler, or bfloat16, which needs none.",
            also=("dtypes",),
        ),
        Misconception(
            "training loss measured after the epoch",
            _capstone(measured_after=True),
            "You measure the training loss once more after the epoch. train_loss is the mean of the "
            "losses that you trained with, each taken before its step; they cost nothing extra.",
        ),
        Misconception(
            "validated on the training data",
            _capstone(validate_on="train"),
            "You validate on train_loader. The training data cannot show overfitting: use "
            "val_loader.",
        ),
        Misconception(
            "gradients from before the call",
            _capstone(clear_after=True),
            "You clear after each step only, so the first step also uses what was in .grad before "
            "your function was called. Clear before backward().",
        ),
        Misconception(
            "best epoch by the training loss",
            _capstone(choose_by="train"),
            "You keep the weights of the lowest training loss. That falls as long as you train: the "
            "best epoch is the one with the lowest validation loss.",
        ),
        Misconception(
            "best epoch counted from 1",
            _capstone(count_from=1),
            "best_epoch is one too large: epochs are counted from 0, as val_loss is indexed.",
        ),
        Misconception(
            "train mode set only once",
            _capstone(train_mode="once"),
            "model.train() stands before the loop over the epochs. Validation switches to eval mode, "
            "and nobody switches back: from the second epoch on you train in eval mode. Call "
            "model.train() at the start of every epoch.",
        ),
        Misconception(
            "zero_grad forgotten",
            _capstone(clear=False),
            "backward() adds to the gradients that are there, and nobody clears them. Call "
            "optimizer.zero_grad() once per step.",
        ),
        Misconception(
            "values clipped, not the norm",
            _capstone(clip="values"),
            "You cap each entry of the gradient by itself, which bends its direction. "
            "clip_grad_norm_ shortens all gradients by one common factor.",
        ),
        Misconception(
            "scheduler one epoch ahead",
            _capstone(schedule="ahead"),
            "The scheduler steps before an epoch is trained, so the full rate is never used. Step "
            "it at the epoch's end.",
        ),
        Misconception(
            "cosine one epoch too short",
            _capstone(shortened=1),
            "Your cosine reaches 0 in the last epoch, which then trains nothing. With T_max=epochs "
            "it would reach 0 just after it.",
        ),
        Misconception(
            "Adam instead of AdamW",
            _capstone(optimizer_class=torch.optim.Adam),
            "Adam mixes weight decay into the gradient, where its own scaling distorts it. AdamW "
            "keeps the two apart.",
        ),
        Misconception(
            "SGD instead of AdamW",
            _capstone(optimizer_class=torch.optim.SGD),
            "Your optimizer is SGD. The task asks for AdamW.",
        ),
        Misconception(
            "weight decay at its default",
            _capstone(
                optimizer_class=lambda params, lr, weight_decay: torch.optim.AdamW(params, lr=lr)
            ),
            "weight_decay stays at AdamW's own default, 0.01, whatever the argument says: pass it "
            "to the optimizer.",
        ),
        Misconception(
            "max_norm written down instead of taken",
            _capstone(clip="at 1"),
            "You clip to a norm of 1, whatever max_norm says.",
        ),
        Misconception(
            "weight decay ignored",
            _capstone(use_decay=False),
            "weight_decay is never used: pass it to the optimizer.",
        ),
        Misconception(
            "rate written down after the scheduler's step",
            _capstone(lr_after_step=True),
            "lr[e] is the rate that epoch e was trained with. Write it down before "
            "scheduler.step().",
        ),
        Misconception(
            "training loss by batch means",
            _capstone(train_means=True),
            "train_loss is the mean over examples: weigh each batch's loss by its size.",
        ),
        Misconception(
            "amp ignored",
            _capstone(amp_dtype=None),
            "With amp=True the forward pass still runs in float32: put it under torch.autocast.",
            also=("dtypes",),
        ),
    ),
)

ANSWERS = (*CLINIC, TRAIN)

# --- quiz ---------------------------------------------------------------------------------------


def _prove_dropout_in_validation() -> str:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 5))
        x = torch.randn(400, 20)
        with torch.no_grad():
            y = model.eval()(x).argmax(dim=1)  # what the model says in use is called right here
            before = [p.clone() for p in model.parameters()]
            model.train()
            shares = [(model(x).argmax(dim=1) == y).float().mean().item() for _ in range(5)]
    moved = any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    if moved:
        return "C"
    return "B" if len(set(shares)) > 1 and max(shares) < 1.0 else "A"


def _prove_flatten() -> str:
    batch = torch.zeros(32, 28, 28)

    def shape(layer: nn.Module, x: Tensor) -> list[int] | None:
        try:
            return list(layer(x).shape)
        except RuntimeError:
            return None

    wide = nn.Linear(784, 10)
    transposed = nn.Linear(784, 10)
    transposed.weight = nn.Parameter(wide.weight.T.clone())
    results = {
        "A": shape(nn.Linear(28, 10), batch),
        "B": shape(transposed, batch),
        "C": shape(wide, batch[:28]),
        "D": shape(wide, batch.flatten(1)),
    }
    return "".join(letter for letter, got in results.items() if got == [32, 10])


def _prove_mean() -> str:
    losses = torch.arange(72.0) ** 1.5
    batches = losses.split(32)
    means = [(batch.mean().item(), len(batch)) for batch in batches]
    values = {
        "A": sum(m * n for m, n in means) / len(losses),
        "B": sum(m for m, _ in means) / len(means),
        "C": sum(m for m, _ in means),
        "D": means[-1][0],
    }
    true = losses.mean().item()
    return "".join(k for k, v in values.items() if math.isclose(v, true, rel_tol=1e-5))


QUIZ = (
    QuizKey(
        "q09_1",
        "B",
        {
            "A": "no_grad stops the recording of gradients; dropout asks only for the mode.",
            "B": "Units are still dropped at random, so the model is judged with half of it gone.",
            "C": "Nothing steps, so no weight changes.",
            "D": "PyTorch does not know that you are validating.",
        },
        _prove_dropout_in_validation,
    ),
    QuizKey(
        "q09_2",
        "D",
        {
            "A": "It runs, and classifies the rows of pictures one by one.",
            "B": "The layer transposes its weight already.",
            "C": "The same error with another number: the rows are still taken for examples.",
            "D": "896 = 32 x 28 rows were taken for examples; now there are 32 of 784 numbers.",
        },
        _prove_flatten,
    ),
    QuizKey(
        "q09_3",
        "A",
        {
            "A": "Every example counts the same.",
            "B": "The last 8 examples count four times too much each.",
            "C": "It grows with the number of batches.",
            "D": "Eight examples are not the whole set.",
        },
        _prove_mean,
    ),
)
