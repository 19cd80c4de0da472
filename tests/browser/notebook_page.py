"""JupyterLab and a notebook in it, as the tests of this folder use them. Made by ``conftest.py``."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import ConsoleMessage, Error, Locator, Page

from tests.browser.panel_in_page import SCREENSHOTS, PanelInPage

RUN_ALL_SECONDS = 180
END_KERNELS = """() =>
    window.jupyterapp?.serviceManager.sessions.shutdownAll().then(() => null)"""
#: Without asking whether to save it.
_CLOSE = "() => window.jupyterapp.shell.currentWidget.dispose()"

_HOLD_TIMERS = """(milliseconds) => {
    const {setTimeout, clearTimeout} = window;
    const held = new Map();
    let next = -1;
    window.setTimeout = (action, delay, ...rest) => {
        if (delay !== milliseconds) return setTimeout(action, delay, ...rest);
        held.set(next, action);
        return next--;
    };
    window.clearTimeout = (timer) => held.delete(timer) || clearTimeout(timer);
    const letGo = () => {
        const actions = [...held.values()];
        held.clear();
        actions.forEach(action => action());
        return actions.length;
    };
    const end = () => { letGo(); Object.assign(window, {setTimeout, clearTimeout}); };
    window.heldTimers = {letGo, end};
}"""


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: its address, its token, the learner's folder."""

    url: str
    token: str
    folder: Path

    def address(self, notebook: str = "") -> str:
        """As the course opens it; or one notebook, in a layout of its own."""
        path = f"/lab/workspaces/{notebook}/tree/{notebook}.ipynb" if notebook else "/lab"
        return f"{self.url}{path}?token={self.token}"

    def open(self, page: Page) -> None:
        """Without a notebook, in a layout of its own."""
        page.goto(f"{self.url}/lab/workspaces/without-notebook?token={self.token}")
        _wait_for_lab(page)


def _wait_for_lab(page: Page) -> None:
    page.wait_for_function("() => window.jupyterapp")
    page.evaluate("() => window.jupyterapp.restored.then(() => null)")


