"""The list of faults fits the code of today, and what runs them tells caught from missed. The faults
themselves take minutes: ``python -m tests.seeded_faults``."""

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.seeded_faults import run
from tests.seeded_faults.faults import FAMILIES, FAULTS, Family, Fault
from tests.seeded_faults.run import Unusable, faulty, find_tests, results

AT_LEAST = 40


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_fault_can_be_put_in(fault):
    text = faulty(fault)
    if fault.file.endswith(".py"):  # what is no Python proves nothing
        compile(text, fault.file, "exec")


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_exists_and_has_a_fault(name):
    assert find_tests(FAMILIES[name]).is_file()
    assert name in {fault.family for fault in FAULTS}


def test_there_are_enough_and_no_name_is_twice():
    assert len(FAULTS) >= AT_LEAST
    assert len(FAMILIES) >= AT_LEAST
    assert max(Counter(fault.name for fault in FAULTS).values()) == 1


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    """A repository with a product of one line, a test that looks at it and one that does not."""
    files = {
        "product.py": "def double(x):\n    return 2 * x\n",
        "tests/test_double.py": "import product\n\ndef test_two():\n    assert product.double(1) == 2\n"
        "\ndef test_nothing():\n    pass\n",
        "tests/test_red.py": "def test_red():\n    assert False\n",
        "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def test_caught_missed_and_useless_are_told_apart(made_up, monkeypatch):
    families = {
        "looks": Family("test_double.py"),
        "does not": Family("test_double.py", "nothing"),
        "red": Family("test_red.py"),
        "none": Family("test_double.py", "no_such_test"),
    }
    monkeypatch.setattr(run, "FAMILIES", families)
    wrong = ("product.py", "2 * x", "3 * x")
    faults = [Fault(family, f"tripled, {family}", *wrong) for family in families]
    faults.append(Fault("looks", "cannot be imported", "product.py", "return", "raise ("))
    found = {result.fault.name: result for result in results(faults, made_up, warm=())}
    assert [result.caught for result in found.values()] == [True, False, False, False, False]
    assert found["tripled, looks"].by == "test_double.py::test_two"
    assert "green" in found["tripled, does not"].reason
    assert "without the fault" in found["tripled, red"].reason
    assert "without the fault" in found["tripled, none"].reason
    assert "ended with 2" in found["cannot be imported"].reason
    assert (made_up / "product.py").read_text() == "def double(x):\n    return 2 * x\n"


def test_a_fault_in_the_course_itself_is_caught():
    """One, whose tests are quick, through all that the command does."""
    fault = next(fault for fault in FAULTS if fault.family == "environment")
    [result] = results([fault], warm=())
    assert result.caught, result.reason


@pytest.mark.parametrize("old", ["no such text", "a", ""])
def test_a_fault_whose_place_is_not_certain_is_refused(tmp_path, old):
    (tmp_path / "file").write_text("a a")
    with pytest.raises(Unusable, match="not once"):
        faulty(Fault("x", "y", "file", old, "b"), tmp_path)
