"""``train``, secret half. Long because it has 39 named mistakes and two other programs."""

import contextlib
import copy
import io
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.exercises.ch09_mastery.train import (
    NO_RATE,
    build_capstone,
    capstone_case,
    validation_loss,
)
from course_lib.exercises.checking.model import Case, Observation
from course_lib.exercises.checking.wire import a_type
from grading.answers.compare import difference
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, Symptom, Trial, wrong


def _cases(g: torch.Generator) -> list[Case]:
    def case(asks: tuple[str, ...], *reads: str, **settings: Any) -> Case:
        shape = {
            "sizes": (size(g, 3, 6), size(g, 7, 10), size(g, 3, 4)),
            # The last batch is smaller, but never a single example: batch norm refuses that.
            "n_train": 8 * size(g, 3, 5) + size(g, 2, 5),
            "n_val": 9 * size(g, 2, 3) + size(g, 1, 4),
            "batch_size": 8,
            # Also AdamW's own default: a decay that is not handed on costs one aspect, not all.
            "weight_decay": 0.01,
        }
        return capstone_case(g, **(shape | settings)) | {"asks": asks, "reads": reads}

    def one_step(*reads: str, **settings: Any) -> Case:
        """Two epochs of one batch: the second loss tells of the first step, and of nothing else."""
        shape = {"n_train": 9, "batch_size": 9, "n_val": 4, "epochs": 2, "noise": 0.5}
        return case(("loop",), "train_loss", *reads, **(shape | settings))

    def turning() -> Case:
        reads = ("parameters", "best_epoch", "val_loss", "holds_best")
        asks = ("best_epoch", "best_weights")
        return case(asks, *reads, epochs=10, lr=0.25, noise=0.6)

    def impatient() -> Case:
        reads = ("holds_best", "early_stop", "model")
        settings = {"epochs": 20, "lr": 0.25, "noise": 0.6, "batch_norm": True}
        return case(("best_weights", "patience"), *reads, **settings)

    return [
        one_step(lr=0.03, weight_decay=0.3, stale=True),
        one_step(left_out=("lr",)),
        one_step(lr=0.6, left_out=("weight_decay",)),
        case(("loop",), "train_loss", epochs=1, lr=NO_RATE, dataset=False),
        case(("schedule",), "lr", "train_loss", epochs=4, lr=0.05),
        # The epochs are left out, and patience ends the run.
        case(
            ("schedule",), "lr", lr=0.05, patience=2, nan_epochs=(1, 2), left_out=("epochs",),
        ),
        case(("clipping",), "train_loss", epochs=2, lr=0.04, max_norm=0.02, device="cpu"),
        case(
            ("clipping",), "train_loss", epochs=1, lr=0.04, confidence=60.0, noise=0.7,
            left_out=("max_norm",),
        ),
        # No weight moves: what batch norm has learnt is all that changes.
        case(
            ("validation",),
            "val_loss", "records_graph", epochs=2, lr=NO_RATE, batch_norm=True,
        ),
        case(("validation",), "val_loss", epochs=1, lr=NO_RATE, n_val=10, batch_size=8),
        _turning(turning),
        _impatient(impatient),
        _falling(lambda: case(("best_epoch",), "best_epoch", epochs=4, lr=1e-5), 1e-9, 5e-4),
        # A loss above any that one would start with, as of a network that is sure of its mistakes.
        _falling(
            lambda: case(("best_epoch",), "best_epoch", epochs=3, lr=0.01, confidence=300.0),
            0.01, above=12.0,
        ),
        case(("best_epoch",), "best_epoch", epochs=5, lr=0.1, nan_epochs=(0, 4)),
        case(("patience",), "best_epoch", epochs=6, lr=NO_RATE, patience=2),
        # No epoch is the best one until the second.
        case(("patience",), epochs=4, lr=NO_RATE, patience=2, nan_epochs=(0,)),
        case(
            ("patience",), "best_epoch", epochs=24, lr=NO_RATE, n_train=9, n_val=6, batch_size=9,
            left_out=("patience",),
        ),
        case(("amp",), "train_loss", epochs=1, lr=0.02, float32=True, left_out=("amp",)),
        case(
            ("amp",), "amp_loss", epochs=2, lr=0.02, max_norm=0.2, amp=True, n_train=43,
            device="cpu", device_object=True,
        ),
        # In float16 the scaled gradients overflow at first, and the scaler leaves steps out.
        case(("amp",), epochs=2, lr=0.02, amp=True, n_train=19, confidence=40.0, noise=0.8),
    ]  # fmt: skip


