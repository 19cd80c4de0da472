"""What chapter 04 says about optimizer_race."""

import math

import pytest
import torch

from course_lib.simulations import load
from course_lib.simulations.base import defaults
from course_lib.simulations.optimizer_race import STEPS, OptimizerRace, State


def race(**settings) -> State:
    simulation = OptimizerRace()
    return simulation.compute({**defaults(simulation), **settings})


def test_at_the_default_rate_sgd_zigzags_and_still_beats_adam() -> None:
    paths = race().paths
    assert paths["SGD"].crossings(STEPS) == STEPS
    assert paths["SGD"].there == 114
    assert paths["Adam"].there is None
    assert paths["Adam"].crossings(STEPS) == 3
    assert paths["Adam"].length(STEPS) < paths["SGD"].length(STEPS) / 6


def test_adam_survives_a_rate_that_throws_the_others_out() -> None:
    paths = race(lr=0.1).paths
    assert paths["SGD"].left == paths["momentum"].left == 1
    assert paths["Adam"].there == 56


def test_a_rate_a_little_above_the_limit_is_too_much_for_sgd() -> None:
    assert race(lr=0.034).paths["SGD"].left is not None
    assert race(lr=0.01).paths["SGD"].crossings(STEPS) == 0


def test_sgd_sits_on_the_saddle_while_the_others_leave_it() -> None:
    paths = race(surface="saddle").paths
    assert paths["SGD"].there is None
    assert {paths["momentum"].there, paths["Adam"].there}.isdisjoint({None})


@pytest.mark.parametrize("surface", ["ravine", "rosenbrock", "saddle"])
def test_all_rates_at_once_are_the_plain_optimizer(surface: str) -> None:
    state = race(surface=surface, lr=0.001 * 0.32)
    place = torch.tensor(state.surface.start, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([place], lr=state.lr)
    for _ in range(20):
        optimizer.zero_grad()
        state.surface.loss(place[0], place[1]).backward()
        optimizer.step()
    assert torch.allclose(place.detach(), torch.tensor(state.paths["Adam"].points[20]), atol=1e-9)


def test_the_clock_plays_the_race_from_its_start() -> None:
    simulation = load("optimizer_race")
    finished = simulation.compute(defaults(simulation))
    assert finished.step == STEPS
    begun = simulation.step(finished, 3)
    assert begun.step == 3
    assert simulation.step(simulation.step(begun, 400), 1).step == STEPS


def test_the_slider_stops_at_the_round_rates_that_the_chapter_names() -> None:
    """A browser moves a preset's 0.1 to the next place of the slider, 0.1012."""
    slider = next(control for control in OptimizerRace().controls if control.name == "lr")
    steps = math.log10(0.1 / slider.low) / slider.step
    place = slider.low * 10 ** (round(steps) * slider.step)
    assert place != 0.1
    state = race(lr=float(f"{place:.10g}"))
    assert (state.lr, state.paths["Adam"].there) == (0.1, 56)
