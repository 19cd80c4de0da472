"""Each benchmark runs, at its smallest size; what it finds is not looked at, except that it is there.

Those that grade a class or open a browser do so with ``COURSE_EVERYWHERE=1``, as in the weekly workflow: only who
measures needs them.
"""

import os
import shutil
import subprocess
import sys

import pytest

from benchmarks import grading, same_marks, table
from benchmarks.table import MEASURES, Checkout, Row, Sizes, measured, rows
from course_lib.chapters import find_chapter
from grading.paths import REPOSITORY
from tests.everywhere.places import WEEKLY

weekly = pytest.mark.skipif(not WEEKLY, reason="set COURSE_EVERYWHERE=1")

SMALLEST = Sizes(1, 1, 1, 2, 1, ("loss_landscape",))
_STARTS = ("start", "import", "minute")
_GRADES = ("class", "stock")


def _runs(module: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_row_is_measured_by_its_group():
    assert {row.group for row in rows(SMALLEST)} == set(MEASURES) == {*_STARTS, *_GRADES, "browser"}


def _have_their_rows(*groups: str) -> None:
    (found,) = measured([Checkout(REPOSITORY)], groups, SMALLEST)
    assert found.keys() == {
        f"{row.group}.{row.key}" for row in rows(SMALLEST) if row.group in groups
    }


@pytest.mark.slow
@pytest.mark.parametrize("group", _STARTS)
def test_starts(group):
    _have_their_rows(group)


@weekly
@pytest.mark.slow
@pytest.mark.usefixtures("with_bubblewrap")
def test_a_class_of_one():
    """Its marks are held equal by the benchmark itself."""
    _have_their_rows(*_GRADES)


@weekly
@pytest.mark.slow
@pytest.mark.browser
def test_one_panel_in_a_browser(needs_program):
    needs_program("chromium")
    _have_their_rows("browser")


@pytest.fixture
def with_bubblewrap(needs_program) -> None:
    needs_program("bwrap", package="bubblewrap")


@weekly
@pytest.mark.slow
def test_panels_in_the_kernel(monkeypatch, capsys):
    from benchmarks import panels

    monkeypatch.setattr(panels, "MOVES", 2)
    monkeypatch.setattr(panels, "LIVE_SECONDS", 0.2)
    monkeypatch.setattr(panels, "WARM_UP", 0.1)
    monkeypatch.setattr(panels, "SIMULATIONS", ("loss_landscape", "optimizer_race"))
    panels.main()
    assert "loss_landscape" in capsys.readouterr().out


@weekly
@pytest.mark.slow
@pytest.mark.usefixtures("with_bubblewrap")
def test_the_stages_of_grading(tmp_path, monkeypatch):
    chapter = find_chapter("00")
    grading.make_class(chapter, 2, tmp_path)
    monkeypatch.setattr(grading, "STAGES_MEASURED", 1)
    stages = grading._stages(chapter, tmp_path, True)
    assert stages.keys() > {"repair", "kernel ready", "judge", "make the feedback page"}


@pytest.mark.slow
def test_judging():
    assert "| order_the_beats |" in _runs("judging", "00")


@weekly
@pytest.mark.slow
def test_judging_beside_another_checkout():
    said = _runs("judging", "00", "--beside", str(REPOSITORY))
    assert "| order_the_beats |" in said
    assert "checked:" in said


@weekly
@pytest.mark.slow
@pytest.mark.usefixtures("with_bubblewrap")
def test_watching_one_learner():
    sizes = ("--alone", "2", "--learners", "1", "--seconds", "1")
    assert "All 1 pages" in _runs("watching", "--chapter", "00", *sizes)


@weekly
@pytest.mark.slow
@pytest.mark.usefixtures("with_bubblewrap")
def test_same_marks_of_one_notebook():
    chapter = find_chapter("00")
    compared = same_marks.compare(list(same_marks.known(chapter))[:1])
    assert (compared.submissions, compared.shortened, compared.different) == (1, 1, [])


def test_the_table_says_what_is_met_and_what_is_not():
    text = table.table(
        {"start.help": 0.2, "start.status": 0.4, "stock.ratio": 30.0, "minute.minute": 3.0},
        {"start.help": 0.1, "stock.ratio": 10.0, "minute.minute": 5.0},
        Sizes(),
    )
    assert "| start of `grade --help` | 0.10 | 0.20 s | at most 0.30 | 0.50 | yes |" in text
    assert "| start of `course_lib status` |  | 0.40 s | at most 0.30 |  | no |" in text
    assert "| 10.0 | 30.0 times | at least 25.0 | 3.00 | yes |" in text
    assert "| 5.00 | 3.00 s | at most 2.50 | 1.67 | no |" in text
    assert "first line" not in text


@pytest.mark.parametrize("command", ["bench-table", "bench-grading"])
def test_a_table_is_written_between_its_marks(command, tmp_path):
    handbook = tmp_path / "handbook.md"
    shutil.copy(grading.HANDBOOK, handbook)
    before, begin, rest = handbook.read_text().partition(f"<!-- Written by `make {command}`. -->")
    after = rest.partition(grading.END)[2]
    for text in ("| first |", "| second |"):
        grading.write(command, text, handbook)
        assert handbook.read_text() == f"{before}{begin}\n\n{text}\n\n{grading.END}{after}"
    handbook.write_text("no marks")
    with pytest.raises(SystemExit, match="lacks the marks"):
        grading.write(command, "| third |", handbook)


def test_a_goal_that_depends_on_the_size_does():
    def goal(learners: int) -> float:
        return next(row for row in rows(Sizes(learners)) if row.key == "first").goal

    assert goal(300) == 110
    assert goal(30) == 11
    assert isinstance(rows(SMALLEST)[0], Row)
