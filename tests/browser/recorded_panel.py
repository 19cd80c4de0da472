"""One recorded panel of the built site in a page, worked by keyboard or mouse. Used by the tests of
this folder; ``docs/site`` is on the path through ``tests/site/conftest.py``."""

from typing import Any

from panel_page import FILM, Dimension, dimensions
from playwright.sync_api import Locator, Page, expect
from recording import Recording, Row, settings_of

from course_lib.simulations import load

#: How often a claim's settings are gone through: a page holds some combinations only, and moving
#: one control may have moved another.
_ROUNDS = 3


class RecordedPanel:
    """``root`` is its figure in the page; what it can show is known from ``recording``."""

    def __init__(self, page: Page, recording: Recording) -> None:
        self.page, self.recording = page, recording
        self.root = page.locator(f'css:light=figure[data-panel="{recording.name}"][data-started]')
        expect(self.root).to_be_visible()
        self.sentence = self.root.locator(".course-sentence")
        self.picture = self.root.locator(".course-picture")
        self.dimensions = [d for d in dimensions(recording) if len(d.values) > 1]

    def row_of(self, dim: Dimension) -> Locator:
        return self.root.locator(f'[data-control="{dim.name}"]')

    def stop(self, dim: Dimension) -> int:
        """Where the control stands, as the page says it."""
        row = self.row_of(dim)
        if row.locator("button").count():
            return int(row.locator('button[aria-pressed="true"]').get_attribute("value"))
        if row.locator("select").count():
            return int(row.locator("select").input_value())
        box = row.locator("input")
        if box.get_attribute("type") == "checkbox":
            return int(box.is_checked())
        # Both at once: a film may be running.
        said, stop = box.evaluate("box => [box.getAttribute('aria-valuetext'), Number(box.value)]")
        assert said == dim.shown[stop]
        return stop

    def last_stop(self, dim: Dimension) -> int:
        """The last one that can be reached from where the panel opens: a film ends where its run does."""
        if dim.name != FILM:
            return len(dim.values) - 1
        settings = self.recording.start.values
        frames = [r.moment.frame for r in self.recording.rows if r.moment.values == settings]
        return dim.values.index(max(frames))

    def key(self, dim: Dimension, stop: int) -> None:
        """Move the control there by keyboard."""
        row, press = self.row_of(dim), self.page.keyboard.press
        if row.locator("button").count():
            row.locator(f'button[value="{stop}"]').focus()
            press("Enter")
        elif row.locator("select").count():
            row.locator("select").focus()
            for key in ["Home", *["ArrowDown"] * stop]:
                press(key)
        elif row.locator("input").get_attribute("type") == "checkbox":
            row.locator("input").focus()
            press("Space")
        else:
            row.locator("input").focus()
            # A film may have no picture at some stops, which are then passed over.
            for _ in dim.values:
                now = self.stop(dim)
                if now == stop:
                    break
                press("ArrowRight" if stop > now else "ArrowLeft")

    def click(self, dim: Dimension, stop: int) -> None:
        """Move the control there by mouse; a list is opened by the system, so it is chosen from."""
        row = self.row_of(dim)
        if row.locator("button").count():
            row.locator(f'button[value="{stop}"]').click()
        elif row.locator("select").count():
            row.locator("select").select_option(str(stop))
        elif row.locator("input").get_attribute("type") == "checkbox":
            row.locator("input").click()
        else:
            slider = row.locator("input")
            slider.scroll_into_view_if_needed()
            box = slider.bounding_box()
            # The handle's middle is half its width away from either end.
            handle = 16
            across = handle / 2 + (box["width"] - handle) * stop / (len(dim.values) - 1)
            self.page.mouse.click(box["x"] + across, box["y"] + box["height"] / 2)

    def rows_at(self, dim: Dimension, stop: int) -> list[Row]:
        """The recorded rows where this control has this value."""
        value = dim.values[stop]
        simulation = load(self.recording.name)
        return [
            row
            for row in self.recording.rows
            if (
                row.moment.frame == value
                if dim.name == FILM
                else settings_of(simulation, row.moment)[dim.name] == value
            )
        ]

    def press(self, label: str) -> None:
        self.root.get_by_role("button", name=label, exact=True).click()

    def set(self, settings: dict[str, Any], frame: int | None) -> None:
        """Bring the controls to these values as a reader would."""
        wanted = {**settings, **({} if frame is None else {FILM: frame})}
        for _ in range(_ROUNDS):
            for dim in self.dimensions:
                if dim.name in wanted:
                    stop = _nearest(dim, wanted[dim.name])
                    if self.stop(dim) != stop:
                        # By key, a control stops at every value on the way, and the small recording
                        # of the tests does not have them all.
                        self.click(dim, stop)
        for dim in self.dimensions:
            if dim.name in wanted:
                assert self.stop(dim) == _nearest(dim, wanted[dim.name]), dim.name


def _nearest(dim: Dimension, value: Any) -> int:
    if value in dim.values:
        return dim.values.index(value)
    return min(range(len(dim.values)), key=lambda stop: abs(dim.values[stop] - value))
