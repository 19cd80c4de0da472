"""A released chapter where no kernel runs: what nbconvert, and so nbviewer and GitHub, make of it."""

import pytest
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter

from course_lib.chapters import Chapter
from grading.paths import released_notebook
from tests.notebooks.static_panels import squeezed, static_panels

#: JupyterLab's looks, which ``nbconvert --to html`` gives by default, and the older ones.
OUTPUT = {"lab": ".jp-OutputArea-output", "classic": ".output_subarea"}
EXPORTERS = {template: HTMLExporter(template_name=template) for template in OUTPUT}


def _outputs(chapter: Chapter, template: str) -> list[BeautifulSoup]:
    page, _ = EXPORTERS[template].from_filename(str(released_notebook(chapter)))
    soup = BeautifulSoup(page, "html.parser")
    assert not soup.select("script[type*=widget]")
    return soup.select(OUTPUT[template])


@pytest.mark.parametrize("template", OUTPUT)
def test_every_panel_is_a_picture_and_its_words(chapter, template):
    outputs = _outputs(chapter, template)
    pictures = [output.img for output in outputs if output.img]
    panels = static_panels(chapter)
    assert len(pictures) == len(panels)
    assert all(img["src"].startswith("data:image/png;base64,") for img in pictures)
    # JupyterLab's template of nbconvert 7.17 cannot give a picture a text; its words come next.
    if template == "classic":
        assert [img["alt"] for img in pictures] == [panel.alternative_text for panel in panels]
    assert [bool(output.img) for output in outputs] == [True, False] * len(panels)
    words = [output.get_text() for output in outputs if not output.img]
    assert [squeezed(each) for each in words] == [
        f"{each.title} {each.sentence}" for each in panels
    ]
    # GitHub does not wrap plain text.
    assert max(len(line) for each in words for line in each.splitlines()) <= 88
