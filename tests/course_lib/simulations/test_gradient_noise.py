"""What chapter 06 says about ``gradient_noise``, on the real digits."""

import pytest
import torch

from course_lib.data import digits
from course_lib.models import MLP
from course_lib.simulations import load
from course_lib.simulations.gradient_noise import SIZES, example_gradients


def state_of(batch_size: int, when: str = "start"):
    return load("gradient_noise").compute({"batch_size": batch_size, "when": when})


@pytest.mark.parametrize("when", ["start", "trained"])
def test_four_times_the_batch_halves_the_noise(when: str) -> None:
    noise = dict(zip(SIZES, state_of(16, when).measured.noise, strict=True))
    for size in (1, 4, 16, 64):
        assert noise[4 * size] / noise[size] == pytest.approx(0.5, abs=0.12)


def test_the_measured_noise_follows_the_law() -> None:
    measured = state_of(16).measured
    assert measured.noise == pytest.approx(measured.root_law(), rel=0.15)


def test_single_example_gradients_are_those_of_autograd() -> None:
    X, y = digits(size=8)
    model = MLP(64, 32, 10, seed=0)
    rows = torch.tensor([3, 700, 1500])
    torch.nn.functional.cross_entropy(model(X[rows]), y[rows]).backward()
    batch = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    mean = example_gradients(model, X[rows], y[rows]).mean(dim=0)
    torch.testing.assert_close(mean, batch, rtol=1e-4, atol=1e-6)


def test_an_epoch_of_single_examples_takes_longer_than_one_of_large_batches() -> None:
    seconds = state_of(16).epoch_seconds
    assert seconds[0] > 5 * seconds[-1]
