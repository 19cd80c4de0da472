"""``python -m course_lib doctor`` where something is wrong: it says what, and what to do."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from course_lib.app import doctor
from grading.paths import REPOSITORY

#: A package that imports, as a line of Python.
_WORKS = ""


def _run(python: str = sys.executable, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [python, "-m", "course_lib", "doctor"],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter with the standard library alone, in the home of a learner."""
    folder = tmp_path_factory.mktemp("machine") / "ada" / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return str(folder / "bin" / "python")


@pytest.fixture
def machine(bare_python: str, tmp_path: Path) -> Callable[..., str]:
    """``machine({"numpy": ("1.26.4", code)})``: the report where these packages are installed."""

    def report(packages: dict[str, tuple[str, str]], **environment: str) -> str:
        for name, (version, code) in packages.items():
            module = doctor._MODULES.get(name, name)
            (tmp_path / f"{module}.py").write_text(code)
            about = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
            about.mkdir()
            (about / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
        done = _run(bare_python, PYTHONPATH=str(tmp_path), **environment)
        assert done.stderr == ""
        assert "Traceback" not in done.stdout
        assert done.returncode == ("PROBLEM" in done.stdout)
        return done.stdout

    return report


def test_what_is_missing_or_too_old_is_named_with_what_to_do(machine):
    report = machine({"numpy": ("1.26.4", _WORKS), "pillow": ("10.0.0", _WORKS)})
    assert "PROBLEM  torch is missing\n         -> make learn\n" in report
    assert "PROBLEM  numpy 1.26.4, but numpy>=2.0 is needed\n         -> make learn\n" in report
    assert "ok       pillow 10.0.0\n" in report
    assert "problem(s). Fix them from the top, then run this again." in report


def test_a_package_that_does_not_start_is_told_from_a_missing_one(machine):
    report = machine(
        {
            "torch": ("2.13.0", "raise OSError('libc10.so: cannot open shared object file')"),
            "scikit-learn": ("1.9.1", "raise ValueError('numpy.dtype size changed\\nmore')"),
        }
    )
    assert (
        "PROBLEM  torch 2.13.0 is installed but does not start: libc10.so: cannot open shared object "
        "file\n         -> python -m pip install --force-reinstall torch\n"
    ) in report
    assert (
        "scikit-learn 1.9.1 is installed but does not start: numpy.dtype size changed\n" in report
    )
    assert "training step" not in report


def test_a_wrong_backend_of_matplotlib_is_named():
    done = _run(MPLBACKEND="nonsense")
    assert done.returncode == 1
    assert "PROBLEM  matplotlib" in done.stdout
    assert "'nonsense' is not a valid value for backend" in done.stdout
    assert "-> remove the environment variable MPLBACKEND" in done.stdout
    assert done.stdout.count("PROBLEM") == 1


@pytest.mark.parametrize(
    ("widgets", "page", "words"),
    [
        ("8.1.9", None, "PROBLEM  jupyterlab_widgets is missing: JupyterLab would show no sliders"),
        ("8.1.9", "1.1.11", "PROBLEM  sliders: ipywidgets 8.1.9 with jupyterlab_widgets 1.1.11 do"),
        ("7.7.1", "3.0.17", "PROBLEM  sliders: ipywidgets 7.7.1 with jupyterlab_widgets 3.0.17 do"),
        ("7.7.1", "1.1.11", "ok       sliders: ipywidgets 7.7.1 with jupyterlab_widgets 1.1.11\n"),
    ],
)
def test_sliders_that_would_not_show_are_a_problem(machine, widgets, page, words):
    packages = {"jupyterlab": ("4.6.6", _WORKS), "ipywidgets": (widgets, _WORKS)}
    if page is not None:
        packages["jupyterlab_widgets"] = (page, _WORKS)
    report = machine(packages)
    assert words in report
    advised = 'pip install --upgrade "ipywidgets>=8" jupyterlab_widgets' in report
    assert advised == words.startswith("PROBLEM")


def test_without_jupyterlab_a_note_says_how_to_open_the_course(machine):
    report = machine({"ipykernel": ("7.2.0", _WORKS)})
    assert "note     jupyterlab is missing: needed to open the course here\n" in report
    assert "PROBLEM  ipykernel 7.0 to 7.3 can garble the sliders' pictures\n" in report


def test_little_memory_is_a_note(monkeypatch):
    monkeypatch.setattr(doctor, "_container_memory", lambda: 300_000_000)
    (finding,) = doctor._check_memory()
    assert str(finding).startswith("note     free memory: 0.3 GB\n         -> close other programs")


def test_another_python_than_the_courses_is_told_where_that_is(machine):
    own = (REPOSITORY / ".venv").is_dir()
    assert ("note     this is not the course's own Python" in machine({})) == own


def test_an_old_python_is_refused_in_one_line():
    code = (
        "import runpy, sys; sys.version_info = (3, 9, 18, 'final', 0); sys.version = '3.9.18 (main)';"
        "sys.argv[1:] = ['doctor']; runpy.run_module('course_lib', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "needs Python 3.11 or newer, and this is 3.9.18" in done.stderr


def test_a_report_can_be_pasted_in_public(machine, bare_python, tmp_path):
    broken = {
        "torch": ("2.13.0", f"raise OSError('no {bare_python}, {Path.home()}/x, {REPOSITORY}')")
    }
    place = tmp_path / "home"
    report = machine(broken, LOGNAME="ada", HOME=str(place), COURSE_HOME=str(place / "progress"))
    assert "<user>/bare/bin/python" in report
    assert "progress is kept in ~/progress" in report
    for private in ("/ada", str(REPOSITORY), str(place)):
        assert private not in report
