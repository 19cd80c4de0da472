"""What chapter 10 says about averaging, measured on the simulation."""

import pytest

from course_lib.simulations.data_parallel import SHARDS, train


@pytest.mark.parametrize("workers", [2, 3, 4])
@pytest.mark.parametrize("shards", SHARDS)
def test_averaged_replicas_follow_one_large_batch(workers: int, shards: str) -> None:
    run, alone = train(workers, True, shards), train(1, True, shards)
    assert run.distance.max() == 0.0
    assert run.losses == pytest.approx(alone.losses.repeat(workers, axis=1), abs=1e-9)


def test_without_averaging_lopsided_shards_lead_astray_and_alike_ones_drift() -> None:
    own, alike = train(2, False, "own"), train(2, False, "alike")
    assert own.losses[-1].min() > own.losses[0].max() + 0.3
    assert alike.losses[-1].max() < 1.2
    assert own.distance[-1] > 1.5 * alike.distance[-1] > 0.1
