"""Each released notebook in JupyterLab: run, move a slider, answer an exercise."""

import re
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

from course_lib.chapters import CHAPTERS

REPOSITORY = Path(__file__).resolve().parents[2]
RELEASED = [
    chapter for chapter in CHAPTERS if (REPOSITORY / "notebooks" / f"{chapter.id}.ipynb").is_file()
]
#: Keys to try: a slider may stand at its end, or take more than one step to change a rounded number.
KEYS = ["ArrowRight"] * 6 + ["ArrowLeft"] * 12

SLIDER = ".noUi-handle"
OTHER_CHOICE = ".widget-toggle-buttons button:not(.mod-active)"

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

pytestmark = pytest.mark.browser


def _picture(panel: Locator) -> str:
    return panel.locator(".course-picture img").get_attribute("src")


def _sentence(panel: Locator) -> str:
    return panel.locator(".course-sentence").inner_text()


def _first_panel(notebook) -> tuple[Locator, Locator]:
    """A panel with what to move in it: the first slider of the chapter or, where its panels have
    none, the first button of a choice that is not the chosen one."""
    panels = [notebook.show_cell(cell).locator(".course-panel") for cell in notebook.panel_cells()]
    for kind in (SLIDER, OTHER_CHOICE):
        for panel in panels:
            panel.locator(".course-picture img").wait_for()
            if panel.locator(kind).count():
                return panel, panel.locator(kind).first
    pytest.fail("no panel of this chapter has a slider or a choice of buttons")


def _first_exercise(chapter) -> tuple[str, str]:
    """Name and solution of the first exercise that is a function, from the solved notebook."""
    path = REPOSITORY / "grading" / "source" / chapter.id / f"{chapter.id}.ipynb"
    for cell in nbformat.read(path, as_version=4).cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if re.search(rf"^def {re.escape(name)}\(", cell.source, re.MULTILINE) and name:
            return name, cell.source
    pytest.fail(f"{path.name} holds no exercise that is a function")


@pytest.mark.parametrize("chapter", RELEASED, ids=lambda chapter: chapter.id)
def test_chapter_runs_and_answers_in_the_browser(chapter, open_notebook):
    notebook = open_notebook(chapter.id)
    notebook.run_all()

    _keyboard_moves_picture_and_sentence(notebook)
    _picture_is_whole_at_every_frame_of_a_drag(notebook)
    _check_answers_wrong_and_right(notebook, *_first_exercise(chapter))
    assert notebook.page.locator(".jp-Dialog").count() == 0


def _keyboard_moves_picture_and_sentence(notebook) -> None:
    panel, control = _first_panel(notebook)
    picture, sentence = _picture(panel), _sentence(panel)
    if _is_slider(control):
        control.focus()
        for key in KEYS:
            notebook.page.keyboard.press(key)
    else:
        control.focus()
        notebook.page.keyboard.press("Space")
    image = panel.locator(".course-picture img")
    expect(image).not_to_have_attribute("src", picture)
    expect(panel.locator(".course-sentence")).not_to_have_text(sentence)
    expect(image).to_have_attribute("alt", re.compile(r"\d"))
    notebook.keep_picture("panel")


def _picture_is_whole_at_every_frame_of_a_drag(notebook) -> None:
    panel, handle = _first_panel(notebook)
    if not _is_slider(handle):
        return  # nothing to drag in this chapter
    handle.focus()
    panel.evaluate(WATCH_PICTURE)
    for key in KEYS:
        before = _picture(panel)
        notebook.page.keyboard.press(key)
        if key == KEYS[0]:
            expect(panel.locator(".course-picture img")).not_to_have_attribute("src", before)
    _drag_with_the_mouse(notebook.page, handle)
    seen = panel.evaluate(STOP_WATCHING)
    assert seen["pictures"] >= 3, seen
    assert seen["bad"] == 0, seen


def _is_slider(control: Locator) -> bool:
    return "noUi-handle" in (control.get_attribute("class") or "")


def _drag_with_the_mouse(page: Page, handle: Locator) -> None:
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y, steps=20)
    page.mouse.move(x - 60, y, steps=20)
    page.mouse.up()


def _check_answers_wrong_and_right(notebook, name: str, solution: str) -> None:
    for source, state in (
        (f"def {name}(*args, **kwargs):\n    return None", "Not right yet"),
        (solution, "Right"),
    ):
        notebook.write_cell(name, source)
        notebook.run_cell(name)
        answer = notebook.run_cell(f"{name}__test").locator(".course-check")
        expect(answer).to_contain_text(f"{name}: {state}")
