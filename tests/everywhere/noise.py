"""Noise of one unit in the last place on the results of matrix products, drawn from a seed.

Processors, numbers of threads and versions of the libraries differ in the last digit of a matrix
product: in the order of its sums. ``install(seed)`` brings such differences to one machine, and so
shows which output would be another one on the next. It stays until the process ends; child
processes that are forked have it too.
"""

import warnings
from collections.abc import Callable
from math import inf

import torch
from torch import Tensor

#: Each has an ``out=`` overload, a kernel of its own that is left as it is.
PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "mv", "addmv", "_addmm_activation")

_library: torch.library.Library | None = None


def install(seed: int) -> None:
    """From now on, products of floating-point matrices on the CPU come out a little off."""
    global _library
    if _library is not None:
        raise RuntimeError("the noise is installed already: one seed to a process")
    _library = torch.library.Library("aten", "IMPL")
    generator = torch.Generator().manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch says that a kernel is replaced: it is meant to be
        for name in PRODUCTS:
            exact = getattr(torch.ops.aten, name).out
            _library.impl(name, _noisy(_into_new(exact), generator), "CPU")
        # The ``out=`` overload of dot calls dot.
        _library.impl("dot", _noisy(lambda a, b: (a * b).sum(), generator), "CPU")


def _into_new(exact: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda first, *others, **options: exact(
        first, *others, **options, out=first.new_empty(0)
    )


def _noisy(exact: Callable[..., Tensor], generator: torch.Generator) -> Callable[..., Tensor]:
    def product(*arguments, **options) -> Tensor:
        result = exact(*arguments, **options)
        return off_by_one(result, generator) if result.is_floating_point() else result

    return product


def off_by_one(values: Tensor, generator: torch.Generator) -> Tensor:
    """``values``, half of them moved to the next number above or below that the format has.

    Zeros, infinities and NaN stay: they are the same on every machine. Of results in 16 bits one in
    a hundred is moved: the sums behind them are made in 32 bits everywhere, and it is the last
    rounding that falls to the other side now and then.
    """
    one_in = 4 if values.element_size() > 2 else 200
    draw = torch.randint(0, one_in, values.shape, generator=generator, device="cpu")
    moved = torch.where(draw == 0, _next(values, inf), _next(values, -inf))
    return torch.where((draw < 2) & (values != 0) & values.isfinite(), moved, values)


def _next(values: Tensor, towards: float) -> Tensor:
    if values.dtype in (torch.float32, torch.float64):
        return torch.nextafter(values, torch.full_like(values, towards))
    # PyTorch has no nextafter for 16 bits; a whole unit too much or too little, rounded back.
    unit = torch.finfo(values.dtype).eps * values.float().abs()
    return (values.float() + (unit if towards > 0 else -unit)).to(values.dtype)
