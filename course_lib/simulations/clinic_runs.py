"""The eight sick runs of ``bug_clinic``, each beside its healthy twin: real PyTorch, small and
cached, so that a chosen patient appears at once. Nothing here names the bug; the words are in
``clinic_words``. The trainings compute in float64, so that their numbers are those of the text on every
kind of processor.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.data import circles, digits, generator_of, sine
from course_lib.models import MLP, seeded
from course_lib.simulations.common import doubled
from course_lib.training import Trainer, evaluate

_N_TRAIN = 600  # digits
_N_VAL = 200
_cross_entropy = nn.functional.cross_entropy


@dataclass(frozen=True)
class Scale:
    """An axis with five marks at equal distances: ``marks`` on a straight or logarithmic scale."""

    label: str
    marks: tuple[float, float, float, float, float]
    log: bool = False


@dataclass(frozen=True)
class Run:
    """One patient: the curves ``sick`` and ``healthy`` over ``x``, or the message of the ``error``
    that stopped the sick run at its first batch. ``notes`` are the numbers to read off: (what,
    sick, healthy)."""

    x: Scale
    y: Scale
    sick: np.ndarray
    healthy: np.ndarray
    notes: tuple[tuple[str, str, str], ...]
    error: str = ""


def _digits(size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training pictures and labels, validation pictures and labels, drawn once."""
    X, y = doubled(digits(size=size))
    order = torch.randperm(len(X), generator=generator_of(0))
    train, val = order[:_N_TRAIN], order[_N_TRAIN : _N_TRAIN + _N_VAL]
    return X[train], y[train], X[val], y[val]


