"""A run without demonstrations counts where nothing raised; else every cell is run."""

from dataclasses import replace

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from benchmarks import same_marks
from benchmarks.same_marks import compare, samples
from course_lib.chapters import CHAPTERS
from grading.classroom.pipeline import Submission, conclude, prepare
from grading.runner import run as run_module
from grading.runner.run import run
from tests.everywhere.places import WEEKLY
from tests.grading.handing_in import CHAPTER, SECRET, as_bytes, cell_named, place_of

pytestmark = [pytest.mark.usefixtures("sandbox"), pytest.mark.slow]


@pytest.fixture
def kernels(monkeypatch) -> list[int]:
    """One for each kernel that is opened."""
    opened: list[int] = []
    real = run_module.open_kernel

    def counted(*arguments):
        opened.append(1)
        return real(*arguments)

    monkeypatch.setattr(run_module, "open_kernel", counted)
    return opened


def _graded(notebook, release, **changes):
    prepared = prepare(Submission(as_bytes(notebook)), release, SECRET)
    prepared = replace(prepared, job=replace(prepared.job, **changes))
    record = run(prepared.job)
    outcome = conclude(CHAPTER, prepared, record).outcome
    demonstrated = {
        prepared.job.notebook.cells[index].id
        for index in prepare(Submission(as_bytes(notebook)), release, SECRET).job.demonstrations
    }
    return outcome, demonstrated & set(record.outputs)


def test_where_nothing_raises_no_demonstration_is_run(solved, release, kernels):
    outcome, demonstrated = _graded(solved, release)
    assert outcome.score == outcome.max_score
    assert not demonstrated
    assert len(kernels) == 1


def test_a_name_that_a_demonstration_binds_is_there_all_the_same(solved, release, kernels):
    """The first run stops at the name, the second runs every cell: the mark is what it always was."""
    assert any("batch_size = 1000, 32" in cell.source for cell in release.cells)
    cell_named(
        solved, "fit"
    ).source += (
        "\n\n_fit = fit\n\n\ndef fit(*a, **k):\n    assert batch_size\n    return _fit(*a, **k)\n"
    )
    outcome, demonstrated = _graded(solved, release)
    assert outcome.score == outcome.max_score
    assert demonstrated
    assert len(kernels) == 2


def test_a_cell_of_the_learners_that_raises_has_every_cell_run(solved, release, kernels):
    solved.cells.insert(place_of(solved, "fit"), new_code_cell("1 / 0", id="own"))
    outcome, demonstrated = _graded(solved, release)
    assert outcome.score == outcome.max_score
    assert demonstrated
    assert len(kernels) == 2


def test_what_takes_long_is_run_with_every_cell(solved, release, kernels, monkeypatch):
    """The time that a submission has is the second run's."""
    monkeypatch.setattr(run_module, "_QUICK_SECONDS", 0.0)
    outcome, demonstrated = _graded(solved, release)
    assert outcome.score == outcome.max_score
    assert demonstrated
    assert len(kernels) == 2


def test_the_sample_class_has_the_same_verdicts_with_every_cell():
    """In three chapters; with ``COURSE_EVERYWHERE=1``, as in the weekly workflow, in all."""
    chosen = CHAPTERS if WEEKLY else CHAPTERS[2::4]
    compared = compare([work for chapter in chosen for work in samples(chapter)])
    assert compared.different == []
    assert compared.shortened > 15 * len(chosen) / len(CHAPTERS)


def test_a_verdict_that_differs_is_seen(solved, monkeypatch):
    """Of the comparison itself."""
    real = same_marks.conclude

    def by_the_cells_that_ran(chapter, prepared, record):
        graded = real(chapter, prepared, record)
        first, *others = graded.outcome.items
        items = (replace(first, message=f"{len(record.outputs)} cells"), *others)
        return replace(graded, outcome=replace(graded.outcome, items=items))

    monkeypatch.setattr(same_marks, "conclude", by_the_cells_that_ran)
    work = same_marks.Work(CHAPTER, "solved", nbformat.writes(solved).encode())
    assert same_marks.compare([work]).different
