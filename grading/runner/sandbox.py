"""Where a learner's kernel runs: in bubblewrap, or - only when told so - unprotected.

``kernel`` opens a ``Box`` for one kernel, ``zygote`` for a row of them. A kernel sees the interpreter
and its libraries, ``course_lib`` and its own submission, all read-only, a private /tmp and nothing
else: no network, no home, no ``grading``. ``provisioner`` starts the command of a box.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import course_lib
from course_lib import answers
from grading.errors import Problem
from grading.runner import inside
from grading.runner.limits import Limits
from grading.runner.seccomp import refusal_filter

COURSE = Path(course_lib.__file__).resolve().parent
GRADING = Path(__file__).resolve().parents[1]
NOBODY = 65534
_INSIDE_WORK = "/tmp/work"
_INSIDE_CODE = "/run"
#: What runs in there of the grader's, as plain files.
_INSIDE_FILES = Path(inside.__file__).parent
#: The folders in which mount points lie are file systems in memory, too: closed at the end. And
#: /proc: when the grader is root, /proc/sys would take the submission's writes for root's.
_CLOSED = ("--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/")
_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin")
_SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/etc/fonts")

UNPROTECTED = (
    "Submissions run unprotected, with your rights: they can read and change your files, "
    "this repository and the network."
)


class NoKernel(Problem):
    """A kernel did not come up. Nothing of the submission had run: this is not the submission's fault."""


@dataclass
class Box:
    """A place for kernels. ``folder`` holds their sockets, what is ``handed_in`` they can read:
    nothing else is shared with outside. What goes wrong before a kernel runs is in ``errors``.
    ``handed_on`` are the open files that ``start`` needs, ``settings`` are for ``inside``."""

    folder: Path
    handed_in: Path
    errors: Path
    start: list[str]
    settings: dict[str, Any]
    environment: dict[str, str]
    uid: int | None = None
    handed_on: tuple[int, ...] = ()

    @property
    def connection_file(self) -> Path:
        return self.folder / "connection.json"

    @property
    def identity(self) -> dict[str, Any]:
        """Who runs it, as arguments of ``Popen``."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.uid, "extra_groups": []}

    def command(self) -> list[str]:
        return [*self.start, json.dumps(self.settings), str(self.connection_file)]

    def hand_in(self, companions: Mapping[str, bytes], limits: Limits) -> dict[str, Any]:
        """Put a submission's files there in place of the last one's: what ``inside`` is told."""
        files = self.handed_in / "files"
        shutil.rmtree(files, ignore_errors=True)
        files.mkdir()
        for name, data in companions.items():
            path = files / name
            if path.resolve().is_relative_to(files.resolve()):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        return {
            "companions": str(files) if companions else "",
            "file_bytes": limits.file_bytes,
            "processes": limits.processes,
            "open_files": limits.open_files,
        }


def last_words(box: Box) -> str:
    """What was said last by something that did not start."""
    said = box.errors.read_text(errors="replace").strip().splitlines()
    return said[-1] if said else ""


def check_protection(sandbox: bool) -> None:
    """``Problem`` when a sandbox is wanted and there is none."""
    if not sandbox:
        return
    reason = unavailable()
    if reason:
        raise Problem(
            f"{reason}; `grade --container` grades in podman or docker, --no-sandbox without a sandbox. "
            f"{UNPROTECTED}"
        )


@cache
def unavailable() -> str:
    """Why there is no sandbox on this machine; "" when there is one."""
    if sys.platform != "linux":
        return "the sandbox needs Linux (on Windows: WSL 2)"
    program = shutil.which("bwrap")
    if program is None:
        return "the sandbox needs bubblewrap (install the package `bubblewrap`)"
    failed = _probe(program, None)
    return f"bubblewrap cannot start here ({failed})" if failed else ""


@cache
def _unprivileged_uid() -> int | None:
    """The user to run as when the grader is root and the environment is readable to others."""
    if os.geteuid() != 0 or _probe(shutil.which("bwrap") or "bwrap", NOBODY):
        return None
    return NOBODY


def _probe(program: str, uid: int | None) -> str:
    """Start Python in a sandbox once; what went wrong, or ""."""
    start = [sys.executable, "-c", "import zmq"]
    identity = {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}
    settings = {"capture_output": True, "text": True, "timeout": 60, "cwd": "/", **identity}
    try:
        with _refusals() as (options, handed_on):
            command = [program, *_isolation(), *_libraries(Limits()), *_CLOSED, *options, *start]
            done = subprocess.run(command, pass_fds=handed_on, **settings)
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    lines = done.stderr.strip().splitlines()
    return "" if done.returncode == 0 else (lines[-1] if lines else f"status {done.returncode}")


@contextlib.contextmanager
def open_box(limits: Limits, sandbox: bool, control: int | None = None) -> Iterator[Box]:
    """A fresh place, wiped afterwards: for one kernel, or for as many as are asked for one by one
    through the socket ``control``."""
    uid = _unprivileged_uid() if sandbox else None
    # Socket paths may have 107 characters, so not the user's own, perhaps long, TMPDIR.
    folder = tempfile.TemporaryDirectory(
        prefix="ptl-", dir="/tmp" if os.path.isdir("/tmp") else None, ignore_cleanup_errors=True
    )
    with folder as name, _refusals() as (refusals, handed_on):
        root = Path(name)
        sockets, handed_in = root / "k", root / "submitted"
        sockets.mkdir(mode=0o700)
        handed_in.mkdir()
        if uid is not None:
            os.chown(sockets, uid, uid)
            root.chmod(0o755)
        settings = {
            "work": _INSIDE_WORK if sandbox else str(root / "work"),
            "libraries": [str(COURSE.parent), *_package_folders()],
            "private": sandbox,
            "control": control,
        }
        start = [sys.executable, str(_INSIDE_FILES / "start.py")]
        if sandbox:
            shared = ["--bind", str(sockets), str(sockets)]
            shared += ["--ro-bind", str(handed_in), str(handed_in)]
            shared += ["--ro-bind", str(COURSE), str(COURSE)]
            for file in _INSIDE_FILES.glob("*.py"):
                shared += ["--ro-bind", str(file), f"{_INSIDE_CODE}/{file.name}"]
            program = shutil.which("bwrap") or "bwrap"
            options = [*_isolation(), *_libraries(limits), *shared, *_CLOSED, *refusals]
            options += ["--as-pid-1"] if control is not None else []
            start = [program, *options, "--", sys.executable, f"{_INSIDE_CODE}/start.py"]
        environment = _environment(root, sandbox)
        handed_on = handed_on if sandbox else ()
        errors = root / "errors.txt"
        yield Box(sockets, handed_in, errors, start, settings, environment, uid, handed_on)


@contextlib.contextmanager
def _refusals() -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """bubblewrap's options for the system calls that are refused inside, and the open file that
    goes with them."""
    program = refusal_filter()
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(program)
        file.seek(0)
        number = file.fileno()
        yield (["--seccomp", str(number)], (number,)) if program else ([], ())


def _isolation() -> list[str]:
    options = ["--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"]
    options += ["--uid", "1000", "--gid", "1000", "--hostname", "sandbox"]
    return [*options, "--die-with-parent", "--new-session"]


def _libraries(limits: Limits) -> list[str]:
    """The file system inside, read-only but for temporary files of bounded size."""
    size = str(limits.temporary_bytes)
    options = ["--proc", "/proc", "--dev", "/dev", "--size", size, "--tmpfs", "/dev/shm"]
    options += ["--size", size, "--tmpfs", "/tmp", "--dir", "/tmp/home"]
    for path in _SYSTEM:
        if os.path.islink(path):
            options += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            options += ["--ro-bind", path, path]
    for path in _SYSTEM_FILES:
        options += ["--ro-bind-try", path, path]
    visible = [path for path in _python_folders() if not path.is_relative_to("/usr")]
    for path in visible:
        options += ["--ro-bind", str(path), str(path)]
    # A course installed into the environment brings ``grading`` along, so may the answers pack be
    # installed, and a repository may lie below a folder that is visible: none of them exists inside.
    repository = GRADING.parent
    packs = [Path(folder) / answers.PACKAGE for folder in _package_folders()]
    for path in (GRADING, *(repository / name for name in (".git", "answers", "tests")), *packs):
        if path.is_dir() and any(path.is_relative_to(top) for top in (*visible, "/usr")):
            options += ["--tmpfs", str(path)]
    for fonts in _font_lists():
        options += ["--ro-bind", str(fonts), f"/tmp/matplotlib/{fonts.name}"]
    return options


def _python_folders() -> list[Path]:
    """The interpreter, its environment and every folder of installed packages, outermost first."""
    folders = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.exec_prefix)}
    folders |= {Path(sys.executable).resolve().parent.parent}
    folders |= {Path(folder) for folder in _package_folders()}
    found: list[Path] = []
    for folder in sorted(folders, key=lambda path: len(path.parts)):
        inner = any(folder.is_relative_to(outer) for outer in found)
        if folder.is_dir() and not inner and folder != Path("/"):
            found.append(folder)
    return found


def _package_folders() -> list[str]:
    """Where the grader's own process finds installed packages."""
    return [folder for folder in sys.path if folder.rstrip("/").endswith("-packages")]


