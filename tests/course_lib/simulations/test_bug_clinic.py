"""The bug clinic shows what chapter 09 and the cheat sheet say of the eight bugs."""

import numpy as np
import pytest

from course_lib.simulations import load
from course_lib.simulations.clinic_runs import Run, run
from course_lib.simulations.clinic_words import BUGS, PATIENTS
from grading.paths import REPOSITORY


def test_the_bugs_are_the_first_rows_of_the_cheat_sheet() -> None:
    sheet = (REPOSITORY / "docs" / "cheat_sheet.md").read_text(encoding="utf-8")
    rows = [line for line in sheet.splitlines() if line.startswith("| ") and line[2].isdigit()]
    names = [row.split("**")[1].replace("`", "") for row in rows]
    assert names[: len(BUGS)] == [bug.name for bug in BUGS]


def test_each_patient_has_another_bug_and_none_its_own_number() -> None:
    assert sorted(PATIENTS) == [bug.row for bug in BUGS]
    assert all(patient != row for patient, row in enumerate(PATIENTS, start=1))


@pytest.mark.parametrize("patient", range(1, len(PATIENTS) + 1))
def test_the_bug_is_not_told_before_it_is_revealed(patient: int) -> None:
    clinic = load("bug_clinic")
    settings = {"patient": patient, "guess": 0, "reveal": False}
    hidden = clinic.compute(settings)
    assert hidden.bug.name not in clinic.describe(hidden)
    assert hidden.bug.name in clinic.describe(clinic.compute({**settings, "reveal": True}))


def ends(shown: Run) -> tuple[float, float]:
    return float(shown.sick[-20:].mean()), float(shown.healthy[-20:].mean())


def test_uncleared_gradients_end_hundreds_of_times_higher() -> None:
    sick, healthy = ends(run(1))
    assert sick > 300 * healthy
    assert healthy < 0.05


def test_softmax_before_the_loss_sticks_just_above_its_floor() -> None:
    floor = np.log(np.e + 9) - 1  # of ten classes: the right one 1, the others 0
    shown = run(2)
    assert floor < shown.sick[-1] < floor + 0.03
    assert shown.healthy[-1] < 0.05


def test_the_errors_are_pytorchs_own() -> None:
    assert "expected device" in run(3).error
    assert "mat1 and mat2 shapes cannot be multiplied (896x28 and 784x10)" in run(8).error
    assert not any(run(row).error for row in (1, 2, 4, 5, 6, 7))


def test_the_mode_alone_makes_validation_look_worse() -> None:
    shown = run(4)
    assert (shown.sick > shown.healthy).all()
    assert shown.sick[-1] > 4 * shown.healthy[-1]


def test_a_high_rate_leaps_and_stays_finite_and_a_low_one_stands_still() -> None:
    high, low = run(5), run(6)
    assert np.isfinite(high.sick).all()
    assert high.sick.max() > 50
    assert 0 < low.sick[0] - low.sick[-1] < 0.01
    assert low.healthy[-1] < 0.5 * low.sick[-1]


def test_validation_without_no_grad_holds_the_same_again_with_every_batch() -> None:
    shown = run(7)
    assert np.allclose(np.diff(shown.sick), shown.sick[0])
    assert shown.sick[0] > 0.25
    assert (shown.healthy == 0).all()
