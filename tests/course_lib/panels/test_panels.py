"""Panels: controls become settings, messages become pictures, errors are shown and never printed."""

import base64
import io
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import pytest
from PIL import Image

from course_lib.panels import LivePanel, Panel, live, panel
from course_lib.panels.canvas import Canvas
from course_lib.simulations import SIMULATIONS
from course_lib.simulations.base import Choice, Preset, Slider, Toggle, defaults


class Line:
    """A small simulation: one line whose slope is a control; ``wide`` moves an axis."""

    name = "line"
    title = "Line"
    size = (3.0, 2.4)
    controls: tuple = (
        Slider("slope", "Slope", -2, 2, 1, 0.1),
        Slider("rate", "Rate", 0.001, 10, 0.1, 0.1, unit="per step", log=True),
        Slider("count", "Count", 1, 8, 2, 1, integer=True),
        Choice("kind", "Kind", (("a", "First"), ("b", "Second")), "a"),
        Toggle("wide", "Wide", False),
    )

    def compute(self, settings):
        if settings["slope"] < -1.9:
            raise ValueError("too <steep>")
        return dict(settings)

    def layout(self, figure):
        axes = figure.subplots()
        axes.set(xlim=(0, 1), ylim=(-2, 2), xlabel="x", ylabel="y")
        (line,) = axes.plot([], [])
        return {"line": line, "words": axes.text(0.1, 1.5, "")}

    def update(self, artists, state):
        artists["line"].set_data([0, 1], [0, state["slope"]])
        artists["line"].axes.set_xlim(0, 5 if state["wide"] else 1)
        artists["words"].set_text(f"slope {state['slope']:.1f}")

    def describe(self, state):
        return f"Slope {state['slope']:.1f}, wide {state['wide']}, kind {state['kind']}."


@dataclass
class Run:
    rate: float
    losses: list[float] = field(default_factory=list)


class Live(Line):
    """A run whose steps take hardly any time; NaN from step 50 on at rates above 5."""

    title = "Live"
    presets = (Preset("Short", {}, stop_at=30), Preset("Explode", {"rate": 10.0}))

    def compute(self, settings):
        if settings["slope"] < 0:
            raise RuntimeError("no")
        return Run(settings["rate"])

    def step(self, state, n):
        bad = state.rate > 5 and len(state.losses) > 50
        losses = [*state.losses, *([float("nan") if bad else state.rate] * n)]
        return Run(state.rate, losses)

    def update(self, artists, state):
        artists["line"].set_data(range(len(state.losses)), state.losses)

    def describe(self, state):
        return f"{len(state.losses)} steps at rate {state.rate:g}."


class Adjustable(Live):
    def adjust(self, state, settings):
        if settings["kind"] == "b":
            return None
        return Run(settings["rate"], state.losses)


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def shown(made: Panel) -> bytes:
    """The PNG that the page has."""
    data = re.search(r"data:image/png;base64,([^\"]+)", made._picture.value)
    return base64.b64decode(data.group(1))


def message(made: Panel, name: str, value: Any) -> None:
    """What the page sends when a control is moved."""
    made.controls[name].set_state({"value": value})


def tick(made: LivePanel, times: int = 1) -> None:
    for _ in range(times):
        made.play.set_state({"value": made.play.value + 1})


def test_moving_a_control_changes_picture_and_sentence() -> None:
    made = panel(Line())
    before = shown(made)
    message(made, "slope", -1.0)
    assert made.sentence.startswith("Slope -1.0")
    assert "Slope -1.0" in made._sentence.value
    assert shown(made) != before
    assert shown(made) == made.png


def test_each_kind_of_control_gives_its_value() -> None:
    made = panel(Line())
    assert made.settings == defaults(Line())
    message(made, "rate", 10**-1.3)
    message(made, "count", 5)
    made.controls["kind"].set_state({"index": 1})
    message(made, "wide", True)
    assert made.settings == {
        "slope": 1,
        "rate": pytest.approx(0.0501187),
        "count": 5,
        "kind": "b",
        "wide": True,
    }
    assert isinstance(made.settings["count"], int)


