"""What chapter 03 says about gradient_flow and graph_walker."""

import pytest

from course_lib.simulations import load
from course_lib.simulations.base import defaults
from course_lib.simulations.graph_walker import walk_of


def flow(**settings: float):
    simulation = load("gradient_flow")
    return simulation.compute({**defaults(simulation), **settings})


def test_the_default_is_the_example_of_the_chapter() -> None:
    state = flow()
    assert state.values["prediction"] == 7
    assert state.values["loss"] == 4
    assert state.gradients["w"] == 12
    assert state.gradients["b"] == 4
    assert state.rise == pytest.approx(1.29)


def test_gradients_are_products_of_the_factors_on_the_way() -> None:
    state = flow(w=0.7, x=-1.3, b=2.1, target=-4.0)
    factors = state.factors
    to_prediction = factors["error"] * factors["prediction"]
    assert state.gradients["w"] == pytest.approx(to_prediction * factors["product"] * factors["w"])
    assert state.gradients["b"] == pytest.approx(to_prediction * factors["b"])
    # The picture writes these three as a fixed "times 1".
    assert factors["product"] == factors["prediction"] == factors["b"] == 1


def test_at_the_bottom_of_the_bowl_the_gradient_vanishes() -> None:
    state = flow(w=2.0, x=2.0, b=1.0, target=5.0)
    assert state.values["loss"] == state.gradients["w"] == 0


def test_the_walk_starts_at_the_loss_and_fills_every_parameter_once() -> None:
    walk = walk_of("plain")
    assert walk.visits[0].name == "MseLossBackward0"
    filled = [visit.parameter for visit in walk.visits if visit.parameter]
    assert filled == ["fc2.bias", "fc2.weight", "fc1.bias", "fc1.weight"]
    assert len(walk.visits) == 10


def test_a_node_waits_until_all_its_gradients_have_arrived() -> None:
    walk = walk_of("shortcut")
    assert all(start < end for start, end in walk.edges)
    arrivals = [sum(end == i for _, end in walk.edges) for i in range(len(walk.visits))]
    [joint] = [i for i, count in enumerate(arrivals) if count == 2]
    assert walk.visits[joint].name == "TanhBackward0"
    assert len(walk.visits) == 15