def _runs(draw: Callable[[], Case]) -> Iterator[tuple[Case, list[float]]]:
    """Cases, each with the validation losses of a right run that goes on to its last epoch."""
    while True:
        drawn = draw()
        options = drawn["options"] | {"patience": None}
        yield drawn, _by_hand(*build_capstone(drawn), **options)["val_loss"]


def _turning(draw: Callable[[], Case]) -> Case:
    """A case whose validation loss has its minimum inside the run: drawn until it has."""
    for drawn, losses in _runs(draw):
        best = losses.index(min(losses))
        if 0 < best < len(losses) - 3 and losses[-1] > 1.02 * min(losses):
            return drawn


def _falling(
    draw: Callable[[], Case], least: float, most: float = math.inf, above: float = 0.0
) -> Case:
    """A case in which each epoch is a new best, by at least ``least`` and at most ``most``, and
    stays ``above``."""
    for drawn, losses in _runs(draw):
        if losses[-1] > above and all(least < a - b < most for a, b in pairwise(losses)):
            return drawn


def _impatient(draw: Callable[[], Case]) -> Case:
    """A case in which patience matters: it runs out before the epochs do, and later than a counter
    that is never set back, which does not stop where one that is one too small does."""
    for drawn, losses in _runs(draw):
        for patience in (3, 2, 4):
            stop, in_all = _stop(losses, patience), _stop(losses, patience, in_a_row=False)
            since_last = _stop(losses, patience, previous=True)
            if (
                in_all < stop < len(losses) - 1
                and in_all != _stop(losses, patience - 1)
                and since_last != stop
            ):
                drawn["options"]["patience"] = patience
                return drawn


def _stop(losses: list[float], patience: int, in_a_row: bool = True, previous: bool = False) -> int:
    """How many epochs are run until ``patience`` of them (in a row or in all) were no new best, or
    not below the ``previous`` one."""
    best, waited = math.inf, 0
    for epoch, loss in enumerate(losses):
        waited = (0 if in_a_row else waited) if loss < best else waited + 1
        best = loss if previous else min(best, loss)
        if waited == patience:
            return epoch + 1
    return len(losses)


TOLERANCE = (1e-5, 1e-8)


def _numbers_problem(name: str, wanted: Sequence[float], got: Any) -> str | None:
    """What is wrong with one of the three lists."""
    if difference(wanted, got, *TOLERANCE) is None:
        return None
    if got is None:
        return f'"{name}" is missing from the result'
    if not _is_list_of_floats(got):
        return f'"{name}" should be a list of Python floats; yours is {a_type(got)}'
    if len(got) != len(wanted):
        return (
            f'"{name}" should have one entry for each of {len(wanted)} epochs; yours has {len(got)}'
        )
    for epoch, (due, value) in enumerate(zip(wanted, got, strict=True)):
        if difference(due, value, *TOLERANCE):
            return f'epoch {epoch} (counted from 0) should have {due:.6g} under "{name}"; yours has {value:.6g}'
    return None


def _is_list_of_floats(value: Any) -> bool:
    return isinstance(value, list) and all(type(each) is float for each in value)


def _loop_problem(case: Case, expected: Observation, got: Observation) -> str | None:
    return _numbers_problem("train_loss", expected["train_loss"], got["run"]["train_loss"])


