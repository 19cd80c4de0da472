"""How both command lines end: one line and an exit status, whatever the machine and the terminal do."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib.app.terminal import answer
from grading.paths import REPOSITORY

COMMANDS = [("course_lib", "status"), ("course_lib", "doctor"), ("grading", "--help")]


def _start(*arguments: str, **streams) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
        **streams,
    )


@pytest.mark.parametrize("arguments", COMMANDS)
def test_whoever_stops_reading_meets_no_traceback(arguments):
    read_end, write_end = os.pipe()
    os.close(read_end)  # as `| head` leaves it
    process = _start(*arguments, stdout=write_end)
    os.close(write_end)
    assert process.communicate(timeout=120)[1] == ""
    assert process.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is always full")
@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_full_disk_behind_the_output_is_one_line(arguments):
    with open("/dev/full", "w") as full:
        process = _start(*arguments, stdout=full)
    assert process.communicate(timeout=120)[1] == "error: No space left on device.\n"
    assert process.returncode == 2


@pytest.mark.skipif(os.name != "posix", reason="a shell's >&-")
def test_without_any_output_the_command_works_all_the_same():
    line = f'exec "{sys.executable}" -m course_lib status >&-'
    done = subprocess.run(["sh", "-c", line], cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_without_our_symbols_shows_the_words(monkeypatch):
    screen = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(screen, encoding="ascii"))
        assert answer(lambda: print("\u2713 hints 2/2"), "") == 0
        assert screen.getvalue().decode() == f"? hints 2/2{os.linesep}"


def test_what_the_machine_refuses_is_named(capsys, tmp_path):
    missing = tmp_path / "nowhere" / "file"
    assert answer(missing.read_text, "") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"error: {missing}: No such file or directory.\n"


def test_an_exit_status_is_handed_on(capsys):
    assert answer(lambda: 3, "") == 3
    with pytest.raises(SystemExit):
        answer(lambda: sys.exit(4), "")


@pytest.mark.parametrize(
    ("start", "looked"),
    [
        ("", "for garbage\n"),
        ("from course_lib.app.terminal import answer; answer(lambda: 0, '')", ""),
        ("from course_lib.app.begin import set_up; set_up('0.1.0')", ""),
    ],
)
def test_a_process_ends_without_looking_for_garbage(start, looked):
    circle = """
import gc
gc.disable()
class Circle:
    def __init__(self):
        self.itself = self
    def __del__(self, write=print):
        write("for garbage")
Circle()
"""
    done = subprocess.run(
        [sys.executable, "-c", circle + start], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, looked, "")


@pytest.fixture
def without_torch(tmp_path: Path) -> dict[str, str]:
    """The environment of a Python in which torch cannot be imported."""
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('no torch', name='torch')")
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "00"),
        ("grade-notebook", "notebooks/00_why_a_training_loop.ipynb"),
        ("observed", "00", "ann"),
        ("demo",),
    ],
)
def test_grading_names_the_package_that_is_missing(arguments, without_torch):
    process = _start("grading", *arguments, stdout=subprocess.DEVNULL, env=without_torch)
    said = process.communicate(timeout=120)[1]
    assert said == "error: torch is missing or broken here: run `make setup`\n"
    assert process.returncode == 2


def test_grading_in_a_bare_python_says_where_its_packages_are(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path], check=True)
    bare = str(tmp_path / "bin" / "python")
    done = subprocess.run(
        [bare, "-m", "grading", "--help"], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "make setup" in done.stderr
    assert ".venv/bin/python" in done.stderr


def test_a_fault_of_ours_keeps_its_traceback(capsys):
    def faulty() -> None:
        from course_lib import no_such_name  # noqa: F401

    with pytest.raises(ImportError):
        answer(faulty, "")
