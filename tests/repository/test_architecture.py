"""What import-linter (``make lint``) cannot see of the arrows between the folders, and what the tracked
files may contain."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from course_lib.chapters import CHAPTERS
from grading.paths import REPOSITORY

#: Home folders and a pyenv: paths that one machine alone has.
_MACHINE_PATH = re.compile(rb"(/home/[a-z]\w+/|/Users/\w+/|/root/|\.pyenv/|[A-Z]:\\\\?Users\\)")


def _tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True
    ).stdout
    paths = [REPOSITORY / name.decode() for name in listed.split(b"\0") if name]
    return [path for path in paths if path.is_file()]


def test_no_import_that_the_linter_cannot_see_crosses_an_arrow():
    """A name in a string (``import_module("grading.answers")``), or in a folder that is not a package."""
    found = []
    for folder, forbidden in (
        ("course_lib", "grading|tests|benchmarks"),
        ("grading", "tests|benchmarks"),
        ("benchmarks", "tests"),
        ("docs", "tests"),
    ):
        pattern = re.compile(
            rf"(?m)^\s*(?:from|import) (?:{forbidden})\b|(?:import_module|__import__)\(.(?:{forbidden})\b"
        )
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            for match in pattern.finditer(path.read_text(encoding="utf-8")):
                found.append(f"{path.relative_to(REPOSITORY)}: {match.group().strip()}")
    assert found == []


def test_the_contracts_name_every_chapter():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    apart = [each["modules"] for each in contracts if each["type"] == "independence"]
    for package, modules in zip(("course_lib.exercises", "grading.answers"), apart, strict=True):
        assert modules == [f"{package}.{chapter.module}" for chapter in CHAPTERS]


def test_importing_course_lib_loads_neither_torch_nor_matplotlib():
    code = (
        "import sys, course_lib; "
        "print([name for name in ('torch', 'matplotlib', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_no_tracked_file_names_a_path_of_one_machine():
    found = []
    for path in _tracked_files():
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            if match := _MACHINE_PATH.search(line):
                where = path.relative_to(REPOSITORY)
                found.append(f"{where}:{number}: {match.group().decode()}")
    assert found == []


def test_what_notebooks_import_is_a_function_also_at_the_second_import():
    """A module of the same name would stand in its place from then on."""
    code = """
import course_lib
for _ in range(2):
    for name in course_lib.__all__:
        exec(f"from course_lib import {name}")
        assert callable(locals()[name]), name
"""
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)
