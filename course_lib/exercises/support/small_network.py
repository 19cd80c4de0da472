"""The network of two linear layers that a case brings along: its weights, and the model of them.

A case is data, so it holds tensors, and every observation builds its own fresh model. Used by the
drivers of chapters 05, 07, 08, 08b and 09.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


def draw_weights(sizes: tuple[int, int, int], normal: Callable[..., Tensor]) -> list[Tensor]:
    """Weight and bias of both layers for ``sizes`` (features, hidden, classes), from
    ``normal(*shape)``. Scaled so that outputs are about as large as inputs: 1 / sqrt(fan-in)."""
    features, hidden, classes = sizes
    return [
        normal(hidden, features) / math.sqrt(features),
        0.1 * normal(hidden),
        normal(classes, hidden) / math.sqrt(hidden),
        0.1 * normal(classes),
    ]


def small_network(
    weights: Sequence[Tensor], *middle: nn.Module, filled: bool = True, stale: bool = False
) -> nn.Sequential:
    """Linear, ``middle``, linear, with the shapes, the dtype and the values of ``weights``; where
    not ``filled``, with PyTorch's own initial values. A ``stale`` one has gradients of an earlier
    batch, all ones."""
    first, last = (nn.Linear(*weight.T.shape) for weight in weights[::2])
    model = nn.Sequential(first, *middle, last).to(weights[0].dtype)
    if filled:
        load_parameters(nn.Sequential(first, last), weights)
    for parameter in model.parameters() if stale else ():
        parameter.grad = torch.ones_like(parameter)
    return model


def load_parameters(model: nn.Module, parameters: Sequence[Tensor]) -> None:
    """Write values into the model's parameters, in order."""
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), parameters, strict=True):
            parameter.copy_(value)