def _schedule_problem(case: Case, expected: Observation, got: Observation) -> str | None:
    due, rates, used = expected["lr"], got["run"]["lr"], expected["rates_used"]
    seen = got["rates"]
    val_loss = got["run"]["val_loss"]
    if case["options"].get("patience") is not None and _is_list_of_floats(rates):
        # How long a run with patience is has an aspect of its own: here, it should tell of each epoch.
        if isinstance(val_loss, list) and val_loss and len(rates) != len(val_loss):
            ran = f"{len(val_loss)} epochs; yours has {len(rates)}"
            return f'"lr" should have one entry for each of {ran}'
        both = min(len(rates), len(due))
        steps = both * (len(used) // len(due))
        if len(rates) != len(due) and both:
            due, rates, used, seen = due[:both], rates[:both], used[:steps], seen[:steps]
    problem = _numbers_problem("lr", due, rates)
    if problem or not difference(used, seen, *TOLERANCE):
        return problem
    return 'your steps use other rates than those under "lr"'


def _clipping_problem(case: Case, expected: Observation, got: Observation) -> str | None:
    if got["clipped"]:
        return None
    if not got["norms"]:
        return "no optimizer step is made"
    limit, longest = case["options"].get("max_norm", 1.0), max(got["norms"])
    given = (
        f"with max_norm={limit:g}" if "max_norm" in case["options"] else "with max_norm left out"
    )
    if longest > limit:
        return f"{given} a step uses a gradient of norm {longest:.3g}"
    return f"{given} the longest gradient that a step uses has norm {longest:.3g}: they are cut too short"


def _validation_problem(case: Case, expected: Observation, got: Observation) -> str | None:
    problem = _numbers_problem("val_loss", expected["val_loss"], got["run"]["val_loss"])
    if problem or "records_graph" not in expected.values or not got["run"]["records_graph"]:
        return problem
    return "gradients are recorded while validating"


def _best_epoch_problem(case: Case, expected: Observation, got: Observation) -> str | None:
    if "best_is_first_minimum" not in got.values:
        return 'there are no floats under "val_loss", so there is no best epoch'
    if got["best_is_first_minimum"]:
        return None
    val_loss, best = got["run"]["val_loss"], got["run"]["best_epoch"]
    numbers = [value for value in val_loss if not math.isnan(value)]
    if not numbers:
        return 'no "val_loss" is a number'
    first = val_loss.index(min(numbers))
    text = f"epoch {first} (counted from 0) is the first with the smallest val_loss"
    return f"{text}; " + ("best_epoch is missing" if best is None else f"yours is {best!r:.20}")


def _best_weights_problem(case: Case, expected: Observation, got: Observation) -> str | None:
    if got["holds_best"]:
        return None
    run = got["run"]
    if not run["val_loss"]:
        return 'there is nothing under "val_loss", so there is no best epoch'
    kept, least = validation_loss(case, run), min(run["val_loss"])
    return f"at the end the model's validation loss is {kept:.4f}; the smallest val_loss is {least:.4f}"


def _patience_problem(case: Case, expected: Observation, got: Observation) -> str | None:
    if "stops_in_time" not in got.values:
        return 'there are no floats under "val_loss" that tell how long it ran'
    if got["stops_in_time"]:
        return None
    val_loss, options = got["run"]["val_loss"], case["options"]
    ran, patience = len(val_loss), options.get("patience")
    if patience is None:
        return f"without patience all {options['epochs']} epochs are run; yours ran {ran}"
    due = _stop(val_loss, patience)
    if due < ran:
        return f"with patience={patience} yours ran {ran} epochs; by its val_loss, {due} were due"
    return f"with patience={patience} yours stopped after {ran} epochs, before patience was used up"


def _amp_problem(case: Case, expected: Observation, got: Observation) -> str | None:
    """Either precision is right, so losses are compared loosely; what a step used, closely."""
    if not case["options"].get("amp"):
        if not got["norms"]:
            return "no optimizer step is made"
        right = got["dtypes"] == ["float32"]
        return None if right else "with amp left out the forward pass did not stay in float32"
    if not got["low_precision"]:
        return "with amp=True the forward pass did not run in lower precision"
    if not got["scaled_if_due"]:
        return "with float16 the loss has to be scaled by a GradScaler; bfloat16 needs none"
    if not (got["float32_weights"] and all(p.isfinite().all() for p in got["run"]["parameters"])):
        return "with amp=True the weights did not stay float32 and finite"
    limit = case["options"]["max_norm"]
    if "amp_loss" in case["reads"] and not all(0.2 * limit < norm for norm in got["norms"] if norm):
        return "with amp=True the gradients of a step were not clipped at their true size"
    return None


def _stops_elsewhere(wrong: frozenset[str], trials: Sequence[Trial]) -> bool:
    """Patience is off, while best_epoch is right wherever there is a number to choose."""
    return "patience" in wrong and all(
        t.got.get("best_is_first_minimum", True) or all(map(math.isnan, t.got["run"]["val_loss"]))
        for t in trials
    )


def _clips_scaled_gradients(case: Case, got: Observation) -> bool:
    if "amp_loss" not in case["reads"]:
        return got.error is None
    norms = [norm for norm in got["norms"] if norm]
    return bool(norms) and max(norms) < 0.01 * case["options"]["max_norm"]


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


def _with_closures(
    model, train_loader, val_loader, *, epochs=100, lr=3e-4, weight_decay=0.01, max_norm=1.0,
    patience=None, device=None, amp=False,
):  # fmt: skip
    """Generators for the epochs, optimizer.step(closure), the best of all states kept in a list."""
    place = next(model.parameters()).device if device is None else torch.device(device)
    model.to(place)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)

    def cost(x, y):
        with torch.autocast(place.type, torch.bfloat16) if amp else contextlib.nullcontext():
            return F.cross_entropy(model(x.to(place)), y.to(place))

    def trained():
        model.train()
        for x, y in train_loader:

            def closure(x=x, y=y):
                optimizer.zero_grad()
                loss = cost(x, y)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), max_norm)
                return loss

            yield from [optimizer.step(closure).item()] * len(y)

    @torch.no_grad()
    def validated():
        model.eval()
        return [F.cross_entropy(model(x.to(place))[None, i], y.to(place)[None, i]).item()
                for x, y in val_loader for i in range(len(y))]  # fmt: skip

    history: dict[str, Any] = {"train_loss": [], "val_loss": [], "lr": []}
    kept: list[tuple[float, int, dict]] = [(math.inf, 0, copy.deepcopy(model.state_dict()))]
    for epoch in range(epochs):
        rate = 0.5 * lr * (1 + math.cos(epoch / epochs * math.pi))
        optimizer.param_groups[0].update(lr=rate)
        for name, values in (("train_loss", [*trained()]), ("val_loss", validated())):
            history[name].append(math.fsum(values) / len(values))
        history["lr"].append(rate)
        if history["val_loss"][-1] < kept[-1][0]:
            kept.append((history["val_loss"][-1], epoch, copy.deepcopy(model.state_dict())))
        if patience is not None and epoch - (kept[-1][1] if len(kept) > 1 else -1) >= patience:
            break
    model.load_state_dict(kept[-1][2])
    return history | {"best_epoch": kept[-1][1]}


