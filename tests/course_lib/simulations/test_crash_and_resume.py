"""What chapter 08 says about checkpoints, measured on the simulation."""

import pytest

from course_lib.simulations import load
from course_lib.simulations.base import defaults


def resumed(**settings):
    simulation = load("crash_and_resume")
    return simulation.compute(defaults(simulation) | {"optimizer": True} | settings)


@pytest.mark.parametrize("crash", [5, 40, 55])
def test_with_everything_saved_it_is_the_same_run(crash: int) -> None:
    assert resumed(crash=crash).difference == 0


@pytest.mark.parametrize("crash", [20, 40, 50])
def test_without_the_optimizer_the_loss_jumps(crash: int) -> None:
    whole, after = resumed(crash=crash, optimizer=False).peaks
    assert after > 1.5 * whole


def test_the_bump_heals() -> None:
    whole, after = resumed(crash=40, optimizer=False).ends
    assert after < 1.2 * whole


def test_the_learning_rate_is_lost_with_the_optimizer() -> None:
    state = resumed(crash=40, optimizer=False)
    assert state.resumed.rates[0] == pytest.approx(0.1)
    assert state.whole.rates[40] == pytest.approx(0.025)


@pytest.mark.parametrize("part", ["scheduler", "rng"])
def test_without_scheduler_or_generator_there_is_no_bump_but_another_run(part: str) -> None:
    state = resumed(crash=40, **{part: False})
    whole, after = state.peaks
    assert after < 1.5 * whole
    assert state.difference > 0
