"""Each released notebook in JupyterLab: run, work every panel, answer an exercise.

The tests below share one page per chapter, on which all cells have run, and leave each panel as
it was at first. By themselves they are a second each; opening and running is what takes time.
"""

import re
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect

from course_lib.chapters import CHAPTERS
from course_lib.panels.markup import REST_MILLISECONDS
from course_lib.simulations.base import Slider, Toggle
from tests.browser.accessibility import findings
from tests.browser.notebook_page import NotebookPage
from tests.browser.panel_in_page import PanelInPage, extremes

REPOSITORY = Path(__file__).resolve().parents[2]
RELEASED = [
    chapter.id
    for chapter in CHAPTERS
    if (REPOSITORY / "notebooks" / f"{chapter.id}.ipynb").is_file()
]

each_chapter = pytest.mark.parametrize("chapter", RELEASED, indirect=True, scope="module")

#: Looks at the picture of a panel before each frame is painted, until told to stop.
WATCH_PICTURE = """panel => {
    const watch = {frames: 0, bad: 0, sources: new Set(), on: true};
    const look = () => {
        if (!watch.on) return;
        const image = panel.querySelector(".course-picture img");
        const box = image?.getBoundingClientRect();
        const whole = image?.complete && image.naturalWidth > 0 && box.width > 0 && box.height > 0;
        watch.frames += 1;
        watch.bad += whole ? 0 : 1;
        if (image) watch.sources.add(image.src);
        requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
    window.watchedPicture = watch;
}"""
STOP_WATCHING = """() => {
    const watch = window.watchedPicture;
    watch.on = false;
    return {frames: watch.frames, bad: watch.bad, pictures: watch.sources.size};
}"""

#: How the focus is shown on an element: style and width in pixels.
OUTLINE = """element => {
    const style = getComputedStyle(element);
    return [style.outlineStyle, parseFloat(style.outlineWidth)];
}"""

pytestmark = [pytest.mark.browser, pytest.mark.apart("chapter")]


def _first_exercise(chapter: str) -> tuple[str, str]:
    """Name and solution of the first exercise that is a function, from the solved notebook."""
    path = REPOSITORY / "grading" / "source" / chapter / f"{chapter}.ipynb"
    for cell in nbformat.read(path, as_version=4).cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if re.search(rf"^def {re.escape(name)}\(", cell.source, re.MULTILINE) and name:
            return name, cell.source
    pytest.fail(f"{path.name} holds no exercise that is a function")


@each_chapter
def test_it_runs_from_top_to_bottom_unsolved(chapter: NotebookPage) -> None:
    """First, before the other tests run cells again. It stands for ``test_released``'s run."""
    assert chapter.errors_in_cells() == []
    assert chapter.cells_not_run() == []


@each_chapter
def test_every_control_of_every_panel_answers_the_keyboard(chapter: NotebookPage) -> None:
    for panel in chapter.panels():
        for control in panel.controls:
            sentences, pictures = set(), 0
            for value in extremes(control):
                pictures += panel.move(control, value)
                sentences.add(panel.twin.sentence)
            assert pictures or len(sentences) > 1, f"{panel.name}: {control.name} changes nothing"
            panel.reset()
        panel.keep_picture("panel")


@each_chapter
def test_every_button_of_every_panel_answers(chapter: NotebookPage) -> None:
    for panel in chapter.panels():
        for label in panel.twin.buttons:
            if panel.is_live:
                _live_button_answers(panel, label)
            elif label != "Reset":
                panel.press(label)
                panel.twin.buttons[label].click()
                panel.expect_twin()
            panel.reset()


def _live_button_answers(panel: PanelInPage, label: str) -> None:
    before = panel.sentence.inner_text()
    panel.press(label)
    if label not in ("Step", "Reset"):
        expect(panel.button("Pause")).to_be_visible()
        panel.see_sentences(3)
    if label != "Reset":
        expect(panel.sentence).not_to_have_text(before)
    assert panel.error == ""


@each_chapter
def test_picture_is_whole_at_every_frame_of_a_drag(chapter: NotebookPage) -> None:
    for panel in chapter.panels():
        slider = next((c for c in panel.controls if isinstance(c, Slider)), None)
        if slider is None:
            continue  # nothing to drag
        panel.root.evaluate(WATCH_PICTURE)
        panel.drag(slider, by=60, steps=20)
        panel.settle(slider, slider.low)
        panel.move(slider, slider.high)
        seen = panel.root.evaluate(STOP_WATCHING)
        assert seen["pictures"] >= 3, (panel.name, seen)
        assert seen["bad"] == 0, (panel.name, seen)
        panel.reset()


@each_chapter
def test_a_check_answers_wrong_and_right(chapter: NotebookPage) -> None:
    name, solution = _first_exercise(chapter.name)
    for source, state in (
        (f"def {name}(*args, **kwargs):\n    return None", "Not right yet"),
        (solution, "Right"),
    ):
        chapter.write_cell(name, source)
        chapter.run_cell(name)
        answer = chapter.run_cell(f"{name}__test").locator(".course-check")
        expect(answer).to_contain_text(f"{name}: {state}")


@each_chapter
def test_axe_finds_nothing_serious_in_the_light_theme(chapter: NotebookPage) -> None:
    assert findings(chapter.page) == []


@each_chapter
def test_axe_finds_nothing_serious_in_the_dark_theme(chapter: NotebookPage) -> None:
    with chapter.dark_theme():
        assert findings(chapter.page) == []
        for panel in chapter.panels():
            panel.keep_picture("dark")


@each_chapter
def test_the_focus_is_seen_on_every_kind_of_control(chapter: NotebookPage) -> None:
    for panel in chapter.panels():
        chapter.page.keyboard.press("Shift")  # from here on it is the keyboard that moves it
        for kind, element in panel.one_of_each_kind().items():
            element.focus()
            style, width = element.evaluate(OUTLINE)
            assert (style, width >= 2) == ("solid", True), f"{panel.name}: {kind}"


@each_chapter
def test_a_new_sentence_is_read_out_once_when_the_control_rests(chapter: NotebookPage) -> None:
    panel = next(chapter.panels())
    control = next(c for c in panel.controls if not isinstance(c, Toggle))
    one, other = extremes(control)[:2]
    news = panel.root.locator(".course-news")
    with chapter.timers_held(REST_MILLISECONDS) as let_them_go:
        panel.move(control, one)
        let_them_go()
        before = news.inner_text()
        for value in (other, one, other):
            panel.move(control, value)
            assert news.inner_text() == before
        assert before != panel.twin.sentence
        assert let_them_go() == 1
        assert news.inner_text() == panel.twin.sentence
    panel.reset()


@each_chapter
def test_every_panel_can_be_read_and_worked_at_200_percent(chapter: NotebookPage) -> None:
    with chapter.zoomed_to_200_percent():
        for panel in chapter.panels():
            chapter.keep_picture(f"{panel.name}_zoomed")
            assert chapter.sideways() == 0, f"{panel.name} makes the notebook scroll sideways"
            assert panel.out_of_sight() == [], f"{panel.name}: controls beyond the edge"
            assert panel.cut_off() == [], panel.name
            # Its words are then larger than in a wide window without zoom.
            shown, drawn = panel.widths()
            assert 2 * shown > 1.1 * drawn, f"{panel.name}: {shown} of {drawn} pixels"


@each_chapter
def test_nothing_was_wrong_in_cells_and_console(chapter: NotebookPage) -> None:
    assert chapter.errors_in_cells() == []
    assert chapter.page.locator(".jp-Dialog").count() == 0
    assert chapter.complaints == []
