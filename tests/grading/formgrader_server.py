"""Formgrader in a real server, started inside a course directory and asked as a browser asks it."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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

    def press(self, path: str) -> Any:
        """A button: whether it worked, and its log."""
        return json.loads(self._ask("POST", f"api/{path}", b""))

    def notebook_of(self, assignment: str, learner: str) -> str:
        """The id of a learner's graded notebook."""
        rows = self.get(f"submitted_notebooks/{assignment}/{assignment}")
        return next(row["id"] for row in rows if row["student"] == learner)

    def give(self, notebook: str, points: float, on: str, comment: str, under: str) -> None:
        """Points and a comment by hand."""
        grade = self._row("grades", notebook, on)
        self.put(f"grade/{grade['id']}", {"manual_score": points, "extra_credit": None})
        below = self._row("comments", notebook, under)
        self.put(f"comment/{below['id']}", {"manual_comment": comment})

    def grade(self, notebook: str, name: str) -> tuple[float | None, float | None]:
        """The automatic score of a check, and the one by hand."""
        row = self._row("grades", notebook, name)
        return row["auto_score"], row["manual_score"]

    def _row(self, kind: str, notebook: str, name: str) -> dict[str, Any]:
        rows = self.get(f"{kind}?submission_id={notebook}")
        return next(row for row in rows if row["name"] == name)

    def _ask(self, method: str, path: str, data: bytes | None = None) -> bytes:
        headers = {"Authorization": f"token {TOKEN}", "Content-Type": "application/json"}
        address = f"{self.url}/formgrader/{path}"
        request = urllib.request.Request(address, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.read()


@contextlib.contextmanager
def formgrader_in(course: Path, home: Path) -> Iterator[Formgrader]:
    """Started inside the course directory, as the handbook says; settings and log are in ``home``."""
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
    until = time.monotonic() + 300
    while time.monotonic() < until and server.poll() is None:
        found = _ADDRESS.search(said.read_text())
        if found:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{found[1]}/api"):
                return found[1]
        time.sleep(0.1)
    pytest.fail(said.read_text())
