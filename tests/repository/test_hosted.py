"""Binder's badge, the devcontainer and the workflows say what is so in this repository.

None of them can run here; what they name can be looked up.
"""

import json
import re
import tomllib
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from course_lib.about import REPOSITORY as PUBLISHED_AS
from course_lib.about import TAG, colab_badge
from course_lib.chapters import CHAPTERS
from grading.paths import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
DEVCONTAINER = json.loads((REPOSITORY / ".devcontainer" / "devcontainer.json").read_text())
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
LOCKED_PYTHON = re.search(
    r"on Python (3\.\d+)", (REPOSITORY / "constraints.txt").read_text(encoding="utf-8")
).group(1)


def _makes(command: str) -> set[str]:
    return set(re.findall(r"\bmake ([a-z-]+)", command))


def _extras(command: str) -> set[str]:
    return {name for group in re.findall(r"\.\[([\w,]+)\]", command) for name in group.split(",")}


def test_readme_opens_the_first_chapter_in_colab_and_in_binder():
    first = CHAPTERS[0].id
    assert f"]({colab_badge(first)})" in README
    address = urlsplit(re.search(r"\]\((https://mybinder\.org/v2/\S+)\)", README).group(1))
    assert address.path == f"/v2/gh/{PUBLISHED_AS}/{TAG}"
    (opened,) = parse_qs(address.query)["urlpath"]
    assert unquote(opened) == f"lab/tree/notebooks/{first}.ipynb"
    # Binder makes its image from this file, which another test compares with pyproject.toml.
    assert (REPOSITORY / "environment.yml").is_file()
    assert not any((REPOSITORY / name).exists() for name in ("binder", ".binder", "Dockerfile"))


def test_the_devcontainer_fits_the_repository():
    (python,) = re.findall(r"^python:(3\.\d+)-", DEVCONTAINER["image"])
    assert python == LOCKED_PYTHON
    assert _makes(DEVCONTAINER["postCreateCommand"]) == {"setup", "doctor"} <= TARGETS
    vscode = DEVCONTAINER["customizations"]["vscode"]
    assert {"ms-python.python", "ms-toolsai.jupyter"} <= set(vscode["extensions"])
    interpreter = vscode["settings"]["python.defaultInterpreterPath"]
    venv = re.search(r"^VENV := (.+)$", MAKEFILE, re.MULTILINE).group(1)
    assert interpreter == f"${{containerWorkspaceFolder}}/{venv}/bin/python"
    port = re.search(r'"--port", .*default=(\d+)', _text("course_lib/__main__.py"))
    assert DEVCONTAINER["forwardPorts"] == [int(port.group(1))]


def _text(path: str) -> str:
    return (REPOSITORY / path).read_text(encoding="utf-8")


def _steps(workflow: dict) -> list[dict]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def workflow(request: pytest.FixtureRequest) -> dict:
    """Each workflow. YAML takes the key ``on`` for the truth value."""
    return yaml.safe_load(request.param.read_text(encoding="utf-8"))


def test_a_workflow_may_only_read_except_where_it_publishes(workflow):
    assert workflow["permissions"] == {"contents": "read"}
    more = [job["permissions"] for job in workflow["jobs"].values() if "permissions" in job]
    assert more in ([], [{"pages": "write", "id-token": "write"}])


def test_a_workflows_actions_are_pinned_by_their_major_version(workflow):
    for step in _steps(workflow):
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"])


def test_a_workflow_ends_by_itself(workflow):
    assert all(0 < job["timeout-minutes"] <= 90 for job in workflow["jobs"].values())


def test_a_workflows_commands_exist(workflow):
    for step in _steps(workflow):
        command = step.get("run", "")
        assert _makes(command) <= TARGETS, command
        assert _extras(command) <= set(PROJECT["optional-dependencies"]), command
        for version in re.findall(r"\btorch==\S+", command):
            assert version in _text("constraints.txt").splitlines(), command
        for path in re.findall(r"(?:^|\s)((?:tests|docs|\.ci)/[\w./]+)", command):
            assert (REPOSITORY / path).exists(), command
        for module in re.findall(r"-m (course_lib|tests[\w.]+)", command):
            place = REPOSITORY / module.replace(".", "/")
            assert place.is_dir() or place.with_suffix(".py").is_file(), command


def test_every_python_that_a_workflow_takes_is_allowed():
    allowed = SpecifierSet(PROJECT["requires-python"])
    tried = set()
    for path in WORKFLOWS:
        for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values():
            tried |= set(job.get("strategy", {}).get("matrix", {}).get("python", []))
            for step in job["steps"]:
                tried |= set(str(step.get("with", {}).get("python-version", LOCKED_PYTHON)).split())
    tried = {version for version in tried if version[0].isdigit()}
    assert {"3.11", "3.12", "3.13"} <= tried
    assert all(allowed.contains(version) for version in tried)
