"""``python -m course_lib doctor``: what works here and what to do about the rest.

Made to be pasted into a question: one line per finding, no traceback, and it works without torch.
Each ``_check_...`` yields findings; whatever a check raises becomes a finding itself.
"""

import getpass
import importlib
import importlib.metadata
import io
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from course_lib import __version__, progress
from course_lib.app.requirements import RUNTIME, Requirement
from course_lib.app.workspace import REPOSITORY

OK, NOTE, BAD = "ok", "note", "PROBLEM"
_LOW_MEMORY_GB = 1.0
#: Where a package is imported by another name than it is installed by.
_MODULES = {"scikit-learn": "sklearn", "pillow": "PIL"}


@dataclass(frozen=True)
class Diagnosis:
    """``state`` is OK, NOTE (works, but worth knowing) or BAD; ``advice`` says what to do."""

    state: str
    text: str
    advice: str = ""

    def __str__(self) -> str:
        line = f"{self.state:<8} {self.text}"
        return f"{line}\n{'':<9}-> {self.advice}" if self.advice else line


def examine() -> int:
    """Print the report; 0 when nothing stands in the way of the course, else 1."""
    print(f"The PyTorch training loop {__version__}: report on this machine\n", flush=True)
    findings = []
    for check in _CHECKS:
        for finding in _guarded(check):
            print(_private(str(finding)), flush=True)
            findings.append(finding)
    problems = sum(finding.state == BAD for finding in findings)
    if problems:
        print(f"\n{problems} problem(s). Fix them from the top, then run this again.")
    else:
        print("\nNothing stands in the way of the course.")
    return 1 if problems else 0


def _guarded(check: Callable[[], Iterator[Diagnosis]]) -> Iterator[Diagnosis]:
    try:
        yield from check()
    except Exception as error:
        name = check.__name__.removeprefix("_check_")
        yield Diagnosis(BAD, f"{name}: {type(error).__name__}: {_first_line(error)}")


def _check_python() -> Iterator[Diagnosis]:
    yield Diagnosis(
        OK, f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    )
    yield Diagnosis(OK, f"interpreter {sys.executable}")
    own = REPOSITORY / ".venv"
    if own.is_dir() and Path(sys.prefix).resolve() != own.resolve() and not _conda():
        inside = ".venv/bin/python" if os.name == "posix" else r".venv\Scripts\python"
        text = "this is not the course's own Python, which is in .venv"
        yield Diagnosis(NOTE, text, f"to check that one: {inside} -m course_lib doctor")


def _check_packages() -> Iterator[Diagnosis]:
    for requirement in RUNTIME:
        yield _package(requirement)


def _package(requirement: Requirement) -> Diagnosis:
    found = _version(requirement.name)
    if found is None:
        return Diagnosis(BAD, f"{requirement.name} is missing", _install(requirement))
    if not requirement.allows(found):
        text = f"{requirement.name} {found}, but {requirement} is needed"
        return Diagnosis(BAD, text, _install(requirement))
    try:
        importlib.import_module(_MODULES.get(requirement.name, requirement.name))
    except Exception as error:
        text = f"{requirement.name} {found} is installed but does not start: {_first_line(error)}"
        return Diagnosis(BAD, text, _remedy(requirement.name))
    return Diagnosis(OK, f"{requirement.name} {found}")


def _install(requirement: Requirement) -> str:
    if (REPOSITORY / "environment.yml").is_file() and _conda():
        return "conda env update -f environment.yml"
    if (REPOSITORY / "Makefile").is_file() and os.name == "posix":
        return "make learn"
    return f'{Path(sys.executable).name} -m pip install "{requirement}"'


def _remedy(name: str) -> str:
    """For a package that is there and broken."""
    if name == "matplotlib" and "MPLBACKEND" in os.environ:
        return "remove the environment variable MPLBACKEND, which names a backend for Matplotlib"
    again = f"{Path(sys.executable).name} -m pip install --force-reinstall {name}"
    if name == "torch" and os.name == "nt":
        return f"{again}; on Windows it also needs Microsoft's Visual C++ Redistributable"
    return again


def _conda() -> bool:
    return (Path(sys.prefix) / "conda-meta").is_dir()


def _check_torch() -> Iterator[Diagnosis]:
    torch = sys.modules.get("torch")
    if torch is None:
        return  # missing or broken: reported among the packages
    model = torch.nn.Linear(2, 1)
    model(torch.ones(4, 2)).mean().backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    yield Diagnosis(
        OK, f"torch takes a training step on the CPU ({torch.get_num_threads()} threads)"
    )
    if torch.cuda.is_available():
        yield Diagnosis(OK, f"GPU: {torch.cuda.get_device_name()} (CUDA {torch.version.cuda})")
    elif torch.backends.mps.is_available():
        yield Diagnosis(OK, "GPU: Apple, used through mps")
    else:
        yield Diagnosis(OK, "no GPU: every chapter works without one")


