"""What several simulations share: data in float64, small networks side by side, and what pictures
of runs need when a curve leaves its axes."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text
from torch import Tensor, baddbmm

from course_lib.data import batches, generator_of, sine
from course_lib.models import MLP

DASHES = (0, (4, 2))


def doubled(data: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Inputs, and targets that are not labels, in float64: what is measured and shown is then the
    same on every kind of processor."""
    X, y = data
    return X.double(), y.double() if y.is_floating_point() else y


@lru_cache
def curve_batches(n: int) -> list[tuple[Tensor, Tensor]]:
    """The first ``n`` shuffled batches of 32 of ``sine()``, in float64, over as many epochs as it takes."""
    generator = generator_of(0)
    found: list[tuple[Tensor, Tensor]] = []
    while len(found) < n:
        found += batches(*doubled(sine()), 32, generator)
    return found[:n]


def side_by_side(model: MLP, n: int) -> tuple[list[Tensor], Callable[[Tensor], Tensor]]:
    """``n`` copies of a network with one hidden layer, in float64: their parameters, and their
    outputs ``[n, batch, out]`` as a function of x ``[batch, in]``."""
    # Per network [in, out] for the weights and [1, out] for the biases, as baddbmm takes them.
    W1, b1, W2, b2 = parameters = [
        p.detach().double().reshape(p.shape[0], -1).T.repeat(n, 1, 1).requires_grad_()
        for p in model.parameters()
    ]

    def outputs(x: Tensor) -> Tensor:
        hidden = model.layers[1](baddbmm(b1, x.expand(n, -1, -1), W1))
        return baddbmm(b2, hidden, W2)

    return parameters, outputs


def first_bad(losses: np.ndarray) -> int | None:
    """The place of the first loss that is infinite or NaN."""
    bad = np.flatnonzero(~np.isfinite(losses))
    return int(bad[0]) if len(bad) else None


def within(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Values clipped to the edge of the axes, with gaps where they are infinite or NaN."""
    return np.where(np.isfinite(values), np.clip(values, *limits), np.nan)


def bold_inside(axes: Axes, x: float, y: float) -> Text:
    """Bold words below a place in ``axes``, from 0 to 1 each way; no layout makes room for them."""
    looks = {"ha": "left" if x < 0.5 else "right", "va": "top", "weight": "bold"}
    return axes.text(x, y, "", transform=axes.transAxes, in_layout=False, **looks)


def put_beside(words: Text, x: float, gap: float, left: bool) -> None:
    """Move ``words`` to one side of ``x``."""
    words.set(x=x + (-gap if left else gap), ha="right" if left else "left")
