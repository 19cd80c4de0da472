"""The dashboard's experiments have the properties that chapter 07 tells of."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from course_lib.panels.canvas import Canvas
from course_lib.simulations import dashboard_runs, load
from course_lib.simulations.base import LiveSimulation, defaults
from course_lib.simulations.dashboard import Dashboard, State
from course_lib.simulations.dashboard_runs import TrainingRun

DASHBOARD = Dashboard()
DEFAULTS = defaults(DASHBOARD)
PRESETS = {preset.label: preset for preset in DASHBOARD.presets}


def trained(steps: int, **settings: Any) -> State:
    return DASHBOARD.step(DASHBOARD.compute({**DEFAULTS, **settings}), steps)


def played(label: str) -> State:
    preset = PRESETS[label]
    return trained(preset.stop_at, **preset.settings)


def first_epoch(run: TrainingRun, accuracy: float) -> float:
    reached = next(update for update, _, so_far in run.history if so_far >= accuracy)
    return reached / run.trainer.steps_per_epoch


def ups(run: TrainingRun) -> int:
    """How many epochs end with a higher loss than they began."""
    at = {update: loss for update, loss, _ in run.history}
    ends = [at[update] for update in sorted(at) if update % run.trainer.steps_per_epoch == 0]
    return int((np.diff(ends) > 0).sum())


def test_it_is_a_live_simulation_with_five_experiments_and_explode() -> None:
    assert isinstance(load("dashboard"), LiveSimulation)
    assert [*PRESETS][-1] == "Explode"
    assert len(PRESETS) == 6
    names = {control.name for control in DASHBOARD.controls}
    assert all(preset.settings.keys() <= names for preset in PRESETS.values())


def test_adam_at_001_fits_by_epoch_30_to_50_and_its_loss_never_rises() -> None:
    (run,) = played("Adam at 0.01").runs
    assert run.epochs == 50
    assert 15 < first_epoch(run, 0.95) < 35
    assert first_epoch(run, 0.98) < 50
    assert run.accuracy >= 0.98
    assert ups(run) == 0


@pytest.mark.parametrize("label", ["SGD at 10", "Explode"])
def test_at_rate_10_cross_entropy_leaps_far_above_50_and_stays_finite(label: str) -> None:
    (run,) = played(label).runs
    # How high hangs on the last bit: 98 to 198 under noise and at rates that differ by 1e-7.
    assert 75 < run.worst_batch < 300
    assert run.first_bad is None
    assert np.isfinite([loss for _, loss, _ in run.history]).all()
    # It leaps, so where it ends hangs on the last bit: between 0.84 and 0.88 under noise.
    assert run.accuracy < 0.92


def test_squared_error_and_sgd_at_10_are_lost_within_20_updates_and_adam_is_not() -> None:
    state = trained(100, optimizer="sgd", lr=10.0, loss="squared error", second="optimizer")
    sgd, adam = state.runs
    assert sgd.first_bad is not None
    assert 5 <= sgd.first_bad <= 20
    assert math.isnan(sgd.accuracy)
    assert adam.first_bad is None
    assert f"infinite or NaN since update {sgd.first_bad}" in DASHBOARD.describe(state)


def test_at_00001_hardly_anything_moves() -> None:
    (run,) = played("Adam at 0.0001").runs
    _, first, _ = run.history[0]
    assert first - 0.05 < run.loss < first


def test_at_01_sgd_is_smooth_and_slow_adam_quick_and_jittery() -> None:
    sgd, adam = played("SGD against Adam").runs
    assert (sgd.optimizer, adam.optimizer) == ("sgd", "adam")
    assert sgd.accuracy < 0.95
    assert first_epoch(adam, 0.95) < 12
    assert ups(sgd) <= 3
    assert ups(adam) >= 8


def test_equal_epochs_are_not_equal_updates() -> None:
    settings = {**PRESETS["Batch 1 against 128"].settings}
    one, many = trained(1600, **settings).runs
    assert one.epochs == many.epochs == 10
    assert (one.steps, many.steps) == (1600, 20)
    assert one.loss < many.loss - 0.2
    one, many = trained(300, **{**settings, "second": "updates"}).runs
    assert one.steps == many.steps == 300
    assert many.loss < one.loss
    assert many.epochs == 80 * one.epochs


def test_a_new_rate_acts_at_once_and_everything_else_starts_anew() -> None:
    state = trained(20)
    adjusted = DASHBOARD.adjust(state, {**DEFAULTS, "lr": 1.0})
    assert adjusted is not None
    assert adjusted.runs[0].steps == 20
    assert adjusted.runs[0].trainer.optimizer.param_groups[0]["lr"] == 1.0
    assert "lr 1 since epoch 2" in DASHBOARD.describe(adjusted)
    for name, value in (("optimizer", "sgd"), ("batch_size", 8), ("second", "optimizer")):
        assert DASHBOARD.adjust(adjusted, {**DEFAULTS, "lr": 1.0, name: value}) is None


def test_same_settings_same_numbers_and_nobodys_random_numbers_change() -> None:
    before = torch.get_rng_state()
    first = trained(30, second="epochs")
    torch.rand(5)
    torch.set_rng_state(before)
    again = DASHBOARD.compute({**DEFAULTS, "second": "epochs"})
    for n in (1, 9, 20):
        again = DASHBOARD.step(again, n)
    assert DASHBOARD.describe(again) == DASHBOARD.describe(first)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_lost_run_still_has_a_picture_and_axes_grow_rarely() -> None:
    state = DASHBOARD.compute({**DEFAULTS, "optimizer": "sgd", "lr": 10.0, "loss": "squared error"})
    canvas = Canvas(DASHBOARD, state)
    pictures = {canvas.draw(state)}
    for _ in range(30):
        state = DASHBOARD.step(state, 1)
        pictures.add(canvas.draw(state))
    assert len(pictures) > 15
    assert canvas.full_redraws <= 8
    assert canvas.artists["message"].get_text().startswith("Lost")


def test_a_long_history_is_thinned_and_keeps_its_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dashboard_runs, "_LONGEST", 100)
    run = TrainingRun("sgd", 0.1, 128, "cross-entropy")
    run.advance(300)
    updates = [update for update, *_ in run.history]
    assert len(updates) <= 100
    assert updates[:10] == [*range(10)]
    assert updates == sorted(updates)
    assert run.steps == 300
