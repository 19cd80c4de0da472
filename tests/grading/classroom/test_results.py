"""``grade CHAPTER --json FILE``: for each learner what ``grade-notebook --json`` says."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grading.__main__ import app
from grading.classroom.results import Result, write_results
from grading.errors import Problem
from tests.grading.class_of_three import CHAPTER, POINTS


@pytest.mark.slow
def test_the_file_has_the_object_of_each_learner(graded, tmp_path):
    course = Path(shutil.copytree(graded[0], tmp_path / "course"))
    broken = course / "submitted" / "dan" / CHAPTER.id / f"{CHAPTER.id}.ipynb"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b'{"cells": [')
    file = tmp_path / "results" / "05.json"
    command = ["grade", "00", "--course", str(course), "--json", str(file)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    tree = json.loads(file.read_bytes())
    assert tree["notebook"] == CHAPTER.id
    assert tree["learners"] == {name: found.outcome.as_json() for name, found in graded[1].items()}
    assert {name: one["score"] for name, one in tree["learners"].items()} == POINTS
    assert list(tree["not_graded"]) == ["dan"]
    assert "JSON" in tree["not_graded"]["dan"]
    assert tree["time_unknown"] == {}


def test_a_file_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Problem, match="cannot write"):
        write_results(tmp_path / "file" / "x.json", CHAPTER, [])


def test_a_name_that_is_no_text_does_not_lose_the_file(tmp_path):
    write_results(tmp_path / "x.json", CHAPTER, [Result("a\udcff", problem="rename it")])
    assert list(json.loads((tmp_path / "x.json").read_bytes())["not_graded"]) == ["a?"]
