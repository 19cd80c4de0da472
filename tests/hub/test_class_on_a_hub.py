"""A class on a hub, as ``deploy/jupyterhub/`` sets it up: a real JupyterHub and proxy, accounts of the system,
and a browser for each person. From the assignment list to the page with the teacher's comment; and nobody
reads what is not theirs.
"""

import pwd
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from grading.nbgrader.config import COURSE_ID
from tests.browser.notebook_page import NotebookPage
from tests.browser.panel_in_page import SCREENSHOTS
from tests.hub.machine import GRADER, ONE, TEACHER, TWO, Machine

pytestmark = [pytest.mark.browser]

CHAPTER = "02_loss_functions"
NOTEBOOK = f"{CHAPTER}/{CHAPTER}.ipynb"
COMMENT = "Well done: the shapes are checked first."
MSE = """def mse(prediction, target):
    if prediction.shape != target.shape:
        raise ValueError(f"prediction {list(prediction.shape)}, target {list(target.shape)}")
    return ((prediction - target) ** 2).mean()
"""
GRADING_SECONDS = 240


class Desk:
    """One person's browser, logged in."""

    def __init__(self, page: Page, machine: Machine, name: str) -> None:
        self.page, self.machine, self.name = page, machine, name
        page.set_default_timeout(60_000)
        page.goto(f"{machine.url}/hub/login")
        page.fill("input[name=username]", name)
        page.fill("input[name=password]", machine.passwords[name])
        page.click("#login_submit")
        page.wait_for_url(re.compile(r"/hub/spawn|/user/"))

    def keep_picture(self, name: str) -> None:
        self.page.screenshot(path=str(SCREENSHOTS / f"hub_{name}.png"))


class Learner(Desk):
    """JupyterLab on the learner's own server."""

    def open_assignments(self) -> None:
        self.page.goto(f"{self.machine.url}/user/{self.name}/lab")
        self.page.wait_for_function("() => window.jupyterapp")
        self.page.evaluate("() => window.jupyterapp.restored.then(() => null)")
        self.page.get_by_role("menuitem", name="Nbgrader").click()
        self.page.get_by_role("menuitem", name="Assignment List").click()

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def open_notebook(self) -> NotebookPage:
        """From the list of fetched assignments."""
        self.page.locator("#fetched_assignments_list").get_by_text(CHAPTER).first.click()
        self.page.locator("#fetched_assignments_list").get_by_text(CHAPTER).last.click()
        return NotebookPage.opened(self.page, NOTEBOOK)


class Teacher(Desk):
    """Formgrader, which is a service of the hub."""

    def open_formgrader(self, path: str) -> None:
        self.page.goto(f"{self.machine.url}/services/grading/formgrader/{path}")

    def press(self, button: str, row: str = CHAPTER) -> str:
        """A button in the row of a table; what the log then says."""
        self.page.locator("tr", has_text=row).locator(f".{button} a").click()
        dialog = self.page.locator(".modal-content")
        expect(dialog.locator(".modal-title")).to_have_text(
            re.compile("Success"), timeout=1000 * GRADING_SECONDS
        )
        said = dialog.locator(".modal-body").inner_text()
        dialog.get_by_role("button", name="OK").click()
        expect(dialog).to_have_count(0)
        return said


@contextmanager
def _desk(kind: Callable, browser: Browser, machine: Machine, name: str) -> Iterator[Desk]:
    with browser.new_context(viewport={"width": 1400, "height": 900}) as context:
        desk = kind(context.new_page(), machine, name)
        yield desk
        desk.keep_picture(f"{name}_at_the_end")


@pytest.fixture(scope="module")
def teacher(chromium: Browser, machine: Machine) -> Iterator[Teacher]:
    with _desk(Teacher, chromium, machine, TEACHER) as desk:
        yield desk


@pytest.fixture(scope="module")
def learner(chromium: Browser, machine: Machine, teacher: Teacher) -> Iterator[Learner]:
    """Has fetched the chapter from the list, after the teacher released it."""
    teacher.open_formgrader("manage_assignments")
    teacher.press("release")
    with _desk(Learner, chromium, machine, ONE) as desk:
        desk.open_assignments()
        desk.button("Fetch").click()
        desk.button("Submit").wait_for()
        yield desk


