"""``python -m course_lib doctor``: what works here and what to do about the rest.

Made to be pasted into a question: one line per finding, no traceback, and it works without torch.
Each ``_check_...`` yields findings; whatever a check raises becomes a finding itself.
"""

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from course_lib import __version__, progress
from course_lib.requirements import RUNTIME, Requirement

OK, NOTE, BAD = "ok", "note", "PROBLEM"
_LOW_MEMORY_GB = 1.0
_REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Finding:
    """``state`` is OK, NOTE (works, but worth knowing) or BAD; ``advice`` says what to do."""

    state: str
    text: str
    advice: str = ""

    def __str__(self) -> str:
        line = f"{self.state:<8} {self.text}"
        return f"{line}\n{'':<9}-> {self.advice}" if self.advice else line


def examine() -> int:
    """Print the report; 0 when nothing stands in the way of the course, else 1."""
    print(f"The PyTorch training loop {__version__}: report of this machine\n")
    findings = []
    for check in _CHECKS:
        for finding in _guarded(check):
            print(finding, flush=True)
            findings.append(finding)
    problems = sum(finding.state == BAD for finding in findings)
    if problems:
        print(f"\n{problems} problem(s). Put them right from the top, then run this again.")
    else:
        print("\nNothing stands in the way of the course.")
    return 1 if problems else 0


def _guarded(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except Exception as error:
        name = check.__name__.removeprefix("_check_")
        yield Finding(BAD, f"{name}: {type(error).__name__}: {_first_line(error)}")


def _check_python() -> Iterator[Finding]:
    text = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < (3, 11):  # noqa: UP036 - run by hand, pip has not looked
        yield Finding(BAD, text, "the course needs Python 3.11 or newer")
    else:
        yield Finding(OK, text)
    yield Finding(OK, f"interpreter {_short(sys.executable)}")


def _check_packages() -> Iterator[Finding]:
    for requirement in RUNTIME:
        yield _package(requirement, BAD)


def _package(requirement: Requirement, absent: str) -> Finding:
    try:
        found = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(absent, f"{requirement.name} is missing", _install(requirement))
    if not requirement.allows(found):
        text = f"{requirement.name} {found}, but {requirement} is needed"
        return Finding(BAD, text, _install(requirement))
    return Finding(OK, f"{requirement.name} {found}")


def _install(requirement: Requirement) -> str:
    if (_REPOSITORY / "Makefile").is_file() and os.name == "posix":
        return "make learn"
    return f'{Path(sys.executable).name} -m pip install "{requirement}"'


def _check_torch() -> Iterator[Finding]:
    if importlib.util.find_spec("torch") is None:
        return  # reported among the packages
    try:
        import torch
    except Exception as error:
        text = f"torch is installed but does not start: {_first_line(error)}"
        yield Finding(BAD, text, "reinstall it: pip install --force-reinstall torch")
        return
    model = torch.nn.Linear(2, 1)
    model(torch.ones(4, 2)).mean().backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    yield Finding(OK, f"torch takes a training step on the CPU, {torch.get_num_threads()} threads")
    if torch.cuda.is_available():
        yield Finding(OK, f"GPU: {torch.cuda.get_device_name()} (CUDA {torch.version.cuda})")
    elif torch.backends.mps.is_available():
        yield Finding(OK, "GPU: Apple, used through mps")
    else:
        yield Finding(OK, "no GPU: every chapter works without one")


def _check_front_end() -> Iterator[Finding]:
    if "google.colab" in sys.modules:
        yield Finding(OK, "front end: Google Colab")
        return
    for name in ("jupyterlab", "ipykernel"):
        version = _version(name)
        if version is None:
            lab = _install(Requirement(name, ""))
            yield Finding(NOTE, f"{name} is missing: needed to open the course here", lab)
        else:
            yield Finding(OK, f"{name} {version}")
    if (_version("ipykernel") or "").startswith(("7.0.", "7.1.", "7.2.", "7.3.")):
        advice = 'pip install --upgrade "ipykernel>=7.4"'
        yield Finding(BAD, "ipykernel 7.0 to 7.3 can garble the sliders' pictures", advice)
    widgets, page = _version("ipywidgets"), _version("jupyterlab_widgets")
    if widgets and page:
        # ipywidgets 7 and 8 speak to jupyterlab_widgets 1 and 3.
        fits = {"7": "1", "8": "3"}.get(widgets[0], page[0]) == page[0]
        text = f"sliders: ipywidgets {widgets} with jupyterlab_widgets {page}"
        advice = "" if fits else "pip install --upgrade ipywidgets jupyterlab_widgets"
        yield Finding(OK if fits else BAD, text, advice)


def _check_memory() -> Iterator[Finding]:
    free = _free_memory_gb()
    if free is None:
        yield Finding(NOTE, "free memory could not be read")
    elif free < _LOW_MEMORY_GB:
        advice = "close other programs or notebooks: a kernel of this course needs about 0.6 GB"
        yield Finding(NOTE, f"free memory: {free:.1f} GB", advice)
    else:
        yield Finding(OK, f"free memory: {free:.1f} GB")


def _free_memory_gb() -> float | None:
    with suppress(ImportError):
        import psutil

        return psutil.virtual_memory().available / 1e9
    with suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024 / 1e9
    return None


def _check_progress() -> Iterator[Finding]:
    place = progress.home()
    existing = next(folder for folder in (place, *place.parents) if folder.exists())
    if os.access(existing, os.W_OK):
        yield Finding(OK, f"progress is kept in {_short(place)}")
    else:
        advice = "set COURSE_HOME to a folder of yours; checks work without it"
        yield Finding(NOTE, f"progress cannot be kept in {_short(place)}", advice)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _short(path: Path | str) -> str:
    """The path without the user's name, for reports are pasted in public."""
    return str(path).replace(str(Path.home()), "~")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0][:200]


_CHECKS = (
    _check_python,
    _check_packages,
    _check_torch,
    _check_front_end,
    _check_memory,
    _check_progress,
)
