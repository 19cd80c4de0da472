"""Runs, crashes and resumes a small training run: what chapter 08's ``checkpointing`` observes.

The file lies in a temporary folder that is removed at once. Nothing here unpickles it: it is only
ever opened with ``torch.load(..., weights_only=True)``.
"""

import re
import tempfile
from pathlib import Path
from pickle import UnpicklingError  # the error alone: nothing here unpickles
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from course_lib.exercises.checking.model import Case, Notes
from course_lib.exercises.checking.observe import known_state
from course_lib.exercises.support.loop_watch import ListLoader, buffers_of, parameters_of
from course_lib.exercises.support.small_network import draw_weights, small_network

EPOCHS = 6


def checkpoint_case(
    generator: torch.Generator,
    kind: str,
    *,
    n: int,
    sizes: tuple[int, int, int],
    batch_size: int,
    saved_after: int,
    optimizer: str = "sgd",
    scheduler: str = "constant",
    as_path: bool = False,
    dtype: torch.dtype = torch.float64,
) -> dict[str, Any]:
    """A case: ``sizes`` are (features, hidden, classes); six epochs, saved after epoch
    ``saved_after``, counted from 0.

    "plain" has batches in a fixed order and batch norm, "scheduled" a learning rate that changes,
    "shuffled" a shuffling ``DataLoader`` and dropout. Each lets one kind of memory show alone.
    """
    features, _, classes = sizes

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    return {
        "kind": kind,
        "x": normal(n, features),
        "y": torch.randint(classes, (n,), generator=generator),
        "weights": draw_weights(sizes, normal),
        "seed": int(torch.randint(2**31, (), generator=generator)),
        "batch_size": batch_size,
        "saved_after": saved_after,
        "optimizer": optimizer,
        "scheduler": scheduler,
        "as_path": as_path,
    }


class Run:
    """Model, loader, optimizer and scheduler of a case, and the loop that trains them.

    ``fresh`` is how a new process finds them: other weights, and random numbers that start
    somewhere else.
    """

    def __init__(self, case: Case, fresh: bool = False) -> None:
        torch.manual_seed(case["seed"] + 1 if fresh else case["seed"])
        self.model = _model(case, fresh)
        self.optimizer = _OPTIMIZERS[case["optimizer"]](self.model.parameters())
        self.scheduler = _SCHEDULERS[case["scheduler"]](self.optimizer)
        self.loss_fn = nn.CrossEntropyLoss()
        self.rates: list[float] = []
        self.orders: list[list[int]] = []
        rows = torch.arange(len(case["x"]))
        self.x, self.y = case["x"], case["y"]
        self.loader: Any = ListLoader(rows, rows, case["batch_size"])
        if case["kind"] == "shuffled":
            data = TensorDataset(rows, rows)
            self.loader = DataLoader(data, batch_size=case["batch_size"], shuffle=True)

    def train(self, epochs: int) -> None:
        for _ in range(epochs):
            self.model.train()
            self.rates.append(self.optimizer.param_groups[0]["lr"])
            order: list[int] = []
            for rows, _ in self.loader:
                order += rows.tolist()
                self.optimizer.zero_grad()
                loss = self.loss_fn(self.model(self.x[rows]), self.y[rows])
                loss.backward()
                self.optimizer.step()
            self.orders.append(order)
            if isinstance(self.scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
                self.scheduler.step(1.0)  # a loss that never improves: patience runs out
            else:
                self.scheduler.step()


def _model(case: Case, fresh: bool) -> nn.Module:
    hidden = len(case["weights"][0])
    middle = nn.Dropout(0.3) if case["kind"] == "shuffled" else nn.BatchNorm1d(hidden)
    return small_network(case["weights"], middle, nn.Tanh(), filled=not fresh)


_OPTIMIZERS = {
    "sgd": lambda params: torch.optim.SGD(params, lr=0.1),
    "momentum": lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9),
    "adam": lambda params: torch.optim.Adam(params, lr=0.03),
    "adamw": lambda params: torch.optim.AdamW(params, lr=0.03, weight_decay=0.1),
}

_schedulers = torch.optim.lr_scheduler
_SCHEDULERS = {
    # There is always a scheduler; this one never changes the rate.
    "constant": lambda optimizer: _schedulers.ConstantLR(optimizer, factor=1.0, total_iters=1),
    "step": lambda optimizer: _schedulers.StepLR(optimizer, step_size=2, gamma=0.5),
    "cosine": lambda optimizer: _schedulers.CosineAnnealingLR(optimizer, T_max=EPOCHS),
    "lambda": lambda optimizer: _schedulers.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch)),
    "plateau": lambda optimizer: _schedulers.ReduceLROnPlateau(optimizer, factor=0.3, patience=1),
}