def test_from_the_assignment_list_to_the_page_with_the_comment(machine, learner, teacher):
    learner.keep_picture("assignments")
    notebook = learner.open_notebook()
    notebook.run_cell("setup")
    notebook.write_cell("mse", MSE)
    notebook.run_cell("mse")
    check = notebook.run_cell("mse__test")
    expect(check.locator(".jp-OutputArea")).to_contain_text("mse: Right")
    learner.keep_picture("notebook")
    notebook.save()
    learner.open_assignments()
    learner.button("Submit").click()
    expect(learner.page.locator("#submitted_assignments_list")).to_contain_text(CHAPTER)

    teacher.open_formgrader("manage_assignments")
    assert f"Collecting submission: {ONE}" in teacher.press("collect")
    teacher.open_formgrader(f"manage_submissions/{CHAPTER}")
    said = teacher.press("autograde", ONE)
    assert f"{ONE}: 2 of 10 points" in said
    teacher.keep_picture("submissions")
    teacher.open_formgrader(f"gradebook/{CHAPTER}/{CHAPTER}")
    teacher.page.get_by_role("link", name="Submission #1").click()
    teacher.page.wait_for_function("() => window.formgrader?.comments?.loaded")
    box = teacher.page.locator("#mse-comment")
    box.click()
    box.press_sequentially(COMMENT)
    with teacher.page.expect_response(re.compile("/api/comment/")) as answer:
        box.blur()
    assert answer.value.ok
    teacher.keep_picture("formgrader")
    teacher.open_formgrader("manage_assignments")
    teacher.press("generate-feedback")
    teacher.press("release-feedback")

    learner.open_assignments()
    learner.button("Fetch Feedback").click()
    learner.page.get_by_text("(view feedback)").wait_for()
    [page] = (machine.homes / ONE / CHAPTER / "feedback").glob(f"*/{CHAPTER}.html")
    path = page.relative_to(machine.homes / ONE)
    learner.page.goto(f"{machine.url}/user/{ONE}/files/{path}")
    expect(learner.page.get_by_text(COMMENT)).to_be_visible()
    learner.page.get_by_text(COMMENT).scroll_into_view_if_needed()
    learner.keep_picture("feedback")


def _read(machine: Machine, name: str, path: Path) -> str:
    """What this account gets from a file or folder; why it gets nothing."""
    done = machine.as_user(name, *(["ls"] if path.is_dir() else ["head", "-c1"]), path)
    return "read" if done.returncode == 0 else done.stderr.strip().rpartition(": ")[2]


def test_learners_cannot_read_what_is_not_theirs(machine, learner):
    """Each thing is there, and its owner reads it."""
    work = machine.homes / ONE / NOTEBOOK
    assert machine.as_user(ONE, "nbgrader", "submit", CHAPTER).returncode == 0
    exchange = machine.exchange / COURSE_ID
    cache = machine.homes / ONE / ".local/share/jupyter/nbgrader_cache" / COURSE_ID
    answer = machine.repository / "grading" / "answers" / "ch02_loss_functions" / "mse.py"
    gradebook, solved = machine.course / "gradebook.db", machine.course / "source" / NOTEBOOK
    for owner, path in (
        (ONE, work),
        (ONE, next(cache.glob("*/submission_secret.txt"))),
        (GRADER, gradebook),
        (GRADER, solved),
        (GRADER, answer),
        (GRADER, exchange / "inbound"),
        (GRADER, exchange / "feedback"),
        ("root", machine.root / "state" / "proxy.env"),
        ("root", machine.root / "state" / "jupyterhub.sqlite"),
    ):
        assert _read(machine, owner, path) == "read"
        assert _read(machine, TWO, path) == "Permission denied", path
    # By its name, which nobody else can find out, a hand-in could be read; not taken away or replaced.
    [handed_in, *_] = (exchange / "inbound").glob(f"{ONE}+*")
    for path in (handed_in, exchange):
        moved = machine.as_user(TWO, "mv", path, f"{path}-away")
        assert "not permitted" in moved.stderr
        assert path.is_dir()
    # Neither can it be imported.
    for name, found in ((GRADER, 0), (TWO, 1)):
        words = (
            "env",
            f"PYTHONPATH={machine.repository}",
            "python",
            "-c",
            "import grading.answers",
        )
        assert machine.as_user(name, *words).returncode == found


def test_the_hub_lets_nobody_into_another_server(machine, learner, teacher, chromium):
    own = f"{machine.url}/user/{ONE}/api/contents/{NOTEBOOK}?content=0"
    formgrader = f"{machine.url}/services/grading/formgrader"
    assert learner.page.goto(own).status == 200
    assert teacher.page.goto(formgrader).status == 200
    with _desk(Desk, chromium, machine, TWO) as other:
        assert other.page.goto(own).status in (403, 404)
        assert other.page.goto(formgrader).status == 403


def test_watch_grades_a_hand_in_and_gives_the_page_back(machine, teacher, learner):
    for command in ("fetch_assignment", "submit"):
        assert machine.as_user(TWO, "nbgrader", command, CHAPTER).returncode == 0
    machine.start("training-loop-watch")
    until = time.monotonic() + GRADING_SECONDS
    while f"{TWO}: 0 points" not in machine.log("training-loop-watch"):
        assert time.monotonic() < until, machine.log("training-loop-watch")
        time.sleep(0.2)
    assert machine.as_user(TWO, "nbgrader", "fetch_feedback", CHAPTER).returncode == 0
    [page] = (machine.homes / TWO / CHAPTER / "feedback").glob(f"*/{CHAPTER}.html")
    assert page.stat().st_uid == pwd.getpwnam(TWO).pw_uid
    assert "mse" in page.read_text()
