"""What all tests share: a private place for progress, one thread for torch, needed programs.

A test that needs a part of the system says so through ``needs_program`` or ``needs``: without it
the test is skipped with the reason, except where ``CI=true`` promises that it is there.
"""

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from course_lib.app.terminal import end_at_once
from tests import work_units

REPOSITORY = Path(__file__).resolve().parent.parent

# The site's modules, which are no package. Last in line: one is called like a package of PyPI.
sys.path.append(str(REPOSITORY / "docs" / "site"))

# Before anything imports torch: results then do not depend on the number of cores, and several
# workers do not fight over them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "agg")

#: Of a browser. Conditions are waited for, so a long limit costs time only where something is wrong.
WAIT_SECONDS = 60
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-gpu",  # there is none: without this the processor plays one, a tenth of a chapter's time
    "--disable-sync",
    "--no-first-run",
)

#: In the environment of everything that tests start, whenever it starts: no submission may see it
#: (``tests/hostile``).
SECRET_NAME, SECRET = "TRAINING_LOOP_TEST_SECRET", "c0ffee-not-for-learners"
os.environ[SECRET_NAME] = SECRET


# Until all tests are collected, there is next to no garbage; and at the end none that matters.
gc.disable()
end_at_once()


def pytest_addoption(parser: pytest.Parser) -> None:
    words = (
        "leave out what was green with all that it depends on as it is now (tests/remembered.py)"
    )
    parser.addoption("--remember", action="store_true", help=words)
    words = (
        "run one of several parts, such as 1/2: another machine runs the rest (tests/work_units.py)"
    )
    parser.addoption("--part", default="1/1", help=words)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--remember") and os.environ.get("CI") != "true":
        from tests.remembered import Remembered

        config.pluginmanager.register(Remembered(REPOSITORY, REPOSITORY / ".cache" / "green"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Before xdist, which reads the units from the marks. Without it the order stays as written."""
    chosen = work_units.part(items, config.getoption("--part"))
    elsewhere = [item for item in items if work_units.unit_of(item) not in chosen]
    if elsewhere:
        items[:] = [item for item in items if work_units.unit_of(item) in chosen]
        config.hook.pytest_deselected(items=elsewhere)
    if hasattr(config, "workerinput"):
        work_units.group(items)


def pytest_collection_finish() -> None:
    """What the tests are made of stays, and no search for garbage has to look at it again; nor is it searched
    for so often. The tests of judging then take half the time where many small objects are made."""
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


@pytest.hookimpl(optionalhook=True)  # without xdist nobody asks
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait, for a browser, a kernel or a time limit. With two more
    the whole took as long."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session", autouse=True)
def _progress_of_nobody(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Checks that run in tests, and in kernels that tests start, do not count as anyone's."""
    os.environ["COURSE_HOME"] = str(tmp_path_factory.mktemp("course-home"))


@pytest.fixture(scope="session", autouse=True)
def _alembic_asked_once(shared_folder: Path) -> Iterator[None]:
    """nbgrader starts ``alembic heads`` for each gradebook that it makes, a second of imports, and always gets
    the same answer. In tests a script of that name, first in PATH, keeps it."""
    real = Path(sys.executable).with_name("alembic")
    if not real.exists() or os.name != "posix":
        yield
        return
    folder = shared_folder / "alembic"
    folder.mkdir(exist_ok=True)
    script, heads = folder / f"of-{os.getpid()}", folder / "heads"
    script.write_text(
        f"""#!/bin/sh
case "$*" in
*" heads")
    [ -s "{heads}" ] || {{ "{real}" "$@" >"{heads}.$$" && mv "{heads}.$$" "{heads}"; }}
    exec cat "{heads}"
    ;;
esac
exec "{real}" "$@"
"""
    )
    script.chmod(0o755)
    script.replace(folder / "alembic")
    with pytest.MonkeyPatch.context() as patch:
        path = os.environ["PATH"]
        patch.setenv("PATH", os.pathsep.join([str(folder), str(real.parent), path]))
        yield


@pytest.fixture(autouse=True)
def _no_shell() -> None:
    """A test begins outside of IPython, whatever an earlier one of the same worker has begun."""
    if "IPython.core.interactiveshell" in sys.modules:
        from IPython.core.interactiveshell import InteractiveShell

        InteractiveShell.clear_instance()


@pytest.fixture(autouse=True)
def _no_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs a set-up cell in a test's own process opens the answers pack for that test alone."""
    from course_lib import answers

    monkeypatch.setattr(answers, "_in_use", False)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all workers of this run; who makes something in it takes a lock first."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def needs() -> Callable[[bool, str], None]:
    """``needs(available, reason)``: skip with the reason when not available; under CI, fail."""

    def require(available: bool, reason: str) -> None:
        if available:
            return
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason} (CI=true: it has to be there)", pytrace=False)
        pytest.skip(reason)

    return require


@pytest.fixture(scope="session")
def needs_program(needs: Callable[[bool, str], None]) -> Callable[..., Path]:
    """``needs_program("bwrap", package="bubblewrap") -> Path`` of a program that must be there."""

    def require(program: str, package: str | None = None) -> Path:
        path = shutil.which(program)
        needs(path is not None, f"{program} is missing: apt install {package or program}")
        return Path(path)

    return require


@pytest.fixture(scope="session")
def chromium(needs_program: Callable) -> Iterator:
    """Debian's Chromium, driven by Playwright: one for all tests of a worker, which can have no second.
    Each page gets a profile of its own."""
    from playwright.sync_api import expect, sync_playwright

    program = needs_program("chromium")
    # Conditions are waited for, so a long limit costs time only where something is wrong.
    expect.set_options(timeout=1000 * WAIT_SECONDS)
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(program),
            args=[*_QUIET, *(["--no-sandbox"] if root else [])],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def wheel_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pip installs, built without a network from a copy, so that nothing is left in the
    repository."""
    source = tmp_path_factory.mktemp("source") / "course"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-text"):
        shutil.copy(REPOSITORY / name, source)
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("answers", "course_lib", "grading", "tests"):
        shutil.copytree(REPOSITORY / name, source / name, ignore=ignore)
    return _built_wheel(source)


@pytest.fixture(scope="session")
def answers_wheel_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pip installs of the answers pack, made in the same way."""
    source = tmp_path_factory.mktemp("source") / "answers"
    ignore = shutil.ignore_patterns("__pycache__")
    return _built_wheel(shutil.copytree(REPOSITORY / "answers", source, ignore=ignore))


def _built_wheel(source: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", str(source)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (path,) = (source / "dist").glob("*.whl")
    return path