class _Training:
    """Typed; a SequentialLR of one schedule, sums in tensors."""

    __name__ = "callable_object"

    def __call__(
        self, model: nn.Module, train_loader, val_loader, *, epochs: int = 100, lr: float = 3e-4,
        weight_decay: float = 0.01, max_norm: float = 1.0, patience: int | None = None,
        device: str | torch.device | None = None, amp: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        optimizer = torch.optim.AdamW(
            [{"params": [p], "weight_decay": weight_decay} for p in model.parameters()], lr=lr
        )
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda epoch: math.cos(math.pi * epoch / (2 * epochs)) ** 2
        )
        losses: dict[str, list[float]] = {"train_loss": [], "val_loss": [], "lr": []}
        best, best_epoch, state = math.inf, 0, io.BytesIO()
        for epoch in range(epochs):
            losses["lr"] += scheduler.get_last_lr()[:1]
            sums = torch.zeros(2, dtype=torch.float64)
            for x, y in train_loader:
                model.train()
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=amp):
                    loss = nn.CrossEntropyLoss()(model(x), y)
                model.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), max_norm, error_if_nonfinite=False)
                optimizer.step()
                sums += torch.tensor([loss.item() * y.numel(), y.numel()])
            losses["train_loss"].append((sums[0] / sums[1]).item())
            scheduler.step()
            value = self._loss(model.eval(), val_loader)
            losses["val_loss"].append(value)
            if best > value:
                best, best_epoch, state = value, epoch, io.BytesIO()
                torch.save(model.state_dict(), state)
            elif (
                patience
                and len(losses["lr"]) - (best_epoch + 1 if best < math.inf else 0) >= patience
            ):
                break
        model.load_state_dict(torch.load(io.BytesIO(state.getvalue()), weights_only=True))
        return {"best_epoch": best_epoch, **losses}

    @torch.inference_mode()
    def _loss(self, model: nn.Module, loader) -> float:
        rows = torch.cat([F.cross_entropy(model(x), y, reduction="none") for x, y in loader])
        return rows.mean().item()


def _with_a_defaultdict(
    model, train_loader, val_loader, *, epochs=100, lr=3e-4, weight_decay=0.01, max_norm=1.0,
    patience=None, device=None, amp=False,
):  # fmt: skip
    """A dataclass remembers the best; validation on the inputs of all batches at once."""
    device = torch.device(device or next(model.parameters()).device)
    optimizer = torch.optim.AdamW(model.to(device).parameters(), lr, weight_decay=weight_decay)
    history, best = defaultdict(list), _Best(copy.deepcopy(model.state_dict()))

    def batches(loader):
        return ((x.to(device), y.to(device)) for x, y in loader)

    for epoch in range(epochs):
        history["lr"].append(lr * (1 + math.cos(math.pi * epoch / epochs)) / 2)
        optimizer.param_groups[0]["lr"] = history["lr"][-1]
        model.train()
        sums = torch.zeros(2, dtype=torch.float64)
        for x, y in batches(train_loader):
            optimizer.zero_grad()
            with torch.autocast(device.type, torch.bfloat16, enabled=amp):
                loss = F.cross_entropy(model(x), y, reduction="sum")
            (loss / len(y)).backward()
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            optimizer.step()
            sums += torch.tensor([loss.item(), len(y)])
        history["train_loss"].append(float(sums[0] / sums[1]))
        x, y = map(torch.cat, zip(*batches(val_loader), strict=True))
        with torch.no_grad():
            history["val_loss"].append(F.cross_entropy(model.eval()(x), y).item())
        if history["val_loss"][-1] < best.loss:
            best = _Best(copy.deepcopy(model.state_dict()), history["val_loss"][-1], epoch)
        elif patience is not None and epoch - best.epoch >= patience:
            break
    model.load_state_dict(best.state)
    history["best_epoch"] = max(best.epoch, 0)
    return history


