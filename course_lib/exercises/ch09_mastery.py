"""Chapter 09, public half: the capstone ``train``, the bug clinic's records and the questions."""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import kind_of, type_name
from course_lib.exercises.clinic import CLINIC
from course_lib.exercises.support.loop_watch import ListLoader, buffers_of, parameters_of
from course_lib.exercises.support.small_network import draw_weights, small_network
from course_lib.quiz import Question

LISTS = ("train_loss", "val_loss", "lr")
KEYS = (*LISTS, "best_epoch")


def capstone_case(
    generator: torch.Generator,
    kind: str,
    *,
    sizes: tuple[int, int, int],
    n_train: int,
    n_val: int,
    batch_size: int,
    epochs: int,
    lr: float,
    weight_decay: float = 0.05,
    max_norm: float = 1e6,
    patience: int | None = None,
    amp: bool = False,
    batch_norm: bool = False,
    noise: float = 0.1,
    stale: bool = False,
    device: str | None = None,
    device_object: bool = False,
    nan_epochs: tuple[int, ...] = (),
    float32: bool = False,
    confidence: float = 1.0,
) -> dict[str, Any]:
    """A case of ``train``. ``kind`` names the milestone that it is about; ``noise`` is the share of
    labels that are drawn at random, so that the validation loss turns up again. ``device`` is
    handed over as a ``torch.device`` with ``device_object``. In ``nan_epochs``, counted from 0, the
    validation data hold a NaN. With ``float32``, as with ``amp``, autocast would show; without, it
    leaves float64 alone. The last layer's weights are multiplied by ``confidence``: a network that
    is sure of its mistakes has a large loss."""
    features, _, classes = sizes
    dtype = torch.float32 if amp or float32 else torch.float64

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=dtype)

    n = n_train + n_val
    x, teacher = normal(n, features), normal(features, classes)
    y = (x @ teacher).argmax(dim=1)
    wrong = torch.rand(n, generator=generator) < noise
    y = torch.where(wrong, torch.randint(classes, (n,), generator=generator), y)
    weights = draw_weights(sizes, normal)
    weights[2] = confidence * weights[2]
    return {
        "kind": kind,
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
        "options": {
            "epochs": epochs,
            "lr": lr,
            "weight_decay": weight_decay,
            "max_norm": max_norm,
            "patience": patience,
            "amp": amp,
        },
    }


class _Validation(ListLoader):
    """Validation data in which a NaN turns up while the epochs ``nan_epochs`` are running."""

    def __init__(self, *arguments: Any, training: ListLoader, nan_epochs: list[int]) -> None:
        super().__init__(*arguments)
        self.training, self.nan_epochs = training, nan_epochs

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        batches = super().__iter__()
        if self.training.passes - 1 not in self.nan_epochs:
            return batches
        return ((x * math.nan, y) for x, y in batches)


def build_capstone(case: Case) -> tuple[nn.Module, ListLoader, ListLoader]:
    """The model and the two loaders of a case, fresh."""
    norm = [nn.BatchNorm1d(len(case["weights"][0]))] if case["batch_norm"] else []
    model = small_network(case["weights"], *norm, nn.Tanh())
    if case["stale"]:
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
    n, size = case["n_train"], case["batch_size"]
    train_loader = ListLoader(case["x"][:n], case["y"][:n], size)
    val_loader = _Validation(
        case["x"][n:],
        case["y"][n:],
        size + 1,
        training=train_loader,
        nan_epochs=case["nan_epochs"],
    )
    return model, train_loader, val_loader