def _check_pictures() -> Iterator[Diagnosis]:
    if "matplotlib" not in sys.modules or "PIL" not in sys.modules:
        return  # missing or broken: reported among the packages
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1, 1), dpi=20)
    figure.add_subplot().set_title("loss")
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)
    yield Diagnosis(OK, f"Matplotlib draws a picture ({len(picture.getvalue())} bytes)")


def _check_front_end() -> Iterator[Diagnosis]:
    if "google.colab" in sys.modules:
        yield Diagnosis(OK, "front end: Google Colab")
        return
    for name in ("jupyterlab", "ipykernel"):
        version = _version(name)
        if version is None:
            lab = _install(Requirement(name, ""))
            yield Diagnosis(NOTE, f"{name} is missing: needed to open the course here", lab)
        else:
            yield Diagnosis(OK, f"{name} {version}")
    if (_version("ipykernel") or "").startswith(("7.0.", "7.1.", "7.2.", "7.3.")):
        advice = 'pip install --upgrade "ipykernel>=7.4"'
        yield Diagnosis(BAD, "ipykernel 7.0 to 7.3 can garble the sliders' pictures", advice)
    if _version("jupyterlab") and _version("ipywidgets"):
        yield _sliders()


def _sliders() -> Diagnosis:
    """JupyterLab shows widgets by a package of its own: ipywidgets 8 speaks to its version 3, and
    ipywidgets 7 to version 1 alone, which pip does not know of 7.7."""
    widgets, page = _version("ipywidgets"), _version("jupyterlab_widgets")
    python = Path(sys.executable).name
    advice = f'{python} -m pip install --upgrade "ipywidgets>=8" jupyterlab_widgets'
    if page is None:
        text = "jupyterlab_widgets is missing: JupyterLab would show no sliders"
        return Diagnosis(BAD, text, advice)
    text = f"sliders: ipywidgets {widgets} with jupyterlab_widgets {page}"
    if {"7": "1", "8": "3"}.get(widgets[0], page[0]) != page[0]:
        return Diagnosis(BAD, f"{text} do not fit together: no slider would show", advice)
    return Diagnosis(OK, text)


def _check_memory() -> Iterator[Diagnosis]:
    free = _free_memory_gb()
    if free is None:
        yield Diagnosis(NOTE, "free memory could not be read")
    elif free < _LOW_MEMORY_GB:
        advice = "close other programs or notebooks: a kernel of this course needs about 0.6 GB"
        yield Diagnosis(NOTE, f"free memory: {free:.1f} GB", advice)
    else:
        yield Diagnosis(OK, f"free memory: {free:.1f} GB")


def _free_memory_gb() -> float | None:
    """Of the machine, or of the container where that has less."""
    known = [free for free in (_machine_memory(), _container_memory()) if free is not None]
    return min(known) / 1e9 if known else None


def _machine_memory() -> int | None:
    with suppress(ImportError):
        import psutil

        return psutil.virtual_memory().available
    with suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def _container_memory() -> int | None:
    folder = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):  # "max": no limit
        limit = int((folder / "memory.max").read_text(encoding="ascii"))
        return limit - int((folder / "memory.current").read_text(encoding="ascii"))
    return None


def _check_progress() -> Iterator[Diagnosis]:
    place = progress.home()
    existing = next(folder for folder in (place, *place.parents) if folder.exists())
    if os.access(existing, os.W_OK):
        yield Diagnosis(OK, f"progress is kept in {place}")
    else:
        advice = "set COURSE_HOME to a folder of yours; checks work without it"
        yield Diagnosis(NOTE, f"progress cannot be kept in {place}", advice)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _private(text: str) -> str:
    """Without the user's name and the places of their folders, for reports are pasted in public."""
    places = {str(REPOSITORY): "<course>", str(Path.home().resolve()): "~", str(Path.home()): "~"}
    for place, instead in places.items():
        if len(place) > 1:
            text = text.replace(place, instead)
    with suppress(Exception):  # a user without a name
        if (name := getpass.getuser()) != "root":
            text = re.sub(rf"(?<=[/\\]){re.escape(name)}(?![\w.-])", "<user>", text)
    return text


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0][:200]


_CHECKS = (
    _check_python,
    _check_packages,
    _check_torch,
    _check_pictures,
    _check_front_end,
    _check_memory,
    _check_progress,
)
