"""The course as a learner meets it: ``python -m course_lib lab`` and Chromium, without a window."""

import queue
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from benchmarks.in_browser import private_lab
from tests.browser.notebook_page import Lab, NotebookPage
from tests.browser.panel_in_page import SCREENSHOTS
from tests.conftest import WAIT_SECONDS

REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS = 60
_ADDRESS = re.compile(r"(http://\S+?)/lab\?token=(\w+)")
_BADGE = '<svg xmlns="http://www.w3.org/2000/svg" width="117" height="20"/>'


@pytest.fixture(scope="session")
def lab(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab for several tests."""
    with _started(repository, tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def fresh_lab(repository: Path, tmp_path: Path) -> Iterator[Lab]:
    """A JupyterLab on its very first start."""
    with _started(repository, tmp_path) as running:
        yield running


@contextmanager
def _started(repository: Path, private: Path) -> Iterator[Lab]:
    """The learner's own command on a folder that did not exist before, with default settings."""
    if not any((repository / "notebooks").glob("*.ipynb")):
        pytest.skip("there is no released notebook yet")
    folder = private / "my-course"
    command, environment = private_lab(private, folder)
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
                process.wait(timeout=WAIT_SECONDS)
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
def lab_page(chromium: Browser, lab: Lab) -> Iterator[Page]:
    """JupyterLab, loaded once for all the notebooks that tests open in it one after another."""
    with _opened_page(chromium, "lab") as page:
        lab.open(page)
        yield page


@pytest.fixture(scope="module")
def chapter(request: pytest.FixtureRequest, lab_page: Page) -> Iterator[NotebookPage]:
    """A chapter, named by the parameter, with all its cells run: for all of a module's tests."""
    with NotebookPage.within(lab_page, request.param) as notebook:
        notebook.run_all()
        yield notebook


@pytest.fixture
def page(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A fresh page of a usual size; a picture of it is kept in ``screenshots/`` at the end."""
    with _opened_page(chromium, request.node.name) as page:
        yield page


@contextmanager
def _opened_page(chromium: Browser, name: str) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1400, "height": 900})
    # Nothing outside this machine is asked for: the badge of each chapter comes from the Internet.
    context.route(
        re.compile(r"^https?://(?!localhost|127\.0\.0\.1)"),
        lambda route: route.fulfill(content_type="image/svg+xml", body=_BADGE),
    )
    page = context.new_page()
    page.set_default_timeout(WAIT_SECONDS * 1000)
    yield page
    name = re.sub(r"[^\w]+", "_", name).strip("_")
    page.screenshot(path=str(SCREENSHOTS / f"{name}.png"))
    context.close()
