"""The course as a learner meets it: ``python -m course_lib lab`` and Chromium, without a window."""

import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

START_SECONDS = 60
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

    def address(self, tree: str = "") -> str:
        path = f"/lab/tree/{tree}" if tree else "/lab"
        return f"{self.url}{path}?token={self.token}"


@pytest.fixture(scope="session")
def lab(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The learner's own command on a folder that did not exist before, with nobody's settings."""
    if not any((repository / "notebooks").glob("*.ipynb")):
        pytest.skip("there is no released notebook yet")
    folder = tmp_path_factory.mktemp("learner") / "my-course"
    private = tmp_path_factory.mktemp("jupyter")
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
            process.wait(timeout=30)


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
def chromium(needs: Callable, needs_program: Callable) -> Iterator[Browser]:
    """Debian's Chromium, driven by Playwright. Each page gets a profile of its own."""
    program = needs_program("chromium")
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(program),
            args=[*_QUIET, *(["--no-sandbox"] if root else [])],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, request: pytest.FixtureRequest, repository: Path) -> Iterator[Page]:
    """A fresh page of a usual size; a picture of it is kept in ``screenshots/`` at the end."""
    context = chromium.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.set_default_timeout(30_000)
    yield page
    folder = repository / "screenshots"
    folder.mkdir(exist_ok=True)
    name = re.sub(r"[^\w]+", "_", request.node.name).strip("_")
    page.screenshot(path=str(folder / f"{name}.png"))
    context.close()
