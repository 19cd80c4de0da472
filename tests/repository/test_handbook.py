"""Every command of the handbook, tried as written and in its order, in a clone with a small class.

A weekly workflow runs it: ``COURSE_HANDBOOK=1``. That each line is either tried or left out for a reason is
tested always.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from course_lib.chapters import find_chapter
from grading.paths import REPOSITORY
from grading.sample_class import SAMPLES, submission

CHAPTER = find_chapter("05")
LEARNERS = {"ann": "learner-01", "bob": "learner-03"}
#: Lines that are not tried, by how they begin.
LEFT_OUT = {
    "sudo apt": "the system's packages",
    "make setup": "the environment that runs this test",
    ". .venv": "done for each command",
    "course/submitted/": "a path",
    "configure(": "Python, for nbgrader_config.py",
    "c.": "Python, for nbgrader_config.py",
    "pip install": "the environment that runs this test",
    "dask scheduler": "tests/grading/classroom tries workers elsewhere",
    "PYTHONPATH=/path": "tests/grading/classroom tries workers elsewhere",
    "python -m grading grade 05 --scheduler": "tests/grading/classroom tries workers elsewhere",
    "python -m grading grade 05 --container": "tests/grading/classroom/test_container.py",
    "make learn": "opens JupyterLab: tests/browser",
    "make bench": "takes an hour",
    "make build": "tests/notebooks",
    "python -m grading publish": "tests/grading/authoring/test_publish.py",
    "git remote": "tests/grading/authoring/test_publish.py",
    "git commit": "tests/grading/authoring/test_publish.py",
    "git tag": "tests/grading/authoring/test_publish.py",
    "git push": "tests/grading/authoring/test_publish.py",
    "jupyter server": "tests/grading/nbgrader/test_formgrader.py",
    "nbgrader_config.py": "a file",
}
#: Commands that are named without what they need; the whole line stands elsewhere or in NAMED.
NAMED = {
    "nbgrader autograde",
    "nbgrader validate",
    "nbgrader collect",
    "nbgrader submit",
    "nbgrader fetch_assignment",
    "nbgrader fetch_feedback",
    "nbgrader generate_feedback",
    "nbgrader fetch_feedback 05_complete_loop",  # a learner's
    "python -m grading grade",
    "cd course",
}
#: Run until Ctrl-C.
ENDLESS = ("python -m grading watch",)
_BEGIN = ("python -m grading", "nbgrader", "make", "git", "pip", "cd", "jupyter")


@dataclass(frozen=True)
class Line:
    number: int
    text: str
    inside: bool  # the course directory


def _lines() -> list[Line]:
    """All commands, from blocks and from sentences, in the order of the page, without its summary."""
    text = (REPOSITORY / "docs" / "handbook.md").read_text(encoding="utf-8")
    summary, rest = text.split("\n## Set up\n")
    text = "\n" * (summary.count("\n") + 2) + rest
    found = []
    for block in re.finditer(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        inside = False
        first = text[: block.start(1)].count("\n") + 1
        for number, line in enumerate(block[1].splitlines(), start=first):
            command = line.split("  #")[0].strip()
            if command == "cd course":
                inside = True
            elif command:
                found.append(Line(number, command, inside))
    prose = re.sub(
        r"^```\n.*?^```", lambda block: "\n" * block[0].count("\n"), text, flags=re.M | re.S
    )
    for code in re.finditer(r"`([^`]+)`", prose):
        command = " ".join(code[1].split())
        if command.startswith(_BEGIN):
            number = prose[: code.start()].count("\n") + 1
            found.append(Line(number, command, command.startswith("nbgrader")))
    return sorted(found, key=lambda line: line.number)


def _tried() -> list[Line]:
    lines = [line for line in _lines() if line.text not in NAMED]
    return [line for line in lines if not line.text.startswith(tuple(LEFT_OUT))]


def test_what_is_left_out_is_in_the_handbook():
    texts = [line.text for line in _lines()]
    for start in LEFT_OUT:
        assert any(text.startswith(start) for text in texts), start
    assert {*texts} >= NAMED - {"cd course"}
    assert len(_tried()) >= 30


@pytest.mark.slow
@pytest.mark.skipif("COURSE_HANDBOOK" not in os.environ, reason="COURSE_HANDBOOK=1 runs it")
def test_every_command_works_in_a_clone(tmp_path):
    clone = tmp_path / "course-repository"
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(clone)], check=True)
    _home(tmp_path / "home", clone)
    environment = {
        **os.environ,
        "HOME": str(tmp_path / "home"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(clone),
        "PYTHONUNBUFFERED": "1",
    }
    _environment(clone / ".venv")
    # A shell's background job ignores Ctrl-C, and so would what it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    failed = []
    for line in _tried():
        _prepare(line, clone)
        text = line.text.replace(" FILE", f" {_work(clone, 'ann')}")
        folder = clone / "course" if line.inside else clone
        status, said = _run(text, folder, environment, line.text.startswith(ENDLESS))
        print(f"{line.number}: {text}: {status}", flush=True)
        if status:
            failed.append(f"{line.number}: {text}\n{said[-1500:]}")
    assert not failed, "\n\n".join(failed)


def _run(text: str, folder: Path, environment: dict[str, str], endless: bool) -> tuple[int, str]:
    with subprocess.Popen(
        ["bash", "-c", f"exec {text}" if endless else text],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        if not endless:
            said = process.communicate()[0]
            return process.returncode, said
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        said = first + process.communicate()[0]
        return (0 if "Watching" in first else 1), said


def _environment(folder: Path) -> None:
    """What `make setup` would make: this one, for `make`."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (folder / ".made-in").write_text(f"{folder.parent}\n")
    (folder / ".made-for-everyone").touch()


