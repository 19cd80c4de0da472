"""The dashboard trains in the page, lets other cells run meanwhile, and stops when told to."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.notebook_page import NotebookPage

REPOSITORY = Path(__file__).resolve().parents[2]
PANEL_CALL = 'panel("dashboard"'
CHAPTER = "07_training_dashboard"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (REPOSITORY / "notebooks" / f"{CHAPTER}.ipynb").is_file(),
        reason="chapter 07 is not released yet",
    ),
]

#: Waits until so many different sentences were shown.
COUNT_SENTENCES = """async (panel, wanted) => {
    const seen = new Set();
    while (seen.size < wanted) {
        seen.add(panel.querySelector(".course-sentence").textContent);
        await new Promise(requestAnimationFrame);
    }
    return seen.size;
}"""


def _button(panel: Locator, label: str) -> Locator:
    return panel.get_by_role("button", name=label, exact=True)


@pytest.fixture(scope="module")
def notebook(lab_page: Page) -> Iterator[NotebookPage]:
    """The chapter with its dashboard drawn, and nothing else run."""
    with NotebookPage.within(lab_page, CHAPTER) as opened:
        opened.run_cell("setup")
        opened.run_cell(opened.cell_saying(PANEL_CALL))
        yield opened


@pytest.fixture
def panel(notebook: NotebookPage) -> Locator:
    """The dashboard, as it was at first."""
    found = notebook.show_cell(notebook.cell_saying(PANEL_CALL)).locator(".course-panel")
    _button(found, "Reset").click()
    expect(_button(found, "Train")).to_be_visible()
    expect(found.locator(".course-sentence")).to_contain_text("poch 0")
    return found


def test_dashboard_trains_and_pauses_while_other_cells_run(notebook, panel):
    sentence = panel.locator(".course-sentence")

    _button(panel, "Train").click()
    expect(_button(panel, "Pause")).to_be_visible()
    assert panel.evaluate(COUNT_SENTENCES, 10) == 10

    notebook.write_cell("q07_1", 'q07_1 = "B"')
    notebook.run_cell("q07_1")
    expect(notebook.run_cell("q07_1__test")).to_contain_text("q07_1: B is")

    notebook.show_cell(notebook.cell_saying(PANEL_CALL))
    _button(panel, "Pause").click()
    expect(_button(panel, "Train")).to_be_visible()
    paused = sentence.inner_text()

    _button(panel, "Step").click()
    expect(sentence).not_to_have_text(paused)
    _button(panel, "Reset").click()
    expect(sentence).to_contain_text("poch 0")
    assert panel.locator(".course-status").inner_text() == ""


def test_another_cell_runs_while_a_slider_is_dragged_and_the_run_goes_on(notebook, panel):
    notebook.write_cell("q07_1", 'q07_1 = "C"')
    notebook.show_cell(notebook.cell_saying(PANEL_CALL))
    _button(panel, "Train").click()
    expect(_button(panel, "Pause")).to_be_visible()

    handle = panel.get_by_role("slider", name="Learning rate", exact=True)
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    mouse = notebook.page.mouse
    mouse.move(x, y)
    mouse.down()
    mouse.move(x - 40, y, steps=10)
    notebook.run_elsewhere("q07_1")
    notebook.run_elsewhere("q07_1__test")
    mouse.move(x + 40, y, steps=10)
    assert panel.evaluate(COUNT_SENTENCES, 5) == 5  # still held, and still training
    mouse.up()
    expect(_button(panel, "Pause")).to_be_visible()
    assert panel.locator(".course-status").inner_text() == ""
    expect(notebook.show_cell("q07_1__test")).to_contain_text("q07_1: C is")


def test_explode_plays_by_itself_to_its_end(panel):
    _button(panel, "Explode").click()
    expect(_button(panel, "Pause")).to_be_visible()
    expect(panel.locator(".course-sentence")).to_contain_text("poch 50")
    expect(_button(panel, "Train")).to_be_visible()
