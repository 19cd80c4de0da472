"""Which cell of the released notebook is this submitted cell? Called by ``repair``.

Editors keep cell ids, or nbgrader's metadata, or neither; learners copy, split and re-create cells.
So a cell is known by its id, else by its grade id, else by the marker in its first lines, else by
its text, else by the name that it defines.
"""

import re
from dataclasses import dataclass, field

from nbformat import NotebookNode

from course_lib.exercises import all_exercises
from course_lib.handing_in.inventory import defined_names
from grading.intake.reading import ReadCell

_MARKER = re.compile(r"^[#\s]*(EXERCISE|CHECK)\s+([A-Za-z_]\w*)", re.MULTILINE)
TEST_SUFFIX = "__test"


@dataclass(frozen=True)
class Match:
    """``index`` is the cell's place in the release; ``by`` says how it was recognised."""

    index: int
    by: str


@dataclass
class ReleaseIndex:
    """The released notebook, by everything that a submitted cell can be recognised by."""

    cells: list[NotebookNode]
    by_id: dict[str, int] = field(default_factory=dict)
    by_grade_id: dict[str, int] = field(default_factory=dict)
    by_source: dict[tuple[str, str], int] = field(default_factory=dict)
    by_name: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        exercises = all_exercises()
        for index, cell in enumerate(self.cells):
            self.by_id[cell.get("id", "")] = index
            self.by_source.setdefault((cell.cell_type, cell.source.strip()), index)
            grade_id = grade_id_of(cell)
            if grade_id:
                self.by_grade_id[grade_id] = index
            if is_solution(cell):
                exercise = exercises.get(grade_id)
                for name in exercise.subjects if exercise else (grade_id,):
                    self.by_name[name] = index

    def match(self, cell: ReadCell) -> Match | None:
        """The release's cell that ``cell`` is or was copied from."""
        for identifier in (cell.id, cell.metadata.get("id")):  # Colab's place for it
            if isinstance(identifier, str) and identifier and identifier in self.by_id:
                return Match(self.by_id[identifier], "id")
        if cell.grade_id in self.by_grade_id:
            return Match(self.by_grade_id[cell.grade_id], "grade id")
        marked = self._marked(cell.source)
        if marked is not None:
            return Match(marked, "marker")
        same = self.by_source.get((cell.kind, cell.source.strip()))
        if same is not None:
            return Match(same, "text")
        if cell.kind == "code":
            for name in defined_names(cell.source):
                if name in self.by_name:
                    return Match(self.by_name[name], "definition")
        return None

    def _marked(self, source: str) -> int | None:
        for kind, name in _MARKER.findall("\n".join(source.split("\n")[:5])):
            grade_id = name if kind == "EXERCISE" else name + TEST_SUFFIX
            if grade_id in self.by_grade_id:
                return self.by_grade_id[grade_id]
        return None


def grade_id_of(cell: NotebookNode) -> str:
    """nbgrader's name of the cell; "" for a cell that nbgrader does not know."""
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def is_test(cell: NotebookNode) -> bool:
    """Is this a locked cell that earns points?"""
    return bool(cell.metadata.get("nbgrader", {}).get("grade"))


def is_solution(cell: NotebookNode) -> bool:
    """Is this a cell that the learner fills in?"""
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))


def is_locked(cell: NotebookNode) -> bool:
    """Is this a cell that the learner was not to change?"""
    return is_test(cell) or bool(cell.metadata.get("nbgrader", {}).get("locked"))


def tags_of(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])
