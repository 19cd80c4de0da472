"""What each order of the five lines does, and that the picture says it."""

import numpy as np
import pytest
import torch

from course_lib.panels.canvas import Canvas
from course_lib.simulations import load
from course_lib.simulations.base import Choice, Simulation, defaults
from course_lib.simulations.beat_runs import BATCHES, gradients_per_step, run_order
from course_lib.simulations.beat_sequencer import BeatSequencer, arrange

USUAL = run_order("FLZBS")


@pytest.mark.parametrize("order", ["ZFLBS", "FLBSZ"])
def test_zero_grad_may_stand_anywhere_between_step_and_the_next_backward(order: str) -> None:
    assert USUAL.outcome == "learning"
    assert np.array_equal(run_order(order).losses, USUAL.losses)


@pytest.mark.parametrize(
    ("order", "outcome"),
    [
        ("FLBS", "exploding"),
        ("FLBZS", "unchanged"),
        ("FLZSB", "unchanged"),
        ("FLZB", "unchanged"),
        ("FLZS", "unchanged"),
        ("", "unchanged"),
        ("SFLZB", "learning"),
        ("FLZBSS", "learning"),
        ("FLZBSSSS", "exploding"),
    ],
)
def test_an_order_that_raises_nothing_has_its_outcome(order: str, outcome: str) -> None:
    run = run_order(order)
    assert run.outcome == outcome
    assert run.failure is None
    assert len(run.losses) == BATCHES + 1


@pytest.mark.parametrize(
    ("order", "batch", "place", "kind", "words"),
    [
        ("FSLZB", 2, 4, "RuntimeError", "modified by an inplace operation"),
        ("FLSZB", 2, 4, "RuntimeError", "modified by an inplace operation"),
        ("FLZBBS", 1, 4, "RuntimeError", "backward through the graph a second time"),
        ("LFZBS", 1, 0, "NameError", "name 'predictions' is not defined"),
        ("FBLZS", 1, 1, "NameError", "name 'loss' is not defined"),
    ],
)
def test_an_order_that_raises_stops_at_its_line(
    order: str, batch: int, place: int, kind: str, words: str
) -> None:
    run = run_order(order)
    assert run.outcome == "error"
    assert run.failure is not None
    assert (run.failure.batch, run.failure.place, run.failure.kind) == (batch, place, kind)
    assert words in run.failure.message
    assert len(run.losses) == batch


def test_a_lost_run_says_after_which_batch_it_was_lost() -> None:
    run = run_order("FLZBSSSS")
    assert run.first_bad is not None
    assert np.isfinite(run.losses[: run.first_bad]).all()
    assert not np.isfinite(run.losses[run.first_bad])


def test_the_gradients_that_a_step_finds_follow_from_the_order() -> None:
    assert gradients_per_step("FLZBS") == [(0,)]
    assert gradients_per_step("SFLZB") == [(1,)]
    assert gradients_per_step("FLBZS") == [()]
    assert gradients_per_step("FLZBSS") == [(0,), (0,)]
    assert gradients_per_step("FLZBFLBS") == [(0, 0)]


def test_lines_are_shown_in_the_slots_where_the_reader_put_them() -> None:
    sequencer = BeatSequencer()
    settings = {**arrange(""), "line_2": "F", "line_5": "B"}
    state = sequencer.compute(settings)
    assert state.run.order == "FB"
    assert state.stopped_slot == 4
    assert "name 'loss' is not defined" in sequencer.describe(state)


def test_any_line_may_stand_in_any_slot_and_every_preset_fits() -> None:
    sequencer = load("beat_sequencer")
    assert isinstance(sequencer, Simulation)
    assert len(sequencer.controls) == 8
    assert {"".join(value for value, _ in control.options) for control in sequencer.controls} == {
        "FLZBS"
    }
    assert all(isinstance(control, Choice) for control in sequencer.controls)
    assert sequencer.compute(defaults(sequencer)).run.order == "FLZBS"
    for preset in sequencer.presets:
        assert preset.settings.keys() == defaults(sequencer).keys()


def test_every_kind_of_run_can_be_drawn_and_told() -> None:
    sequencer = BeatSequencer()
    canvas = Canvas(sequencer, sequencer.compute(arrange("FLZBS")))
    pictures = set()
    for order in ("FLZBS", "FLBS", "FLBZS", "FSLZB", "FLZBSSSS", ""):
        state = sequencer.compute(arrange(order))
        pictures.add(canvas.draw(state))
        assert sequencer.describe(state)
    assert len(pictures) == 6
    assert canvas.full_redraws == 1


def test_a_run_leaves_the_global_random_state_alone() -> None:
    run_order.cache_clear()
    before = torch.get_rng_state()
    first = run_order("FLZBS")
    assert torch.equal(torch.get_rng_state(), before)
    run_order.cache_clear()
    torch.rand(3)
    assert np.array_equal(run_order("FLZBS").losses, first.losses)
