"""What a learner waits for in Chromium: a key press until the new picture is on the screen, beside the same
pictures through ``ipywidgets.interact``, and a chapter until its kernel is idle, beside an empty notebook.

``python -m benchmarks.in_browser [--panels zero_grad ...] [--moves 12] [--openings 3]`` prints the figures of each
panel; ``benchmarks.table`` takes the summary. Needs Chromium, as ``tests/browser`` does.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Locator, Page, sync_playwright

from course_lib.simulations import SIMULATIONS, load
from course_lib.simulations.base import Choice, Slider
from grading.paths import REPOSITORY

_SECONDS = 120
_ADDRESS = re.compile(r"(http://\S+?)/lab\?token=(\w+)")
_NOT_CHANGED = 3_000  # milliseconds after which a key is taken for one that changes nothing
#: From the key to the first frame that shows another picture.
_WATCH = """([root, longest]) => {
    const before = root.querySelector("img")?.src;
    window.keyToPixels = new Promise(resolve => {
        let pressed = null;
        document.addEventListener("keydown", event => { pressed = event.timeStamp; },
            {capture: true, once: true});
        const end = performance.now() + longest;
        const look = () => {
            const now = performance.now(), image = root.querySelector("img");
            if (pressed !== null && image?.complete && image.naturalWidth && image.src !== before)
                requestAnimationFrame(() => resolve(performance.now() - pressed));
            else if (now > end) resolve(null);
            else requestAnimationFrame(look);
        };
        look();
    });
}"""
_IDLE = """(path) => {
    const widget = window.jupyterapp?.shell.currentWidget;
    const kernel = widget?.sessionContext?.session?.kernel;
    return widget?.context?.path === path && kernel?.status === "idle";
}"""
#: ``interact`` lays the figure out again each time, and shows it inline.
_INTERACT = """\
import io
import ipywidgets
from IPython.display import Image, display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from course_lib.panels import controls
from course_lib.simulations import load
from course_lib.style import DPI, house_style

