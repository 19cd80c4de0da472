"""``grade-notebook``: exit status, one clear line, chapters recognised, and work without a sandbox."""

import json

import pytest
from typer.testing import CliRunner

from course_lib.handing_in.clean import cleaned
from grading.__main__ import app
from grading.sample_class import submission
from tests.grading.handing_in import EXERCISES, sample

CLI = CliRunner()


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("05_complete_loop.ipynb", b'{"cells": [', "not valid JSON"),
        ("05_complete_loop.ipynb", b"", "empty"),
        ("essay.ipynb", b'{"nbformat": 4, "metadata": {}, "cells": []}', "--chapter"),
        ("missing.ipynb", None, "No such file"),
    ],
)
@pytest.mark.usefixtures("sandbox")
def test_what_cannot_be_graded_is_one_line_and_status_2(tmp_path, name, data, reason):
    file = tmp_path / name
    if data is not None:
        file.write_bytes(data)
    result = CLI.invoke(app, ["grade-notebook", str(file), "--json"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert reason in result.stderr


def test_an_unknown_chapter_is_said(tmp_path):
    file = tmp_path / "a.ipynb"
    file.write_text("{}")
    result = CLI.invoke(app, ["grade-notebook", str(file), "--chapter", "55", "--no-sandbox"])
    assert result.exit_code == 2
    assert "no chapter called '55'" in result.stderr


def test_a_renamed_notebook_is_recognised_and_graded_without_a_sandbox(tmp_path, release):
    """Unprotected grading gives the same marks and says what it is."""
    file = tmp_path / "homework.ipynb"
    file.write_bytes(submission(sample("learner-09"), release))
    result = CLI.invoke(app, ["grade-notebook", str(file), "--json", "--no-sandbox"])
    assert result.exit_code == 0
    printed = json.loads(result.stdout)
    assert printed["notebook"] == "05_complete_loop"
    assert printed["score"] == printed["max_score"] == 12
    assert {cell["status"] for cell in printed["cells"]} == {"passed"}
    assert "with your rights" in " ".join(result.stderr.split())


@pytest.mark.usefixtures("sandbox")
def test_a_person_gets_a_table(tmp_path, release):
    file = tmp_path / "Copy of 05_complete_loop (1).ipynb"
    file.write_bytes(submission(sample("learner-04"), release))
    result = CLI.invoke(app, ["grade-notebook", str(file)])
    assert result.exit_code == 0
    assert all(name in result.stdout for name in EXERCISES)
    assert "7 of 12 points" in result.stdout
    assert "mean of batch means" in " ".join(result.stdout.replace("│", " ").split())


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("learner", ["learner-04", "learner-07"])
def test_the_copy_that_the_last_cell_makes_earns_the_same_marks(tmp_path, release, learner):
    original = submission(sample(learner), release)
    copied = cleaned(json.loads(original), "05_complete_loop", "0.1.0")
    cells = []
    for name, data in (("original", original), ("copy", json.dumps(copied).encode())):
        file = tmp_path / name / "05_complete_loop.ipynb"
        file.parent.mkdir()
        file.write_bytes(data)
        result = CLI.invoke(app, ["grade-notebook", str(file), "--json"])
        assert result.exit_code == 0
        cells.append(json.loads(result.stdout)["cells"])
    assert cells[0] == cells[1]
    assert sum(cell["score"] for cell in cells[0]) > 0
