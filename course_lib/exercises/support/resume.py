"""A small training run that can be continued in a "new process": chapter 08's ``checkpointing`` saves
and resumes it."""

from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from course_lib.exercises.checking.model import Case
from course_lib.exercises.checking.observe import neutral_state
from course_lib.exercises.support import draw
from course_lib.exercises.support.loop_watch import Loader, buffers_of, parameters_of
from course_lib.exercises.support.small_network import draw_weights, small_network

EPOCHS = 6


def checkpoint_case(
    generator: torch.Generator,
    about: str,
    *,
    n: int,
    sizes: tuple[int, int, int],
    batch_size: int,
    saved_after: int,
    optimizer: str = "sgd",
    scheduler: str = "constant",
    as_path: bool = False,
    overwrite: bool = False,
    dtype: torch.dtype = torch.float64,
) -> dict[str, Any]:
    """A case: ``sizes`` are (features, hidden, classes); six epochs, saved after epoch
    ``saved_after``, counted from 0.

    A case about the "state" has batches in a fixed order and batch norm, one about the "schedule" a
    learning rate that changes, "random" a shuffling ``DataLoader`` and dropout. Each lets one kind
    of memory show alone; the file is asked for in all. With ``overwrite`` a file of an earlier epoch
    lies at the path, and nothing but the file is asked for.
    """
    features, _, classes = sizes
    normal = partial(draw.normal, generator, dtype=dtype)
    return {
        "asks": ("file",) if overwrite else (about, "file"),
        "overwrite": overwrite,
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
        hidden = len(case["weights"][0])
        middle = nn.Dropout(0.3) if "random" in case["asks"] else nn.BatchNorm1d(hidden)
        self.model = small_network(case["weights"], middle, nn.Tanh(), filled=not fresh)
        self.optimizer = _OPTIMIZERS[case["optimizer"]](self.model.parameters())
        self.scheduler = _SCHEDULERS[case["scheduler"]](self.optimizer)
        self.parts = self.model, self.optimizer, self.scheduler
        self.loss_fn = nn.CrossEntropyLoss()
        self.rates: list[float] = []
        self.orders: list[list[int]] = []
        rows = torch.arange(len(case["x"]))
        self.x, self.y = case["x"], case["y"]
        self.loader: Any = Loader(rows, rows, case["batch_size"])
        if "random" in case["asks"]:
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
    with neutral_state():
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
