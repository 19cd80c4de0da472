"""What chapter 08 says about the schedules, measured on the simulation."""

import numpy as np
import pytest

from course_lib.simulations import load
from course_lib.simulations.base import defaults
from course_lib.simulations.lr_schedules import MAX_LR, STEPS


@pytest.fixture
def rates():
    simulation = load("lr_schedules")
    return simulation.compute(defaults(simulation)).rates


def test_two_schedules_start_low_and_all_but_one_end_low(rates) -> None:
    start_low = {name for name, rate in rates.items() if rate[0] < 0.05 * MAX_LR}
    end_low = {name for name, rate in rates.items() if rate[-1] < 0.05 * MAX_LR}
    assert start_low == {"one-cycle", "warm-up + cosine"}
    assert end_low == set(rates) - {"constant"}


def test_the_steps_divide_by_ten_three_times(rates) -> None:
    assert np.allclose(np.unique(rates["step"]), [1e-4, 1e-3, 1e-2, 1e-1])


def test_the_warmup_is_a_straight_line_and_no_jump_follows() -> None:
    simulation = load("lr_schedules")
    settings = defaults(simulation) | {"warmup": 25}
    rate = simulation.compute(settings).rates["warm-up + cosine"]
    top = STEPS // 4
    assert np.allclose(rate[: top + 1], MAX_LR * np.arange(top + 1) / top, atol=1e-8)
    assert np.abs(np.diff(rate[top:])).max() < MAX_LR / 50
