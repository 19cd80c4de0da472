"""The course's data: real handwritten digits, two circles, two curves; and loaders for them.

Everything random takes its own ``torch.Generator`` or seed and leaves the global random
state as it was. Data is float32 on the CPU, whatever PyTorch's defaults are set to. Called by the
chapters, the exercises and the simulations.
"""

import gzip
import math
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from course_lib.known_state import known_state


def digits(size: int = 28) -> tuple[Tensor, Tensor]:
    """Handwritten digits: X float32 ``[1797, size * size]`` in [0, 1], y int64 ``[1797]``, 0 to 9.

    They are scikit-learn's ``load_digits``: real handwriting, 8x8 grey values from the UCI archive,
    read from the installed package without a download. ``size=8`` returns the pictures as they are.
    ``size=28`` enlarges them by bilinear interpolation to the 784 inputs that textbooks use; this
    adds pixels, not detail.
    """
    if size not in (8, 28):
        raise ValueError(f"size is 8 or 28, not {size!r}")
    X, y = _digits(size)
    return X.clone(), y.clone()  # a learner may write into them


@lru_cache
@known_state()
def _digits(size: int) -> tuple[Tensor, Tensor]:
    pictures, labels = _pictures_and_labels()
    X = torch.tensor(pictures, dtype=torch.float32) / 16
    if size != 8:
        square = X.reshape(-1, 1, 8, 8)
        X = F.interpolate(square, size=(size, size), mode="bilinear", align_corners=False)
    return X.reshape(-1, size * size), torch.tensor(labels, dtype=torch.int64)


def _pictures_and_labels() -> tuple[np.ndarray, np.ndarray]:
    """What ``load_digits`` gives, read from the same file: scikit-learn brings SciPy and pandas along, which
    takes longer than all else that a first panel needs."""
    package = find_spec("sklearn")
    for folder in package.submodule_search_locations if package else ():
        file = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if file.is_file():
            with gzip.open(file, "rt", encoding="ascii") as table:
                rows = np.loadtxt(table, delimiter=",")
            return rows[:, :-1], rows[:, -1].astype(int)
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


@known_state()
def circles(
    n: int = 160, noise: float = 0.1, generator: torch.Generator | None = None, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Two concentric circles: X float32 ``[n, 2]``, y int64 ``[n]``.

    Class 0 has radius 1 and comes first, class 1 has radius 0.5; half of the points each, angles
    uniform, Gaussian noise of standard deviation ``noise`` on both coordinates. Drawn from
    ``generator``, or from a fresh one with ``seed``.
    """
    generator = generator or generator_of(seed)
    y = (torch.arange(n) >= n - n // 2).long()
    radius = 1.0 - 0.5 * y
    angle = 2 * math.pi * torch.rand(n, generator=generator)
    X = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
    return X + noise * torch.randn(n, 2, generator=generator), y


@known_state()
def sine(n: int = 128) -> tuple[Tensor, Tensor]:
    """A curve: X ``[n, 1]`` evenly from -2 to 2, y = sin(2x), ``[n, 1]``, both float32."""
    X = torch.linspace(-2, 2, n).unsqueeze(1)
    return X, torch.sin(2 * X)


@known_state()
def regression(
    n: int = 128,
    slope: float = 2.0,
    intercept: float = 1.0,
    noise: float = 0.3,
    generator: torch.Generator | None = None,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """A noisy straight line: X ``[n, 1]`` uniform in [-2, 2], y ``[n, 1]``, both float32.

    y = ``slope`` * X + ``intercept`` + Gaussian noise of standard deviation ``noise``. Drawn from
    ``generator``, or from a fresh one with ``seed``.
    """
    generator = generator or generator_of(seed)
    X = 4 * torch.rand(n, 1, generator=generator) - 2
    return X, slope * X + intercept + noise * torch.randn(n, 1, generator=generator)


def loader(
    X: Tensor,
    y: Tensor,
    batch_size: int = 32,
    shuffle: bool = True,
    drop_last: bool = False,
    generator: torch.Generator | None = None,
    seed: int = 0,
) -> DataLoader:
    """A ``DataLoader`` of batches x ``[batch_size, ...]``, y ``[batch_size, ...]``, whose order
    comes from ``generator``, or from a fresh one with ``seed``.

    The last batch is smaller if ``batch_size`` does not divide ``len(X)``, or is left out with
    ``drop_last``. Raises ``ValueError`` for a ``batch_size`` below 1, and ``AssertionError`` if
    X and y differ in length, as PyTorch does.
    """
    return DataLoader(
        TensorDataset(X, y),
        batch_size=batch_size,
        shuffle=shuffle,
        drop_last=drop_last,
        generator=generator or generator_of(seed),
    )


def batches(
    X: Tensor, y: Tensor, batch_size: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """One shuffled pass over pairs x, y of ``batch_size`` rows, of which the last may have fewer:
    the same as ``loader`` gives, at a tenth of its cost for small tensors."""
    order = torch.randperm(len(X), generator=generator)
    for rows in order.split(batch_size):
        yield X[rows], y[rows]


def generator_of(seed: int) -> torch.Generator:
    """A new CPU generator, seeded."""
    return torch.Generator().manual_seed(seed)
