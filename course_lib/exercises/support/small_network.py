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
    weights: Sequence[Tensor], *middle: nn.Module, filled: bool = True
) -> nn.Sequential:
    """Linear, ``middle``, linear, with the shapes, the dtype and the values of ``weights``; where
    not ``filled``, with PyTorch's own initial values."""
    first_weight, first_bias, last_weight, last_bias = weights
    first = nn.Linear(first_weight.shape[1], first_weight.shape[0])
    last = nn.Linear(last_weight.shape[1], last_weight.shape[0])
    model = nn.Sequential(first, *middle, last).to(first_weight.dtype)
    if filled:
        with torch.no_grad():
            for layer, weight, bias in (
                (first, first_weight, first_bias),
                (last, last_weight, last_bias),
            ):
                layer.weight.copy_(weight)
                layer.bias.copy_(bias)
    return model
