"""``make site``: every chapter and document as a page, nothing that is the grader's, no dead link."""

import gzip
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from course_lib.chapters import CHAPTERS
from grading.paths import REPOSITORY, released_notebook
from tests.notebooks.static_panels import squeezed, static_panels
from tests.notebooks.test_released import GRADERS_MARKS, solution_secrets
from tests.site.conftest import SAMPLED

#: A number in a sentence, with its sign, its point and its commas.
_NUMBER = re.compile(r"-?\d[\d,.]*(?:e-?\d+)?")
DOCUMENTS = ("glossary", "cheat_sheet", "handbook", "questions")


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, BeautifulSoup]:
    """Every page, parsed."""
    return {
        path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in site.rglob("*.html")
        if "_static" not in path.parts
    }


def _article(page: BeautifulSoup) -> BeautifulSoup:
    return page.select_one("article.bd-article")


def test_each_panel_can_be_read_without_any_script(site, pages, chapter):
    article = _article(pages[site / "notebooks" / f"{chapter.id}.html"])
    figures = article.select(".cell_output figure")
    panels = static_panels(chapter)
    assert [each.select_one(".course-heading").get_text() for each in figures] == [
        panel.title for panel in panels
    ]
    for figure, panel in zip(figures, panels, strict=True):
        sentence = squeezed(figure.select_one(".course-sentence").get_text())
        assert squeezed(figure.img["alt"]) == sentence
        # Recorded here, and the notebook elsewhere: another machine's last digit may differ.
        assert _NUMBER.sub("#", sentence) == _NUMBER.sub("#", squeezed(panel.sentence))
        with Image.open(site / "notebooks" / figure.img["src"]) as picture:
            assert [str(side) for side in picture.size] == [
                figure.img["width"],
                figure.img["height"],
            ]
        assert figure.fieldset.has_attr("disabled")  # until the player has started
    assert len(article.select(".cell_output:not(:has(.course-question))")) == len(panels)


def test_the_start_page_has_a_panel_before_anything_else(pages, site):
    article = _article(pages[site / "index.html"])
    figure = article.select_one("figure[data-panel=run_gone_wrong]")
    assert article.find(["figure", "img", "pre", "h2"]) is figure
    assert (site / figure.img["src"]).exists()


def test_a_panel_brings_its_index_and_the_index_its_parts(pages, site):
    for path, page in pages.items():
        for figure in page.select("figure[data-panel]"):
            name = figure["data-panel"]
            (script,) = page.select(f"script[src*='/panels/{name}.']")
            index = (path.parent / script["src"]).resolve().read_text(encoding="utf-8")
            parts = re.search(r'"parts":\[([^\]]*)\]', index)[1].split(",")
            for part in parts:
                assert (site / "_static" / "panels" / part.strip('"')).exists()


def test_a_page_is_light_before_anything_is_moved(pages, site):
    """What a browser loads at once, compressed as web servers do (GitHub Pages among them)."""
    for path, page in pages.items():
        loaded = {path}
        for element in page.select("script[src], link[rel=stylesheet], img[src]"):
            if element.get("loading") != "lazy":
                address = urlsplit(element.get("src") or element.get("href"))
                loaded.add((path.parent / unquote(address.path)).resolve())
        text = [file for file in loaded if file.suffix in (".html", ".js", ".css")]
        size = sum(len(gzip.compress(file.read_bytes())) for file in text)
        size += sum(file.stat().st_size for file in loaded if file not in text)
        assert size < 400_000, f"{path.name}: {size}"


def test_its_page_is_the_released_notebook_and_nothing_of_the_grader(site, pages, chapter):
    article = _article(pages[site / "notebooks" / f"{chapter.id}.html"])
    released = nbformat.read(released_notebook(chapter), as_version=4)
    code = [cell.source.strip() for cell in released.cells if cell.cell_type == "code"]
    assert [each.get_text().strip() for each in article.select(".cell_input pre")] == code
    text = article.get_text()
    assert [line for line in solution_secrets(chapter) if line in text] == []
    assert [mark for mark in GRADERS_MARKS if re.search(mark, text)] == []


def test_its_notebook_can_be_had_as_it_was_released(site, pages, chapter):
    page = site / "notebooks" / f"{chapter.id}.html"
    (link,) = [each for each in pages[page].find_all("a", href=True) if each.has_attr("download")]
    offered = (page.parent / link["href"]).resolve()
    assert offered.read_bytes() == released_notebook(chapter).read_bytes()


def test_every_page_leads_to_every_other(site, pages):
    wanted = {site / "notebooks" / f"{each.id}.html" for each in CHAPTERS}
    wanted |= {site / "docs" / f"{name}.html" for name in DOCUMENTS}
    wanted |= {site / "index.html"}
    for path in wanted:
        links = pages[path].select(".bd-sidebar-primary a[href]")
        linked = {(path.parent / each["href"].split("#")[0]).resolve() for each in links}
        assert wanted <= linked | {path}, path.name


def test_chapters_send_the_reader_to_the_glossary_on_the_site(site, pages, chapter):
    article = _article(pages[site / "notebooks" / f"{chapter.id}.html"])
    assert article.find("a", string="Glossary")["href"] == "../docs/glossary.html"


def test_no_link_is_dead(site, pages):
    names = {path: {each["id"] for each in page.select("[id]")} for path, page in pages.items()}
    dead = []
    for path, page in pages.items():
        for element in page.select("a[href], img[src], script[src], link[href]"):
            address = urlsplit(element.get("href") or element.get("src"))
            if address.scheme or address.netloc:
                continue
            target = (path.parent / unquote(address.path)).resolve() if address.path else path
            if not target.exists():
                dead.append(f"{path.name}: {address.path}")
            elif address.fragment and target in names and address.fragment not in names[target]:
                dead.append(f"{path.name}: {address.path}#{address.fragment}")
    assert dead == []


def test_pages_load_nothing_from_elsewhere(pages):
    for path, page in pages.items():
        loaded = page.select("script[src], img[src], iframe[src], link[rel=stylesheet]")
        outside = [each.get("src") or each.get("href") for each in loaded]
        assert [each for each in outside if re.match(r"(https?:)?//", each)] == [], path.name


def test_the_search_knows_every_page_and_the_words_of_the_course(site):
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    for chapter in CHAPTERS:
        assert f'"notebooks/{chapter.id}"' in index
    for name in DOCUMENTS:
        assert f'"docs/{name}"' in index
    assert '"misconcept' in index
    assert (site / "search.html").exists()


def test_a_site_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    command = [sys.executable, "docs/site/build.py", "--sample", "--recordings", str(SAMPLED)]
    command += ["--work", str(tmp_path / "file" / "work")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line == f"error: {tmp_path / 'file' / 'work' / 'sources'}: Not a directory."
