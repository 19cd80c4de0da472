"""What chapter 10 says about baselines, measured on the simulation."""

import numpy as np
import pytest
import torch

from course_lib.simulations.policy_gradient import NOISE, PULLS, REWARDS, RUNS, _variance, train


def test_the_variance_is_that_of_drawn_gradients() -> None:
    generator = torch.Generator().manual_seed(3)
    policy = torch.tensor([[0.1, 0.2, 0.3, 0.25, 0.15]], dtype=torch.float64)
    means = torch.tensor(REWARDS, dtype=torch.float64)
    levers = torch.multinomial(policy[0], 200_000, replacement=True, generator=generator)
    noise = torch.randn(len(levers), generator=generator, dtype=torch.float64)
    for baseline in (False, True):
        offset = policy[0] @ means if baseline else 0.0
        advantages = means[levers] + NOISE * noise - offset
        drawn = advantages.unsqueeze(1) * (torch.eye(5, dtype=torch.float64)[levers] - policy)
        measured = drawn.var(dim=0).sum().item() / PULLS
        assert _variance(policy, means, 1.0, baseline).item() == pytest.approx(measured, rel=0.02)


def test_a_baseline_takes_away_variance_and_finds_the_best_lever() -> None:
    plain, quiet = train(False, 0.1, 1.0), train(True, 0.1, 1.0)
    assert plain.variance[0] > 30 * quiet.variance[0]
    assert quiet.best == RUNS > plain.best


def test_a_high_rate_without_one_settles_too_soon() -> None:
    plain, quiet = train(False, 1.0, 1.0), train(True, 1.0, 1.0)
    assert quiet.best == RUNS
    assert plain.best < RUNS / 2
    assert (plain.policies.max(axis=1) > 0.9).sum() > RUNS / 2


def test_ten_times_the_reward_is_ten_times_the_rate() -> None:
    np.testing.assert_allclose(
        train(False, 0.1, 10.0).returns, train(False, 1.0, 1.0).returns, rtol=1e-6
    )
