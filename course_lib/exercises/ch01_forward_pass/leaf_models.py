"""Small models on which ``trace_shapes`` (chapter 01) is tried: nested, repeated, out of order."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module


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


def _nested(a: int, b: int, c: int, d: int) -> nn.Module:
    inner = nn.Sequential(nn.ReLU(), nn.Linear(b, c))
    return nn.Sequential(nn.Linear(a, b), inner, nn.Linear(c, d))


def _pictures(channels: int, width: int, classes: int) -> nn.Module:
    features = nn.Sequential(nn.Conv2d(1, channels, 3), nn.ReLU(), nn.Dropout(0.5))
    return nn.Sequential(features, nn.Flatten(), nn.Linear(channels * (width - 2) ** 2, classes))


_MODELS: dict[str, Callable[..., nn.Module]] = {
    "nested": _nested,
    "pictures": _pictures,
    "backwards": _Backwards,
    "repeated": _Repeated,
    "shared": _Shared,
    "leaf": nn.Linear,
}
#: Those whose modules run in the order in which they were registered, each once.
PLAIN = ("nested", "pictures")


def leaf_model(name: str, sizes: list[int], n: int) -> tuple[nn.Module, Tensor]:
    """The model called ``name``, and a batch of ``n`` examples for it: pictures ``[n, 1, width, width]``
    or rows ``[n, sizes[0]]``."""
    shape = (1, sizes[1], sizes[1]) if name == "pictures" else sizes[:1]
    return _MODELS[name](*sizes), torch.zeros(n, *shape)


_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def hooks_on(model: nn.Module) -> int:
    """How many hooks are registered on the model's modules, and on all modules everywhere."""
    own = sum(len(getattr(module, name)) for module in model.modules() for name in _HOOKS)
    everywhere = sum(len(getattr(torch_module, f"_global{name}", ())) for name in _HOOKS)
    return own + everywhere