def _work(clone: Path, learner: str) -> Path:
    return clone / "course" / "submitted" / learner / CHAPTER.id / f"{CHAPTER.id}.ipynb"


def _home(home: Path, clone: Path) -> None:
    """A platform's archive among the downloads."""
    (home / "Downloads").mkdir(parents=True)
    with zipfile.ZipFile(home / "Downloads" / "submissions.zip", "w") as archive:
        archive.writestr(f"cleo_{CHAPTER.id}.ipynb", _sample(clone, "learner-07"))


def _sample(clone: Path, name: str) -> bytes:
    released = nbformat.read(clone / "notebooks" / f"{CHAPTER.id}.ipynb", as_version=4)
    return submission(SAMPLES / CHAPTER.id / f"{name}.py", released)


def _prepare(line: Line, clone: Path) -> None:
    """What the reader has by then, besides what the lines before have made."""
    for learner, sample in LEARNERS.items():
        work = _work(clone, learner)
        if line.text == "python -m grading grade 05" and not work.exists():
            work.parent.mkdir(parents=True)
            work.write_bytes(_sample(clone, sample))
    if "--to canvas" in line.text:
        (clone / "2026-10-20T1015_Grades-PT101.csv").write_text(
            f"Student,ID,SIS User ID,SIS Login ID,Section,{CHAPTER.title} (77)\n"
            "    Points Possible,,,,,10\nAnn,1,,ann,A,\nBob,2,,bob,A,\n"
        )
    if "--to moodle" in line.text:
        (clone / "Grades-PT101-Chapter5--42.csv").write_text(
            "Identifier,Full name,Email address,Status,Grade,Maximum grade,Grade can be changed,"
            "Last modified (grade),Feedback comments\n"
            "Participant 1,ann,ann@example.org,Submitted,,10.00,Yes,-,\n"
        )
    if line.text.startswith("nbgrader db student remove"):
        shutil.copytree(clone / "course", clone / "course-before", dirs_exist_ok=True)
    if line.text.startswith("python -m grading rename"):
        before = clone / "course-before"
        if before.is_dir():
            shutil.rmtree(clone / "course")
            before.rename(clone / "course")