def observe_train(function: Any, case: Case, notes: Notes) -> None:
    model, train_loader, val_loader = build_capstone(case)
    kind, norms = case["kind"], []
    recorded = 0
    scaled = False
    dtypes: set[str] = set()

    def before_step(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        norms.append(nn.utils.get_total_norm(gradients).item() if gradients else 0.0)

    def gradient_arrived(gradient: Tensor) -> None:
        nonlocal scaled
        # Of the mean cross-entropy it is below 1 in each logit.
        scaled |= not bool(gradient.abs().max() <= 1)

    def forward_done(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal recorded
        if isinstance(output, Tensor):
            if output.requires_grad:
                output.register_hook(gradient_arrived)
            dtypes.add(str(output.dtype).removeprefix("torch."))
            reading_validation = len(inputs[0]) and any(
                inputs[0].shape == x.shape and torch.equal(inputs[0].to(x.dtype), x)
                for x, _ in val_loader.batches
            )
            recorded += bool(reading_validation and output.requires_grad)

    options = dict(case["options"])
    if case["device"] is not None:
        device = case["device"]
        options["device"] = torch.device(device) if case["device_object"] else device
    handles = [
        register_optimizer_step_pre_hook(before_step),
        model.register_forward_hook(forward_done),
    ]
    try:
        history = function(model, train_loader, val_loader, **options)
    finally:
        for handle in handles:
            handle.remove()
    is_dict = isinstance(history, dict)
    notes["returned_type"] = type_name(history)
    for key in KEYS:
        notes[f"{kind}_{key}"] = history.get(key) if is_dict else None
    notes[f"{kind}_parameters"] = parameters_of(model)
    notes[f"{kind}_buffers"] = buffers_of(model)
    notes[f"{kind}_records_graph"] = recorded > 0
    if kind == "patience":
        notes["patience_holds_best"] = _holds_best(case, notes)
    notes["norms"] = norms
    notes["dtypes"] = sorted(dtypes)
    notes["scaled"] = scaled


def properties_train(case: Case, observation: Observation) -> Iterator[Finding]:
    kind, options = case["kind"], case["options"]
    values = {key: observation.get(f"{kind}_{key}") for key in KEYS}
    is_dict = observation["returned_type"] == "dict"
    yield Finding(is_dict, "the result is a dict", f"yours is {observation['returned_type']}")
    if not is_dict:
        return
    for key in LISTS:
        good = isinstance(values[key], list) and all(type(v) is float for v in values[key])
        got = f"yours is {kind_of(values[key])}" if values[key] is not None else "it is missing"
        yield Finding(good, f'"{key}" is a list of Python floats', got)
        if not good:
            return
    if kind == "tie":
        yield _mean_finding(case, values["train_loss"])
    if kind == "first":
        yield from _first_step_findings(case, values["train_loss"], observation)
    val_loss, lr = values["val_loss"], values["lr"]
    lengths = [len(values[key]) for key in LISTS]
    got = "yours have {}, {} and {} entries".format(*lengths)
    yield Finding(len(set(lengths)) == 1, "the three lists are equally long", got)
    if kind == "patience":
        yield from _patience_findings(options, val_loss)
    else:
        n = options["epochs"]
        text = f"without patience it trains all {n} epochs"
        yield Finding(len(val_loss) == n, text, f"yours has {len(val_loss)} entries")
    if lr:
        yield Finding(
            math.isclose(lr[0], options["lr"]), "milestone 2: the first epoch has the full rate"
        )
    if len(lr) > 1:
        falls = all(a > b for a, b in itertools.pairwise(lr))
        yield Finding(falls, "milestone 2: the rate falls from epoch to epoch")
        middle = options["lr"] * (1 + math.cos(math.pi / options["epochs"])) / 2
        text = "milestone 2: the rate follows the cosine, one step per epoch"
        got = f"the second epoch has {lr[1]:.3g}, expected {middle:.3g}"
        yield Finding(math.isclose(lr[1], middle, rel_tol=1e-6), text, got)
    best = values["best_epoch"]
    numbers = [value for value in val_loss if not math.isnan(value)]
    if numbers:
        expected = val_loss.index(min(numbers))
        text = "milestone 3: best_epoch is the epoch of the smallest val_loss, counted from 0"
        if kind == "nan":
            text = "milestone 3: an epoch whose val_loss is NaN is never the best one"
        came = "it is missing" if best is None else f"yours is {best!r:.20}"
        got = f"that is {expected} here, and {came}"
        yield Finding(type(best) is int and best == expected, text, got)
        kept = _validation_loss(case, observation.values)
        text = "milestone 3: at the end the model holds the weights of the best epoch"
        got = f"its validation loss is {kept:.4f}, and the smallest in the list {min(numbers):.4f}"
        yield Finding(math.isclose(kept, min(numbers), rel_tol=1e-3), text, got)
    text = "milestone 3: no gradients are recorded while validating"
    yield Finding(observation[f"{kind}_records_graph"] is False, text)
    if options["amp"]:
        low = {"bfloat16", "float16"} & set(observation["dtypes"])
        yield Finding(
            bool(low), "milestone 4: with amp=True the forward pass runs in lower precision"
        )
        kept32 = all(p.dtype == torch.float32 for p in observation[f"{kind}_parameters"])
        yield Finding(kept32, "milestone 4: the weights stay float32")
        if "float16" in observation["dtypes"]:
            text = "milestone 4: float16 comes with a GradScaler, bfloat16 needs none"
            yield Finding(observation["scaled"], text, "your loss is not scaled before backward()")
        return
    if kind == "full":
        text = "milestone 4: with amp=False the forward pass stays in float32"
        got = f"yours runs in {', '.join(observation['dtypes'])}"
        yield Finding(observation["dtypes"] == ["float32"], text, got)
    if observation["norms"]:
        largest = max(observation["norms"])
        text = "milestone 2: no step uses a gradient longer than max_norm"
        yield Finding(largest <= options["max_norm"] * 1.001, text, f"one has {largest:.3g}")


def _mean_finding(case: Case, train_loss: list[float]) -> Finding:
    """The rate is too small to change a weight, so the epoch's mean is that of all examples."""
    model, _, _ = build_capstone(case)
    n = case["n_train"]
    with torch.no_grad():
        mean = nn.functional.cross_entropy(model(case["x"][:n]), case["y"][:n]).item()
    text = "milestone 1: train_loss is the mean per example, also where the last batch is smaller"
    if not train_loss:
        return Finding(False, text)
    got = f"that is {mean:.4f} here, and yours is {train_loss[0]:.4f}"
    return Finding(math.isclose(train_loss[0], mean, rel_tol=1e-4), text, got)


def _first_step_findings(
    case: Case, train_loss: list[float], observation: Observation
) -> Iterator[Finding]:
    """One epoch of one batch: what is left in the model is the very first step."""
    model, [(x, y)], _ = build_capstone(case)
    model.zero_grad()  # the case has gradients from before the call
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    text = "milestone 1: train_loss is the loss of the training forward passes, before each step"
    got = f"that is {loss.item():.4f} here, and yours is {train_loss[0]:.4f}" if train_loss else ""
    ok = bool(train_loss) and math.isclose(train_loss[0], loss.item(), rel_tol=1e-4)
    yield Finding(ok, text, got)
    lr, decay = case["options"]["lr"], case["options"]["weight_decay"]
    text = "milestone 1: the first step is AdamW's: shrink by 1 - lr * weight_decay, move by lr"
    same = []
    for p, after in zip(model.parameters(), observation["first_parameters"], strict=True):
        # Adam's first step is lr * g / (|g| + eps): the whole lr wherever there is a gradient.
        asked = p.grad.abs() > 1e-4
        wanted = p.detach() * (1 - lr * decay) - lr * p.grad.sign()
        same.append(torch.allclose(after[asked], wanted[asked], rtol=0, atol=1e-3 * lr))
    yield Finding(all(same), text)


def _patience_findings(options: dict, val_loss: list[float]) -> Iterator[Finding]:
    best, waited, stop = math.inf, 0, len(val_loss)
    for epoch, value in enumerate(val_loss):
        best, waited = (value, 0) if value < best else (best, waited + 1)
        if waited == options["patience"]:
            stop = epoch + 1
            break
    text = f"milestone 4: it stops after {options['patience']} epochs in a row without a new best"
    stopped = stop == len(val_loss) and (waited == options["patience"])
    if waited == options["patience"]:
        got = f"that is after {stop} epochs here, and yours ran {len(val_loss)}"
    else:
        got = f"yours ran {stop}, with {waited} since the best"
    yield Finding(stopped or len(val_loss) == options["epochs"] and waited < 1, text, got)


def _holds_best(case: Case, notes: Notes) -> bool:
    """Whether the weights in the model have the smallest loss that the history tells of."""
    history = notes.values["patience_val_loss"]
    if not (isinstance(history, list) and history and all(type(v) is float for v in history)):
        return False
    return math.isclose(_validation_loss(case, notes.values), min(history), rel_tol=1e-5)


def _validation_loss(case: Case, values: Mapping[str, Any]) -> float:
    """The loss over all validation examples at once, with the weights left in the model."""
    model, _, _ = build_capstone(case)
    kind = case["kind"]
    with torch.no_grad():
        for target, value in zip(model.parameters(), values[f"{kind}_parameters"], strict=True):
            target.copy_(value)
        buffers = [b for b in model.buffers() if b.is_floating_point()]
        for target, value in zip(buffers, values[f"{kind}_buffers"], strict=True):
            target.copy_(value)
        n = case["n_train"]
        logits = model.eval()(case["x"][n:])
        return nn.functional.cross_entropy(logits, case["y"][n:]).item()


def _public_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(2)
    shape = {"sizes": (4, 8, 3), "n_train": 26, "n_val": 17, "batch_size": 8}
    return [
        capstone_case(generator, "best", **shape, epochs=6, lr=0.1, noise=0.5, max_norm=0.5),
        capstone_case(generator, "modes", **shape, epochs=3, lr=0.05, batch_norm=True, stale=True),
        capstone_case(
            generator,
            "patience",
            **shape,
            epochs=30,
            lr=0.2,
            patience=3,
            noise=0.6,
            batch_norm=True,
        ),
        # A rate too small to change a weight: every epoch has the same val_loss.
        capstone_case(generator, "tie", **shape, epochs=3, lr=1e-30),
        capstone_case(
            generator,
            "first",
            **(shape | {"batch_size": 26}),
            epochs=1,
            lr=0.02,
            weight_decay=0.6,
            stale=True,
        ),
        capstone_case(
            generator, "amp", **shape, epochs=2, lr=0.02, amp=True, device="cpu", device_object=True
        ),
        capstone_case(generator, "full", **shape, epochs=1, lr=0.02, float32=True),
        # Each epoch is a new best: by very little, and at a large loss.
        capstone_case(generator, "creep", **shape, epochs=3, lr=1e-5),
        capstone_case(generator, "sure", **shape, epochs=3, lr=0.01, confidence=300.0),
        capstone_case(
            generator, "nan", **shape, epochs=4, lr=0.1, noise=0.5, nan_epochs=(0, 3), device="cpu"
        ),
    ]


TRAIN = Exercise(
    name="train",
    points=8,
    task="The production loop.",
    aspects=(
        Aspect("loop", "AdamW, cross-entropy, mean loss per example", 1, ("loop_train_loss",)),
        Aspect(
            "schedule",
            "the rate follows the cosine, one step per epoch",
            1,
            ("schedule_lr", "schedule_train_loss"),
        ),
        Aspect("clipping", "gradients are clipped to max_norm", 1, ("clip_train_loss",)),
        Aspect(
            "validation",
            "validation in eval mode, per example, without gradients",
            1,
            ("modes_val_loss", "modes_train_loss", "modes_records_graph"),
        ),
        Aspect(
            "best",
            "the best epoch's weights are in the model at the end",
            2,
            (
                "best_parameters",
                "best_best_epoch",
                "best_val_loss",
                "creep_best_epoch",
                "sure_best_epoch",
                "patience_holds_best",
            ),
        ),
        Aspect(
            "patience",
            "it stops when patience is used up; NaN and ties are no new best",
            1,
            ("patience_val_loss", "patience_best_epoch", "nan_best_epoch", "tie_best_epoch"),
            after=("loop",),
        ),
        Aspect(
            "amp",
            "mixed precision on request, and only then",
            1,
            ("amp_train_loss", "full_train_loss"),
            after=("loop",),
        ),
    ),
    hints=(
        "Build it in four milestones, and run the check after each: first train_loss with AdamW, "
        "then the schedule and clipping, then validation and the best weights, then patience and "
        "amp. You have written every piece of it in an earlier chapter.",
        "Keep a copy (copy.deepcopy or clone) of model.state_dict() whenever val_loss reaches a "
        "new strict minimum, and load it at the end. Write the rate down before the scheduler "
        "steps. For amp the simplest right way is torch.autocast with bfloat16, which needs no "
        "scaler.",
    ),
    observe=observe_train,
    public_cases=_public_cases,
    properties=properties_train,
    forbidden=("course_lib.training.Trainer",),
)

EXERCISES = (*CLINIC, TRAIN)

QUESTIONS = (
    Question(
        "q09_1",
        "A model with dropout is validated under `torch.no_grad()`, but it is still in train mode. "
        "What do you get?",
        {
            "A": "The right numbers: `no_grad` switches dropout off.",
            "B": "Numbers that jump about and look worse than the model is.",
            "C": "The weights change while you validate.",
            "D": "An error about the mode.",
        },
    ),
    Question(
        "q09_2",
        'The error says "mat1 and mat2 shapes cannot be multiplied (896x28 and 784x10)". The batch '
        "has the shape `[32, 28, 28]`. What is the right repair?",
        {
            "A": "Use `nn.Linear(28, 10)`.",
            "B": "Transpose the weight.",
            "C": "Use a batch size of 28.",
            "D": "Flatten each picture first: `[32, 784]`.",
        },
    ),
    Question(
        "q09_3",
        "Your validation batches hold 32 examples, the last one 8. How do you get the mean loss of "
        "an example?",
        {
            "A": "Each batch's mean times its size, added up, divided by the number of examples.",
            "B": "The mean of the batch means.",
            "C": "The sum of the batch means.",
            "D": "The mean of the last batch.",
        },
    ),
)
