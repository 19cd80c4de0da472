"""The course's networks: multilayer perceptrons, a small transformer, and initialisation from their own seed.

Called by the chapters and the simulations. Nothing here touches the global random state.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
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
        layers: list[nn.Module] = []
        with nullcontext() if seed is None else seeded(seed):
            for inputs, outputs in pairwise(sizes):
                layers += [nn.Linear(inputs, outputs), activation()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, PyTorch's CPU random numbers start from ``seed``; afterwards they are as before.

    For things that do not take a generator: initialisation and dropout.
    """
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would also reseed the GPUs, whose state is not restored.
        torch.default_generator.manual_seed(seed)
        yield


class Transformer(nn.Module):
    """A language model of one block: attention, then a small network, each added to what was there.

    Maps int64 tokens ``[batch, time]``, at most ``context`` of them, to logits ``[batch, time,
    vocabulary]``: for each position, which token comes next. ``attention(q, k, v)`` gets three tensors
    ``[batch, heads, time, width / heads]`` and returns one. With ``seed``, the weights are the same
    each time. Raises ``ValueError`` where ``heads`` does not divide ``width``.
    """

    def __init__(
        self,
        vocabulary: int,
        context: int,
        attention: Callable[[Tensor, Tensor, Tensor], Tensor],
        width: int = 48,
        heads: int = 4,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads cannot share a width of {width} evenly")
        self.attention, self.heads = attention, heads
        with seeded(seed):
            self.tokens = nn.Embedding(vocabulary, width)
            self.places = nn.Embedding(context, width)
            self.before_attention = nn.LayerNorm(width)
            self.qkv = nn.Linear(width, 3 * width)
            self.mix = nn.Linear(width, width)
            self.before_mlp = nn.LayerNorm(width)
            self.mlp = nn.Sequential(
                nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width)
            )
            self.before_head = nn.LayerNorm(width)
            self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        place = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.tokens(tokens) + self.places(place)
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.qkv(self.before_attention(x)).chunk(3, dim=-1)
        )
        x = x + self.mix(self.attention(q, k, v).transpose(1, 2).flatten(2))
        x = x + self.mlp(self.before_mlp(x))
        return self.head(self.before_head(x))
