"""nbgrader's own commands as people type them, and a submission that is after more than points."""

import contextlib
import io
import logging
import socket
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell

from grading.intake.matching import grade_id_of, is_solution
from grading.nbgrader.config import COURSE_ID
from grading.paths import solved_notebook
from tests.grading.class_of_three import CHAPTER, WRONG


def nbgrader(folder: Path, *arguments: str, status: int = 0) -> str:
    """Run an nbgrader command inside ``folder``; what it said. Started in this process, as nbgrader's
    own tests do: the imports of twenty commands would take longer than the commands."""
    from nbgrader.apps.nbgraderapp import NbGraderApp, NoStart
    from nbgrader.validator import Validator

    said = io.StringIO()
    app = NbGraderApp.instance()
    ended, Validator.stream = 0, said
    with contextlib.chdir(folder), contextlib.redirect_stdout(said):
        try:
            app.initialize(list(arguments))
            app.init_logging(logging.StreamHandler, [said], color=False, subapps=True)
            app.start()
        except NoStart:  # how it ends when a subcommand was run
            pass
        except SystemExit as stop:
            ended = stop.code
        finally:
            app.reset()
            Validator.stream = sys.stdout
    assert ended == status, said.getvalue()
    return said.getvalue()


@dataclass(frozen=True)
class Learner:
    """Someone with a home folder and access to the exchange folder, and to nothing else."""

    name: str
    home: Path
    exchange: Path

    def nbgrader(self, *arguments: str, status: int = 0) -> str:
        self.home.mkdir(parents=True, exist_ok=True)
        return nbgrader(
            self.home,
            *arguments,
            f"--course={COURSE_ID}",
            f"--student={self.name}",
            f"--Exchange.root={self.exchange}",
            f"--Exchange.cache={self.home / 'cache'}",
            status=status,
        )

    def fetch(self) -> None:
        self.nbgrader("fetch_assignment", CHAPTER.id)

    def submit(self, wrong: bool = False, also: str = "") -> None:
        """Write right answers, or two wrong ones, with the code ``also`` before them; then submit."""
        path = self.home / CHAPTER.id / f"{CHAPTER.id}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        solved = nbformat.read(solved_notebook(CHAPTER), as_version=4)
        sources = {grade_id_of(cell): cell.source for cell in solved.cells if is_solution(cell)}
        for cell in notebook.cells:
            name = grade_id_of(cell)
            if name in sources:
                cell.source = sources[name]
                if wrong and name in WRONG:
                    head = cell.source.partition("    ### BEGIN")[0]
                    cell.source = (
                        f"{head}    {WRONG[name]}" if "return" in WRONG[name] else WRONG[name]
                    )
        if also:
            notebook.cells.insert(1, new_code_cell(also))
        nbformat.write(notebook, path)
        self.nbgrader("submit", CHAPTER.id)

    @property
    def pages(self) -> list[Path]:
        """The feedback pages that were fetched, the newest submission's last."""
        return sorted((self.home / CHAPTER.id / "feedback").glob("*/*.html"))


#: Three attempts to reach what is not a learner's; says which of them worked.
_ATTACK = """
import socket, sqlite3
from pathlib import Path
gained = []
def attempt(what, action):
    try:
        action()
    except Exception:
        return
    gained.append(what)
attempt("file", lambda: Path({file!r}).write_text("here"))
attempt("socket", lambda: socket.create_connection(("127.0.0.1", {port}), 5).close())
attempt("gradebook", lambda: sqlite3.connect("file:{db}?mode=rw", uri=True).execute(
    "update grade set auto_score = 99").connection.commit())
print("GAINED", gained)
"""


class Attack:
    """The code that a submission brings along, and whether it got anywhere."""

    def __init__(self, folder: Path, course: Path, listener: socket.socket) -> None:
        self.file, self.gradebook, self.listener = (
            folder / "here",
            course / "gradebook.db",
            listener,
        )
        port = listener.getsockname()[1]
        self.code = _ATTACK.format(file=str(self.file), port=port, db=self.gradebook)

    def assert_dangerous(self) -> None:
        """Run by its owner without a sandbox, it gets all that it is after."""
        done = subprocess.run(
            [sys.executable, "-c", self.code], capture_output=True, text=True, check=True
        )
        assert "GAINED ['file', 'socket', 'gradebook']" in done.stdout
        assert self._connected()
        self.file.unlink()

    def assert_in_vain(self, course: Path, learner: str) -> None:
        """It ran, and got nothing."""
        autograded = course / "autograded" / learner / CHAPTER.id / f"{CHAPTER.id}.ipynb"
        assert "GAINED []" in autograded.read_text(encoding="utf-8")
        self.assert_nothing_happened()

    def assert_nothing_happened(self) -> None:
        assert not self.file.exists()
        assert not self._connected()
        with contextlib.closing(sqlite3.connect(self.gradebook)) as connection:
            scores = connection.execute("select max(auto_score) from grade").fetchone()
        assert scores[0] is None or scores[0] < 99

    def _connected(self) -> bool:
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True