@cache
def _font_lists() -> list[Path]:
    """Matplotlib's lists of fonts, made once here where there is none: that would cost every kernel seconds."""
    # Where Matplotlib looks first: to import it in order to ask takes as long as all else before a kernel starts.
    usual = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    cache_folder = Path(os.environ.get("MPLCONFIGDIR") or os.path.join(usual, "matplotlib"))
    # One for each version of the list; only matplotlib.font_manager knows which is its own, and is slow to import.
    if not list(cache_folder.glob("fontlist-v*.json")):
        try:
            import matplotlib
            from matplotlib import font_manager  # noqa: F401
        except ImportError:
            return []
        cache_folder = Path(matplotlib.get_cachedir())
    return sorted(cache_folder.glob("fontlist-v*.json"))


def _environment(root: Path, sandbox: bool) -> dict[str, str]:
    """All that a kernel's environment holds: nothing of the grader's reaches it in a sandbox."""
    own = {
        "HOME": "/tmp/home" if sandbox else str(root / "home"),
        "TMPDIR": "/tmp" if sandbox else str(root),
        "MPLCONFIGDIR": "/tmp/matplotlib" if sandbox else str(root / "matplotlib"),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), "/usr/bin", "/bin")),
        "LANG": "C.UTF-8",
        "USER": "learner",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        # As ipykernel does it, but before a zygote imports Matplotlib.
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        # The order of a set of strings is the same each time that a submission is graded.
        "PYTHONHASHSEED": "0",
        "CUDA_VISIBLE_DEVICES": "",
    }
    kept = {} if sandbox else {k: v for k, v in os.environ.items() if k != "JPY_PARENT_PID"}
    return {**kept, **own}
