"""``train``, public half: the capstone. Long because it observes a whole training program: each of
four milestones has lines of its own in the check.
"""

import functools
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type, kind_of
from course_lib.exercises.support.loop_watch import Loader, buffers_of, parameters_of
from course_lib.exercises.support.small_network import draw_weights, small_network

LISTS = ("train_loss", "val_loss", "lr")
KEYS = (*LISTS, "best_epoch")
#: A rate at which no weight changes, so that every epoch has the same losses.
NO_RATE = 1e-30


def capstone_case(
    generator: torch.Generator,
    *,
    sizes: tuple[int, int, int],
    n_train: int,
    n_val: int,
    batch_size: int,
    batch_norm: bool = False,
    noise: float = 0.1,
    stale: bool = False,
    device: str | None = None,
    device_object: bool = False,
    nan_epochs: tuple[int, ...] = (),
    float32: bool = False,
    confidence: float = 1.0,
    dataset: bool = True,
    left_out: tuple[str, ...] = (),
    **options: Any,
) -> dict[str, Any]:
    """A case of ``train``, which is called with ``options`` except those ``left_out``.

    ``noise`` is the share of labels that are drawn at random, so that the validation loss turns up
    again. ``device`` is handed over as a ``torch.device`` with ``device_object``. In ``nan_epochs``,
    counted from 0, the validation data hold a NaN. With ``float32``, as with ``amp``, autocast would
    show; without, it leaves float64 alone. The last layer's weights are multiplied by
    ``confidence``: a network that is sure of its mistakes has a large loss, and
    its scaled gradients overflow in float16. ``dataset``: the training loader has one.
    """
    options = {"weight_decay": 0.05, "max_norm": 1e6, "patience": None, "amp": False} | options
    features, _, classes = sizes
    dtype = torch.float32 if options["amp"] or float32 else torch.float64
    normal = functools.partial(torch.randn, generator=generator, dtype=dtype)
    n = n_train + n_val
    x, teacher = normal(n, features), normal(features, classes)
    y = (x @ teacher).argmax(dim=1)
    wrong = torch.rand(n, generator=generator) < noise
    y = torch.where(wrong, torch.randint(classes, (n,), generator=generator), y)
    weights = draw_weights(sizes, normal)
    weights[2] = confidence * weights[2]
    return {
        "x": x,
        "y": y,
        "n_train": n_train,
        "batch_size": batch_size,
        "weights": weights,
        "batch_norm": batch_norm,
        "stale": stale,
        "device": device,
        "device_object": device_object,
        "nan_epochs": list(nan_epochs),
        "dataset": dataset,
        "options": {name: value for name, value in options.items() if name not in left_out},
    }


class _Validation(Loader):
    """Validation data in which a NaN turns up while the epochs ``nan_epochs`` are running.

    An epoch begins with the first validation after the model has trained again: it does not matter how
    often an epoch reads either loader.
    """

    def __init__(self, *arguments: Any, training: Loader, nan_epochs: list[int]) -> None:
        super().__init__(*arguments)
        self.training, self.nan_epochs = training, nan_epochs
        self.epoch, self.training_passes = -1, 0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        batches = super().__iter__()
        if self.training.passes > self.training_passes:
            self.epoch, self.training_passes = self.epoch + 1, self.training.passes
        if self.epoch not in self.nan_epochs:
            return batches
        return ((x * math.nan, y) for x, y in batches)


def build_capstone(case: Case) -> tuple[nn.Module, Loader, Loader]:
    """The model and the two loaders of a case, fresh."""
    norm = [nn.BatchNorm1d(len(case["weights"][0]))] if case["batch_norm"] else []
    model = small_network(case["weights"], *norm, nn.Tanh(), stale=case["stale"])
    n, size = case["n_train"], case["batch_size"]
    train_loader = Loader(case["x"][:n], case["y"][:n], size, case["dataset"])
    val_loader = _Validation(
        case["x"][n:],
        case["y"][n:],
        size + 1,
        training=train_loader,
        nan_epochs=case["nan_epochs"],
    )
    return model, train_loader, val_loader


