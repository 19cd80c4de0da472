"""Watches a training loop that somebody else wrote: which beat happened when, and with what.

Used by the drivers of the exercises that are loops (chapters 05, 08b, 09). Uses PyTorch's own hooks
wherever they exist, so that any honest way of writing the loop is seen.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from course_lib.exercises.checking.model import Notes
from course_lib.recorder import call_before_zero_grad


class Loader:
    """A re-iterable of ``(x, y)`` batches with ``len()``: the simplest loader there is.

    The last batch may be smaller. ``passes`` counts how often the reading was started. Most loaders
    that people meet have a ``dataset``; with ``dataset=False`` this one has none.
    """

    def __init__(self, x: Tensor, y: Tensor, batch_size: int, dataset: bool = True) -> None:
        self.batches = list(zip(x.split(batch_size), y.split(batch_size), strict=True))
        if dataset:
            self.dataset = TensorDataset(x, y)
        self.passes = 0

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        self.passes += 1
        return iter(self.batches)


@contextmanager
def watching(
    notes: Notes, model: nn.Module, optimizer: torch.optim.Optimizer
) -> Iterator[Callable[[nn.Module], nn.Module]]:
    """Append F, L, B, S and Z to ``notes.events`` as they happen while active.

    Yields a function that makes a loss module watched too (L when it is called, B when a gradient
    flows through its result).
    """
    note = notes.events.append
    with ExitStack() as stack:

        def loss_called(module: nn.Module, inputs: Any, loss: Tensor) -> None:
            note("L")
            if isinstance(loss, Tensor) and loss.requires_grad:
                stack.callback(loss.register_hook(lambda gradient: note("B")).remove)

        def watch_loss(loss_fn: nn.Module) -> nn.Module:
            stack.callback(loss_fn.register_forward_hook(loss_called).remove)
            return loss_fn

        stack.callback(model.register_forward_hook(lambda *_: note("F")).remove)
        stack.callback(optimizer.register_step_post_hook(lambda *_: note("S")).remove)
        for owner in (model, optimizer):
            stack.callback(call_before_zero_grad(owner, lambda: note("Z")))
        yield watch_loss


def parameters_of(model: nn.Module) -> list[Tensor]:
    """Copies of all parameters, in order."""
    return [parameter.detach().clone() for parameter in model.parameters()]


def buffers_of(model: nn.Module) -> list[Tensor]:
    """Copies of all floating-point buffers (running statistics), in order."""
    return [buffer.clone() for buffer in model.buffers() if buffer.is_floating_point()]


def gradients_of(model: nn.Module) -> list[Tensor | None]:
    """Copies of all gradients, None where there is none."""
    return [
        None if parameter.grad is None else parameter.grad.detach().clone()
        for parameter in model.parameters()
    ]
