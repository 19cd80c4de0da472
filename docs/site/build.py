"""``make site``: the course as static pages, made from the sources that are in the repository.

Records the panels (``recording.py``; what has not changed is taken from ``.cache/recordings``),
copies what is published into ``.cache/site/sources``, with the repository's folders so that every
relative link leads where it leads on GitHub, and runs Sphinx over it with ``conf.py``. No notebook
is executed. A warning (a link without a target, a page outside the contents) ends it with status 1.
"""

import argparse
import hashlib
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from pages import FIRST, chapter_page, document_page, home_page, panel_of
from panel_page import data, figure
from recording import CACHE, Recording, record
from sample import sample
from slim import slim
from sphinx.cmd.build import main as sphinx

from course_lib.about import colab_badge
from course_lib.answers import use_answers
from course_lib.app.terminal import answer
from course_lib.chapters import CHAPTERS, Chapter
from grading.paths import solved_notebook

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
#: Pages and files besides the chapters, and what README.md and docs/ link to.
PUBLISHED = (
    "docs",
    "deploy",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE",
    "LICENSE-text",
    "constraints.txt",
)


@dataclass(frozen=True)
class Panels:
    """The recordings by name; the scripts that go beside their pictures, by the file's name; and
    the file with a panel's index, by the panel's name."""

    recordings: dict[str, Recording]
    scripts: dict[str, str]
    indexes: dict[str, str]

    def html(self, name: str, chapter: Chapter, static: str) -> str:
        """A panel as it stands in a page from which ``static`` leads to the shared files."""
        folder = f"{static}/panels/"
        script = f'<script defer src="{folder}{self.indexes[name]}"></script>'
        return figure(self.recordings[name], folder, colab_badge(chapter.id)) + "\n" + script

    def write(self, folder: Path) -> None:
        """Put pictures and scripts into ``folder``."""
        folder.mkdir(parents=True)
        for name, text in self.scripts.items():
            (folder / name).write_text(text, encoding="utf-8")
        used = {
            path
            for recording in self.recordings.values()
            for row in recording.rows
            for path in recording.stack(row)
        }
        for path in used:
            shutil.copyfile(path, folder / path.name)


def recorded(cache: Path, sampled: bool) -> Panels:
    """All panels; of the full recording, or of the small one that the tests use."""
    recordings = record(only=sample() if sampled else None, cache=cache)
    scripts: dict[str, str] = {}
    indexes = {}
    for name, recording in recordings.items():
        index, parts = data(recording)
        indexes[name] = f"{name}.{hashlib.sha256(index.encode()).hexdigest()[:8]}.js"
        scripts |= {indexes[name]: index, **parts}
    return Panels(recordings, scripts, indexes)


def stage(sources: Path, panels: Panels, graded: bool) -> None:
    """Fill the empty folder ``sources`` with what Sphinx reads; ``graded``: no quiz has answers."""
    for name in PUBLISHED:
        path = REPOSITORY / name
        if path.is_dir():
            shutil.copytree(path, sources / name, ignore=shutil.ignore_patterns("site", "*.py"))
        else:
            shutil.copyfile(path, sources / name)
    for path in sources.rglob("*.md"):
        path.write_text(document_page(path.read_text(encoding="utf-8")), encoding="utf-8")
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    first = panels.html(FIRST, CHAPTERS[0], "_static")
    (sources / "index.md").write_text(home_page(readme, first), encoding="utf-8")
    # The page of a chapter differs from what a learner opens, which is offered beside it.
    for folder in ("notebooks", "released"):
        (sources / folder).mkdir()
    for chapter in CHAPTERS:
        released = REPOSITORY / "notebooks" / f"{chapter.id}.ipynb"
        text = released.read_text(encoding="utf-8")
        names = filter(None, map(panel_of, json.loads(text)["cells"]))
        shown = {name: panels.html(name, chapter, "../_static") for name in names}
        solved = None if graded else solved_notebook(chapter).read_text(encoding="utf-8")
        page = chapter_page(chapter, text, shown, solved)
        (sources / "notebooks" / released.name).write_text(page, encoding="utf-8")
        shutil.copyfile(released, sources / "released" / released.name)


def main() -> int:
    parser = argparse.ArgumentParser(description="The course as a static site.")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "site")
    parser.add_argument("--work", type=Path, default=REPOSITORY / ".cache" / "site")
    parser.add_argument("--recordings", type=Path, default=CACHE, help="where they are kept")
    parser.add_argument(
        "--sample", action="store_true", help="record a few settings of each panel, for the tests"
    )
    parser.add_argument(
        "--graded", action="store_true", help="for a graded course: quizzes have no answers"
    )
    options = parser.parse_args()
    use_answers()
    shutil.rmtree(options.work, ignore_errors=True)
    sources, pages = options.work / "sources", options.work / "pages"
    sources.mkdir(parents=True)
    panels = recorded(options.recordings, options.sample)
    stage(sources, panels, options.graded)
    folders = ["-c", str(HERE), "-d", str(options.work / "doctrees"), str(sources), str(pages)]
    if sphinx(["-b", "html", "-q", "-W", "--keep-going", *folders]) != 0:
        return 1
    panels.write(pages / "_static" / "panels")
    slim(pages)
    shutil.rmtree(options.output, ignore_errors=True)
    shutil.move(pages, options.output)
    print(f"The site is in {options.output}: open index.html there.")
    return 0


if __name__ == "__main__":
    sys.exit(answer(main, "run `make setup`"))