def _observe(function: Any, case: Case, notes: Notes) -> None:
    model, train_loader, val_loader = build_capstone(case)
    norms, rates, modes = [], [], []
    recorded = scaled = False
    dtypes: set[str] = set()

    def before_step(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        norms.append(nn.utils.get_total_norm(gradients).item() if gradients else 0.0)
        rates.append(float(optimizer.param_groups[0]["lr"]))

    def gradient_arrived(gradient: Tensor) -> None:
        nonlocal scaled
        # Of the mean cross-entropy it is below 1 in each logit.
        scaled |= not bool(gradient.abs().max() <= 1)

    def forward_done(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal recorded
        if isinstance(output, Tensor):
            dtypes.add(str(output.dtype).removeprefix("torch."))
            if not output.requires_grad:
                return
            output.register_hook(gradient_arrived)
            if _is_among(inputs[0], case["x"][case["n_train"] :]):
                recorded = True
            else:
                modes.append(module.training)

    options = dict(case["options"])
    if case["device"] is not None:
        kind = torch.device if case["device_object"] else str
        options["device"] = kind(case["device"])
    step_hook = register_optimizer_step_pre_hook(before_step)
    with step_hook, model.register_forward_hook(forward_done):
        history = function(model, train_loader, val_loader, **options)
    notes["returned_type"] = "dict" if isinstance(history, dict) else a_type(history)
    notes["run"] = {
        **{key: history.get(key) if isinstance(history, dict) else None for key in KEYS},
        "parameters": parameters_of(model),
        "buffers": buffers_of(model),
        "records_graph": recorded,
    }
    notes["norms"] = norms
    notes["rates"] = rates
    notes["dtypes"] = sorted(dtypes)
    notes["scaled"] = scaled
    notes["trained_in_train_mode"] = bool(modes) and all(modes)


def _is_among(x: Tensor, rows: Tensor) -> bool:
    """Whether all of x is among these rows: one or more of their batches, or rows of them."""
    fits = x.dim() == rows.dim() == 2 and len(x) and x.shape[1] == rows.shape[1]
    return bool(fits and (x.to(rows)[:, None] == rows).all(-1).any(1).all())


def _facts(case: Case, observation: Observation) -> dict[str, Any]:
    """Of the run, what the case ``reads``: a case about one part of the loop leaves the others out.
    And what mixed precision made of it."""
    run, dtypes = observation["run"], set(observation["dtypes"])
    facts = {
        "low_precision": not dtypes.isdisjoint({"bfloat16", "float16"}),
        "scaled_if_due": "float16" not in dtypes or observation["scaled"],
        "float32_weights": all(p.dtype == torch.float32 for p in run["parameters"]),
        "clipped": _clipped(case, observation["norms"]),
        "rates_used": observation["rates"],
    }
    history = run["val_loss"]
    if isinstance(history, list) and history and all(type(v) is float for v in history):
        numbers = [value for value in history if not math.isnan(value)]
        first = history.index(min(numbers)) if numbers else None
        best = run["best_epoch"]
        facts["best_is_first_minimum"] = type(best) is int and best == first
        facts["stops_in_time"] = _stops_in_time(case["options"], history)
    parts = {
        **run,
        # The run is as long as patience makes it.
        "early_stop": {key: run[key] for key in ("val_loss", "best_epoch")},
        "model": [run["parameters"], run["buffers"]],  # with what batch norm has learnt
        "amp_loss": run["train_loss"],  # of a run in either precision
    }
    for name in case.get("reads", ()):
        facts[name] = _holds_best(case, run) if name == "holds_best" else parts[name]
    return facts


def _clipped(case: Case, norms: list[float]) -> bool:
    """Whether steps were made, none with a longer gradient, and one as long as may be: in these cases
    the gradients are longer."""
    limit = case["options"].get("max_norm", 1.0)
    return bool(norms) and max(norms) <= 1.001 * limit and max(norms) >= 0.98 * limit


def _stops_in_time(options: Mapping[str, Any], val_loss: list[float]) -> bool:
    """Whether a run with this history is as long as patience and epochs make it."""
    stop = _stop(options.get("patience"), val_loss)
    return len(val_loss) == (options.get("epochs", 100) if stop is None else stop)


def _stop(patience: int | None, val_loss: list[float]) -> int | None:
    """After how many epochs patience is used up; None when it is not."""
    best, waited = math.inf, 0
    for epoch, value in enumerate(val_loss):
        best, waited = (value, 0) if value < best else (best, waited + 1)
        if waited == patience:
            return epoch + 1
    return None


def _holds_best(case: Case, run: Mapping[str, Any]) -> bool:
    """Whether the weights in the model have the smallest loss that the history tells of."""
    history = run["val_loss"]
    if not (isinstance(history, list) and history and all(type(v) is float for v in history)):
        return False
    return math.isclose(validation_loss(case, run), min(history), rel_tol=1e-5)


def validation_loss(case: Case, run: Mapping[str, Any]) -> float:
    """The loss over all validation examples at once, with the weights left in the model."""
    model, _, _ = build_capstone(case)
    buffers = [b for b in model.buffers() if b.is_floating_point()]
    targets = [*model.parameters(), *buffers]
    with torch.no_grad():
        for target, value in zip(targets, run["parameters"] + run["buffers"], strict=True):
            target.copy_(value)
        n = case["n_train"]
        logits = model.eval()(case["x"][n:])
        return nn.functional.cross_entropy(logits, case["y"][n:]).item()


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    run, options = observation["run"], case["options"]
    is_dict = observation["returned_type"] == "dict"
    yield Finding(is_dict, "the result is a dict", f"yours is {observation['returned_type']}")
    if not is_dict:
        return
    for key in LISTS:
        good = isinstance(run[key], list) and all(type(v) is float for v in run[key])
        got = f"yours is {kind_of(run[key])}" if run[key] is not None else "it is missing"
        yield Finding(good, f'"{key}" is a list of Python floats', got)
        if not good:
            return
    if options.get("lr") == NO_RATE:
        yield _mean_finding(case, run["train_loss"])
    if len(build_capstone(case)[1]) == 1 and options.get("epochs") == 1 and "lr" in options:
        yield from _first_step_findings(case, run)
    val_loss = run["val_loss"]
    lengths = [len(run[key]) for key in LISTS]
    got = "yours have {}, {} and {} entries".format(*lengths)
    yield Finding(len(set(lengths)) == 1, "the three lists have the same length", got)
    if options.get("patience") is not None:
        yield _patience_finding(options, val_loss)
    else:
        n = options.get("epochs", 100)
        text = f"without patience it trains all {n} epochs"
        yield Finding(len(val_loss) == n, text, f"yours trained {len(val_loss)}")
    yield from _schedule_findings(options, run["lr"])
    if len(run["lr"]) == len(val_loss):
        steps = len(build_capstone(case)[1])
        used = [rate for rate in run["lr"] for _ in range(steps)]
        same = len(used) != len(observation["rates"]) or all(
            math.isclose(a, b, rel_tol=1e-6)
            for a, b in zip(used, observation["rates"], strict=True)
        )
        text = 'milestone 2: "lr" tells the rate that all steps of an epoch are made with'
        yield Finding(same, text)
    yield from _best_findings(case, run)
    text = "milestone 3: no gradients are recorded while validating"
    yield Finding(run["records_graph"] is False, text)
    if options.get("amp"):
        yield from _amp_findings(observation)
        norms, limit = [norm for norm in observation["norms"] if norm], options.get("max_norm", 1.0)
        if limit < 1 and norms:
            text = "milestone 4: in mixed precision, too, gradients are clipped at their true size"
            reached = f"the norms of the gradients your steps use reach {max(norms):.2g}"
            got = f"max_norm is {limit:g}, and {reached}"
            yield Finding(0.2 * limit < max(norms) < 1.01 * limit, text, got)
        return
    if case["x"].dtype == torch.float32:
        text = "milestone 4: with amp=False the forward pass stays in float32"
        got = f"yours runs in {', '.join(observation['dtypes'])}"
        yield Finding(observation["dtypes"] == ["float32"], text, got)
    if case["batch_norm"]:
        text = "milestone 1: the model is in train mode whenever it trains, in each epoch"
        yield Finding(observation["trained_in_train_mode"], text)
    if observation["norms"]:
        largest = max(observation["norms"])
        text = "milestone 2: no step uses a gradient longer than max_norm"
        limit = options.get("max_norm", 1.0)
        got = f"max_norm is {limit:g}, and one gradient has norm {largest:.3g}"
        yield Finding(largest <= limit * 1.001, text, got)


def _mean_finding(case: Case, train_loss: list[float]) -> Finding:
    """No weight changes, so the epoch's mean is that of all examples."""
    model, _, _ = build_capstone(case)
    n = case["n_train"]
    with torch.no_grad():
        mean = nn.functional.cross_entropy(model(case["x"][:n]), case["y"][:n]).item()
    text = "milestone 1: train_loss is the mean per example, also where the last batch is smaller"
    if not train_loss:
        return Finding(False, text)
    got = f"that is {mean:.4f} here, and yours is {train_loss[0]:.4f}"
    return Finding(math.isclose(train_loss[0], mean, rel_tol=1e-4), text, got)


def _first_step_findings(case: Case, run: Mapping[str, Any]) -> Iterator[Finding]:
    """One epoch of one batch: what is left in the model is the very first step."""
    model, [(x, y)], _ = build_capstone(case)
    train_loss = run["train_loss"]
    model.zero_grad()  # the case has gradients from before the call
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    text = "milestone 1: train_loss is the loss of the training forward passes, before each step"
    got = f"that is {loss.item():.4f} here, and yours is {train_loss[0]:.4f}" if train_loss else ""
    ok = bool(train_loss) and math.isclose(train_loss[0], loss.item(), rel_tol=1e-4)
    yield Finding(ok, text, got)
    lr, decay = case["options"]["lr"], case["options"]["weight_decay"]
    text = (
        "milestone 1: the first step is AdamW's: it multiplies each weight by 1 - lr * weight_decay, "
        "then moves it by lr against its gradient"
    )
    same, stepped = [], []
    for p, after in zip(model.parameters(), run["parameters"], strict=True):
        # Adam's first step is lr * g / (|g| + eps): the whole lr wherever there is a gradient.
        asked = p.grad.abs() > 1e-4
        wanted = p.detach() * (1 - lr * decay) - lr * p.grad / (p.grad.abs() + 1e-8)
        stepped.append(wanted)
        same.append(torch.allclose(after[asked], wanted[asked], rtol=0, atol=1e-3 * lr))
    # Where the step was right and other weights were put into the model later, val_loss shows it.
    due = validation_loss(case, {**run, "parameters": stepped})
    measured = run["val_loss"][0] if run["val_loss"] else math.nan
    yield Finding(all(same) or math.isclose(measured, due, rel_tol=1e-6), text)


def _patience_finding(options: Mapping[str, Any], val_loss: list[float]) -> Finding:
    stop = _stop(options["patience"], val_loss)
    text = f"milestone 4: it stops after {options['patience']} epochs in a row without a new best"
    got = f"yours ran {len(val_loss)} epochs"
    if stop is not None:
        got = f"that is after {stop} epochs here, and yours ran {len(val_loss)}"
    return Finding(_stops_in_time(options, val_loss), text, got)


def _schedule_findings(options: Mapping[str, Any], lr: list[float]) -> Iterator[Finding]:
    if lr:
        text = "milestone 2: the first epoch has the full rate"
        full, epochs = options.get("lr", 3e-4), options.get("epochs", 100)
        yield Finding(math.isclose(lr[0], full), text)
    if len(lr) > 1:
        falls = all(a > b for a, b in itertools.pairwise(lr))
        yield Finding(falls, "milestone 2: the rate falls from epoch to epoch")
        middle = full * (1 + math.cos(math.pi / epochs)) / 2
        text = "milestone 2: the rate follows the cosine, one step per epoch"
        got = f"the second epoch's rate should be {middle:.3g}; yours is {lr[1]:.3g}"
        yield Finding(math.isclose(lr[1], middle, rel_tol=1e-6), text, got)


def _best_findings(case: Case, run: Mapping[str, Any]) -> Iterator[Finding]:
    best, val_loss = run["best_epoch"], run["val_loss"]
    numbers = [value for value in val_loss if not math.isnan(value)]
    if not numbers:
        return
    expected = val_loss.index(min(numbers))
    but = " that is not NaN" if case["nan_epochs"] else ""
    text = f"milestone 3: best_epoch is the epoch of the smallest val_loss{but}, counted from 0"
    came = "it is missing" if best is None else f"yours is {best!r:.20}"
    got = f"that is {expected} here, and {came}"
    yield Finding(type(best) is int and best == expected, text, got)
    kept = validation_loss(case, run)
    text = "milestone 3: at the end the model holds the weights of the best epoch"
    got = f"its validation loss is {kept:.4f}, and the smallest in the list {min(numbers):.4f}"
    yield Finding(math.isclose(kept, min(numbers), rel_tol=1e-3), text, got)


def _amp_findings(observation: Observation) -> Iterator[Finding]:
    text = "milestone 4: with amp=True the forward pass runs in lower precision"
    yield Finding(observation["low_precision"], text)
    yield Finding(observation["float32_weights"], "milestone 4: the weights stay float32")
    finite = all(bool(p.isfinite().all()) for p in observation["run"]["parameters"])
    text = "milestone 4: a step whose gradients are infinite or NaN is left out"
    yield Finding(finite, text, "your weights have become NaN or infinite")
    if "float16" in observation["dtypes"]:
        text = "milestone 4: float16 comes with a GradScaler, bfloat16 needs none"
        got = "your loss is not scaled before backward()"
        yield Finding(observation["scaled_if_due"], text, got)


def _public_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(2)

    def case(**settings: Any) -> Case:
        shape = {"sizes": (4, 8, 3), "n_train": 26, "n_val": 17, "batch_size": 8}
        return capstone_case(generator, **(shape | settings))

    return [
        case(epochs=6, lr=0.1, noise=0.5, max_norm=0.5),
        case(epochs=3, lr=0.05, batch_norm=True, stale=True),
        case(epochs=30, lr=0.2, patience=3, noise=0.6, batch_norm=True),
        case(epochs=3, lr=NO_RATE),
        case(epochs=1, lr=0.02, weight_decay=0.6, stale=True, batch_size=26),
        case(epochs=2, lr=0.02, amp=True, device="cpu", device_object=True),
        case(epochs=1, lr=0.02, amp=True, max_norm=0.1),
        case(epochs=2, lr=0.02, amp=True, n_train=19, confidence=40.0, noise=0.8),
        case(epochs=1, lr=0.02, float32=True, left_out=("amp",)),
        # All epochs are equal: none of them is a new best.
        case(epochs=6, lr=NO_RATE, patience=2),
        case(epochs=14, lr=NO_RATE, left_out=("patience",), n_train=9, n_val=6),
        case(epochs=1, lr=0.05, confidence=40.0, left_out=("max_norm", "weight_decay")),
        case(epochs=2, lr=0.02, left_out=("lr",), dataset=False),
        # Each epoch is a new best: by very little, and at a large loss.
        case(epochs=3, lr=1e-5),
        case(epochs=3, lr=0.01, confidence=300.0),
        case(epochs=4, lr=0.1, noise=0.5, nan_epochs=(0, 3), device="cpu"),
        # No epoch is the best one until the second.
        case(epochs=4, lr=NO_RATE, patience=2, nan_epochs=(0,)),
    ]


EXERCISE = Exercise(
    name="train",
    points=8,
    task="The production loop.",
    aspects=(
        Aspect("loop", "AdamW, cross-entropy, mean loss per example", 1, ("train_loss",)),
        Aspect(
            "schedule",
            "the rate follows the cosine, one step per epoch",
            1,
            ("lr", "rates_used"),
        ),
        Aspect("clipping", "gradients are clipped to max_norm", 1, ("clipped",)),
        Aspect(
            "validation",
            "validation in eval mode, per example, without gradients; training in train mode",
            1,
            ("val_loss", "records_graph"),
        ),
        Aspect(
            "best_epoch",
            "best_epoch is the first epoch with the smallest val_loss; NaN is never the best",
            1,
            ("best_is_first_minimum",),
        ),
        Aspect(
            "best_weights",
            "the best epoch's weights and buffers are in the model at the end",
            1,
            ("holds_best",),
        ),
        Aspect(
            "patience",
            "it stops when patience is used up, and not before; a tie is not a new best",
            1,
            ("stops_in_time",),
        ),
        Aspect(
            "amp",
            "mixed precision on request, and only then",
            1,
            ("amp_loss",),
        ),
    ),
    hints=(
        "Build it in four milestones, and run the check after each: first train_loss with AdamW, "
        "then the schedule and clipping, then validation and the best weights, then patience and "
        "amp. You have written every piece of it in an earlier chapter.",
        "Keep a copy (copy.deepcopy or clone) of model.state_dict() whenever val_loss reaches a "
        "new strict minimum, and load it at the end. Record the rate before the scheduler steps. "
        "For amp the simplest right way is torch.autocast with bfloat16, which needs no scaler.",
    ),
    observe=_observe,
    fields=("returned_type", "run", "norms", "rates", "dtypes", "scaled", "trained_in_train_mode"),
    facts=_facts,
    derived=(
        *KEYS,
        "parameters",
        "records_graph",
        "early_stop",
        "model",
        "holds_best",
        "amp_loss",
        "low_precision",
        "scaled_if_due",
        "float32_weights",
        "clipped",
        "rates_used",
        "best_is_first_minimum",
        "stops_in_time",
    ),
    public_cases=_public_cases,
    properties=_properties,
    forbidden=("course_lib.training.Trainer",),
)
