"""The lists of packages say the same everywhere, and the versions that are pinned fit them."""

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from course_lib.app.requirements import RUNTIME
from course_lib.app.requirements import Requirement as CourseRequirement
from grading.paths import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
#: Packages that conda-forge calls otherwise.
CONDA_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib"}


def _by_name(requirements: list[str]) -> dict[str, str]:
    parsed = [Requirement(text) for text in requirements]
    return {each.name.lower().replace("_", "-"): str(each.specifier) for each in parsed}


def _pins() -> dict[str, str]:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    return _by_name([line for line in lines if line and not line.startswith("#")])


def test_nothing_pinned_makes_every_start_slow():
    """``constraints.txt`` says why: jsonschema imports it if it is there."""
    assert "jsonschema" in _pins()
    assert "rfc3987-syntax" not in _pins()


def test_conda_gets_what_a_learner_gets():
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text())
    packages = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    conda = _by_name([entry for entry in packages if not entry.startswith(("python", "pip"))])
    conda = {CONDA_NAMES.get(name, name): bounds for name, bounds in conda.items()}
    assert conda == _by_name([*PROJECT["dependencies"], *EXTRAS["lab"]])
    assert environment["dependencies"][-1] == {"pip": ["-e ."]}
    python = next(entry for entry in packages if entry.startswith("python>"))
    assert python.startswith("python" + PROJECT["requires-python"])


def test_course_lib_sets_lower_bounds_only():
    for requirement in map(Requirement, PROJECT["dependencies"]):
        assert [each.operator for each in requirement.specifier] == [">="], requirement


def test_doctor_knows_the_same_bounds():
    doctor = {each.name: f">={each.at_least}" for each in RUNTIME}
    assert doctor == _by_name(PROJECT["dependencies"])


@pytest.mark.parametrize(
    "requirement", [*PROJECT["dependencies"], *(text for each in EXTRAS.values() for text in each)]
)
def test_every_requirement_is_pinned_to_a_version_that_it_allows(requirement):
    wanted = Requirement(requirement)
    name = wanted.name.lower().replace("_", "-")
    pinned = _pins()[name].removeprefix("==")
    assert wanted.specifier.contains(pinned)


def test_the_oldest_versions_are_those_that_are_allowed():
    """Where two parts of the course ask for different ones, the newer of them."""
    oldest: dict[str, Version] = {}
    for text in [*PROJECT["dependencies"], *(text for each in EXTRAS.values() for text in each)]:
        wanted = Requirement(text)
        (bound,) = [Version(each.version) for each in wanted.specifier if each.operator == ">="]
        oldest[wanted.name] = max(bound, oldest.get(wanted.name, bound))
    path = REPOSITORY / "tests" / "compatibility" / "lower-bounds.txt"
    bounds, others = path.read_text().split("\n\n", 1)
    tested = [Requirement(line) for line in bounds.splitlines() if line[0] != "#"]
    assert {each.name: str(each.specifier) for each in tested} == {
        name: f"=={bound}" for name, bound in oldest.items()
    }
    companions = {Requirement(line).name for line in others.splitlines() if line[0] != "#"}
    assert companions.isdisjoint(oldest)


COLAB = sorted((REPOSITORY / "tests" / "compatibility").glob("colab*-constraints.txt"))


def test_colabs_default_runtime_and_an_older_one_are_known():
    assert len(COLAB) >= 2
    for pins in COLAB:
        head = [line for line in pins.read_text().splitlines() if line.startswith("#")]
        assert re.fullmatch(r"# Python 3\.\d+", head[1])
        assert re.search(
            r"googlecolab/backend-info at [0-9a-f]{40} \(20\d\d-\d\d-\d\d", "\n".join(head)
        )


@pytest.mark.parametrize("pins", COLAB, ids=lambda path: path.stem)
def test_colabs_versions_are_new_enough(pins):
    text = [line for line in pins.read_text().splitlines() if "==" in line and line[0] != "#"]
    colab = _by_name(text)
    for requirement in map(Requirement, PROJECT["dependencies"]):
        if requirement.name in colab:
            found = colab[requirement.name].removeprefix("==")
            assert requirement.specifier.contains(found), requirement.name


@pytest.mark.parametrize(
    ("version", "bound"), [("2.13.0+cpu", "2.6"), ("7.7.1", "7.7.1"), ("2.0", "2.0.0"), ("3", "")]
)
def test_doctor_allows_a_version_that_is_new_enough(version, bound):
    assert CourseRequirement("x", bound).allows(version)
    assert Version(version) >= Version(bound or "0")


@pytest.mark.parametrize(("version", "bound"), [("2.5.1", "2.6"), ("7.7", "7.7.1"), ("?", "1")])
def test_doctor_refuses_a_version_that_is_too_old(version, bound):
    assert not CourseRequirement("x", bound).allows(version)