class NotebookPage:
    """One notebook, open in JupyterLab. Reads and acts as a learner does; waits for conditions."""

    def __init__(self, page: Page, lab: Lab, name: str) -> None:
        self._attach(page, name)
        page.goto(lab.address(name))
        _wait_for_lab(page)
        self._wait_for_kernel(f"{name}.ipynb")

    @classmethod
    def opened(cls, page: Page, path: str) -> "NotebookPage":
        """The notebook at ``path``, which something else on the page has opened."""
        notebook = cls.__new__(cls)
        notebook._attach(page, path.removesuffix(".ipynb"))
        notebook._wait_for_kernel(path)
        return notebook

    @classmethod
    @contextmanager
    def within(cls, page: Page, name: str) -> Iterator["NotebookPage"]:
        """A notebook that is opened in the JupyterLab of ``page``, and closed at the end, without its kernel."""
        page.evaluate(
            "(path) => window.jupyterapp.commands.execute('docmanager:open', {path}).then(() => null)",
            f"{name}.ipynb",
        )
        notebook = cls.opened(page, f"{name}.ipynb")
        try:
            yield notebook
        finally:
            notebook.keep_picture("at_the_end")
            page.remove_listener("console", notebook._on_console)
            page.remove_listener("pageerror", notebook._on_page_error)
            page.evaluate(END_KERNELS)
            page.evaluate(_CLOSE)

    def _attach(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name
        #: What the browser complained about in its console.
        self.complaints: list[str] = []
        self._panels: dict[str, PanelInPage] = {}
        page.on("console", self._on_console)
        page.on("pageerror", self._on_page_error)

    def _wait_for_kernel(self, path: str) -> None:
        self.page.wait_for_function(
            """(path) => {
                const widget = window.jupyterapp.shell.currentWidget;
                const kernel = widget?.sessionContext?.session?.kernel;
                return widget?.context?.path === path && kernel?.status === "idle";
            }""",
            arg=path,
        )

    def save(self) -> None:
        """As Ctrl+S does it."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.save()")

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location['url']})")

    def _on_page_error(self, error: Error) -> None:
        self.complaints.append(str(error))

    def run_all(self) -> None:
        """Run all cells and wait for the last one."""
        self.page.evaluate(
            """() => {
                window.allCellsRan = false;
                window.jupyterapp.commands.execute("notebook:run-all-cells")
                    .then(() => { window.allCellsRan = true; });
            }"""
        )
        self.page.wait_for_function("() => window.allCellsRan", timeout=RUN_ALL_SECONDS * 1000)

    def show_cell(self, identifier: str) -> Locator:
        """Scroll to the cell with this id, select it, and return its element."""
        index = self.page.evaluate(
            """async (id) => {
                const notebook = window.jupyterapp.shell.currentWidget.content;
                const index = notebook.widgets.findIndex(cell => cell.model.id === id);
                notebook.activeCellIndex = index;
                notebook.deselectAll();
                await notebook.scrollToItem(index, "center");
                return index;
            }""",
            identifier,
        )
        assert index >= 0, f"there is no cell {identifier}"
        # Not in what elements hide: for that Playwright looks at every element of the page each time.
        cell = self.page.locator(f'css:light=.jp-Cell[data-windowed-list-index="{index}"]')
        cell.wait_for()
        return cell

    def run_cell(self, identifier: str) -> Locator:
        """Run one cell as Shift+Enter does, and return it when it is done."""
        cell = self.show_cell(identifier)
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-cell')")
        return cell

    def run_elsewhere(self, identifier: str) -> None:
        """Run a cell that may be out of sight, while the mouse is busy with something else, and
        wait until it is done."""
        self.page.evaluate(
            """async (id) => {
                const notebook = window.jupyterapp.shell.currentWidget.content;
                notebook.activeCellIndex = notebook.widgets.findIndex(cell => cell.model.id === id);
                notebook.deselectAll();
                await window.jupyterapp.commands.execute("notebook:run-cell");
            }""",
            identifier,
        )

    def write_cell(self, identifier: str, source: str) -> None:
        """Replace what a cell says, as by pasting."""
        self.show_cell(identifier)
        self.page.evaluate(
            """(source) => window.jupyterapp.shell.currentWidget.content.activeCell
                .model.sharedModel.setSource(source)""",
            source,
        )

    def run_below(self, identifier: str, source: str) -> Locator:
        """Run code in a new cell below the one with this id, and return the new cell."""
        self.show_cell(identifier)
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:insert-cell-below')")
        new = self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.content.activeCell.model.id"
        )
        self.write_cell(new, source)
        return self.run_cell(new)

    def cell_saying(self, text: str) -> str:
        """Id of the first cell whose source holds this text."""
        return self.page.evaluate(
            """(text) => window.jupyterapp.shell.currentWidget.content.widgets
                .find(cell => cell.model.sharedModel.source.includes(text)).model.id""",
            text,
        )

    def keep_picture(self, name: str) -> None:
        """What the page now shows, as a file in ``screenshots/``, for people to look at."""
        self.page.screenshot(path=str(SCREENSHOTS / f"{self.name}_{name}.png"))

    def panel_cells(self) -> list[str]:
        """Ids of the cells that show a panel, drawn yet or not."""
        return self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.widgets
                .filter(cell => (cell.model.sharedModel.outputs || []).some(output =>
                    "application/vnd.jupyter.widget-view+json" in (output.data || {})))
                .map(cell => cell.model.id)"""
        )

    def panels(self) -> Iterator[PanelInPage]:
        """The chapter's panels, each scrolled to when its turn comes, and as it was at first."""
        for cell in self.panel_cells():
            root = self.show_cell(cell).locator(".course-panel")
            if cell not in self._panels:
                self._panels[cell] = PanelInPage(root, self.source(cell))
            self._panels[cell].reset()
            yield self._panels[cell]

    @contextmanager
    def dark_theme(self) -> Iterator[None]:
        """JupyterLab's dark theme, until the ``with`` block ends."""
        self._use_theme("JupyterLab Dark")
        try:
            yield
        finally:
            self._use_theme("JupyterLab Light")

    def _use_theme(self, theme: str) -> None:
        self.page.evaluate(
            "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', {theme})",
            theme,
        )
        self.page.wait_for_function(
            "(theme) => document.body.dataset.jpThemeName === theme", arg=theme
        )

    @contextmanager
    def zoomed_to_200_percent(self) -> Iterator[None]:
        """What the browser's zoom does to a page: the window has half as many of its pixels."""
        size = self.page.viewport_size
        self._resize({"width": size["width"] // 2, "height": size["height"] // 2})
        try:
            yield
        finally:
            self._resize(size)

    def _resize(self, size: dict[str, int]) -> None:
        self.page.set_viewport_size(size)
        self.page.wait_for_function("(width) => innerWidth === width", arg=size["width"])

    def sideways(self) -> int:
        """By how many pixels the notebook can be scrolled to the side."""
        return self.page.evaluate(
            """() => {
                const outer = window.jupyterapp.shell.currentWidget.content.outerNode;
                return outer.scrollWidth - outer.clientWidth;
            }"""
        )

    @contextmanager
    def timers_held(self, milliseconds: int) -> Iterator[Callable[[], int]]:
        """Timers of exactly this length wait to be let go, which returns how many there were."""
        self.page.evaluate(_HOLD_TIMERS, milliseconds)
        try:
            yield lambda: self.page.evaluate("() => window.heldTimers.letGo()")
        finally:
            self.page.evaluate("() => window.heldTimers.end()")

    def source(self, identifier: str) -> str:
        """What the cell with this id says."""
        return self.page.evaluate(
            """(id) => window.jupyterapp.shell.currentWidget.content.widgets
                .find(cell => cell.model.id === id).model.sharedModel.source""",
            identifier,
        )

    def cells_not_run(self) -> list[str]:
        """Ids of the code cells that have no number yet."""
        return self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.widgets
                .filter(cell => cell.model.type === "code" && cell.model.sharedModel.source.trim()
                    && !cell.model.executionCount)
                .map(cell => cell.model.id)"""
        )

    def in_kernel(self, code: str) -> str:
        """Run code in the kernel without a cell, and return what it prints."""
        return self.page.evaluate(
            """async (code) => {
                const {kernel} = window.jupyterapp.shell.currentWidget.sessionContext.session;
                const asked = kernel.requestExecute({code, store_history: false});
                let text = "";
                asked.onIOPub = message => { text += message.content.text ?? ""; };
                await asked.done;
                return text;
            }""",
            code,
        )

    def leave(self) -> None:
        """Save the notebook, and shut down its kernel."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        self.page.evaluate(END_KERNELS)

    def errors_in_cells(self) -> list[str]:
        """Cells that ended with an error, and with which."""
        return self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.widgets.flatMap(cell =>
                (cell.model.sharedModel.outputs || [])
                    .filter(output => output.output_type === "error")
                    .map(output => `${cell.model.id}: ${output.ename}: ${output.evalue}`))"""
        )
