"""Small models on which ``trace_shapes`` (chapter 01) is tried: nested, repeated, out of order."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module


class _InOrder(nn.Module):
    """Runs its layers in this order, whatever the one in which they are registered."""

    def __init__(self, order: str, **layers: nn.Module) -> None:
        super().__init__()
        self.order = order.split()
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        for name in self.order:
            x = self.get_submodule(name)(x)
        return x


def _backwards(a: int, b: int, c: int) -> nn.Module:
    """Registered last layer first."""
    layers = {"first": nn.Linear(b, c), "activation": nn.Tanh(), "second": nn.Linear(a, b)}
    return _InOrder("second activation first", **layers)


def _repeated(a: int, b: int, c: int) -> nn.Module:
    """One ReLU that runs twice, and one layer that never runs."""
    layers = {"a": nn.Linear(a, b), "relu": nn.ReLU(), "unused": nn.Linear(a, c)}
    return _InOrder("a relu b relu c", **layers, b=nn.Linear(b, b), c=nn.Linear(b, c))


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
    "backwards": _backwards,
    "repeated": _repeated,
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
