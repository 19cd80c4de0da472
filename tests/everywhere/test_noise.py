"""The noise is what it says: on products of floating-point matrices, one unit, and from a seed."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.everywhere.noise import off_by_one

_PROGRAM = """\
import torch
from tests.everywhere import noise

a = torch.rand(8, 8, generator=torch.Generator().manual_seed(0))
exact, whole = a @ a, torch.arange(9).reshape(3, 3)
noise.install({seed})
noisy = a @ a
assert not torch.equal(noisy, exact)
assert torch.allclose(noisy, exact, rtol=1e-6, atol=0)
assert torch.equal(whole @ whole, torch.tensor([[15, 18, 21], [42, 54, 66], [69, 90, 111]]))
assert torch.equal(torch.zeros(2, 2) @ torch.ones(2, 2), torch.zeros(2, 2))
w = a.clone().requires_grad_()
(w @ a).sum().backward()
assert not torch.equal(w.grad, a.sum(dim=1).expand(8, 8))  # backward passes have it too
assert not torch.equal(torch.nn.functional.linear(a, a), a @ a.T)
print(noisy.double().sum().item())
"""


def _sum(seed: int, repository: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(seed=seed)],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_products_are_a_little_off_and_the_seed_decides_how(repository: Path) -> None:
    assert _sum(1, repository) == _sum(1, repository) != _sum(2, repository)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_a_number_moves_by_one_unit_at_most(dtype: torch.dtype) -> None:
    values = torch.rand(4000, generator=torch.Generator().manual_seed(0)).to(dtype)
    moved = off_by_one(values, torch.Generator().manual_seed(0))
    assert moved.dtype == dtype
    away = (moved.double() - values.double()).abs() / values.double().abs().clamp_min(1e-3)
    assert 0 < (moved != values).float().mean() < 0.6
    assert away.max() <= 2.01 * torch.finfo(dtype).eps


def test_what_is_the_same_everywhere_stays() -> None:
    values = torch.tensor([0.0, float("inf"), float("-inf"), float("nan")]).repeat(100)
    moved = off_by_one(values, torch.Generator().manual_seed(0))
    assert torch.equal(moved.nan_to_num(7.0), values.nan_to_num(7.0))
