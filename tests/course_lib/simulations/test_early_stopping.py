"""What chapter 08 says about patience, measured on the simulation."""

import numpy as np

from course_lib.simulations import load
from course_lib.simulations.base import defaults
from course_lib.simulations.early_stopping import stops_of


def state_of(**settings):
    simulation = load("early_stopping")
    return simulation.compute(defaults(simulation) | settings)


def test_the_validation_curve_is_noisy_and_rises_again() -> None:
    for run in ("slow", "strong", "early"):
        state = state_of(run=run)
        assert (np.diff(state.validation) > 0).sum() > 40
        assert state.validation[-1] > state.validation.min()
        assert state.train[-1] < state.validation[-1]


def test_little_patience_misses_the_best_and_ten_epochs_find_it() -> None:
    state = state_of(run="slow")
    best = state.validation.min()
    assert state.stops[0].best_loss > best + 0.05
    assert state.stops[9].best_loss == best


def test_a_stop_comes_patience_epochs_after_the_best() -> None:
    first, second, third = stops_of(np.array([3.0, 2.0, 2.5, 1.0, 1.0, 1.5]), 3)
    assert (first.epoch, first.best_epoch) == (2, 1)
    assert (second.epoch, second.best_epoch) == (5, 3)
    assert third.epoch is None
    assert third.best_loss == 1.0
