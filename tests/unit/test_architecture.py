"""The arrows between the folders, and what the tracked files may contain."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
_WIDGETS = {"ipywidgets", "IPython", "traitlets"}
#: Home folders and a pyenv: paths that one machine alone has.
_MACHINE_PATH = re.compile(rb"(/home/[a-z]\w+/|/Users/\w+/|/root/|\.pyenv/|[A-Z]:\\\\?Users\\)")


def _imports(path: Path) -> Iterator[str]:
    """The full name of every module that a file imports, wherever in the file."""
    package = path.relative_to(REPOSITORY).with_suffix("").parts[:-1]
    # The text source of a notebook may hold a magic such as `%matplotlib inline`.
    source = re.sub(r"(?m)^( *)[%!].*", r"\1pass", path.read_text(encoding="utf-8"))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *filter(None, [node.module])))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif (
            # import_module("grading.answers"), __import__("tests")
            isinstance(node, ast.Call)
            and getattr(node.func, "attr", getattr(node.func, "id", ""))
            in ("import_module", "__import__")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value)


def _importers(folder: str, *forbidden: str) -> list[str]:
    """``file imports module`` for each import from ``folder`` that it must not have."""
    found = []
    for path in sorted((REPOSITORY / folder).rglob("*.py")):
        for module in _imports(path):
            if any(module == name or module.startswith(f"{name}.") for name in forbidden):
                found.append(f"{path.relative_to(REPOSITORY)} imports {module}")
    return found


def _tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True
    ).stdout
    paths = [REPOSITORY / name.decode() for name in listed.split(b"\0") if name]
    return [path for path in paths if path.is_file()]


def test_imports_are_found_in_every_form(tmp_path, monkeypatch):
    file = tmp_path / "course_lib" / "simulations" / "example.py"
    file.parent.mkdir(parents=True)
    file.write_text(
        "import grading.authoring.build as b\n"
        "def f():\n    from ..panels import live\n    import_module('tests.unit')\n"
    )
    monkeypatch.setitem(globals(), "REPOSITORY", tmp_path)
    assert set(_imports(file)) == {
        "grading.authoring.build",
        "course_lib.panels",
        "course_lib.panels.live",
        "tests.unit",
    }


def test_course_lib_never_imports_grading():
    assert _importers("course_lib", "grading") == []


def test_course_lib_needs_no_package_of_the_grading_side():
    heavy = ("nbgrader", "jupytext", "nbclient", "typer", "rich", "sqlalchemy")
    assert _importers("course_lib", *heavy) == []


def test_simulations_never_import_widgets():
    assert _importers("course_lib/simulations", "course_lib.panels", *_WIDGETS) == []


@pytest.mark.parametrize("folder", ["course_lib", "grading", "benchmarks", "docs"])
def test_nothing_imports_tests(folder):
    assert _importers(folder, "tests") == []


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
