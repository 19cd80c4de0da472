"""Formgrader, nbgrader's own pages for instructors, on a class that our commands graded: a real server,
asked as a browser asks it. And what is changed there survives the next grading."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from course_lib.chapters import find_chapter
from tests.grading.class_of_three import POINTS, grade

pytestmark = [pytest.mark.usefixtures("sandbox"), pytest.mark.slow]

CHAPTER = find_chapter("00")
TOKEN = "formgrader"
_ADDRESS = re.compile(r"(http://127\.0\.0\.1:\d+)/")


class Formgrader:
    """A running server; answers come as text or, from the interface of its pages, as data."""

    def __init__(self, course: Path, url: str) -> None:
        self.course, self.url = course, url

    def page(self, path: str) -> str:
        return self._ask("GET", path).decode()

    def get(self, path: str) -> Any:
        return json.loads(self._ask("GET", f"api/{path}"))

    def put(self, path: str, data: dict[str, Any]) -> Any:
        return json.loads(self._ask("PUT", f"api/{path}", json.dumps(data).encode()))

    def _ask(self, method: str, path: str, data: bytes | None = None) -> bytes:
        headers = {"Authorization": f"token {TOKEN}", "Content-Type": "application/json"}
        address = f"{self.url}/formgrader/{path}"
        request = urllib.request.Request(address, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()


@pytest.fixture(scope="module")
def formgrader(graded, tmp_path_factory) -> Iterator[Formgrader]:
    """Started inside the course directory, as the handbook says."""
    home = tmp_path_factory.mktemp("home")
    course = home / "course"
    shutil.copytree(graded[0], course)
    command = [
        *(sys.executable, "-m", "jupyter", "server", "--no-browser", "--port=0"),
        *("--ServerApp.ip=127.0.0.1", f"--IdentityProvider.token={TOKEN}"),
        "--ServerApp.jpserver_extensions={'nbgrader.server_extensions.formgrader': True}",
        *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
    ]
    own = {**os.environ, "HOME": str(home), "JUPYTER_CONFIG_DIR": str(home / "jupyter")}
    said = home / "said.txt"
    with (
        said.open("wb") as file,
        subprocess.Popen(command, cwd=course, env=own, stderr=file, stdout=file) as server,
    ):
        try:
            yield Formgrader(course, _address(server, said))
        finally:
            server.terminate()


def _address(server: subprocess.Popen, said: Path) -> str:
    """Where it listens, once it does."""
    until = time.monotonic() + 120
    while time.monotonic() < until and server.poll() is None:
        found = _ADDRESS.search(said.read_text())
        if found:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{found[1]}/api"):
                return found[1]
        time.sleep(0.1)
    pytest.fail(said.read_text())


def test_it_lists_the_assignment_and_every_submission_with_its_points(formgrader):
    [assignment] = [one for one in formgrader.get("assignments") if one["name"] == CHAPTER.id]
    assert (assignment["num_submissions"], assignment["max_score"]) == (3, 6.0)
    rows = {row["student"]: row for row in formgrader.get(f"submissions/{CHAPTER.id}")}
    assert {name: row["score"] for name, row in rows.items()} == POINTS
    assert all(row["autograded"] and not row["needs_manual_grade"] for row in rows.values())


def test_every_page_opens(formgrader):
    for path in (
        "manage_assignments",
        f"manage_submissions/{CHAPTER.id}",
        "gradebook",
        f"gradebook/{CHAPTER.id}",
        f"gradebook/{CHAPTER.id}/{CHAPTER.id}",
        "manage_students",
        "manage_students/bob",
    ):
        assert "formgrader" in formgrader.page(path)


def _submission_of(formgrader: Formgrader, learner: str) -> str:
    rows = formgrader.get(f"submitted_notebooks/{CHAPTER.id}/{CHAPTER.id}")
    return next(row["id"] for row in rows if row["student"] == learner)


def test_a_submission_shows_the_work_the_verdict_and_the_misconception(formgrader):
    page = formgrader.page(f"submissions/{_submission_of(formgrader, 'bob')}/?index=0")
    text = re.sub("<[^>]+>", "", page)
    assert "def order_the_beats():" in text
    assert "loss before forward" in text.lower()
    assert "order_the_beats__test" in text


def test_what_is_given_there_by_hand_survives_grading_again(formgrader):
    notebook = _submission_of(formgrader, "bob")
    grades = formgrader.get(f"grades?submission_id={notebook}")
    grade_of = next(row for row in grades if row["name"] == "q00_1__test")
    assert (grade_of["auto_score"], grade_of["manual_score"]) == (0.0, None)
    formgrader.put(f"grade/{grade_of['id']}", {"manual_score": 0.5, "extra_credit": None})
    comments = formgrader.get(f"comments?submission_id={notebook}")
    comment = next(row for row in comments if row["name"] == "first_bad_step")
    formgrader.put(f"comment/{comment['id']}", {"manual_comment": "Talked it over."})

    folder = formgrader.course / "submitted" / "bob" / CHAPTER.id
    (folder / "timestamp.txt").write_text("2026-01-02 03:04:05 UTC")
    results = grade(formgrader.course)
    assert {name: result.work for name, result in results.items()}["bob"] == "judged"

    grades = formgrader.get(f"grades?submission_id={_submission_of(formgrader, 'bob')}")
    grade_of = next(row for row in grades if row["name"] == "q00_1__test")
    assert (grade_of["auto_score"], grade_of["manual_score"]) == (0.0, 0.5)
    rows = {row["student"]: row["score"] for row in formgrader.get(f"submissions/{CHAPTER.id}")}
    assert rows == POINTS | {"bob": 4.5}
    assert "Talked it over." in results["bob"].feedback.read_text(encoding="utf-8")
