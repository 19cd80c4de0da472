"""``grade --container``: the command line for each engine, what is said where there is none, and, with an engine
and an image at hand, the same marks as outside.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from grading.classroom import container
from grading.classroom.container import Engine, command, find_engine
from grading.errors import Problem
from grading.paths import REPOSITORY
from tests.grading.class_of_three import POINTS

ANSWERS = SimpleNamespace(returncode=0, stdout="", stderr="")
SILENT = SimpleNamespace(
    returncode=1, stdout="", stderr="trying ...\nCannot connect to the daemon\n"
)


def _mounts(words: list[str]) -> dict[str, str]:
    """Where each folder of this machine is in the container, and whether it can be written."""
    volumes = [word.removeprefix("--volume=") for word in words if word.startswith("--volume=")]
    return dict(volume.split(":", 1) for volume in volumes)


@pytest.mark.parametrize("name", ["podman", "docker"])
def test_the_command_shows_the_course_and_the_code_and_nothing_else(name, tmp_path):
    words = command(Engine(name, f"/usr/bin/{name}"), "image:1", "05_complete_loop", tmp_path)
    assert words[:2] == [f"/usr/bin/{name}", "run"]
    code = {f"{REPOSITORY}/{part}": f"/opt/course/{part}:ro" for part in container._CODE}
    assert _mounts(words) == code | {str(tmp_path): "/course:rw"}
    assert {"--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges"} <= {*words}
    at = words.index("image:1")
    assert words[at + 1 :] == ["grade", "05_complete_loop", "--course=/course"]
    assert f"--user={os.getuid()}:{os.getgid()}" in words[:at]


def test_an_ordinary_user_gets_no_capability(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    for name, own in (("docker", False), ("podman", True)):
        words = command(Engine(name, name), "image:1", "05_complete_loop", tmp_path)
        assert not any(word.startswith("--cap-add") for word in words)
        assert ("--userns=keep-id" in words) is own


def test_what_is_written_elsewhere_is_mounted_too(tmp_path):
    course, file = tmp_path / "course", tmp_path / "out" / "05.json"
    engine = Engine("docker", "docker")
    words = command(engine, "image:1", "05_complete_loop", course, ["--jobs=2"], file)
    assert _mounts(words)[str(tmp_path / "out")] == "/json:rw"
    assert words[-2:] == ["--jobs=2", "--json=/json/05.json"]


def test_a_path_that_the_engines_would_misread_is_refused(tmp_path):
    with pytest.raises(Problem, match="colon"):
        command(Engine("docker", "docker"), "image:1", "05_complete_loop", tmp_path / "a:b")


def test_without_an_engine_it_says_what_to_install():
    with pytest.raises(Problem, match="needs podman or docker: install one"):
        find_engine(which=lambda name: None)


def test_an_engine_that_does_not_answer_is_passed_over_or_named():
    def run(words, **_):
        return SILENT if words[0] == "podman" else ANSWERS

    assert find_engine(which=lambda name: name, run=run) == Engine("docker", "docker")
    with pytest.raises(Problem, match="podman cannot be used: Cannot connect to the daemon"):
        find_engine(which={"podman": "podman"}.get, run=run)


def test_the_command_line_refuses_in_one_line(tmp_path, handed_in):
    def grade(*options: str, path: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "grading", "grade", "00", "--container", *options],
            cwd=REPOSITORY,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout) == (2, "")
        return done.stderr

    without = str(tmp_path)
    assert "podman or docker" in grade(f"--course={handed_in}", path=without)
    assert "not a course directory" in grade(f"--course={tmp_path}", path=without)
    assert "leave out" in grade("--no-sandbox", f"--course={handed_in}", path=without)


def test_the_image_has_everything_that_the_command_mounts_or_installs():
    text = (REPOSITORY / "Containerfile").read_text()
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    for name in container._CODE:
        assert f"COPY {name} ./{name}\n" in text
        assert f"!{name}" in ignored
    assert {"!constraints.txt", "!pyproject.toml", "*"} <= {*ignored}


@pytest.mark.slow
@pytest.mark.skipif("COURSE_CONTAINER" not in os.environ, reason="COURSE_CONTAINER=1 runs it")
def test_marks_are_the_same_in_a_container(handed_in, tmp_path):
    """Needs podman or docker, and minutes for the image when it is not there yet."""
    find_engine()
    course, file = tmp_path / "course", tmp_path / "00.json"
    shutil.copytree(handed_in, course)
    words = ["grade", "00", "--container", f"--course={course}", f"--json={file}"]
    done = subprocess.run([sys.executable, "-m", "grading", *words], cwd=REPOSITORY)
    assert done.returncode == 0
    learners = json.loads(file.read_text())["learners"]
    assert {name: one["score"] for name, one in learners.items()} == POINTS
    assert all(path.stat().st_uid == os.getuid() for path in Path(course).rglob("*"))
