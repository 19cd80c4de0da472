"""What chapter 06 says about ``shuffling``, on the real digits."""

import numpy as np
import torch

from course_lib.data import digits
from course_lib.models import MLP
from course_lib.simulations import load
from course_lib.simulations.base import defaults
from course_lib.simulations.shuffling import EPOCHS, EVERY, RATES, STEPS_PER_EPOCH


def state_of(**settings):
    simulation = load("shuffling")
    return simulation.compute({**defaults(simulation), **settings})


def test_shuffled_learns_all_classes_and_sorted_ends_with_the_last_one() -> None:
    state = state_of()
    assert state.shuffled.accuracy[-1].mean() > 0.93
    assert state.shuffled.accuracy[-1].min() > 0.75
    assert state.other.accuracy[-1].mean() < 0.2
    assert state.other.accuracy[-1].argmax() == 9


def test_sorted_every_class_is_learned_and_forgotten_in_every_epoch() -> None:
    accuracy = state_of().other.accuracy
    for epoch in range(1, EPOCHS):
        part = accuracy[epoch * STEPS_PER_EPOCH // EVERY : (epoch + 1) * STEPS_PER_EPOCH // EVERY]
        assert (part.max(axis=0) > 0.9).all()
        assert (part.min(axis=0) < 0.1).all()


def test_no_learning_rate_of_the_panel_saves_sorted_data() -> None:
    for rate in RATES:
        state = state_of(lr=rate)
        assert state.other.accuracy[-1].mean() < 0.4
        assert state.shuffled.accuracy[-1].mean() > state.other.accuracy[-1].mean() + 0.4


def test_networks_trained_together_do_what_each_does_alone() -> None:
    X, y = digits(size=8)
    model = MLP(64, 32, 10, seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for rows in y.argsort(stable=True).split(16)[: 10 * EVERY]:
        loss = torch.nn.functional.cross_entropy(model(X[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    right = (model(X).argmax(dim=1) == y).float()
    alone = [right[y == digit].mean().item() for digit in range(10)]
    assert np.allclose(state_of().other.accuracy[10], alone, atol=0.01)