def _steps(n: int) -> Scale:
    return Scale("optimizer step", (0, n // 4, n // 2, 3 * n // 4, n))


def _losses(
    data: tuple[Tensor, Tensor],
    sizes: tuple[int, ...],
    lr: float,
    n: int,
    *,
    loss_fn: Callable[[Tensor, Tensor], Tensor] = _cross_entropy,
    batch_size: int = 16,
    clear: bool = True,
) -> np.ndarray:
    """The batch losses of ``n`` steps of plain SGD."""
    model = MLP(*sizes, activation=nn.Tanh, seed=0).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    trainer = Trainer(model, optimizer, loss_fn, *doubled(data), batch_size, clear=clear)
    return np.array([record.loss for record in trainer.run(n)])


def _end(losses: np.ndarray, form: str = ".2f") -> str:
    return format(losses[-20:].mean(), form)


def zero_grad() -> Run:
    sick, healthy = (
        _losses(sine(), (1, 16, 1), 0.1, 200, loss_fn=nn.MSELoss(), batch_size=32, clear=clear)
        for clear in (False, True)
    )
    return Run(
        _steps(200),
        Scale("batch loss (mean squared error)", (1e-3, 1e-1, 1e1, 1e3, 1e5), log=True),
        sick,
        healthy,
        (
            ("highest batch loss", f"{sick.max():,.0f}", f"{healthy.max():.1f}"),
            ("loss, last 20 steps", _end(sick, ",.0f"), _end(healthy, ".3f")),
        ),
    )


def rate_too_high() -> Run:
    sick, healthy = (_losses(circles(160), (2, 16, 2), lr, 200) for lr in (10.0, 1.0))
    return Run(
        _steps(200),
        Scale("batch loss (cross-entropy)", (0, 30, 60, 90, 120)),
        sick,
        healthy,
        (
            ("highest batch loss", f"{sick.max():.0f}", f"{healthy.max():.2f}"),
            ("loss, last 20 steps", _end(sick), _end(healthy)),
        ),
    )


def rate_too_low() -> Run:
    sick, healthy = (  # 10 steps are an epoch, whose mean is less jumpy than single batches
        _losses(circles(160), (2, 16, 2), lr, 400).reshape(40, 10).mean(axis=1)
        for lr in (1e-4, 1.0)
    )
    return Run(
        Scale("epoch", (0, 10, 20, 30, 40)),
        Scale("training loss (cross-entropy)", (0, 0.25, 0.5, 0.75, 1.0)),
        sick,
        healthy,
        (
            ("loss in the first epoch", f"{sick[0]:.3f}", f"{healthy[0]:.3f}"),
            ("loss in the last epoch", f"{sick[-1]:.3f}", f"{healthy[-1]:.3f}"),
        ),
    )


def wrong_loss() -> Run:
    def softmax_first(logits: Tensor, targets: Tensor) -> Tensor:
        return _cross_entropy(logits.softmax(dim=1), targets)

    X, y, _, _ = _digits(8)
    epochs, curves, accuracies = 40, [], []
    for loss_fn in (softmax_first, _cross_entropy):
        # From some starts the softmax loses a whole class, too.
        model = MLP(64, 32, 10, seed=1).double()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        trainer = Trainer(model, optimizer, loss_fn, X, y, 64)
        per_epoch = trainer.steps_per_epoch
        losses = [record.loss for record in trainer.run(epochs * per_epoch)]
        curves.append(np.array(losses).reshape(epochs, per_epoch).mean(axis=1))
        accuracies.append(evaluate(model, loss_fn, X, y)[1])
    sick, healthy = curves
    return Run(
        Scale("epoch", (0, 10, 20, 30, 40)),
        Scale("training loss (cross-entropy)", (0, 0.6, 1.2, 1.8, 2.4)),
        sick,
        healthy,
        (
            ("loss at the end", f"{sick[-1]:.3f}", f"{healthy[-1]:.3f}"),
            ("training accuracy", *(f"{accuracy:.1%}" for accuracy in accuracies)),
        ),
    )


class _Dropout(nn.Dropout):
    """The same for the same seed in every build of PyTorch: ``bernoulli_`` draws other numbers from MKL."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return input
        return input * (torch.rand(input.shape) >= self.p) / (1 - self.p)


def wrong_mode() -> Run:
    """One run; after each epoch its weights are evaluated twice, in train and in eval mode."""
    X, y, val_x, val_y = _digits(8)
    curves: dict[bool, list[float]] = {True: [], False: []}
    right: dict[bool, float] = {}
    with seeded(0):  # for initialisation and dropout
        model = nn.Sequential(
            nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), _Dropout(0.5), nn.Linear(32, 10)
        ).double()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        trainer = Trainer(model, optimizer, _cross_entropy, X, y, 32)
        for _ in range(20):
            trainer.run(trainer.steps_per_epoch)
            for training in (True, False):
                judged = copy.deepcopy(model).train(training)  # batch norm would learn from it
                with torch.no_grad():
                    logits = torch.cat([judged(xb) for xb in val_x.split(4)])
                curves[training].append(_cross_entropy(logits, val_y).item())
                right[training] = (logits.argmax(dim=1) == val_y).float().mean().item()
    sick, healthy = np.array(curves[True]), np.array(curves[False])
    return Run(
        Scale("epoch", (0, 5, 10, 15, 20)),
        Scale("validation loss (cross-entropy)", (0, 0.5, 1.0, 1.5, 2.0)),
        sick,
        healthy,
        (
            ("loss at the end", f"{sick[-1]:.2f}", f"{healthy[-1]:.2f}"),
            ("validation accuracy", f"{right[True]:.0%}", f"{right[False]:.0%}"),
        ),
    )


def kept_graphs() -> Run:
    """Memory that validation still holds after each batch, kept alive by the summed loss: the
    distinct storages of the tensors that autograd saved, without the weights."""
    X, y = digits(size=28)
    model = MLP(784, 128, 10, seed=0)
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    def validate(grad: bool) -> Iterator[float]:
        kept.clear()
        total: Tensor | float = 0.0
        with torch.set_grad_enabled(grad):
            for start in range(0, 1600, 80):
                # A loader makes a new tensor for each batch, and so do we.
                x, target = X[start : start + 80].clone(), y[start : start + 80].clone()
                with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
                    total = total + _cross_entropy(model(x), target)
                yield sum(kept.values()) / 1e6

    sick, healthy = np.array(list(validate(True))), np.array(list(validate(False)))
    return Run(
        Scale("validation batch", (0, 5, 10, 15, 20)),
        Scale("memory still held after it (MB)", (0, 2, 4, 6, 8)),
        sick,
        healthy,
        (
            ("after the first batch", f"{sick[0]:.2f} MB", f"{healthy[0]:.2f} MB"),
            ("after the last batch", f"{sick[-1]:.2f} MB", f"{healthy[-1]:.2f} MB"),
        ),
    )


def _stopped(model: nn.Module, x: Tensor, sick_x: Tensor, y: Tensor) -> Run:
    """A run that PyTorch stops at its first batch, ``sick_x``; it should have been given ``x``."""
    message = ""
    try:
        model(sick_x)
    except (RuntimeError, NotImplementedError) as error:
        message = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    trainer = Trainer(model, optimizer, _cross_entropy, x, y, 32)
    healthy = np.array([record.loss for record in trainer.run(100)])
    return Run(
        _steps(100),
        Scale("batch loss (cross-entropy)", (0, 0.8, 1.6, 2.4, 3.2)),
        np.array([]),
        healthy,
        (("steps taken", "0", "100"), ("loss, last 20 steps", "none", _end(healthy))),
        message,
    )


def wrong_shape() -> Run:
    X, y, _, _ = _digits(28)
    return _stopped(MLP(784, 10, seed=0).double(), X, X[:32].reshape(32, 28, 28), y)


def wrong_device() -> Run:
    X, y, _, _ = _digits(8)
    # Every machine has the device "meta"; on one with a GPU the message names "cuda:0".
    return _stopped(MLP(64, 32, 10, seed=0).double(), X, X[:32].to("meta"), y)


_RUNS = (
    zero_grad, wrong_loss, wrong_device, wrong_mode, rate_too_high, rate_too_low, kept_graphs,
    wrong_shape,
)  # fmt: skip


@lru_cache(maxsize=len(_RUNS))
def run(row: int) -> Run:
    """The sick run for this row of the cheat sheet, 1 to 8."""
    return _RUNS[row - 1]()