@dataclass(frozen=True)
class _Best:
    state: dict[str, Tensor]
    loss: float = math.inf
    epoch: int = -1


TRAIN_MODE = "        model.train()\n"
CLEAR = "            optimizer.zero_grad()\n"
STEP = "            optimizer.step()\n"
TRAIN_LOSS = '        history["train_loss"].append(total_loss / n_examples)\n'
RATE = '        history["lr"].append(optimizer.param_groups[0]["lr"])\n'
SCHEDULE = "        scheduler.step()\n"
ADAMW = "torch.optim.AdamW("
BETTER = "val_loss < best_loss"
COPY = "copy.deepcopy(model.state_dict())"
UNSCALE = "            scaler.unscale_(optimizer)\n"
_float16 = (
    edit("torch.bfloat16", "torch.float16")
    .edit(
        "    for epoch",
        "    scaler = torch.amp.GradScaler(device_type, enabled=amp)\n    for epoch",
    )
    .edit("loss.backward()\n", "scaler.scale(loss).backward()\n" + UNSCALE)
    .edit(STEP, "            scaler.step(optimizer)\n            scaler.update()\n")
)


ANSWER = Answer(
    exercise="train",
    cases=_cases,
    compare={
        "loop": _loop_problem,
        "schedule": _schedule_problem,
        "clipping": _clipping_problem,
        "validation": _validation_problem,
        "best_epoch": _best_epoch_problem,
        "best_weights": _best_weights_problem,
        "patience": _patience_problem,
        "amp": _amp_problem,
    },
    uneven={
        "patience off": "It ends a run early, also one without patience: whether that shows where the schedule "
        "is asked for hangs on whether a loss rises there. It loses two points or more in every set.",
        "validation in train mode": "With batch norm in train mode val_loss is another one, and whether the "
        "run then ends at the same epoch is chance. It loses two points or more in every set.",
        "best epoch by the accuracy": "Accuracy and loss may agree about the best epoch: how much shows of the "
        "mistake is drawn. It loses two points or more in every set.",
    },
    equivalent={
        **dict.fromkeys(
            (
                "model.to(device) -> nothing",
                "model.to(device) -> model.to()",
                "device or next(model.parameters()).device -> next(model.parameters()).device",
                "x, y = (x.to(device), y.to(device)) -> nothing",
                "x, y = (x.to(device), y.to(device)) -> nothing #2",
                "x.to(device) -> x.to()",
                "x.to(device) -> x.to() #2",
                "y.to(device) -> y.to()",
                "y.to(device) -> y.to() #2",
            ),
            "Grading has one device, the CPU, and all is there already; clinic G asks for this.",
        ),
        **dict.fromkeys(
            ("y -> x", "y -> x #3", "y -> x #4", "y -> x #6"),
            "Only the length is taken, and both have the same.",
        ),
        "torch.autocast(device_type, dtype=torch.bfloat16, enabled=amp) -> "
        "torch.autocast(device_type, enabled=amp)": "bfloat16 is autocast's default on the CPU.",
        "0 -> 1": "It is overwritten with the first best epoch, and where there is none it is free.",
        "0 -> -1": "It is overwritten with the first best epoch, and where there is none it is free.",
        **dict.fromkeys(
            (
                "if best_state is not None: -> always",
                "best_state -> best_loss",
                "best_state -> waited",
                "best_state -> epoch",
                "0 -> -1 #2",
            ),
            "It shows where no epoch ever is the best one, and of that nothing is asked.",
        ),
        "0 -> -1 #6": "There is one group of parameters, so the first is the last.",
    },
    tolerance=TOLERANCE,
    tolerances={"amp_loss": (0.05, 0.01)},
    variants=(
        _by_hand,
        _with_lambda_schedule,
        _float16,
        _with_closures,
        _Training(),
        _with_a_defaultdict,
    ),
    misconceptions=(
        wrong(
            "last weights instead of best",
            edit("model.load_state_dict(best_state)", "pass"),
            "At the end the model holds the weights of the last epoch. Keep a copy of the best "
            "epoch's state_dict, a real copy, and load it before you return.",
        ),
        wrong(
            "best weights only at the end of a whole run",
            edit("                break\n", "                return history\n"),
            "When patience is used up, you return before the best weights are loaded. Leave the loop "
            "with break, so that what comes after it runs in both cases.",
            also=("model",),
        ),
        wrong(
            "scheduler never stepped",
            edit(SCHEDULE, ""),
            "The learning rate stays where it started: scheduler.step() is missing.",
        ),
        wrong(
            "scheduler stepped per batch",
            edit(SCHEDULE, "")
            .edit(STEP, STEP + "    " + SCHEDULE)
            .edit(RATE, "")
            .edit(TRAIN_MODE, RATE + TRAIN_MODE),
            "The scheduler steps after every batch, so the cosine is used up far too early, "
            "and then rises again. Step it once per epoch.",
        ),
        wrong(
            "clipping before unscaling",
            _float16.edit(UNSCALE, ""),
            "You clip while the gradients are still multiplied by the loss scale, so nearly all of "
            "them are cut. scaler.unscale_(optimizer) comes first.",
            recognise=_clips_scaled_gradients,
        ),
        wrong(
            "no clipping",
            edit("torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)", "pass"),
            "max_norm has no effect: the gradients are not clipped, or only after the step, when the "
            "weights have moved. Clip them between backward() and step().",
        ),
        wrong(
            "validation in train mode",
            edit("        model.eval()\n", ""),
            "The model validates in train mode: batch norm standardises with the validation batch "
            "and even learns from it. Call model.eval() before validating, and model.train() at the start of "
            "each epoch.",
        ),
        wrong(
            "validation loss by batch means",
            edit(
                "y).item() * len(y)\n                n_examples += len(y)",
                "y).item()\n                n_examples += 1",
            ),
            "You average the batches' means. The last validation batch is smaller and counts too "
            "much: weight each by its size.",
        ),
        wrong(
            "gradients recorded in validation",
            edit("torch.no_grad()", "torch.enable_grad()"),
            "Validation records graphs that are never used, which costs memory. Put it under "
            "torch.no_grad().",
        ),
        wrong(
            "patience ignored",
            edit("if waited == patience:", "if False:"),
            "The run goes on to the last epoch whatever patience says. Count the epochs in a row "
            "without a new best, and stop at the patience-th.",
        ),
        wrong(
            "patience off by one",
            edit("waited == patience", "patience is not None and waited > patience"),
            "You stop one epoch too late: the patience-th epoch in a row without a new best is "
            "the last one.",
        ),
        wrong(
            "patience off by one",
            edit("waited == patience", "patience is not None and waited >= patience - 1"),
            "You stop one epoch too early: patience epochs without a new best have to go by, and "
            "the best epoch itself is not one of them.",
        ),
        wrong(
            "patience never set back",
            edit(COPY + ", 0", COPY + ", waited"),
            "You count all epochs without a new best. Patience is about epochs in a row: a new best "
            "sets the counter back to 0.",
        ),
        wrong(
            "NaN taken for the best",
            edit(BETTER, "not val_loss >= best_loss"),
            "An epoch whose val_loss is NaN passes for the best one: `not val_loss >= best` is "
            "True for NaN. Test val_loss < best_loss instead.",
        ),
        wrong(
            "NaN taken for the best",
            edit(BETTER, 'history["val_loss"].index(min(history["val_loss"])) == epoch'),
            "An epoch whose val_loss is NaN passes for the best one: min() keeps a NaN that comes "
            "first, because every comparison with NaN is False. Test val_loss < best_loss instead.",
        ),
        wrong(
            "a tie taken for a new best",
            edit(BETTER, "val_loss <= best_loss"),
            "An epoch that only equals the best one is taken for a new best, so a run that stands "
            "still is never stopped. Test val_loss < best_loss.",
        ),
        wrong(
            "best loss starts at a number",
            edit("math.inf", "10.0"),
            "An epoch counts as the best one only if its loss is below a number you chose. A "
            "first loss may be larger than any such number: start with float('inf').",
        ),
        wrong(
            "small improvements do not count",
            edit(BETTER, "val_loss < best_loss - 1e-3"),
            "An epoch counts as a new best only when it is better by some margin. Every smaller "
            "val_loss is a new best here, however small the difference.",
        ),
        wrong(
            "best weights without buffers",
            edit("(model.state_dict())", "(dict(model.named_parameters()))").edit(
                "dict(best_state)", "dict(best_state, strict=False)"
            ),
            "You keep the best parameters but not the buffers: batch norm's running statistics stay "
            "those of the last epoch. state_dict() holds both.",
            also=("model",),
        ),
        wrong(
            "mixed precision without being asked",
            edit("enabled=amp", "enabled=True"),
            "Autocast is on even with amp=False. Pass the switch on: torch.autocast(..., "
            "enabled=amp).",
            also=("dtypes",),
        ),
        wrong(
            "float16 without a scaler",
            edit("torch.bfloat16", "torch.float16"),
            "You train in float16 and do not scale the loss, so small gradients become zero. Use a "
            "GradScaler, or bfloat16, which needs none.",
            also=("dtypes",),
        ),
        wrong(
            "training loss measured after the epoch",
            edit(
                TRAIN_LOSS,
                "        model.eval()\n"
                "        with torch.no_grad():\n"
                "            total_loss = sum(\n"
                "                loss_fn(model(x), y).item() * len(y) for x, y in train_loader\n"
                "            )\n" + TRAIN_LOSS,
            ),
            "You measure the training loss once more after the epoch. train_loss is the mean of the "
            "losses that you trained with, each taken before its step; they cost nothing extra.",
        ),
        wrong(
            "validated on the training data",
            edit("in val_loader", "in train_loader"),
            "You validate on train_loader. The training data cannot show overfitting: use "
            "val_loader.",
        ),
        wrong(
            "gradients from before the call",
            edit(CLEAR, "").edit(STEP, STEP + CLEAR),
            "You clear after each step only, so the first step also uses what was in .grad before "
            "your function was called. Clear before backward().",
        ),
        wrong(
            "best epoch by the training loss",
            edit("if " + BETTER, 'val_loss = history["train_loss"][-1]\n        if ' + BETTER),
            "You keep the weights of the lowest training loss. That falls as long as you train: the "
            "best epoch is the one with the lowest validation loss.",
        ),
        wrong(
            "best epoch by the accuracy",
            edit(
                "        if " + BETTER,
                "        with torch.no_grad():\n"
                "            right = [(model(x).argmax(1) == y).sum().item() for x, y in val_loader]\n"
                "        val_loss = -sum(right)\n        if " + BETTER,
            ),
            "You keep the weights of the highest accuracy. The best epoch is the one with the lowest "
            "validation loss: the two need not agree.",
        ),
        wrong(
            "step bypassing the scaler",
            _float16.edit("            scaler.step(optimizer)\n", STEP),
            "You call optimizer.step() yourself, bypassing the scaler, so gradients that have become "
            "infinite go straight into the weights. scaler.step(optimizer) leaves such a step out.",
        ),
        wrong(
            "patience compared with the epoch before",
            edit("waited += 1", 'waited = 0 if val_loss < history["val_loss"][-2] else waited + 1'),
            "You start counting again whenever val_loss falls from one epoch to the next. Only a new "
            "best counts: compare with the smallest so far.",
        ),
        wrong(
            "patience of ten where there is none",
            edit("waited == patience", "waited == (patience or 10)"),
            "Without patience your run stops all the same. None means that it never stops early.",
        ),
        wrong(
            "best epoch counted from 1",
            edit('["best_epoch"] = epoch', '["best_epoch"] = epoch + 1'),
            "best_epoch is one too large: epochs are counted from 0, as val_loss is indexed.",
        ),
        wrong(
            "train mode set only once",
            edit(TRAIN_MODE, "").edit("    for epoch", "    model.train()\n    for epoch"),
            "model.train() comes before the loop over the epochs. Validation switches to eval "
            "mode, and nothing switches back: from the second epoch on you train in eval mode. "
            "Call model.train() at the start of every epoch.",
        ),
        wrong(
            "zero_grad forgotten",
            edit(CLEAR, ""),
            "backward() adds to the gradients that are there, and nothing clears them. Call "
            "optimizer.zero_grad() once per step.",
        ),
        wrong(
            "values clipped, not the norm",
            edit("clip_grad_norm_", "clip_grad_value_"),
            "You cap each entry of the gradient separately, which changes its direction. "
            "clip_grad_norm_ shortens all gradients by one common factor.",
        ),
        wrong(
            "scheduler one epoch ahead",
            edit(SCHEDULE, "").edit(TRAIN_MODE, SCHEDULE + TRAIN_MODE),
            "The scheduler steps before an epoch is trained, so the full rate is never used. Step "
            "it at the epoch's end.",
        ),
        wrong(
            "cosine one epoch too short",
            edit("T_max=epochs", "T_max=max(1, epochs - 1)"),
            "Your cosine reaches 0 in the last epoch, which then trains nothing. With T_max=epochs "
            "it would reach 0 just after it.",
        ),
        wrong(
            "Adam instead of AdamW",
            edit(ADAMW, "torch.optim.Adam("),
            "Adam mixes weight decay into the gradient, where its own scaling distorts it. AdamW "
            "keeps the two apart.",
        ),
        wrong(
            "SGD instead of AdamW",
            edit(ADAMW, "torch.optim.SGD("),
            "Your optimizer is SGD. The task asks for torch.optim.AdamW.",
        ),
        wrong(
            "weight decay at its default",
            edit(", weight_decay=weight_decay", ""),
            "weight_decay stays at AdamW's own default, 0.01, whatever the argument says: pass it "
            "to the optimizer.",
        ),
        wrong(
            "max_norm hard-coded",
            edit("model.parameters(), max_norm", "model.parameters(), 1.0"),
            "You clip to a norm of 1, whatever max_norm says: pass max_norm on.",
        ),
        wrong(
            "weight decay ignored",
            edit("weight_decay=weight_decay", "weight_decay=0.0"),
            "weight_decay is never used: pass it to the optimizer.",
        ),
        wrong(
            "rate written down after the scheduler's step",
            edit(SCHEDULE, "").edit(RATE, SCHEDULE + RATE),
            "lr[e] is the rate that epoch e was trained with. Record it before scheduler.step().",
        ),
        wrong(
            "training loss by batch means",
            edit(
                "loss.item() * len(y)\n            n_examples += len(y)",
                "loss.item()\n            n_examples += 1",
            ),
            "train_loss is the mean over examples: weight each batch's loss by its size.",
        ),
        wrong(
            "amp ignored",
            edit("enabled=amp", "enabled=False"),
            "With amp=True the forward pass still runs in float32: put it under torch.autocast.",
            also=("dtypes",),
        ),
    ),
    symptoms=(
        Symptom(
            "not the dict that was asked for",
            edit("    return history\n", "    return list(history)\n"),
            "What comes back is not a dict. Return one with train_loss, val_loss, lr and best_epoch.",
            lambda wrong, trials: any(
                t.got["returned_type"] != t.expected["returned_type"] for t in trials
            ),
        ),
        Symptom(
            "validation loss off",
            edit("total_loss += loss_fn", "total_loss = loss_fn"),
            "Your val_loss is not the mean loss per example of the validation data, in eval mode and as a float: add up each batch's loss times its size, from 0, and divide once by the number of examples.",
            lambda wrong, trials: "validation" in wrong,
        ),
        Symptom(
            "training loss off",
            edit("total_loss += loss.item()", "total_loss = loss.item()"),
            "Your train_loss is not that of a run with AdamW, cross-entropy and the settings that are given. If it is off from the first epoch on, look at how it is summed up and divided; if later, at the step and the optimizer's settings.",
            lambda wrong, trials: "loop" in wrong,
        ),
        Symptom(
            "clipping off",
            edit("max_norm=1.0", "max_norm=2.0"),
            "The gradients that a step uses are not clipped to the max_norm that is given, or to 1.0 where none is.",
            lambda wrong, trials: "clipping" in wrong,
        ),
        Symptom(
            "patience off",
            edit("waited == patience", "waited == 1"),
            "Your run does not end where patience says: after that many epochs in a row without a new smallest val_loss, and never early where patience is None.",
            _stops_elsewhere,
        ),
        Symptom(
            "best epoch off",
            edit('            history["best_epoch"] = epoch\n', ""),
            '"best_epoch" is not the number of the first epoch with the smallest val_loss, counted from 0.',
            lambda wrong, trials: "best_epoch" in wrong,
        ),
        Symptom(
            "other weights than the best",
            edit(
                "copy.deepcopy(model.state_dict())",
                "copy.deepcopy({k: v * 2 if v.is_floating_point() else v for k, v in model.state_dict().items()})",
            ),
            "At the end the model does not hold the weights and buffers of the best epoch. Keep a real copy of its state_dict, and load it before you return.",
            lambda wrong, trials: "best_weights" in wrong,
        ),
    ),
)
