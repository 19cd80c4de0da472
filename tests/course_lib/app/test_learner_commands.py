"""``python -m course_lib``: clear answers on any machine, and the learner's work is never lost."""

import io
import itertools
import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib import progress
from course_lib.__main__ import main
from course_lib.app import lab, workspace
from course_lib.app.status import points_of
from course_lib.app.terminal import answer
from course_lib.chapters import CHAPTERS
from course_lib.errors import Problem
from course_lib.exercises import chapter_exercises
from grading.paths import REPOSITORY


def _run(*arguments: str, python: str = sys.executable, **environment: str):
    return subprocess.run(
        [python, "-m", "course_lib", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def bare_python(tmp_path: Path) -> str:
    """An interpreter with the standard library alone."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    return str(tmp_path / "bare" / "bin" / "python")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_unknown_command_ends_in_one_line():
    done = _run("frobnicate")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "frobnicate" in done.stderr


def test_missing_part_ends_in_one_line(bare_python):
    done = _run("lab", python=bare_python)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def report() -> subprocess.CompletedProcess:
    """What ``doctor`` says in this environment."""
    return _run("doctor")


def test_doctor_finds_nothing_wrong_here(report):
    assert report.returncode == 0, report.stdout
    assert "takes a training step" in report.stdout
    assert "PROBLEM" not in report.stdout
    assert report.stderr == ""


def test_doctor_tells_no_user_name(report):
    assert str(Path.home()) + os.sep not in report.stdout


def test_status_needs_no_package(bare_python):
    done = _run("status", python=bare_python)
    assert (done.returncode, done.stderr) == (0, "")
    assert "12 points possible" in done.stdout


def test_status_knows_what_each_exercise_is_worth():
    for chapter in CHAPTERS:
        worth = {exercise.name: exercise.points for exercise in chapter_exercises(chapter)}
        assert list(points_of(chapter).items()) == list(worth.items())


def test_status_counts_passed_checks(home, capsys):
    def line_of_chapter_05() -> str:
        assert main(["status"]) == 0
        lines = capsys.readouterr().out.splitlines()
        return next(line for line in lines if line.startswith("05"))

    assert "not started" in line_of_chapter_05()
    progress.record("train_one_epoch", passed=False)
    assert "0 of 3 checks passed" in line_of_chapter_05()
    progress.record("train_one_epoch", passed=True)
    assert "1 of 3 checks passed" in line_of_chapter_05()
    assert "12 points possible" in line_of_chapter_05()


def test_progress_counts_tries_until_the_first_success(home):
    for passed in (False, False, True, False):
        progress.record("fit", passed=passed)
    assert progress.load() == {"fit": progress.Record(passed=True, tries=3)}


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_progress_is_private(home):
    progress.record("fit", passed=True)
    assert stat.S_IMODE(progress.path().stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == ["progress.jsonl"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"checks": 3}',
        b'{"checks": {"fit": {"passed": 1}}}',
        b"\xff\xfe",
        b'{"name": "q05_1", "event": "answered", "answer": "A", "right": true, "at": 1%s}'
        % (b"0" * 400),
    ],
)
def test_damaged_progress_starts_anew(home, content):
    home.mkdir()
    progress.path().write_bytes(content)
    assert progress.load() == {}
    progress.record("fit", passed=True)
    assert progress.load()["fit"].passed


def test_a_damaged_line_costs_no_other(home):
    progress.record("fit", passed=False)
    with open(progress.path(), "ab") as file:
        file.write(b'\xff\x00{"name": "fit"')  # another program was cut off
    progress.record("fit", passed=True)
    assert progress.load() == {"fit": progress.Record(passed=True, tries=2)}


def test_progress_that_cannot_be_kept_costs_no_check(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "file" / "inside"))
    progress.record("fit", passed=False)
    progress.record("fit", passed=True)
    assert progress.of("fit") == progress.Record(passed=True, tries=2), "it counts for this kernel"
    assert (tmp_path / "file").read_text() == ""


_MANY = """
from course_lib import progress
for number in range(300):
    progress.record(f"exercise {number % 7}", passed=False)
"""


def test_kernels_that_write_at_once_lose_nothing(home):
    environment = {**os.environ, "COURSE_HOME": str(home)}
    kernels = [
        subprocess.Popen([sys.executable, "-c", _MANY], cwd=REPOSITORY, env=environment)
        for _ in range(3)
    ]
    assert [kernel.wait(timeout=60) for kernel in kernels] == [0, 0, 0]
    assert sum(record.tries for record in progress.load().values()) == 900


@pytest.fixture
def released(tmp_path: Path) -> Path:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / "02_loss_functions.ipynb").write_text("first version")
    (folder / "05_complete_loop.ipynb").write_text("first version")
    return folder


def test_first_start_copies_the_chapters(released, tmp_path):
    mine = tmp_path / "mine"
    assert workspace.prepare(released, mine) == []
    assert (mine / "05_complete_loop.ipynb").read_text() == "first version"
    assert workspace.first_chapter(mine).name == "02_loss_functions.ipynb"
    page = (mine / workspace.START_PAGE).read_text(encoding="utf-8")
    assert "[Loss functions](02_loss_functions.ipynb)" in page
    assert "How this works" in page


def test_a_changed_copy_is_never_overwritten(released, tmp_path):
    mine = tmp_path / "mine"
    workspace.prepare(released, mine)
    (mine / "05_complete_loop.ipynb").write_text("my work")
    assert workspace.prepare(released, mine) == []
    (released / "05_complete_loop.ipynb").write_text("second version")
    (note,) = workspace.prepare(released, mine)
    assert "05_complete_loop has a new version; yours is kept" in note
    assert (mine / "05_complete_loop.ipynb").read_text() == "my work"


def test_an_untouched_copy_follows_the_release(released, tmp_path):
    mine = tmp_path / "mine"
    workspace.prepare(released, mine)
    (released / "05_complete_loop.ipynb").write_text("second version")
    assert workspace.prepare(released, mine) == []
    assert (mine / "05_complete_loop.ipynb").read_text() == "second version"


def test_work_is_kept_when_the_list_of_copies_is_lost(released, tmp_path):
    mine = tmp_path / "mine"
    workspace.prepare(released, mine)
    (mine / "05_complete_loop.ipynb").write_text("my work")
    (mine / workspace.PRIVATE / "copied.json").write_text("not json")
    workspace.prepare(released, mine)
    assert (mine / "05_complete_loop.ipynb").read_text() == "my work"


def test_a_deleted_copy_comes_back(released, tmp_path):
    mine = tmp_path / "mine"
    workspace.prepare(released, mine)
    (mine / "05_complete_loop.ipynb").unlink()
    workspace.prepare(released, mine)
    assert (mine / "05_complete_loop.ipynb").read_text() == "first version"


def test_without_notebooks_the_reason_is_given(tmp_path):
    with pytest.raises(Problem, match="no notebooks"):
        workspace.prepare(tmp_path / "nothing", tmp_path / "mine")


def test_copies_are_listed_as_json(released, tmp_path):
    mine = tmp_path / "mine"
    workspace.prepare(released, mine)
    copied = json.loads((mine / workspace.PRIVATE / "copied.json").read_text())
    assert set(copied) == {"02_loss_functions.ipynb", "05_complete_loop.ipynb"}


@pytest.mark.skipif(os.name != "posix", reason="stopped by a signal")
def test_lab_takes_the_next_port_and_says_nothing_of_instructors_tools(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = ["--no-browser", "--port", str(port), "--folder", str(tmp_path / "mine")]
        process = subprocess.Popen(
            [sys.executable, "-m", "course_lib", "lab", *options],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            said = list(itertools.takewhile(lambda line: "To stop" not in line, process.stdout))
        finally:
            process.terminate()
            complaints = process.communicate(timeout=60)[1]
    (address,) = [line for line in said if "http://" in line]
    assert f":{port}/" not in address
    assert "nbgrader" not in complaints.lower()


_TOO_LATE = """
import sys
from pathlib import Path
from jupyter_server.serverapp import ServerApp
from course_lib.app.lab import open_lab
ServerApp._find_http_port = lambda self: None  # another program takes the port after it was found free
sys.exit(open_lab(Path(sys.argv[1]), browser=False, port=int(sys.argv[2])))
"""


def test_lab_names_no_address_that_another_program_has_taken(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-c", _TOO_LATE, str(tmp_path / "mine"), port],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 1
    assert "http://" not in done.stdout
    assert "could not be started" in done.stderr


def test_what_is_started_from_the_lab_runs_in_its_own_environment(monkeypatch):
    monkeypatch.setenv("PATH", os.pathsep.join(["/somewhere/else", os.environ["PATH"]]))
    lab._put_this_python_first()
    python = subprocess.run(
        ["python", "-c", "import sys; print(sys.prefix)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert python.stdout.strip() == sys.prefix


def test_status_answers_where_the_output_is_a_notebooks(home, monkeypatch):
    class OfANotebook(io.StringIO):
        reconfigure = property()  # raises AttributeError, as ipykernel's stream does

    monkeypatch.setattr(sys, "stdout", OfANotebook())
    assert answer(lambda: print("here"), "") == 0
    assert sys.stdout.getvalue() == "here\n"


@pytest.mark.parametrize("port", ["-5", "0", "99999", "x"])
def test_a_port_that_is_none_is_one_line(port):
    done = _run("lab", "--port", port)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "1 to 65535" in done.stderr
