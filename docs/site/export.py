"""A chapter as one HTML file whose panels move: ``python docs/site/export.py 05``.

The file holds everything and needs neither a kernel nor a network. It is what ``nbconvert --to html``
makes, with a preprocessor that puts recordings in the place of the panels' pictures; alone:

    PYTHONPATH=docs/site jupyter nbconvert --to html \\
        --HTMLExporter.preprocessors=export.RecordedPanels notebooks/05_complete_loop.ipynb

A recording that would make the file larger than 5 MB is thinned; where even that does not fit, the
picture and the sentence of the notebook stay.
"""

import argparse
import base64
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
from claims import CLAIMS
from nbconvert import HTMLExporter
from nbconvert.preprocessors import Preprocessor
from pages import html_output, panel_of
from panel_page import Dimension, data, dimensions, figure, preset_moment
from recording import CACHE, Moment, Recording, record
from traitlets import Dict, Int, Unicode

from course_lib.about import colab_badge
from course_lib.app.terminal import answer
from course_lib.chapters import CHAPTERS, find_chapter
from course_lib.simulations import load

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
#: Bytes of a file that can still be sent around.
LIMIT = 5_000_000
#: Of each control's values, one in so many is kept.
_THINNED = (1, 2, 4, 8, 16)
#: Three bytes become four letters.
_BASE64 = 4 / 3


class RecordedPanels(Preprocessor):
    """Replaces the outputs of a chapter's panels by their recordings."""

    enabled = True
    limit = Int(LIMIT, help="Bytes that the whole file may have.").tag(config=True)
    cache = Unicode(str(CACHE), help="Where recordings are kept.").tag(config=True)
    #: By a panel's name; when empty, what the cache has, or what is recorded now.
    recordings = Dict()

    def preprocess(self, nb: Any, resources: dict) -> tuple[Any, dict]:
        cells = [(cell, name) for cell in nb.cells if (name := panel_of(cell))]
        if not cells:
            return nb, resources
        names = [name for _, name in cells]
        recordings = self.recordings or record(names, cache=Path(self.cache))
        # The exported notebook without panels is some 300 kB of styles, and its own text.
        left = self.limit - 400_000 - len(nbformat.writes(nb))
        name = resources.get("metadata", {}).get("name", "")
        chapter = next((each.id for each in CHAPTERS if each.id == name), CHAPTERS[0].id)
        shared = _shared()
        for place, (cell, panel) in enumerate(cells):
            fitting = fitted(recordings[panel], left // (len(cells) - place))
            if fitting is None:
                continue
            html = shared + inlined(fitting, colab_badge(chapter))
            shared = ""
            left -= len(html)
            cell.outputs = [nbformat.from_dict(html_output(html))]
        return nb, resources


def fitted(recording: Recording, limit: int) -> Recording | None:
    """As much of the recording as makes at most ``limit`` bytes of HTML."""
    for step in _THINNED:
        thin = thinned(recording, step)
        if _bytes_of(thin) <= limit:
            return thin
    return None


def thinned(recording: Recording, step: int) -> Recording:
    """With one in ``step`` of each control's values, the start, the presets and what the chapter
    says about the panel."""
    dims = dimensions(recording)
    start = recording.start
    start_values = [*start.values, start.frame]
    kept = [
        _thin(dim, start_value, step) for dim, start_value in zip(dims, start_values, strict=False)
    ]
    named = _named(recording)
    rows = []
    for row in recording.rows:
        values = [*row.moment.values, row.moment.frame]
        on_grid = [value in each for value, each in zip(values, kept, strict=False)]
        in_film = row.moment.values in {moment.values for moment in named}
        frame_stays = not dims[-1].is_film or on_grid[-1]
        if all(on_grid) or row.moment in named or (in_film and frame_stays):
            rows.append(row)
    return replace(recording, rows=tuple(rows))


def inlined(recording: Recording, colab: str) -> str:
    """The panel's HTML with everything that it shows."""
    index, parts = data(recording)
    names = {recording.opening}.union(*(row.layers for row in recording.rows))
    files = ",".join(f'"{name}":"{_address(recording, name)}"' for name in sorted(names))
    scripts = [index, *parts.values(), f"courseRecordings.push({{files:{{{files}}}}});"]
    page = figure(recording, "", colab).replace(
        f'src="{recording.opening}"', f'src="{_address(recording, recording.opening)}"'
    )
    script = "\n".join(scripts).replace("</", "<\\/")
    return f"{page}\n<script>{script}</script>"


def _thin(dim: Dimension, start: Any, step: int) -> set[Any]:
    if len(dim.values) <= 4:  # buttons, ticks and short lists stay whole
        return set(dim.values)
    # A film's first and last picture stay, and so do a slider's ends.
    return {*dim.values[::step], dim.values[-1], start}


def _named(recording: Recording) -> set[Moment]:
    """What the presets start and the chapter's claims are about."""
    simulation = load(recording.name)
    presets = {p.label: dict(p.settings) for p in getattr(simulation, "presets", ())}
    found = {preset_moment(recording, settings) for settings in presets.values()}
    for claim in CLAIMS:
        if claim.panel == recording.name:
            settings = {**presets.get(claim.preset or "", {}), **claim.settings}
            moment = preset_moment(recording, settings)
            found.add(moment if claim.frame is None else replace(moment, frame=claim.frame))
    return found


def _bytes_of(recording: Recording) -> int:
    files = {path for row in recording.rows for path in recording.stack(row)}
    pictures = sum(_BASE64 * path.stat().st_size + 60 for path in files)
    index, parts = data(recording)
    return int(pictures + len(index) + sum(map(len, parts.values()))) + 20_000


def _address(recording: Recording, name: str) -> str:
    content = base64.b64encode((recording.pictures / name).read_bytes()).decode("ascii")
    return f"data:image/webp;base64,{content}"


def _shared() -> str:
    """The player and its style, once in a file."""
    style = (HERE / "static" / "panels.css").read_text(encoding="utf-8")
    player = (HERE / "static" / "panels.js").read_text(encoding="utf-8")
    return f"<style>{style}</style>\n<script>{player}</script>\n"


def export(chapter_id: str, output: Path, panels: RecordedPanels) -> None:
    """Write a chapter's HTML file."""
    exporter = HTMLExporter()
    exporter.register_preprocessor(panels, enabled=True)
    notebook = REPOSITORY / "notebooks" / f"{chapter_id}.ipynb"
    page, _ = exporter.from_filename(str(notebook))
    output.write_text(page, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description="A chapter as one HTML file whose panels move.")
    parser.add_argument("chapter", help="its number, such as 05")
    parser.add_argument("--output", type=Path, help="default: CHAPTER.html, here")
    parser.add_argument("--recordings", type=Path, default=CACHE, help="where they are kept")
    options = parser.parse_args()
    chapter = find_chapter(options.chapter)
    output = options.output or Path(f"{chapter.id}.html")
    export(chapter.id, output, RecordedPanels(cache=str(options.recordings)))
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(answer(main, "run `make setup`"))
