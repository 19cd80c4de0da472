"""What is for a class's machines is whole: values for the chart, what images hold, which names fit together."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from course_lib import __version__
from course_lib.chapters import CHAPTERS
from grading.paths import REPOSITORY

JUPYTERHUB = REPOSITORY / "deploy" / "jupyterhub"
CLUSTER = REPOSITORY / "deploy" / "zero-to-jupyterhub"
#: As in the schema of the chart (values.schema.yaml, 2026), which allows no others.
CHART = {
    "hub": {"config"},
    "singleuser": {
        *("image", "cmd", "defaultUrl", "memory", "cpu", "storage", "lifecycleHooks"),
    },
    "cull": {"enabled", "timeout"},
}
WITHIN = {
    "image": {"name", "tag"},
    "memory": {"guarantee", "limit"},
    "cpu": {"guarantee", "limit"},
    "storage": {"capacity"},
}


@pytest.fixture(scope="module")
def values() -> dict:
    return yaml.safe_load((CLUSTER / "values.yaml").read_text())


def test_the_values_have_keys_that_the_chart_knows(values):
    assert values.keys() == CHART.keys()
    for name, part in values.items():
        assert part.keys() <= CHART[name]
    for name, known in WITHIN.items():
        assert values["singleuser"][name].keys() <= known
    assert values["singleuser"]["image"]["tag"] == __version__


def test_a_pod_starts_with_the_notebooks_and_keeps_what_was_changed(values, tmp_path):
    python, option, text = values["singleuser"]["lifecycleHooks"]["postStart"]["exec"]["command"]
    assert (python, option) == ("python", "-c")
    text = text.replace("/opt/course/notebooks", str(REPOSITORY / "notebooks"))
    text = text.replace("Path.home()", f"Path({str(tmp_path)!r})")
    for _ in range(2):
        subprocess.run([sys.executable, "-c", text], cwd=REPOSITORY, check=True)
        mine = sorted(path.stem for path in (tmp_path / "course").glob("*.ipynb"))
        assert mine == sorted(chapter.id for chapter in CHAPTERS)
        first = tmp_path / "course" / f"{CHAPTERS[0].id}.ipynb"
        first.write_text(first.read_text() + "\n")
    assert first.read_text().endswith("\n\n")


def test_learners_images_hold_no_answers():
    copied = re.findall(r"^COPY (.+) \S+$", (CLUSTER / "Containerfile").read_text(), re.MULTILINE)
    assert {name for line in copied for name in line.split()} == {
        *("constraints.txt", "pyproject.toml", "LICENSE", "LICENSE-text", "README.md"),
        *("course_lib", "notebooks"),
    }


def test_all_that_images_copy_is_sent_to_the_builder():
    first, *sent = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert first == "*"
    for file in (REPOSITORY / "Containerfile", CLUSTER / "Containerfile"):
        for line in re.findall(r"^COPY (.+) \S+$", file.read_text(), re.MULTILINE):
            assert all(f"!{name}" in sent for name in line.split()), line


def test_setup_is_a_script_with_the_steps_that_its_page_names():
    script, page = JUPYTERHUB / "setup", (JUPYTERHUB / "README.md").read_text()
    assert subprocess.run(["bash", "-n", script]).returncode == 0
    [steps] = re.findall(r"^steps=\((.+)\)$", script.read_text(), re.MULTILINE)
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == steps.split()


def test_units_and_hub_use_settings_that_exist():
    known = set(re.findall(r"^(\w+)=", (JUPYTERHUB / "hub.env").read_text(), re.MULTILINE))
    config = (JUPYTERHUB / "jupyterhub_config.py").read_text()
    used = set(re.findall(r"SETTINGS\[['\"](\w+)['\"]\]", config))
    assert used - known == {"COURSE_REPOSITORY"}  # which the unit sets
    for unit in _units():
        text = unit.read_text()
        assert set(re.findall(r"\$\{?([A-Z_]+)", text)) <= known
    script = (JUPYTERHUB / "setup").read_text()
    filled = set(re.findall(r"s\|(@\w+@)\|", script))
    assert set(re.findall(r"@\w+@", "".join(map(Path.read_text, _units())))) == filled


def _units() -> list[Path]:
    return sorted((JUPYTERHUB / "services").glob("*.service"))
