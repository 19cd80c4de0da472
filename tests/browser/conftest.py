"""The course as a learner meets it: ``python -m course_lib lab`` and Chromium, without a window."""

import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS = 60
RUN_ALL_SECONDS = 180
STEP_SECONDS = 60
_ADDRESS = re.compile(r"(http://\S+?)/lab\?token=(\w+)")
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
)


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


@pytest.fixture(scope="session")
def lab(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab for several tests."""
    with _started(repository, tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def fresh_lab(repository: Path, tmp_path: Path) -> Iterator[Lab]:
    """A JupyterLab that nobody has opened before."""
    with _started(repository, tmp_path) as running:
        yield running


@contextmanager
def _started(repository: Path, private: Path) -> Iterator[Lab]:
    """The learner's own command on a folder that did not exist before, with nobody's settings."""
    if not any((repository / "notebooks").glob("*.ipynb")):
        pytest.skip("there is no released notebook yet")
    folder = private / "my-course"
    # The page then holds the application as `window.jupyterapp`.
    (private / "jupyter_lab_config.json").write_text('{"LabApp": {"expose_app_in_browser": true}}')
    environment = {
        **os.environ,
        "PYTHONPATH": str(repository),
        "PYTHONUNBUFFERED": "1",
        "JUPYTER_CONFIG_DIR": str(private),
        "JUPYTER_DATA_DIR": str(private / "data"),
        "JUPYTER_RUNTIME_DIR": str(private / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(private / "settings"),
        "IPYTHONDIR": str(private / "ipython"),
    }
    command = [sys.executable, "-m", "course_lib", "lab", "--no-browser", "--folder", str(folder)]
    with (private / "log").open("w") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
        )
        try:
            found = _wait_for_address(process)
            assert found, (private / "log").read_text()[-2000:]
            yield Lab(found[1], found[2], folder)
        finally:
            process.terminate()
            try:
                process.wait(timeout=STEP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for_address(process: subprocess.Popen) -> re.Match | None:
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in process.stdout:
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    try:
        while line := lines.get(timeout=START_SECONDS):
            if found := _ADDRESS.search(line):
                return found
    except queue.Empty:
        pass
    return None


@pytest.fixture(scope="session")
def chromium(needs_program: Callable) -> Iterator[Browser]:
    """Debian's Chromium, driven by Playwright. Each page gets a profile of its own."""
    program = needs_program("chromium")
    # Conditions are waited for, so a long limit costs time only where something is wrong.
    expect.set_options(timeout=STEP_SECONDS * 1000)
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(program),
            args=[*_QUIET, *(["--no-sandbox"] if root else [])],
        )
        yield browser
        browser.close()


class NotebookPage:
    """One notebook, open in JupyterLab. Reads and acts as a learner does; waits for conditions."""

    def __init__(self, page: Page, lab: Lab, name: str) -> None:
        self.page = page
        self.name = name
        page.goto(lab.address(name))
        page.wait_for_function("() => window.jupyterapp")
        page.evaluate("() => window.jupyterapp.restored.then(() => null)")
        page.wait_for_function(
            """(path) => {
                const widget = window.jupyterapp.shell.currentWidget;
                const kernel = widget?.sessionContext?.session?.kernel;
                return widget?.context?.path === path && kernel?.status === "idle";
            }""",
            arg=f"{name}.ipynb",
        )

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
        cell = self.page.locator(f'.jp-Cell[data-windowed-list-index="{index}"]')
        cell.wait_for()
        return cell

    def run_cell(self, identifier: str) -> Locator:
        """Run one cell as Shift+Enter does, and return it when it is done."""
        cell = self.show_cell(identifier)
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-cell')")
        return cell

    def write_cell(self, identifier: str, source: str) -> None:
        """Replace what a cell says, as by pasting."""
        self.show_cell(identifier)
        self.page.evaluate(
            """(source) => window.jupyterapp.shell.currentWidget.content.activeCell
                .model.sharedModel.setSource(source)""",
            source,
        )

    def cell_saying(self, text: str) -> str:
        """Id of the first cell whose source holds this text."""
        return self.page.evaluate(
            """(text) => window.jupyterapp.shell.currentWidget.content.widgets
                .find(cell => cell.model.sharedModel.source.includes(text)).model.id""",
            text,
        )

    def keep_picture(self, name: str) -> None:
        """What the page now shows, as a file in ``screenshots/``, for people to look at."""
        self.page.screenshot(path=str(REPOSITORY / "screenshots" / f"{self.name}_{name}.png"))

    def panel_cells(self) -> list[str]:
        """Ids of the cells that show a panel, drawn yet or not."""
        return self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.widgets
                .filter(cell => (cell.model.sharedModel.outputs || []).some(output =>
                    "application/vnd.jupyter.widget-view+json" in (output.data || {})))
                .map(cell => cell.model.id)"""
        )


@pytest.fixture
def open_notebook(page: Page, lab: Lab) -> Iterator[Callable[[str], NotebookPage]]:
    """``open_notebook("05_complete_loop")``: the learner's copy, its kernel ready."""
    yield lambda name: NotebookPage(page, lab, name)
    page.evaluate("() => window.jupyterapp?.serviceManager.sessions.shutdownAll().then(() => null)")


@pytest.fixture
def page(chromium: Browser, request: pytest.FixtureRequest, repository: Path) -> Iterator[Page]:
    """A fresh page of a usual size; a picture of it is kept in ``screenshots/`` at the end."""
    context = chromium.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.set_default_timeout(STEP_SECONDS * 1000)
    yield page
    folder = repository / "screenshots"
    folder.mkdir(exist_ok=True)
    name = re.sub(r"[^\w]+", "_", request.node.name).strip("_")
    page.screenshot(path=str(folder / f"{name}.png"))
    context.close()
