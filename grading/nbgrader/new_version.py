"""A new version of a chapter after work was handed in. Called by ``release``.

nbgrader refuses to add or remove graded cells then, and the only way on would be to delete everybody's
grades. Here the cells that stay keep their scores and comments, in one transaction.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from nbformat import NotebookNode
from nbgrader.api import (
    Base,
    BaseCell,
    Comment,
    Grade,
    GradeCell,
    MissingEntry,
    Notebook,
    SolutionCell,
    SourceCell,
)
from traitlets.config import Config

from grading.intake.matching import grade_id_of, is_solution, is_test
from grading.nbgrader.gradebook import open_gradebook


@dataclass(frozen=True)
class Changes:
    """What a new version does to work that was handed in. Points by check; ``lost`` says what was given
    by hand on cells that are gone."""

    learners: tuple[str, ...]
    added: dict[str, float]
    removed: dict[str, float]
    revalued: dict[str, tuple[float, float]]
    lost: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """What changes for whom."""
        people = len(self.learners)
        yield (
            f"The graded cells change for {people} learner{'' if people == 1 else 's'} who handed in: "
            f"{', '.join(self.learners)}."
        )
        for name, points in self.added.items():
            yield f"+ {name}: {points:g} more, 0 for those who handed in without it"
        for name, points in self.removed.items():
            yield f"- {name}: {points:g} fewer, everybody's score for it goes"
        for name, (before, after) in self.revalued.items():
            yield f"~ {name}: {after:g} instead of {before:g}"
        for line in self.lost:
            yield f"! lost: {line}"


def changes(config: Config, assignment: str, notebook: NotebookNode) -> Changes | None:
    """What releasing ``notebook`` changes for those who handed in; None when nothing does."""
    with open_gradebook(config) as gradebook:
        try:
            standing = gradebook.find_notebook(assignment, assignment)
        except MissingEntry:
            return None
        learners = tuple(sorted(one.student.id for one in standing.submissions))
        before = {cell.name: cell.max_score for cell in standing.grade_cells}
        after = {
            grade_id_of(cell): float(cell.metadata.nbgrader.points)
            for cell in notebook.cells
            if is_test(cell)
        }
        gone = _gone(standing, notebook)
        found = Changes(
            learners,
            {name: points for name, points in after.items() if name not in before},
            {name: points for name, points in before.items() if name not in after},
            {
                name: (before[name], points)
                for name, points in after.items()
                if before.get(name, points) != points
            },
            tuple(line for cell in gone for line in _by_hand(cell)),
        )
        new = _names(notebook.cells) - {cell.name for cell in standing.source_cells}
        return found if learners and (gone or new or found.revalued) else None


def make_room(config: Config, assignment: str, notebook: NotebookNode) -> None:
    """Let the gradebook have the graded cells of ``notebook``, for every submission there is."""
    with open_gradebook(config) as gradebook:
        standing, database = gradebook.find_notebook(assignment, assignment), gradebook.db
        for cell in _gone(standing, notebook):
            for given in [*cell.grades, *cell.comments]:
                database.delete(given)
            database.delete(cell)
        names = {cell.name for cell in standing.source_cells}
        for cell in standing.source_cells:
            if cell.name not in _names(notebook.cells):
                database.delete(cell)
        for cell in notebook.cells:
            name = grade_id_of(cell)
            if name and name not in names:
                database.add_all(_new_cells(standing, name, cell))
        database.commit()


def _new_cells(standing: Notebook, name: str, cell: NotebookNode) -> Iterator[Base]:
    """A graded cell as nbgrader records it, with a place for each submission's score or comment."""
    yield SourceCell(name=name, cell_type=cell.cell_type, source=cell.source, notebook=standing)
    if is_test(cell):
        points = float(cell.metadata.nbgrader.points)
        graded = GradeCell(name=name, max_score=points, cell_type=cell.cell_type, notebook=standing)
        yield graded
        yield from (Grade(cell=graded, notebook=one) for one in standing.submissions)
    if is_solution(cell):
        solution = SolutionCell(name=name, notebook=standing)
        yield solution
        yield from (Comment(cell=solution, notebook=one) for one in standing.submissions)


def _gone(standing: Notebook, notebook: NotebookNode) -> list[BaseCell]:
    tests = _names(filter(is_test, notebook.cells))
    solutions = _names(filter(is_solution, notebook.cells))
    return [cell for cell in standing.grade_cells if cell.name not in tests] + [
        cell for cell in standing.solution_cells if cell.name not in solutions
    ]


def _names(cells) -> set[str]:
    return {grade_id_of(cell) for cell in cells} - {""}


def _by_hand(cell: BaseCell) -> Iterator[str]:
    for grade in cell.grades:
        if grade.manual_score is not None or grade.extra_credit is not None:
            points = (grade.manual_score or 0) + (grade.extra_credit or 0)
            yield f"{grade.student.id}: {points:g} points by hand for {cell.name}"
    for comment in cell.comments:
        if comment.manual_comment:
            yield f"{comment.student.id}: the comment {comment.manual_comment!r} on {cell.name}"
