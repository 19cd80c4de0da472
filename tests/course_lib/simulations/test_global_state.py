"""What a learner's cells have set reaches no panel, figure or data of the course, and stays set."""

import io
import shutil
import sys
from collections.abc import Iterator

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from course_lib import data, figures
from course_lib.panels import panel
from course_lib.simulations import SIMULATIONS, load
from course_lib.simulations.base import LiveSimulation, defaults


@pytest.fixture
def spoiled() -> Iterator[None]:
    """PyTorch and Matplotlib as a learner's experiments may have left them; put back afterwards."""
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    with matplotlib.rc_context(), np.errstate(all="raise"):
        matplotlib.rcParams.update(
            {"text.usetex": True, "axes.facecolor": "black", "font.size": 40}
        )
        torch.set_default_dtype(torch.float16)
        torch.set_default_device("meta")
        torch.set_grad_enabled(False)
        torch.set_num_threads(2)
        try:
            yield
        finally:
            torch.set_grad_enabled(True)
            torch.set_default_device(None)
            torch.set_default_dtype(dtype)
            torch.set_num_threads(threads)


def _state() -> tuple:
    return (
        torch.get_default_dtype(),
        torch.get_default_device().type,
        torch.is_grad_enabled(),
        torch.get_num_threads(),
        matplotlib.rcParams["text.usetex"],
        matplotlib.rcParams["font.size"],
        np.geterr()["over"],
    )


def _forget_what_was_computed(name: str) -> None:
    """Else a run that an earlier test has made would be shown."""
    for module in [each for each in sys.modules if each.startswith("course_lib.")]:
        for value in vars(sys.modules[module]).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


@pytest.fixture(scope="module")
def plain() -> dict[str, tuple[str, bytes]]:
    """Sentence and picture of each panel where nothing is spoiled."""
    return {name: _shown(name) for name in SIMULATIONS}


def _shown(name: str) -> tuple[str, bytes]:
    shown = panel(name)
    return shown.sentence, shown.png


@pytest.mark.parametrize("name", SIMULATIONS)
def test_a_panel_is_the_same_whatever_the_learner_has_set(name, plain, spoiled) -> None:
    _forget_what_was_computed(name)
    before = _state()
    sentence, png = _shown(name)
    assert sentence == plain[name][0]
    if not hasattr(load(name), "measured_from"):
        assert png == plain[name][1]
    assert _state() == before


@pytest.mark.parametrize("name", [n for n in SIMULATIONS if isinstance(load(n), LiveSimulation)])
def test_a_live_run_goes_on_in_the_known_state(name, spoiled) -> None:
    simulation = load(name)
    state = simulation.step(simulation.compute(defaults(simulation)), 5)
    assert any(character.isdigit() for character in simulation.describe(state))


def test_inference_mode_and_an_autocast_reach_no_panel() -> None:
    _forget_what_was_computed("dashboard")
    usual = _shown("zero_grad")[0]
    _forget_what_was_computed("zero_grad")
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert _shown("zero_grad")[0] == usual
        assert torch.is_inference_mode_enabled()
        assert torch.is_autocast_enabled("cpu")


def test_data_are_float32_on_the_cpu(spoiled) -> None:
    _forget_what_was_computed("data")
    for X, y in (data.digits(size=8), data.circles(20), data.sine(8), data.regression(8)):
        assert X.dtype == torch.float32
        assert X.device.type == y.device.type == "cpu"


def test_a_figure_of_the_course_needs_no_latex(spoiled, capsys) -> None:
    figure, axes = figures.new_axes(3, 2)
    axes.plot([1, 2], [1, 2], label="a_b")
    axes.text(1, 1, "50 % & more")  # with the learner's own settings
    figures.finish(axes, "A title", "x", "y")
    picture = figures._Picture(figure, "words")._repr_mimebundle_()["image/png"]
    assert picture.startswith(b"\x89PNG")


@pytest.mark.skipif(shutil.which("latex") is not None, reason="LaTeX is installed here")
def test_latex_would_fail_here_without_it(spoiled) -> None:
    """The spoiled settings are in force."""
    figure = Figure()
    figure.subplots().set_title("A title")
    with pytest.raises((RuntimeError, FileNotFoundError)):
        figure.savefig(io.BytesIO(), format="png")