def show_with_interact(name):
    simulation = load(name)

    def draw(**settings):
        state = simulation.compute(settings)
        figure = Figure(figsize=simulation.size, dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        with house_style():
            simulation.update(simulation.layout(figure), state)
            png = io.BytesIO()
            figure.savefig(png, format="png", dpi=DPI)
        display(Image(png.getvalue()))

    widgets = {control.name: controls.build(control) for control in simulation.controls}
    display(ipywidgets.VBox(list(widgets.values())), ipywidgets.interactive_output(draw, widgets))
"""


@dataclass(frozen=True)
class Panel:
    """Median milliseconds from a key to its picture, of the panel and through ``interact``."""

    name: str
    ours: float
    interact: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--panels", nargs="*", default=list(SIMULATIONS))
    parser.add_argument("--moves", type=int, default=12)
    parser.add_argument("--openings", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-lab-") as folder, _lab(Path(folder)) as lab:
        panels = []
        for name in options.panels:
            panel = lab.panel(name, options.moves)
            if panel is None:
                print(f"{name}: no key changed its picture in time", file=sys.stderr, flush=True)
            else:
                panels.append(panel)
        extra = lab.opening(options.openings) if options.openings else None
    if options.json:
        found = [[panel.name, panel.ours, panel.interact] for panel in panels]
        print(json.dumps({"panels": found, "opening": extra}))
        return
    print("| panel | key to pixels, ms | `interact`, ms | ratio |\n|---|---:|---:|---:|")
    for panel in panels:
        ratio = panel.ours / panel.interact
        print(f"| {panel.name} | {panel.ours:.0f} | {panel.interact:.0f} | {ratio:.2f} |")
    if extra is not None:
        print(f"\nOpening chapter 05 until idle: {extra:+.2f} s beside an empty notebook.")


class _Lab:
    """The course in JupyterLab, in a browser of its own."""

    def __init__(self, browser, url: str, token: str, folder: Path) -> None:
        self.browser, self.url, self.token, self.folder = browser, url, token, folder

    def panel(self, name: str, moves: int) -> Panel | None:
        """One panel, and the same simulation through ``interact``, by the same keys. None where no key
        changes the picture."""
        notebook = new_notebook(
            cells=[
                new_code_cell(f'from course_lib import panel\npanel("{name}")'),
                new_code_cell(f'{_INTERACT}\nshow_with_interact("{name}")'),
            ]
        )
        with self._opened(f"bench_{name}", notebook) as page:
            cells = page.locator(".jp-CodeCell")
            medians = []
            for place in range(2):
                page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
                root = cells.nth(place)
                root.locator("img").first.wait_for()
                medians.append(_median(page, root, name, moves))
        return Panel(name, *medians) if all(medians) else None

    def opening(self, times: int) -> float:
        """By how many seconds a chapter takes longer than an empty notebook, until its kernel is idle."""
        chapter = self.folder / "05_complete_loop.ipynb"
        spent: dict[str, list[float]] = {"chapter": [], "empty": []}
        for number in range(times):
            for kind, notebook in (
                ("empty", new_notebook(cells=[new_code_cell("")])),
                ("chapter", nbformat.read(chapter, as_version=4)),
            ):
                with self._opened(f"{kind}_{number}", notebook) as page:
                    spent[kind].append(page.evaluate("() => performance.now()") / 1000)
        return statistics.median(spent["chapter"]) - statistics.median(spent["empty"])

    @contextlib.contextmanager
    def _opened(self, name: str, notebook: nbformat.NotebookNode) -> Iterator[Page]:
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, self.folder / f"{name}.ipynb")
        context = self.browser.new_context(viewport={"width": 1400, "height": 900})
        context.route(
            re.compile(r"^https?://(?!localhost|127\.0\.0\.1)"), lambda route: route.abort()
        )
        page = context.new_page()
        page.set_default_timeout(_SECONDS * 1000)
        try:
            path = f"lab/workspaces/{name}/tree/{name}.ipynb"
            page.goto(f"{self.url}/{path}?token={self.token}")
            page.wait_for_function(_IDLE, arg=f"{name}.ipynb")
            yield page
            page.evaluate(
                "() => window.jupyterapp.serviceManager.sessions.shutdownAll().then(() => null)"
            )
        finally:
            context.close()


def _median(page: Page, root: Locator, name: str, moves: int) -> float | None:
    """Milliseconds from a key to the picture, for keys that change it."""
    element, keys = _first_control(root, name)
    element.focus()
    spent = []
    for number in range(moves + 2):  # the first two warm up
        page.evaluate(_WATCH, [root.element_handle(), _NOT_CHANGED])
        page.keyboard.press(keys[number % len(keys)])
        elapsed = page.evaluate("() => window.keyToPixels")
        if elapsed is not None and number >= 2:
            spent.append(elapsed)
    return statistics.median(spent) if spent else None


def _first_control(root: Locator, name: str) -> tuple[Locator, list[str]]:
    """The first slider of a simulation, else its first control, and keys that go there and back."""
    controls = load(name).controls
    if any(isinstance(control, Slider) for control in controls):
        return root.get_by_role("slider").first, [
            "ArrowRight",
            "ArrowRight",
            "ArrowLeft",
            "ArrowLeft",
        ]
    if isinstance(controls[0], Choice) and root.get_by_role("combobox").count():
        return root.get_by_role("combobox").first, ["ArrowDown", "ArrowUp"]
    if isinstance(controls[0], Choice):
        return root.get_by_role("button").first, ["Space", "Tab", "Space", "Shift+Tab"]
    return root.get_by_role("checkbox").first, ["Space"]


def private_lab(private: Path, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The learner's own command for the course in ``folder``, and the environment in which all that JupyterLab
    keeps is in ``private``, with default settings. The tests start it, too."""
    # The page then holds the application as `window.jupyterapp`.
    (private / "jupyter_lab_config.json").write_text('{"LabApp": {"expose_app_in_browser": true}}')
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONUNBUFFERED": "1",
        "JUPYTER_CONFIG_DIR": str(private),
        "JUPYTER_DATA_DIR": str(private / "data"),
        "JUPYTER_RUNTIME_DIR": str(private / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(private / "settings"),
        "IPYTHONDIR": str(private / "ipython"),
    }
    command = [sys.executable, "-m", "course_lib", "lab", "--no-browser", "--folder", str(folder)]
    # Two that start at the same moment both find the first port free, and one of them ends.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        command += ["--port", str(free.getsockname()[1])]
    return command, environment


@contextlib.contextmanager
def _lab(private: Path) -> Iterator[_Lab]:
    """JupyterLab as a learner starts it, and Chromium without a window."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise SystemExit("Chromium is missing. Debian or Ubuntu: sudo apt install chromium")
    folder = private / "my-course"
    command, environment = private_lab(private, folder)
    with (private / "log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )
    try:
        address = next(filter(None, map(_ADDRESS.search, process.stdout)), None)
        if address is None:
            raise SystemExit(f"JupyterLab did not start: {(private / 'log').read_text()[-2000:]}")
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=program, args=["--no-sandbox"] if root else []
            )
            yield _Lab(browser, address[1], address[2], folder)
            browser.close()
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