def test_settings_replace_defaults() -> None:
    assert panel(Line(), slope=0.5).sentence.startswith("Slope 0.5")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"slope": 7}, "slope takes a number from -2 to 2, not 7"),
        ({"kind": "c"}, "one of 'a', 'b'"),
        ({"wide": 1}, "True or False"),
        ({"steep": 1}, "no control called 'steep'"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        panel(Line(), **settings)


def test_reset_brings_back_the_start() -> None:
    made = panel(Line(), slope=0.5)
    message(made, "slope", -1.0)
    message(made, "wide", True)
    made.buttons["Reset"].click()
    assert made.settings == {**defaults(Line()), "slope": 0.5}
    assert made.sentence.startswith("Slope 0.5")


def test_an_error_is_shown_kept_and_gone_with_the_next_success(capsys) -> None:
    made = panel(Line())
    before = shown(made)
    message(made, "slope", -2.0)
    assert isinstance(made.error, ValueError)
    assert "too &lt;steep&gt;" in made._status.value
    assert shown(made) == before
    message(made, "slope", 1.5)
    assert made.error is None
    assert made._status.value == ""
    assert capsys.readouterr() == ("", "")


def test_every_control_has_a_label_and_a_class_of_its_own() -> None:
    made = panel(Line())
    for control in Line.controls:
        widget = made.controls[control.name]
        assert control.label in widget.description
        assert f"course-control-{control.name}" in widget._dom_classes
    assert "per step" in made.controls["rate"].description


def test_the_picture_has_the_sentence_as_its_alternative() -> None:
    made = panel(Line())
    assert f'alt="{made.sentence}"' in made._picture.value
    width, height = made._canvas.pixels
    assert f'width="{width}" height="{height}"' in made._picture.value
    assert "data-announce" in made._picture.value
    assert 'class="course-news" role="status"' in made._heading.value


def test_classes_for_styles_and_tests_are_there() -> None:
    made = panel(Line())
    assert "course-panel" in made.box._dom_classes
    assert "course-picture" in made._picture._dom_classes
    assert "course-sentence" in made._sentence._dom_classes
    assert "course-status" in made._status._dom_classes


def test_the_bundle_says_something_true_without_a_kernel() -> None:
    first, second = panel(Line()), panel(Line())
    bundle = first._repr_mimebundle_()
    assert bundle["text/plain"] == "Line\nSlope 1.0, wide False, kind a."
    assert bundle["text/plain"] == second._repr_mimebundle_()["text/plain"]
    assert bundle["image/png"] == second._repr_mimebundle_()["image/png"]
    assert pixels(base64.b64decode(bundle["image/png"])).shape == (240, 300, 3)
    view = bundle["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == first.box.model_id
    json.dumps(bundle)


def test_a_picture_drawn_by_blitting_is_the_one_drawn_in_full() -> None:
    canvas = Canvas(Line(), defaults(Line()))
    canvas.draw({**defaults(Line()), "slope": -1.5})
    blitted = pixels(canvas.draw({**defaults(Line()), "slope": 1.5})).astype(int)
    assert canvas.full_redraws == 1
    canvas._background = None
    full = pixels(canvas.draw({**defaults(Line()), "slope": 1.5})).astype(int)
    assert canvas.full_redraws == 2
    assert np.abs(blitted - full).max() <= 2
    canvas._stamps.draw = lambda artist: artist.draw(canvas._agg.get_renderer())
    plain = pixels(canvas.draw({**defaults(Line()), "slope": 1.5})).astype(int)
    assert np.abs(plain - full).max() <= 4


def test_only_a_moved_axis_costs_a_full_redraw() -> None:
    made = panel(Line())
    message(made, "slope", -1.0)
    message(made, "slope", -0.5)
    assert made._canvas.full_redraws == 1
    message(made, "wide", True)
    assert made._canvas.full_redraws == 2


def test_a_quick_series_of_messages_ends_at_the_last() -> None:
    made = panel(Line())
    for value in (0.1, 0.5, -0.4, 1.7):
        message(made, "slope", value)
    assert made.sentence.startswith("Slope 1.7")


def test_train_pause_and_step() -> None:
    made = panel(Live())
    tick(made, 3)
    assert made.steps == 0  # the clock was not started
    made.buttons["Train"].click()
    assert made.running
    assert made.buttons["Train"].description == "Pause"
    tick(made, 3)
    reached = made.steps
    assert reached >= 3
    made.buttons["Train"].click()
    assert not made.running
    tick(made)
    assert made.steps == reached
    made.buttons["Step"].click()
    assert made.steps == reached + 1
    assert made.sentence == f"{reached + 1} steps at rate 0.1."


def test_a_run_speeds_up_until_the_budget_is_used(monkeypatch) -> None:
    """On a clock of its own: a step takes 0.5 ms, a picture 15 ms, and for three quarters of the
    time it trains."""

    class Clock:
        now = 0.0

        def perf_counter(self) -> float:
            return self.now

    clock = Clock()

    class Timed(Live):
        def step(self, state, n):
            clock.now += n * 0.0005
            return Run(state.rate, [*state.losses, *([state.rate] * n)])

        def update(self, artists, state):
            clock.now += 0.015

    monkeypatch.setattr(live, "time", clock)
    made = panel(Timed())
    made.buttons["Train"].click()
    tick(made)
    assert made.steps == 1
    tick(made, 40)
    before = made.steps
    tick(made)
    assert made.steps - before == pytest.approx(45 / 0.5, abs=1)


def test_a_preset_plays_a_new_run_to_its_end() -> None:
    made = panel(Live())
    made.buttons["Step"].click()
    made.buttons["Short"].click()
    assert made.running
    tick(made, 40)
    assert made.steps == 30
    assert not made.running


def test_an_exploding_run_keeps_its_picture() -> None:
    made = panel(Live())
    made.buttons["Explode"].click()
    assert made.settings["rate"] == 10
    tick(made, 25)
    assert made.error is None
    assert np.isnan(made.state.losses[-1])
    assert (pixels(shown(made)) < 250).any()


def test_reset_of_a_live_run_stops_and_starts_over() -> None:
    made = panel(Live())
    made.buttons["Explode"].click()
    tick(made, 3)
    made.buttons["Reset"].click()
    assert not made.running
    assert made.steps == 0
    assert made.settings == defaults(Live())


def test_a_changed_setting_restarts_a_run_that_cannot_adjust() -> None:
    made = panel(Live())
    made.buttons["Train"].click()
    tick(made, 3)
    message(made, "rate", 1.0)
    assert made.steps == 0
    assert made.running


def test_a_changed_setting_goes_into_a_run_that_can_adjust() -> None:
    made = panel(Adjustable())
    made.buttons["Train"].click()
    tick(made, 3)
    before = made.steps
    message(made, "rate", 1.0)
    tick(made)
    assert made.steps > before
    assert made.state.losses[0] == 0.1
    assert made.state.losses[-1] == 1.0
    made.controls["kind"].set_state({"index": 1})
    assert made.steps == 0


def test_an_error_while_training_pauses_and_is_shown() -> None:
    made = panel(Live())
    made.simulation.step = lambda state, n: 1 / 0
    made.buttons["Train"].click()
    tick(made)
    assert not made.running
    assert "ZeroDivisionError" in made._status.value


def test_a_playing_sentence_is_not_announced() -> None:
    made = panel(Live())
    made.buttons["Train"].click()
    tick(made)
    assert "data-announce" not in made._picture.value
    made.buttons["Train"].click()
    assert "data-announce" in made._picture.value


def test_the_clock_of_ipywidgets_7_is_started_by_the_picture() -> None:
    made = panel(Live())
    assert made.play.layout.display == "none"
    made._listens = False  # as with ipywidgets 7
    made.buttons["Train"].click()
    assert 'data-start="1"' in made._picture.value
    made.buttons["Train"].click()
    assert "data-start" not in made._picture.value


@pytest.mark.parametrize("name", SIMULATIONS)
def test_each_simulation_becomes_a_panel_that_answers(name: str) -> None:
    made = panel(name)
    assert isinstance(made, Panel)
    for control in made.simulation.controls:
        widget = made.controls[control.name]
        match control:
            case Slider():
                other = control.low if control.default == control.high else control.high
                widget.set_state({"value": other})
            case Choice():
                values = [value for value, _ in control.options]
                widget.set_state({"index": 1 if control.default == values[0] else 0})
            case Toggle():
                widget.set_state({"value": not control.default})
        assert made.error is None
        assert made.settings[control.name] != control.default
        assert made.png == shown(made)
    for label in list(made.buttons):
        made.buttons[label].click()
        assert made.error is None
    made.buttons["Reset"].click()


def test_panels_use_only_widgets_that_colab_has() -> None:
    allowed = {
        "Button", "Checkbox", "Dropdown", "FloatLogSlider", "FloatSlider", "HBox", "HTML",
        "IntSlider", "Play", "ToggleButtons", "VBox",
    }  # fmt: skip

    def walk(widget: ipywidgets.Widget) -> set[str]:
        children = getattr(widget, "children", ())
        return {type(widget).__name__}.union(*map(walk, children))

    assert walk(panel(Live()).box) <= allowed


def test_pyplot_is_not_needed(repository: Path) -> None:
    for folder in ("panels", "simulations"):
        for module in (repository / "course_lib" / folder).glob("*.py"):
            assert not re.search(r"^\s*(from|import) .*pyplot", module.read_text(), re.M), module
