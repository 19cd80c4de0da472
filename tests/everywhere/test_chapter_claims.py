"""What the chapters say about their panels, with a margin wherever a number decides.

Runs here as it is, and through ``test_capabilities`` once for each kind of kernels and with noise.
More claims are beside the simulations, in ``tests/course_lib/simulations``; ``CLAIMS`` of that module lists them.
"""

import numpy as np
import pytest

from course_lib.simulations import load
from course_lib.simulations.base import defaults


def state_of(name: str, **settings):
    simulation = load(name)
    return simulation.compute(defaults(simulation) | settings)


def sentence(name: str, **settings) -> str:
    simulation = load(name)
    return simulation.describe(simulation.compute(defaults(simulation) | settings))


# --- 00: a run gone wrong --------------------------------------------------------------------------


@pytest.fixture
def gone_wrong():
    """The run without clipping and with it."""
    return [state_of("run_gone_wrong", step=47, lr=0.3, clip=clip).run for clip in (False, True)]


def test_the_run_explodes_at_step_47_and_does_not_recover(gone_wrong) -> None:
    losses = gone_wrong[0].losses
    assert losses[:47].max() < 5
    assert losses[47] > 100
    assert losses[-10:].mean() > 10 * losses[37:47].mean()
    assert int(np.argmax(losses > 3 * np.minimum.accumulate(losses))) == 47


def test_head_leaps_by_thousands_and_the_others_about_tenfold(gone_wrong) -> None:
    ratio = {k: v[47] / np.median(v[:47]) for k, v in gone_wrong[0].gradients.items()}
    assert ratio["head"] > 2000
    assert 5 < ratio["fc1"] < 20
    assert 5 < ratio["fc2"] < 20
    assert set(gone_wrong[0].side[47]) == {999.0}


def test_with_clipping_the_leap_is_as_high_and_heals(gone_wrong) -> None:
    off, on = gone_wrong
    assert on.losses[47] == pytest.approx(off.losses[47], rel=0.2)
    assert on.losses[48:60].max() < 3 < 50 < off.losses[48:60].max()
    assert off.weights["head"][47] > 20 * on.weights["head"][47]


# --- 01 --------------------------------------------------------------------------------------------


def test_half_of_the_hidden_numbers_are_zero_and_the_parameters_do_not_grow() -> None:
    for batch in (
        load("shape_tracker").controls[0].default,
        load("shape_tracker").controls[0].high,
    ):
        state = state_of("shape_tracker", **{load("shape_tracker").controls[0].name: batch})
        assert state.total("parameters") == 101_770
        assert state.layers[0].parameters == 100_480
        assert 0.4 < state.zeros < 0.6


# --- 04 --------------------------------------------------------------------------------------------


def test_momentum_is_there_first_at_step_61_sgd_at_114_and_adam_not_at_all() -> None:
    paths = state_of("optimizer_race").paths
    assert [paths[name].there for name in ("momentum", "SGD", "Adam")] == [61, 114, None]
    assert "momentum 0.9 is there first, at step 61" in _race_title()


def test_these_steps_do_not_hang_on_the_last_bit() -> None:
    """How near a minimum counts as there may be off by a thousandth, and the steps stay."""
    state = state_of("optimizer_race")
    for name, step in (("momentum", 61), ("SGD", 114)):
        distance = np.hypot(*state.paths[name].points.T)
        assert distance[step - 1] > 0.1001
        assert distance[step:].max() < 0.0999


def _race_title() -> str:
    from course_lib.simulations.optimizer_race import _verdict

    return _verdict(state_of("optimizer_race"))


# --- 05 --------------------------------------------------------------------------------------------


def test_never_cleared_the_loss_ends_hundreds_of_times_higher() -> None:
    state = state_of("zero_grad")
    assert 200 < state.kept.result / state.cleared.result < 2000
    assert np.isfinite(state.kept.losses).all()


def test_at_the_smallest_rate_the_uncleared_run_is_the_better_one() -> None:
    state = state_of("zero_grad", lr=0.001)
    assert state.kept.result < 0.7 * state.cleared.result


