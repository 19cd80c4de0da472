"""What is kept of a cell's outputs: pictures that are pictures, text, and no more than the limits."""

import base64

import pytest

from grading.runner.limits import Limits
from grading.runner.outputs import CellOutputs, OutputBudget

PNG = b"\x89PNG\r\n\x1a\n" + b"and its chunks"


def _collector(budget: int = 1000, outputs: int = 10, **limits: int) -> CellOutputs:
    return CellOutputs(Limits(**limits), OutputBudget(budget, outputs))


def _shown(**data: object) -> dict:
    return {"data": {kind.replace("_", "/"): value for kind, value in data.items()}}


def test_a_picture_is_kept_with_its_words():
    collector = _collector()
    picture = base64.b64encode(PNG).decode()
    collector.add("display_data", _shown(image_png=picture, text_plain="a line"))
    [output] = collector.result()
    assert output["data"] == {"image/png": picture, "text/plain": "a line"}


@pytest.mark.parametrize(
    "claimed",
    [base64.b64encode(b"<svg onload=steal()>").decode(), "no base64", 7, None, ["a"]],
    ids=["another kind", "no base64", "a number", "nothing", "a list"],
)
def test_what_only_claims_to_be_a_picture_is_not_kept(claimed):
    collector = _collector()
    collector.add("display_data", _shown(image_png=claimed))
    assert collector.result() == []


def test_what_would_run_in_a_browser_is_not_kept():
    collector = _collector()
    collector.add(
        "execute_result",
        _shown(text_html="<script>", application_javascript="steal()", text_plain="safe"),
    )
    [output] = collector.result()
    assert output["data"] == {"text/plain": "safe"}


def test_streams_are_joined_and_told_apart():
    collector = _collector()
    for name, text in (("stdout", "a"), ("stdout", "b"), ("stderr", "c")):
        collector.add("stream", {"name": name, "text": text})
    assert [(each["name"], each["text"]) for each in collector.result()] == [
        ("stdout", "ab"),
        ("stderr", "c"),
    ]


def test_what_is_cleared_is_gone_at_once_or_with_the_next():
    collector = _collector()
    collector.add("stream", {"name": "stdout", "text": "old"})
    collector.add("clear_output", {"wait": True})
    assert collector.result()
    collector.add("stream", {"name": "stdout", "text": "new"})
    assert [each["text"] for each in collector.result()] == ["new"]
    collector.add("clear_output", {})
    assert collector.result() == []


@pytest.mark.parametrize(
    ("budget", "limits"),
    [(1000, {"cell_text_bytes": 10}), (10, {})],
    ids=["of the cell", "of the notebook"],
)
def test_text_beyond_a_limit_is_cut_and_said(budget, limits):
    collector = _collector(budget, **limits)
    for _ in range(3):
        collector.add("stream", {"name": "stdout", "text": "abcd"})
    kept, note = collector.result()
    assert len(kept["text"]) <= 10
    assert "cut here" in note["text"]


def test_the_budget_is_the_whole_notebooks():
    budget = OutputBudget(10, 2)
    for number in range(3):
        collector = CellOutputs(Limits(), budget)
        collector.add("stream", {"name": "stdout", "text": "four"})
        assert bool(collector.cut) is (number == 2)
    assert (budget.left, budget.outputs) == (2, 0)


def test_an_error_is_kept_with_a_bounded_traceback():
    collector = _collector(10_000)
    collector.add("error", {"ename": "E" * 999, "evalue": "why", "traceback": ["line"] * 999})
    [output] = collector.result()
    assert (len(output["ename"]), output["evalue"], len(output["traceback"])) == (200, "why", 100)
