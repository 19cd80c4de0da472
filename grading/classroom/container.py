"""``python -m grading grade --container``: grades in a container where this machine has no bubblewrap.

podman or docker runs the image of ``Containerfile``, which is built when it is missing, and this repository's
code in it: the same versions, the same sandbox, the same marks as on Linux. The course directory is mounted;
nothing else of this machine, and no network, is in there.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from grading.errors import Problem, chapter_called
from grading.paths import REPOSITORY, CourseFolder

NAME = "pytorch-training-loop-grading"
_CODE = ("answers", "course_lib", "grading", "notebooks")
_IMAGE = ("Containerfile", "constraints.txt", "pyproject.toml")
#: bubblewrap makes namespaces of its own, for which it needs no capability, but system calls and a whole /proc.
_LIMITS = ("--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges")
_NAMESPACES = ("--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined")
#: What the grader uses when it is root: submissions then run as another user.
_ROOT = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETFCAP", "SETGID", "SETUID")
_OWN = {
    "podman": ("--security-opt=unmask=ALL", "--security-opt=label=disable"),
    "docker": ("--security-opt=systempaths=unconfined",),
}


@dataclass(frozen=True)
class Engine:
    """podman or docker, and where it is."""

    name: str
    program: str


def grade_in_container(
    chapter: str, course: Path, options: Sequence[str] = (), json: Path | None = None
) -> int:
    """Grade a chapter of ``course`` in a container, with further ``options`` of ``grade``; its exit status.

    Raises ``Problem`` when there is no engine, no course directory, or no image can be made.
    """
    chapter = chapter_called(chapter).id
    if not CourseFolder(course).config.is_file():
        raise Problem(
            f"{course} is not a course directory (it has no {CourseFolder(course).config.name}): "
            "make one with `python -m grading release --course DIR`."
        )
    engine = find_engine()
    image = f"{NAME}:{version()}"
    look = [engine.program, "image", "inspect", image]
    if subprocess.run(look, capture_output=True).returncode != 0:
        _build(engine, image)
    return subprocess.run(command(engine, image, chapter, course, options, json)).returncode


def find_engine(
    which: Callable[[str], str | None] = shutil.which, run: Callable = subprocess.run
) -> Engine:
    """The first of podman and docker that answers. Raises ``Problem`` with what each said."""
    said = []
    for name in _OWN:
        program = which(name)
        if program is None:
            continue
        done = run([program, "info"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode == 0:
            return Engine(name, program)
        lines = done.stderr.strip().splitlines() or done.stdout.strip().splitlines()
        said.append(f"{name} cannot be used: {lines[-1] if lines else 'it says nothing'}")
    if said:
        raise Problem("; ".join(said))
    raise Problem("--container needs podman or docker: install one of them, and start it.")


def version() -> str:
    """Of the image: what it is made from besides the course's own code."""
    made_from = b"".join((REPOSITORY / name).read_bytes() for name in _IMAGE)
    return hashlib.sha256(made_from).hexdigest()[:12]


def command(
    engine: Engine,
    image: str,
    chapter: str,
    course: Path,
    options: Sequence[str] = (),
    json: Path | None = None,
) -> list[str]:
    """The command line that grades."""
    words = [engine.program, "run", "--rm", *_LIMITS, *_NAMESPACES, *_OWN[engine.name]]
    words += _identity(engine)
    if sys.stdout.isatty():
        words.append("--tty")  # the table's width and colours
    for name in _CODE:
        words.append(_mount(REPOSITORY / name, f"/opt/course/{name}", "ro"))
    words.append(_mount(course, "/course"))
    if json is not None:
        words.append(_mount(json.parent, "/json"))
        options = [*options, f"--json=/json/{json.name}"]
    return [*words, image, "grade", chapter, "--course=/course", *options]


def _identity(engine: Engine) -> list[str]:
    """What is written belongs to whoever calls, not to root."""
    if not hasattr(os, "getuid"):
        return []
    user = f"--user={os.getuid()}:{os.getgid()}"
    if os.getuid() == 0:
        return [user, *(f"--cap-add={name}" for name in _ROOT)]
    return ["--userns=keep-id", user] if engine.name == "podman" else [user]


def _mount(source: Path, target: str, access: str = "rw") -> str:
    source = source.resolve()
    if ":" in str(source)[2:]:  # behind a drive's letter
        raise Problem(f"podman and docker do not take a colon in a path: {source}")
    return f"--volume={source}:{target}:{access}"


def _build(engine: Engine, image: str) -> None:
    typer.echo(f"Building the image {image} with {engine.name}; this takes some minutes, once.")
    words = [engine.program, "build", "--tag", image]
    if "PIP_EXTRA_INDEX_URL" in os.environ:
        words += ["--build-arg", f"PIP_EXTRA_INDEX_URL={os.environ['PIP_EXTRA_INDEX_URL']}"]
    words += ["--file", str(REPOSITORY / "Containerfile"), str(REPOSITORY)]
    if subprocess.run(words).returncode != 0:
        raise Problem(f"{engine.name} could not build the image; the lines above say why.")
