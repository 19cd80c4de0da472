"""One panel in the page, worked by keyboard, beside its twin: the same panel without a page.

What the page must show after a control was moved is known beforehand: the sentence of the twin
after the same move. So nothing here waits for "some change", which the picture before may still
be about to make. Used by the tests of this folder.
"""

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, expect

from course_lib.panels import LivePanel, Panel, panel
from course_lib.simulations.base import Choice, Control, Slider

SCREENSHOTS = Path(__file__).resolve().parents[2] / "screenshots"
_CALL = re.compile(r'panel\("(\w+)"')
_SEE_SENTENCES = """async (panel, wanted) => {
    const seen = new Set();
    while (seen.size < wanted) {
        seen.add(panel.querySelector(".course-sentence").textContent);
        await new Promise(requestAnimationFrame);
    }
}"""

_CUT_OFF = """panel => [...panel.querySelectorAll("button")]
    .filter(button => button.checkVisibility() && button.scrollWidth > button.clientWidth + 1)
    .map(button => button.textContent)"""
_OUT_OF_SIGHT = """panel => {
    const edge = panel.getBoundingClientRect();
    return [...panel.querySelectorAll("button, select, input, .slider, .widget-readout")]
        .filter(control => control.checkVisibility())
        .filter(control => {
            const box = control.getBoundingClientRect();
            // Widgets have a margin of two pixels besides their width of 100 %.
            return box.width === 0 || box.left < edge.left - 2.5 || box.right > edge.right + 2.5;
        })
        .map(control => control.outerHTML.slice(0, 100));
}"""


class PanelInPage:
    """``root`` is its element in the page, ``twin`` the panel that has met the same moves."""

    def __init__(self, root: Locator, source: str) -> None:
        self.root = root
        self.page = root.page
        self.name = _CALL.search(source)[1]
        self.twin: Panel = panel(self.name)
        self.image = root.locator(".course-picture img")
        self.sentence = root.locator(".course-sentence")
        self.expect_twin()

    @property
    def controls(self) -> tuple[Control, ...]:
        return self.twin.simulation.controls

    @property
    def is_live(self) -> bool:
        return isinstance(self.twin, LivePanel)

    def expect_twin(self) -> None:
        """Wait until the page shows what the twin shows: picture, its words, sentence, no error."""
        expect(self.image).to_have_attribute("alt", self.twin.sentence)
        expect(self.sentence).to_have_text(self.twin.sentence)
        assert self.error == ""

    @property
    def error(self) -> str:
        """The panel's error line; empty when there is none."""
        return self.root.locator(".course-status").inner_text()

    @property
    def picture(self) -> str:
        return self.image.get_attribute("src")

    def find(self, control: Control, value: Any = None) -> Locator:
        """The element that takes the keys which give ``control`` this value."""
        row = self.root.locator(f".course-control-{control.name}")
        if isinstance(control, Slider):
            return row.get_by_role("slider", name=label_of(control), exact=True)
        if not isinstance(control, Choice):
            return row.get_by_role("checkbox", name=control.label, exact=True)
        if row.get_by_role("button").count() == 0:
            return row.get_by_role("combobox", name=control.label, exact=True)
        return row.get_by_role("button", name=dict(control.options)[value], exact=True)

    def move(self, control: Control, value: Any) -> bool:
        """Give ``control`` this value by keyboard, wait until the page shows it, and say whether
        the picture changed. Of a slider, the two ends can be asked for."""
        before, drawn_before = self.picture, self.twin.png
        self.settle(control, value)
        if self.twin.png != drawn_before:  # the sentence may be the same, and so no sign of it
            stayed = f"{control.name}: the old picture stayed"
            expect(self.image, stayed).not_to_have_attribute("src", before)
        return self.picture != before

    def settle(self, control: Control, value: Any) -> None:
        """Like ``move``, but from wherever the control is now: after a drag the page may already
        show this value, which the twin does not know."""
        self.find(control, value).focus()
        for key in self._keys(control, value):
            self.page.keyboard.press(key)
        self.twin.controls[control.name].value = value
        self.expect_twin()
        assert self.twin.error is None

    def button(self, label: str) -> Locator:
        return self.root.get_by_role("button", name=label, exact=True)

    def press(self, label: str) -> None:
        """Press a button by keyboard, in the page alone."""
        self.button(label).focus()
        self.page.keyboard.press("Enter")

    def see_sentences(self, wanted: int) -> None:
        """Wait until so many different sentences were shown."""
        self.root.evaluate(_SEE_SENTENCES, wanted)

    def one_of_each_kind(self) -> dict[str, Locator]:
        """Everything that takes the focus, by its role; the first of those that share one."""
        found = {}
        for role in ("slider", "textbox", "combobox", "checkbox", "button"):
            elements = self.root.get_by_role(role)
            if elements.count():
                found[role] = elements.first
        return found

    def widths(self) -> tuple[float, int]:
        """Of the picture, in CSS pixels: as it is shown, and as it was drawn."""
        return self.image.bounding_box()["width"], int(self.image.get_attribute("width"))

    def cut_off(self) -> list[str]:
        """Words of buttons that do not fit into them."""
        return self.root.evaluate(_CUT_OFF)

    def out_of_sight(self) -> list[str]:
        """Controls of which some part is beyond the left or right edge of the panel."""
        return self.root.evaluate(_OUT_OF_SIGHT)

    def keep_picture(self, name: str) -> None:
        """How the panel looks now, as a file in ``screenshots/``, for people to look at."""
        self.root.screenshot(path=str(SCREENSHOTS / f"{self.name}_{name}.png"))

    def reset(self) -> None:
        self.press("Reset")
        self.twin.reset()
        self.expect_twin()

    def drag(self, control: Slider, by: int, steps: int) -> None:
        """Drag the handle of a slider so many pixels to the right, then to the left."""
        handle = self.find(control)
        handle.scroll_into_view_if_needed()
        box = handle.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + by, y, steps=steps)
        self.page.mouse.move(x - by, y, steps=steps)
        self.page.mouse.up()

    def _keys(self, control: Control, value: Any) -> list[str]:
        if isinstance(control, Slider):
            return [{control.low: "Home", control.high: "End"}[value]]
        if (
            isinstance(control, Choice)
            and self.root.locator(f".course-control-{control.name} select").count()
        ):
            options = [option for option, _ in control.options]
            return ["Home", *["ArrowDown"] * options.index(value)]
        return ["Space"]


def extremes(control: Control) -> list[Any]:
    """The values that a control is moved to: the ends of a slider, all options of a choice. The
    default comes last where it is among them, for there would be nothing to see before."""
    match control:
        case Slider():
            values = [control.low, control.high]
        case Choice():
            values = [value for value, _ in control.options]
        case _:
            values = [False, True]
    return sorted(values, key=lambda value: value == control.default)


def label_of(control: Control) -> str:
    """The words beside the control."""
    unit = getattr(control, "unit", "")
    return f"{control.label} ({unit})" if unit else control.label
