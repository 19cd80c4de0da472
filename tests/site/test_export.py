"""One file of a chapter: its panels move, it asks nobody else, and it can be sent around."""

import re

import export
import pytest
from bs4 import BeautifulSoup
from export import LIMIT, RecordedPanels, fitted, thinned

from grading.paths import released_notebook


def test_a_chapter_is_one_file_with_its_panels(tmp_path, chapter, sampled):
    file = tmp_path / "chapter.html"
    export.export(chapter.id, file, RecordedPanels(recordings=sampled))
    assert file.stat().st_size < LIMIT
    page = BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")
    panels = re.findall(r'panel\(\\"(\w+)\\"', released_notebook(chapter).read_text())
    figures = page.select("figure[data-panel]")
    assert [figure["data-panel"] for figure in figures] == panels
    assert all(figure.img["src"].startswith("data:image/") for figure in figures)
    player = [each for each in page.select("script") if "class Panel" in each.get_text()]
    assert len(player) == 1


def test_a_recording_is_thinned_to_what_fits_and_keeps_what_matters(sampled):
    recording = sampled["number_formats"]
    whole = export._bytes_of(recording)
    assert fitted(recording, whole) == recording
    thin = fitted(recording, whole - 1)
    assert thin is not None
    assert len(thin.rows) < len(recording.rows)
    named = export._named(recording) | {recording.start}
    assert named <= {row.moment for row in thin.rows}


def test_what_does_not_fit_at_all_stays_a_picture(tmp_path, sampled, repository):
    assert fitted(sampled["bug_clinic"], 1000) is None
    file = tmp_path / "chapter.html"
    export.export("09_mastery", file, RecordedPanels(recordings=sampled, limit=500_000))
    page = BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")
    assert page.select("figure[data-panel]") == []
    assert page.select_one("img[src^='data:image/png']") is not None


@pytest.mark.parametrize("step", [2, 4])
def test_a_thinned_film_keeps_its_ends(sampled, step):
    recording = sampled["optimizer_race"]
    thin = thinned(recording, step)
    frames = {m.frame for m in (row.moment for row in thin.rows) if m.values == thin.start.values}
    whole = {row.moment.frame for row in recording.rows}
    assert {min(whole), max(whole)} <= frames