def uninterrupted(case: Case) -> dict[str, Any]:
    """The run that never saves and never stops: what a resumed one must equal."""
    with known_state():
        run = Run(case)
        run.train(case["saved_after"] + 1)
        saved, saved_buffers = parameters_of(run.model), buffers_of(run.model)
        run.train(EPOCHS - case["saved_after"] - 1)
    return {
        "saved": saved,
        "saved_buffers": saved_buffers,
        "parameters": parameters_of(run.model),
        "rates": run.rates[case["saved_after"] + 1 :],
        "orders": run.orders[case["saved_after"] + 1 :],
    }


def observe_checkpointing(functions: Any, case: Case, notes: Notes) -> None:
    """Train, save, train on, save elsewhere; then resume from the first file in a "new process"."""
    save_checkpoint, load_checkpoint = functions
    kind, saved_after = case["kind"], case["saved_after"]
    rest = EPOCHS - saved_after - 1
    with tempfile.TemporaryDirectory() as folder:
        # Two files: what is remembered anywhere but in the file belongs to the later one.
        first, second = (Path(folder, name) for name in ("run.pt", "later.pt"))
        path = first if case["as_path"] else str(first)
        run = Run(case)
        run.train(saved_after + 1)
        modes = _modes_of(run.model)
        save_checkpoint(path, run.model, run.optimizer, run.scheduler, saved_after)
        modes_kept = modes == _modes_of(run.model)
        others = [other for other in Path(folder).iterdir() if other != first]
        notes["written"] = first.is_file()
        notes["opens"], notes["refused"] = _opens(first)
        run.train(rest)
        notes[f"{kind}_continued"] = parameters_of(run.model)
        later = second if case["as_path"] else str(second)
        save_checkpoint(later, run.model, run.optimizer, run.scheduler, EPOCHS - 1)

        resumed = Run(case, fresh=True)
        modes = _modes_of(resumed.model)
        try:
            notes["returned"] = load_checkpoint(
                path, resumed.model, resumed.optimizer, resumed.scheduler
            )
        except UnpicklingError as error:
            # torch.load's own words advise to switch weights_only off.
            if notes.values["refused"]:
                error.args = (_refusal(notes.values["refused"]),)
            raise
        notes[f"{kind}_loaded"] = parameters_of(resumed.model)
        notes["loaded_buffers"] = buffers_of(resumed.model)
        notes["modes_kept"] = modes_kept and modes == _modes_of(resumed.model)
        # As many epochs as are left, whatever was returned: a wrong number has its own aspect.
        resumed.train(rest)
        notes["in_one_file"] = not others or _loads_without(others, load_checkpoint, path, case)
    if kind == "scheduled":
        notes["rates"] = resumed.rates
        return
    notes[f"{kind}_parameters"] = parameters_of(resumed.model)
    if kind == "plain":
        notes["plain_buffers"] = buffers_of(resumed.model)
    else:
        notes["orders"] = resumed.orders


def _modes_of(model: nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


def _loads_without(others: list[Path], load_checkpoint: Any, path: Any, case: Case) -> bool:
    """Whether the file at ``path`` is enough: the others that saving left there are taken away."""
    for other in others:
        other.unlink()
    run = Run(case, fresh=True)
    try:
        load_checkpoint(path, run.model, run.optimizer, run.scheduler)
    except Exception:
        return False
    return True


def _refusal(refused: str) -> str:
    if "." not in refused:  # no object's name, but the error's
        return (
            "torch.load with weights_only=True cannot read the file. Let torch.save write it, with "
            "nothing but tensors and plain data in it."
        )
    return (
        f"torch.load with weights_only=True refuses {refused} in the file: it reads tensors and "
        "plain data only. Save what state_dict() gives, and not the object itself."
    )


#: How the refusal of torch.load(weights_only=True) names what it found.
_GLOBAL = re.compile(r"GLOBAL (\S+)")


def _opens(path: Path) -> tuple[bool, str]:
    """Whether the file opens without unpickling; if not, the name of what was refused in it, or
    the type of the error where it names nothing."""
    try:
        torch.load(path, weights_only=True)
    except Exception as error:
        found = _GLOBAL.search(str(error))
        return False, found[1] if found else type(error).__name__
    return True, ""
