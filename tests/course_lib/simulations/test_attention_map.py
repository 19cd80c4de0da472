"""What chapter 10 says about the causal mask, measured on the simulation."""

import numpy as np
import pytest

from course_lib.simulations.attention_map import FLOOR, train


def test_with_the_mask_no_weight_lies_on_a_later_position() -> None:
    for snapshot in train(True).snapshots:
        assert (np.triu(snapshot.weights, k=1) == 0).all()
        assert snapshot.weights.sum(axis=-1) == pytest.approx(np.ones(snapshot.weights.shape[:2]))


def test_the_mask_keeps_the_loss_above_what_can_be_known_and_every_sum_is_right() -> None:
    run = train(True)
    assert FLOOR < run.losses[-1] < 1.05 * FLOOR
    assert run.snapshots[-1].right == 1.0


def test_without_it_the_loss_is_far_below_and_half_of_the_sums_are_wrong() -> None:
    run = train(False)
    assert run.losses[-1] < 0.02 * FLOOR
    assert 0.3 < run.snapshots[-1].right < 0.7
    assert run.snapshots[-1].written != "16"
    assert run.snapshots[-1].weights[1, 3, 4] > 0.98  # copies the digit it should predict
