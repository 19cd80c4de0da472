"""A package that learners have and the grader has not costs only what needs it."""

import pytest

from grading.runner.absent import absent_package, rest_behind
from tests.grading.handing_in import cell_named, in_sandbox

ABSENT = "a_package_that_nobody_has"
CELL = f"""from {ABSENT}.progress import (  # pretty bars
    bar,
    table,
)
import math, {ABSENT}.nn as nn2, json
print("goes on")
"""


@pytest.mark.parametrize(
    ("source", "rest"),
    [
        ("import a\nx = 1", "x = 1"),
        ("import a as b  # why\nx = 1", "x = 1"),
        ("import a.b.c; y = 2\nx = 1", "y = 2\nx = 1"),
        ("import torch, a.b as c, math\nx = 1", "import torch, math\nx = 1"),
        ("z = 0\nfrom a import b\nx = 1", "x = 1"),
        ("from a.b import (\n  c,  # )\n  d,\n)\nx = 1", "x = 1"),
        ("from a import b, \\\n  c\nx = 1", "x = 1"),
        ("from ab import c\nimport ab, a_b\nx = 1", None),
        ("try:\n    import a\nexcept ImportError:\n    pass", None),
        ("from a import (b", ""),
        ("import a", ""),
    ],
    ids=range(11),
)
def test_what_follows_the_import_is_run(source, rest):
    assert rest_behind(source, "a") == rest


@pytest.mark.parametrize(
    ("output", "package"),
    [
        ({"ename": "ModuleNotFoundError", "evalue": "No module named 'a.b'"}, "a"),
        ({"ename": "ModuleNotFoundError", "evalue": "something else"}, ""),
        ({"ename": "ImportError", "evalue": "No module named 'a'"}, ""),
    ],
    ids=range(3),
)
def test_only_a_missing_package_counts(output, package):
    assert absent_package([{"output_type": "error", **output}]) == package
    assert absent_package([{"output_type": "error", **output}, {"output_type": "stream"}]) == ""
    assert absent_package([]) == ""


@pytest.mark.usefixtures("sandbox")
def test_in_the_sandbox_the_definitions_below_count(bare, release):
    """Of two exercises: one imports what is not there and does not need it, one needs it."""
    needed = cell_named(bare, "train_one_epoch")
    needed.source = CELL + needed.source
    user = cell_named(bare, "fit")
    user.source = f"import {ABSENT} as pretty\n" + user.source.replace(
        "    losses = []", "    losses = pretty.List()"
    )
    assert "pretty.List()" in user.source
    items, graded, record = in_sandbox(bare, release)
    assert items["train_one_epoch"].message == "Right."
    assert items["fit"].score == 0
    assert "NameError: name 'pretty' is not defined" in items["fit"].message
    assert items["train_with_accumulation"].message == "Right."
    notes = " ".join(graded.outcome.problems)
    assert f"The cell of train_one_epoch imports {ABSENT}, which grading does not have" in notes
    printed = record.outputs[needed.id]
    assert any("goes on" in output.get("text", "") for output in printed)
