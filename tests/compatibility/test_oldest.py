"""The course works on the oldest versions of all packages that it allows.

``make test-oldest`` makes ``.cache/oldest-venv`` from ``lower-bounds.txt``. Of torch the build that is
at hand stands in, since old ones may be of several GB; with ``COURSE_OLDEST_TORCH=1`` it is the
oldest, too.
"""

import os
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.compatibility.environments import environment, locked_torch, run

pytestmark = pytest.mark.slow

BOUNDS = Path(__file__).with_name("lower-bounds.txt")
#: Of all tests those that need neither a browser nor a sandbox.
TESTS = (
    "tests/course_lib",
    "tests/repository",
    "tests/grading/authoring",
    "tests/grading/chapter_text",
    "tests/grading/intake",
    "tests/grading/judging",
    "tests/site",
    "tests/notebooks/test_exported.py",
)


@pytest.fixture(scope="session")
def project(repository: Path) -> dict:
    """The ``[project]`` table of pyproject.toml."""
    return tomllib.loads((repository / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="session")
def oldest_python(repository: Path, project: dict) -> Path:
    """An interpreter with the oldest versions."""
    if os.environ.get("COURSE_OLDEST") != "1":
        pytest.skip("set COURSE_OLDEST=1 to make an environment with the oldest versions")
    torch = locked_torch(repository)
    if os.environ.get("COURSE_OLDEST_TORCH") == "1":
        torch = _oldest(project["dependencies"], "torch")
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(text for extra in extras for text in extra)]
    names = sorted({Requirement(text).name for text in wanted})
    folder = repository / ".cache" / "oldest-venv"
    return environment(folder, names, BOUNDS.read_text(), torch)


@pytest.mark.parametrize("part", ["dependencies", "lab"])
def test_every_panel_answers_on_the_oldest_versions(oldest_python, repository, project, part):
    extras = project["optional-dependencies"]
    widgets = _oldest(extras.get(part, project["dependencies"]), "ipywidgets")
    _install(oldest_python, widgets)
    output = run(oldest_python, "-m", "tests.compatibility.check_panels", cwd=repository)
    assert f"ipywidgets {widgets.partition('==')[2]}" in output


def test_the_tests_pass_on_the_oldest_versions(oldest_python, repository, project):
    _install(oldest_python, _oldest(project["optional-dependencies"]["lab"], "ipywidgets"))
    command = ("-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS)
    output = run(oldest_python, *command, cwd=repository, PYTHONPATH=str(repository))
    assert " passed" in output.splitlines()[-1]


def _oldest(requirements: list[str], name: str) -> str:
    """``"numpy==2.0"`` of ``["numpy>=2.0", ...]``."""
    bounds = next(each for each in map(Requirement, requirements) if each.name == name).specifier
    return f"{name}==" + next(each.version for each in bounds if each.operator == ">=")


def _install(python: Path, requirement: str) -> None:
    run(python, "-m", "pip", "install", "--quiet", requirement)
