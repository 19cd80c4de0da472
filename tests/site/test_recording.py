"""What is recorded is what PyTorch computes, all that is promised is recorded, and only once."""

import json
import re
from dataclasses import replace

import numpy as np
import panel_page
import pixels
import pytest
import recording
from claims import CLAIMS
from recording import Moment, Recording, Row, moments, settings_of, start_of, states

from course_lib.chapters import CHAPTERS
from course_lib.panels.canvas import Canvas
from course_lib.panels.controls import check
from course_lib.simulations import SIMULATIONS, load
from course_lib.simulations.base import defaults
from grading.paths import released_notebook
from tests.site.conftest import REPOSITORY

each_simulation = pytest.mark.parametrize("name", SIMULATIONS)
_STATIC = REPOSITORY / "docs" / "site" / "static"


@each_simulation
def test_every_recorded_setting_is_one_that_the_panel_can_have(name):
    simulation = load(name)
    known = {control.name for control in simulation.controls}
    for sweep in simulation.recording:
        assert set(sweep.values) <= known
        for control in simulation.controls:
            for value in sweep.values.get(control.name, ()):
                check(control, value)
    assert settings_of(simulation, start_of(simulation, moments(simulation))) == defaults(
        simulation
    )


@each_simulation
def test_recorded_sentence_and_picture_are_those_of_the_simulation(name, sampled):
    recorded = sampled[name]
    simulation = load(name)
    canvas = Canvas(simulation, simulation.compute(defaults(simulation)), stamps=False)
    rows = {row.moment: row for row in recorded.rows}
    some = [row.moment for row in recorded.rows][:: max(1, len(rows) // 12)]
    for moment, state in states(simulation, some):
        row = rows[moment]
        assert row.sentence == simulation.describe(state), moment
        drawn = pixels.from_rgba(canvas.pixels_of(state))
        shown = pixels.decode(recorded.stack(row))
        width = int(getattr(simulation, "measured_from", 1) * drawn.shape[1])
        assert np.array_equal(shown[:, :width], drawn[:, :width]), moment


@each_simulation
def test_every_preset_is_recorded_and_says_what_the_panel_says(name):
    simulation = load(name)
    whole = _bare(name)
    for preset in getattr(simulation, "presets", ()):
        moment = panel_page.preset_moment(whole, dict(preset.settings))
        wanted = simulation.compute({**defaults(simulation), **preset.settings})
        shown = simulation.compute(settings_of(simulation, moment))
        assert simulation.describe(shown) == simulation.describe(wanted)
        if preset.stop_at is not None:
            film = {m.frame for m in moments(simulation) if m.values == moment.values}
            assert {0, preset.stop_at} <= film


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"{claim.panel}: {claim.words[:40]}")
def test_each_claim_stands_in_its_chapter_and_is_recorded(claim, chapter_texts):
    assert claim.words in chapter_texts[claim.panel]
    simulation = load(claim.panel)
    settings = {**claim.settings}
    if claim.preset:
        settings |= {p.label: dict(p.settings) for p in simulation.presets}[claim.preset]
    values = panel_page.preset_moment(_bare(claim.panel), settings).values
    frame = claim.frame
    if frame is None:
        frame = start_of(simulation, moments(simulation)).frame
    assert Moment(values, frame) in moments(simulation)


def test_every_panel_of_every_chapter_has_claims(chapter_texts):
    assert {claim.panel for claim in CLAIMS} == set(chapter_texts) == set(SIMULATIONS)


@each_simulation
def test_index_part_and_first_picture_of_the_whole_recording_are_small(name, sampled):
    whole = _bare(name)
    index, parts = panel_page.data(whole)
    first = sampled[name].pictures / sampled[name].opening
    assert len(index) + max(map(len, parts.values())) + first.stat().st_size < 150_000
    shown = json.loads(index[index.index("push(") + 5 : -2])
    assert len(shown["codes"]) == 2 * len(shown["dims"]) * len(whole.rows)
    assert shown["ends"][-1] == len(whole.rows)


def test_the_player_is_small_and_asks_nobody_else():
    player = (_STATIC / "panels.js").read_text(encoding="utf-8")
    assert len(player.encode()) < 15_000
    assert not re.search(r"https?:|\bfetch\(|XMLHttpRequest|\bimport\b", player)


def test_a_recording_is_made_once_and_again_when_its_settings_change(tmp_path, monkeypatch):
    name = "graph_walker"
    whole = moments(load(name))
    some = [*whole[:3], start_of(load(name), whole)]
    first = recording.record([name], {name: some}, tmp_path, workers=1)[name]
    assert [row.moment for row in first.rows] == some
    runs = []
    monkeypatch.setattr(recording, "_run", lambda names, *_: runs.append(names))
    assert recording.record([name], {name: some}, tmp_path, workers=1) == {name: first}
    assert runs == []
    recording.record([name], {name: some[1:]}, tmp_path, workers=1)
    assert runs == [[name]]


def test_the_code_that_a_picture_depends_on_is_known():
    names = {path.name for path in recording._sources("course_lib.simulations.dashboard")}
    assert {"dashboard.py", "dashboard_runs.py", "dashboard_picture.py", "shading.py"} <= names
    assert {"training.py", "models.py", "data.py", "beats.py", "canvas.py", "base.py"} <= names
    assert "optimizer_race.py" not in names


def test_equal_pictures_are_one_file(tmp_path):
    picture = np.full((4, 5), 0xFFFFFFFF, np.uint32)
    other = picture.copy()
    other[1, 2] = 0xFF0000FF
    assert pixels.overlay(picture, picture.copy()) is None
    names = {recording._stored(pixels.overlay(picture, other), tmp_path) for _ in range(2)}
    assert len(names) == 1 == len(list(tmp_path.iterdir()))
    base = tmp_path / recording._stored(picture, tmp_path)
    assert np.array_equal(pixels.decode([base, tmp_path / names.pop()]), other)


def _bare(name: str) -> Recording:
    """The whole recording without its pictures, which take minutes: sentences of a usual length."""
    wanted = moments(load(name))
    layers = ("0123456789ab.webp", "ba9876543210.webp")
    rows = tuple(Row(moment, "x" * 300, layers) for moment in wanted)
    start = start_of(load(name), wanted)
    return Recording(name, (1000, 500), "0.webp", start, rows, REPOSITORY)


@pytest.fixture(scope="module")
def chapter_texts() -> dict[str, str]:
    """By a panel's name, the text of the chapter in which it stands, with single spaces."""
    found = {}
    for chapter in CHAPTERS:
        notebook = json.loads(released_notebook(chapter).read_text(encoding="utf-8"))
        text = " ".join(" ".join("".join(cell["source"]).split()) for cell in notebook["cells"])
        found |= dict.fromkeys(re.findall(r'panel\("(\w+)"', text), text)
    return found


def test_a_recording_without_its_start_says_so():
    simulation = load("zero_grad")
    with pytest.raises(LookupError, match="zero_grad: its recording leaves out the defaults"):
        start_of(simulation, [replace(moments(simulation)[0], values=(0.5,))])
