"""The reference solutions: what an author has forgotten is named, not only missed."""

import pytest

from grading.chapter_text import reference
from grading.errors import Problem


@pytest.fixture
def without_fit(monkeypatch):
    """Chapter 05 before somebody has written the cells of ``fit``."""
    all_cells = reference._needed_cells
    monkeypatch.setattr(
        reference,
        "_needed_cells",
        lambda chapter: [cell for cell in all_cells(chapter) if cell.name != "fit"],
    )


@pytest.mark.parametrize("read", [reference.reference_source.__wrapped__, reference.stub])
def test_a_solution_cell_that_is_missing_is_named(without_fit, read):
    with pytest.raises(Problem) as caught:
        read("fit")
    assert str(caught.value) == '05_complete_loop.py has no cell "# %% solution="fit"".'


def test_a_subject_that_no_cell_defines_is_named():
    with pytest.raises(Problem, match="no solution cell of fit defines fit"):
        reference._subjects("fit", {})
