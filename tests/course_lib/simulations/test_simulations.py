"""Every simulation keeps the promises of ``course_lib.simulations.base``."""

import warnings
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.axis import Tick
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from course_lib.data import sine
from course_lib.models import MLP
from course_lib.panels.canvas import Canvas
from course_lib.simulations import SIMULATIONS, load
from course_lib.simulations.base import (
    Choice,
    Control,
    LiveSimulation,
    Simulation,
    Slider,
    defaults,
)
from course_lib.simulations.zero_grad import STEPS
from course_lib.style import house_style
from course_lib.training import Trainer

#: Of a simulation with many controls, so many combinations of extremes are walked.
_MOST = 12

each_simulation = pytest.mark.parametrize("name", SIMULATIONS)


def extremes(control: Control) -> list[Any]:
    match control:
        case Slider():
            return [control.low, control.high]
        case Choice():
            return [value for value, _ in control.options]
    return [False, True]


def corners(simulation: Simulation) -> list[dict[str, Any]]:
    """The defaults; each control at its extremes; some corners where all are at theirs."""
    start = defaults(simulation)
    walk = [start]
    for control in simulation.controls:
        walk += [{**start, control.name: value} for value in extremes(control)]
    names = [control.name for control in simulation.controls]
    grid = list(product(*map(extremes, simulation.controls)))
    walk += [dict(zip(names, corner, strict=True)) for corner in grid[:: -(-len(grid) // _MOST)]]
    return walk


@each_simulation
def test_it_is_a_simulation_named_like_its_module(name: str) -> None:
    simulation = load(name)
    assert isinstance(simulation, Simulation)
    assert simulation.name == name
    assert type(simulation).__name__ == "".join(part.title() for part in name.split("_"))
    for control in simulation.controls:
        assert control.label
        if isinstance(control, Slider):
            assert control.low <= control.default <= control.high
        if isinstance(control, Choice):
            assert control.default in [value for value, _ in control.options]


@each_simulation
def test_every_extreme_gives_a_picture_and_a_sentence(name: str) -> None:
    simulation = load(name)
    walk = corners(simulation)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        canvas = Canvas(simulation, simulation.compute(walk[0]))
        for settings in walk:
            state = simulation.compute(settings)
            sentence = simulation.describe(state)
            assert len(sentence.split()) > 3
            assert any(character.isdigit() for character in sentence)
            canvas.draw(state)
            pixels = np.asarray(canvas._agg.buffer_rgba())[..., :3]
            ink = (pixels < 250).any(axis=-1).mean()
            assert 0.01 < ink < 0.9, f"blank or full picture at {settings}"


@each_simulation
def test_another_picture_has_another_sentence(name: str) -> None:
    simulation = load(name)
    start = defaults(simulation)
    first = simulation.compute(start)
    canvas = Canvas(simulation, first)
    for control in simulation.controls:
        drawn = {canvas.draw(first): simulation.describe(first)}
        for value in extremes(control):
            state = simulation.compute({**start, control.name: value})
            drawn[canvas.draw(state)] = simulation.describe(state)
        assert len(set(drawn.values())) == len(drawn), f"{control.name}: the same words twice"
        assert len(drawn) > 1, f"{control.name} changes nothing"


@each_simulation
def test_same_settings_same_sentence_and_nobodys_random_numbers_change(name: str) -> None:
    simulation = load(name)
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    settings = corners(simulation)[-1]
    first = simulation.describe(simulation.compute(settings))
    simulation.compute(defaults(simulation))
    assert load(name).describe(load(name).compute(settings)) == first
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert (np.random.get_state()[1] == numpy_before).all()


@each_simulation
def test_a_live_run_repeats_itself(name: str) -> None:
    simulation = load(name)
    if not isinstance(simulation, LiveSimulation):
        assert not hasattr(simulation, "adjust")
        return
    before = torch.get_rng_state()

    def run(parts: list[int]) -> str:
        state = simulation.compute(defaults(simulation))
        for n in parts:
            state = simulation.step(state, n)
        return simulation.describe(state)

    assert run([30]) == run([1, 9, 20])
    assert torch.equal(torch.get_rng_state(), before)


@each_simulation
def test_words_are_large_enough_and_inside_the_picture(name: str) -> None:
    simulation = load(name)
    canvas = Canvas(simulation, simulation.compute(defaults(simulation)))
    canvas.draw(simulation.compute(defaults(simulation)))
    width, height = canvas.pixels
    ticks = canvas.figure.findobj(Tick)
    of_ticks = {id(label) for tick in ticks for label in (tick.label1, tick.label2)}
    for text in canvas.figure.findobj(Text):
        if not (text.get_visible() and text.get_text().strip()):
            continue
        assert text.get_fontsize() >= 9.5, text
        if id(text) in of_ticks:  # those outside the limits exist, and are not drawn
            continue
        box = text.get_window_extent()
        inside = -1 <= box.x0 <= box.x1 <= width + 1 and -1 <= box.y0 <= box.y1 <= height + 1
        assert inside, f"{text} leaves the picture"


@each_simulation
def test_update_reuses_the_artists_of_layout(name: str) -> None:
    simulation = load(name)
    figure = Figure(figsize=simulation.size)
    FigureCanvasAgg(figure)
    with house_style():
        artists = simulation.layout(figure)
    simulation.update(artists, simulation.compute(defaults(simulation)))
    before = len(figure.findobj())
    for settings in corners(simulation)[:4]:
        simulation.update(artists, simulation.compute(settings))
    assert len(figure.findobj()) == before


def test_an_unknown_simulation_is_answered_with_the_list() -> None:
    with pytest.raises(LookupError, match="loss_landscape"):
        load("loss_landscap")


def test_loss_landscape_shows_the_numbers_of_the_chapter() -> None:
    simulation = load("loss_landscape")
    state = simulation.compute(defaults(simulation))
    assert [round(p, 3) for p in state.probabilities] == [0.659, 0.242, 0.099]
    assert round(state.cross_entropy, 3) == 0.417
    assert round(simulation.compute({**defaults(simulation), "p": 0.01}).log_loss, 3) == 4.605
    assert state.log_slope == pytest.approx(-1 / 0.66)


def test_zero_grad_is_the_plain_loop_for_all_rates_at_once() -> None:
    simulation = load("zero_grad")
    state = simulation.compute({"lr": 0.01})
    for run, clear in ((state.cleared, True), (state.kept, False)):
        model = MLP(1, 16, 1, activation=torch.nn.Tanh, seed=0)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        trainer = Trainer(model, optimizer, torch.nn.MSELoss(), *sine(), 32, clear=clear)
        records = trainer.run(40)
        np.testing.assert_allclose(run.losses[:40], [r.loss for r in records], rtol=1e-3)
        np.testing.assert_allclose(run.norms[:40], [r.grad_norm for r in records], rtol=1e-3)
    assert len(state.kept.losses) == STEPS


def test_zero_grad_explodes_at_its_default_and_surprises_at_the_low_end() -> None:
    simulation = load("zero_grad")
    state = simulation.compute(defaults(simulation))
    assert state.cleared.result < 0.05
    assert state.kept.result > 300 * state.cleared.result
    low = simulation.compute({"lr": 0.003})
    assert low.kept.result < 0.8 * low.cleared.result