@pytest.mark.parametrize(
    ("order", "outcome"),
    [
        ("FLZBS", "learning"),
        ("ZFLBS", "learning"),
        ("FLBSZ", "learning"),
        ("FLBZS", "unchanged"),
        ("SFLZB", "learning"),
        ("FLSZB", "error"),
        ("FLBS", "exploding"),
    ],
)
def test_each_order_of_the_beats_ends_as_the_chapter_says(order: str, outcome: str) -> None:
    from course_lib.simulations.beat_runs import run_order

    run = run_order(order)
    assert run.outcome == outcome
    if outcome == "learning":
        assert run.losses[-1] < 0.5 * run.losses[0]
    if outcome == "exploding":
        assert run.losses[-1] > 10 * run.losses[0]
    if outcome == "error":
        assert run.failure.batch == 2


def test_the_three_good_places_of_zero_grad_give_the_same_numbers() -> None:
    from course_lib.simulations.beat_runs import run_order

    first, *others = (run_order(order).losses for order in ("FLZBS", "ZFLBS", "FLBSZ"))
    for losses in others:
        # Equal to the last bit where a product is; under noise, up to what noise makes of it.
        np.testing.assert_allclose(losses, first, rtol=1e-9)


# --- 06 --------------------------------------------------------------------------------------------


def test_sorted_data_end_with_a_network_that_says_nine() -> None:
    state = state_of("shuffling")
    other = state.at(state.other)
    assert other.argmax() == 9
    assert other[9] > 0.8
    assert other.mean() < 0.3
    assert state.at(state.shuffled).min() > 0.7


def test_the_noise_falls_with_the_root_of_the_batch() -> None:
    measured = state_of("gradient_noise").measured
    np.testing.assert_allclose(measured.noise, measured.root_law(), rtol=0.15)


# --- 08 --------------------------------------------------------------------------------------------


def test_everything_saved_is_the_same_run() -> None:
    text = sentence("crash_and_resume", optimizer=True)
    assert text.startswith("Everything saved: the same run")
    assert text.endswith("below 1e-9.")


@pytest.mark.parametrize("crash", [20, 40, 50])
def test_a_lost_optimizer_is_a_jump_with_a_margin(crash: int) -> None:
    whole, resumed = state_of("crash_and_resume", crash=crash).peaks
    assert resumed > 1.7 * whole  # the sentence says so from 1.5 upwards


@pytest.mark.parametrize("crash", [5, 10])
def test_an_early_crash_shows_no_jump(crash: int) -> None:
    whole, resumed = state_of("crash_and_resume", crash=crash).peaks
    assert resumed < 1.4 * whole  # from 1.5 on the sentence calls it a jump


def test_ten_epochs_of_patience_find_the_best_of_the_slow_run() -> None:
    stops = state_of("early_stopping", run="slow").stops
    lowest = state_of("early_stopping", run="slow").validation.min()
    assert stops[0].best_loss > lowest + 0.05
    assert stops[9].best_loss < lowest + 0.003


def test_the_strong_run_turns_and_is_stopped_early() -> None:
    state = state_of("early_stopping", run="strong", patience=10)
    assert state.validation[-1] > state.validation.min() + 0.15
    assert state.stop.epoch < 40


# --- 08b -------------------------------------------------------------------------------------------


def test_at_scale_1_the_first_layers_get_nothing_and_a_larger_scale_saves_them() -> None:
    lost = [layer.lost for layer in state_of("loss_scaling", exponent=0).layers]
    assert lost[0] == lost[1] == 1
    assert max(layer.lost for layer in state_of("loss_scaling", exponent=16).layers) < 0.9
    assert state_of("loss_scaling", exponent=24).infinite > 0
    assert state_of("loss_scaling", exponent=0, network="shallow").lost < 0.05


# --- 09 --------------------------------------------------------------------------------------------


def test_two_patients_stop_at_once_and_the_others_differ_from_their_twins() -> None:
    from course_lib.simulations.clinic_runs import run

    stopped = [row for row in range(1, 9) if run(row).error]
    assert len(stopped) == 2
    for row in set(range(1, 9)) - set(stopped):
        sick, healthy = run(row).sick[-20:].mean(), run(row).healthy[-20:].mean()
        assert not healthy * 0.8 < sick < healthy * 1.25
