"""Small models on which ``trace_shapes`` (chapter 01) is tried: nested, repeated, out of order."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module


@dataclass(frozen=True)
class LeafModel:
    """``build(sizes, n)`` gives the model and a batch of ``n`` examples. ``plain``: modules run in
    the order in which they were registered, each once."""

    build: Callable[[list[int], int], tuple[nn.Module, Tensor]]
    plain: bool


class _Backwards(nn.Module):
    """Registered last layer first."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Linear(hidden, outputs)
        self.activation = nn.Tanh()
        self.second = nn.Linear(inputs, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.first(self.activation(self.second(x)))


class _Repeated(nn.Module):
    """One ReLU that runs twice, and one layer that never runs."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.a = nn.Linear(inputs, hidden)
        self.relu = nn.ReLU()
        self.unused = nn.Linear(inputs, outputs)
        self.b = nn.Linear(hidden, hidden)
        self.c = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.relu(self.b(self.relu(self.a(x)))))


class _Block(nn.Module):
    def __init__(self, size: int, activation: nn.Module) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.activation = activation
        self.linear = nn.Linear(size, size)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.linear(self.activation(self.norm(x)))


class _Shared(nn.Module):
    """Two blocks that share one activation, which ``named_modules`` lists under its first name."""

    def __init__(self, size: int, outputs: int) -> None:
        super().__init__()
        self.head = nn.Linear(size, outputs)
        activation = nn.GELU()
        self.blocks = nn.ModuleList([_Block(size, activation), _Block(size, activation)])

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def _nested(sizes: list[int], n: int) -> tuple[nn.Module, Tensor]:
    a, b, c, d = sizes
    inner = nn.Sequential(nn.ReLU(), nn.Linear(b, c))
    return nn.Sequential(nn.Linear(a, b), inner, nn.Linear(c, d)), torch.zeros(n, a)


def _pictures(sizes: list[int], n: int) -> tuple[nn.Module, Tensor]:
    channels, width, classes = sizes
    features = nn.Sequential(nn.Conv2d(1, channels, 3), nn.ReLU(), nn.Dropout(0.5))
    head = nn.Linear(channels * (width - 2) ** 2, classes)
    return nn.Sequential(features, nn.Flatten(), head), torch.zeros(n, 1, width, width)


def _backwards(sizes: list[int], n: int) -> tuple[nn.Module, Tensor]:
    return _Backwards(*sizes), torch.zeros(n, sizes[0])


def _repeated(sizes: list[int], n: int) -> tuple[nn.Module, Tensor]:
    return _Repeated(*sizes), torch.zeros(n, sizes[0])


def _shared(sizes: list[int], n: int) -> tuple[nn.Module, Tensor]:
    return _Shared(*sizes), torch.zeros(n, sizes[0])


def _leaf(sizes: list[int], n: int) -> tuple[nn.Module, Tensor]:
    return nn.Linear(*sizes), torch.zeros(n, sizes[0])


LEAF_MODELS: dict[str, LeafModel] = {
    "nested": LeafModel(_nested, plain=True),
    "pictures": LeafModel(_pictures, plain=True),
    "backwards": LeafModel(_backwards, plain=False),
    "repeated": LeafModel(_repeated, plain=False),
    "shared": LeafModel(_shared, plain=False),
    "leaf": LeafModel(_leaf, plain=False),
}

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def hooks_on(model: nn.Module) -> int:
    """How many hooks are registered on the model's modules, and on all modules everywhere."""
    own = sum(len(getattr(module, name)) for module in model.modules() for name in _HOOKS)
    everywhere = sum(len(getattr(torch_module, f"_global{name}", ())) for name in _HOOKS)
    return own + everywhere
