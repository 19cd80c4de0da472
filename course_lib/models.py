"""The course's networks: multilayer perceptrons, and initialisation from their own seed.

Called by the chapters and the simulations. Nothing here touches the global random state.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn


class MLP(nn.Module):
    """Linear layers with an activation between them: ``MLP(784, 128, 10)``.

    Maps ``[batch, sizes[0]]`` to ``[batch, sizes[-1]]``; the last layer has no activation, so for
    a classifier the outputs are logits. With ``seed``, the weights are the same each time.
    """

    def __init__(
        self,
        *sizes: int,
        activation: Callable[[], nn.Module] = nn.ReLU,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        if len(sizes) < 2:
            raise ValueError(f"an MLP needs at least two sizes, inputs and outputs, not {sizes}")
        if seed is None:
            self.layers = _stack(sizes, activation)
        else:
            with seeded(seed):
                self.layers = _stack(sizes, activation)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def _stack(sizes: tuple[int, ...], activation: Callable[[], nn.Module]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, PyTorch's CPU random numbers start from ``seed``; afterwards they are as before.

    For things that do not take a generator: initialisation and dropout.
    """
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would also reseed the GPUs, whose state is not restored.
        torch.default_generator.manual_seed(seed)
        yield
