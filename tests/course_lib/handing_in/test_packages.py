"""Imports that grading cannot follow are said before the notebook is handed in."""

import tomllib
from pathlib import Path

from course_lib.exercises.checking.check import run_check
from course_lib.exercises.checking.packages import GRADED
from course_lib.handing_in.packages import not_in_grading


def test_what_grading_has_is_not_mentioned(repository):
    listed = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = [*listed["dependencies"], *listed["optional-dependencies"]["grading"]]
    names = {requirement.partition(">")[0] for requirement in extra}
    assert {"einops", "numpy", "pandas", "torch", "tqdm"} <= names & GRADED
    cell = "import math, torch.nn as nn\nfrom sklearn.metrics import f1_score\nimport numpy as np"
    assert not_in_grading([cell]) == []


def test_another_package_is_named_once_wherever_it_is_imported():
    # pytest stands for any package that is installed here and not there.
    cells = ["import pytest", "%matplotlib inline\nfrom pytest import raises as r", "def broken("]
    assert not_in_grading(cells) == ["pytest"]


def test_a_file_beside_the_notebook_is_handed_in_with_it(tmp_path: Path, monkeypatch):
    (tmp_path / "my_own_steps.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert not_in_grading(["import my_own_steps", "import never_installed_here"]) == []


def test_the_check_says_which_package_an_exercise_needs():
    code = """\
import packaging as bars
import torch
from packaging.version import Version


def count_updates(n_examples, batch_size, drop_last=False):
    def inner():
        return Version, bars
    return n_examples // batch_size if drop_last else -(-n_examples // batch_size)
"""
    namespace: dict = {}
    exec(compile(code, "<cell>", "exec"), namespace)
    said = " ".join(repr(run_check("count_updates", namespace["count_updates"])).split())
    assert "count_updates: Right" in said
    assert said.endswith("Grading does not have packaging: what needs it will not work there.")
    exec(compile(code.replace("Version, bars", "torch"), "<cell>", "exec"), namespace)
    assert "Grading" not in repr(run_check("count_updates", namespace["count_updates"]))
