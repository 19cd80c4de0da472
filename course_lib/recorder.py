"""Records what a training loop does, event by event, without changing it.

::

    with LoopRecorder(model, optimizer, loader, loss_fn) as recorder:
        train_one_epoch(model, recorder.loader, recorder.loss_fn, optimizer)
    recorder.sequence     # "FLZBSFLZBS..."
    recorder.events[3]    # backward of batch 0, with the gradient norm of each layer

For learners who want to look into a loop of their own. It cannot see a loop that clears gradients
by hand (``p.grad = None``) or moves weights without the optimizer.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from course_lib.beats import BY_NAME

Kind = Literal["forward", "loss", "zero_grad", "backward", "step"]


@dataclass
class Event:
    """One event of the loop. ``batch`` counts from 0 over all epochs; it is -1 before the first.

    ``training``: the model's mode (forward). ``value``: the loss. ``grad_norms``: L2 norm per
    layer, after backward and before a step. ``weight_norms``: those of the weights after a step.
    """

    kind: Kind
    batch: int
    training: bool | None = None
    value: float | None = None
    grad_norms: dict[str, float] | None = None
    weight_norms: dict[str, float] | None = None


class LoopRecorder:
    """Watches while the ``with`` block runs. Use its ``loader`` and ``loss_fn`` in place of
    those given; model and optimizer stay the same objects."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer | None = None,
        loader: Iterable | None = None,
        loss_fn: Callable[..., Tensor] | None = None,
    ) -> None:
        self.events: list[Event] = []
        self.model, self.optimizer = model, optimizer
        self.loader = None if loader is None else _WatchedLoader(loader, self)
        self.loss_fn = None if loss_fn is None else self._watched_loss(loss_fn)
        self._batch = -1
        self._awaits_norms: Event | None = None
        self._undo = ExitStack()

    @property
    def sequence(self) -> str:
        """One letter per event: F, L, Z, B, S."""
        return "".join(BY_NAME[event.kind].letter for event in self.events)

    def of_kind(self, kind: Kind) -> list[Event]:
        """The events of one beat, in the order they happened."""
        return [event for event in self.events if event.kind == kind]

    def __enter__(self) -> Self:
        later = self._undo.callback
        later(self.model.register_forward_pre_hook(self._settle).remove)
        later(self.model.register_forward_hook(self._after_forward).remove)
        later(call_before_zero_grad(self.model, self._before_zero_grad))
        if self.optimizer is not None:
            later(self.optimizer.register_step_pre_hook(self._settle).remove)
            later(self.optimizer.register_step_post_hook(self._after_step).remove)
            later(call_before_zero_grad(self.optimizer, self._before_zero_grad))
        return self

    def __exit__(self, *_: object) -> None:
        self._settle()
        self._undo.close()

    def _note(self, kind: Kind, **details: Any) -> Event:
        event = Event(kind, self._batch, **details)
        self.events.append(event)
        return event

    def _settle(self, *_: object) -> None:
        """The end of backward cannot be hooked: its norms are read at the next event."""
        if self._awaits_norms is not None:
            self._awaits_norms.grad_norms = layer_norms(self.model, "grad")
            self._awaits_norms = None

    def _after_forward(self, module: nn.Module, inputs: tuple, output: Any) -> None:
        self._note("forward", training=module.training)
        if self.loss_fn is None:
            self._watch_backward(output)

    def _watched_loss(self, loss_fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def watched(*args: Any, **kwargs: Any) -> Tensor:
            loss = loss_fn(*args, **kwargs)
            self._note("loss", value=_number(loss))
            self._watch_backward(loss)
            return loss

        return watched

    def _watch_backward(self, tensor: Any) -> None:
        if isinstance(tensor, Tensor) and tensor.requires_grad:
            tensor.register_hook(self._on_backward)

    def _on_backward(self, gradient: Tensor) -> None:
        self._settle()
        self._awaits_norms = self._note("backward")

    def _before_zero_grad(self) -> None:
        self._settle()
        self._note("zero_grad")

    def _after_step(self, optimizer: Optimizer, args: tuple, kwargs: dict) -> None:
        self._note("step", weight_norms=layer_norms(self.model, "weight"))


class _WatchedLoader:
    """The loader, counting batches."""

    def __init__(self, loader: Iterable, recorder: LoopRecorder) -> None:
        self._loader, self._recorder = loader, recorder

    def __iter__(self) -> Iterator:
        for batch in self._loader:
            self._recorder._batch += 1
            yield batch

    def __len__(self) -> int:
        return len(self._loader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def call_before_zero_grad(
    owner: nn.Module | Optimizer, note: Callable[[], Any]
) -> Callable[[], None]:
    """Shadows ``zero_grad`` of ``owner``, for which neither kind has a hook; returns what ends it."""
    original = owner.zero_grad

    def zero_grad(*args: Any, **kwargs: Any) -> None:
        note()
        original(*args, **kwargs)

    owner.zero_grad = zero_grad
    return lambda: delattr(owner, "zero_grad")


@torch.no_grad()
def layer_norms(model: nn.Module, of: Literal["grad", "weight"]) -> dict[str, float]:
    """L2 norm of the gradients or the weights of each layer, bias included.

    A layer is a module that owns parameters. One without any gradient is left out.
    """
    norms = {}
    for name, module in model.named_modules():
        tensors = [p.grad if of == "grad" else p for p in module.parameters(recurse=False)]
        tensors = [tensor for tensor in tensors if tensor is not None]
        if tensors:
            norms[name] = nn.utils.get_total_norm(tensors).item()
    return norms


def _number(loss: Any) -> float | None:
    if not isinstance(loss, Tensor):
        return float(loss)
    return loss.detach().item() if loss.numel() == 1 else None
