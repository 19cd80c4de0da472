"""Repairs what editors, Colab and learners do to notebooks, before anything else reads them.

Called by ``grade`` on the bytes of a submission; pure, no nbgrader. What comes out has the released
notebook's metadata and checks, and the learner's code; it is what runs and what is graded.
"""

import ast
import copy
import re
from dataclasses import dataclass, field

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from course_lib.handing_in.inventory import top_level
from grading.intake.matching import (
    TEST_SUFFIX,
    Match,
    ReleaseIndex,
    grade_id_of,
    is_locked,
    is_solution,
    is_test,
    tags_of,
)
from grading.intake.reading import ReadCell, ReadNotebook, read_notebook

_VALID_ID = re.compile(r"[a-zA-Z0-9-_]{1,64}")
_NEW = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}


@dataclass
class Repaired:
    """A notebook that can be run and graded.

    ``mended`` says in sentences what was repaired; ``missing`` names the exercises and questions
    whose cell was deleted.
    """

    notebook: NotebookNode
    mended: list[str] = field(default_factory=list)
    missing: frozenset[str] = frozenset()


def repair(data: bytes, release: NotebookNode) -> Repaired:
    """The submission ``data`` in the shape of ``release``. Raises ``Unreadable``."""
    read = read_notebook(data)
    return _Repair(read, ReleaseIndex(release.cells), release).result()


@dataclass
class _Placed:
    """A cell on its way into the repaired notebook; ``index`` is its place in the release."""

    cell: NotebookNode
    index: int | None


class _Repair:
    def __init__(self, read: ReadNotebook, index: ReleaseIndex, release: NotebookNode) -> None:
        self.read, self.index, self.release = read, index, release
        self.mended = list(read.mended)
        self.matches: list[Match | None] = [index.match(cell) for cell in read.cells]

    def result(self) -> Repaired:
        self._note_foreign_metadata()
        primary = self._primary()
        placed: list[_Placed] = []
        for position, read in enumerate(self.read.cells):
            placed += self._place(position, read, primary)
        present = {item.index for item in placed if item.index is not None}
        missing = self._put_back(placed, present)
        notebook = new_notebook(metadata=copy.deepcopy(self.release.metadata))
        notebook.cells = _with_unique_ids([item.cell for item in placed])
        return Repaired(notebook, self.mended, missing)

    # --- which submitted cell stands for which released cell -----------------------------------

    def _primary(self) -> dict[int, int]:
        """For each released cell the position of the submitted cell that stands for it."""
        claims: dict[int, list[int]] = {}
        for position, match in enumerate(self.matches):
            if match is not None:
                claims.setdefault(match.index, []).append(position)
        return {index: self._choose(index, positions) for index, positions in claims.items()}

    def _choose(self, index: int, positions: list[int]) -> int:
        target = self.index.cells[index]
        if len(positions) == 1:
            return positions[0]
        if not is_solution(target):
            by_id = [p for p in positions if self.matches[p].by == "id"]
            return (by_id or positions)[0]
        worked_on = [p for p in positions if not self._unedited(p)]
        # Of several versions the last before the check counts, as when all cells are run in order.
        test = self.index.by_grade_id.get(grade_id_of(target) + TEST_SUFFIX)
        tests = [p for p, match in enumerate(self.matches) if match and match.index == test]
        candidates = worked_on or positions
        if tests:
            candidates = [p for p in candidates if p < tests[0]] or candidates
        return candidates[-1]

    def _unedited(self, position: int) -> bool:
        target = self.index.cells[self.matches[position].index]
        return self.read.cells[position].source.strip() == target.source.strip()

    # --- one submitted cell -----------------------------------------------------------------------

    def _place(self, position: int, read: ReadCell, primary: dict[int, int]) -> list[_Placed]:
        match = self.matches[position]
        if match is None:
            return [_Placed(_scratch(read), None)]
        target = self.index.cells[match.index]
        if primary[match.index] != position:
            return self._duplicate(position, read, target)
        self._note_lost_metadata(match, read, target)
        if is_solution(target):
            return [_Placed(self._solution(read, target), match.index)]
        if self._unedited(position) and read.kind == target.cell_type:
            return [_Placed(_pristine(target), match.index)]
        if is_locked(target) or "setup" in tags_of(target):
            return self._restored(read, target, match.index)
        cell = _scratch(read)
        cell.id = target.id
        return [_Placed(cell, match.index)]

    def _solution(self, read: ReadCell, target: NotebookNode) -> NotebookNode:
        if read.kind != target.cell_type:
            self.mended.append(
                f"The cell of {grade_id_of(target)} was a {read.kind} cell; "
                f"it is a {target.cell_type} cell again."
            )
        cell = _pristine(target)
        cell.metadata.pop("released", None)
        cell.source = read.source
        return cell

    def _restored(self, read: ReadCell, target: NotebookNode, index: int) -> list[_Placed]:
        """The released text, and what the learner made of it beside it when it does something."""
        own = [_Placed(_scratch(read), None)] if _adds_code(read, target) else []
        restored = [_Placed(_pristine(target), index)]
        if "setup" in tags_of(target):
            return restored + own
        what = _called(target)
        kept = "; your lines are above it" if own else ""
        self.mended.append(f"The {what} had been changed; the original was restored{kept}.")
        return own + restored

    def _duplicate(self, position: int, read: ReadCell, target: NotebookNode) -> list[_Placed]:
        if not is_solution(target) and not is_locked(target):
            return [_Placed(_scratch(read), None)]
        what = _called(target)
        if self._unedited(position):
            self.mended.append(f"An untouched copy of the {what} was left out.")
            return []
        if is_solution(target):
            self.mended.append(
                f"There were several cells of {_base(target)}; all of them ran, "
                "and the last one before the check counts."
            )
        return [_Placed(_scratch(read), None)]

    # --- what the learner deleted or moved ----------------------------------------------------------

    def _put_back(self, placed: list[_Placed], present: set[int | None]) -> frozenset[str]:
        missing = []
        for index, target in enumerate(self.index.cells):
            if "setup" in tags_of(target):
                self._set_up_first(placed, index, present)
            elif is_solution(target) and index not in present:
                missing.append(grade_id_of(target))
            elif is_test(target):
                self._check_after_solution(placed, index, present)
        for name in missing:
            index = self.index.by_grade_id[name]
            cell = _pristine(self.index.cells[index])
            cell.source = f"# EXERCISE {name}: this cell was missing from the submission"
            test = self.index.by_grade_id.get(name + TEST_SUFFIX)
            place = _position(placed, test) if test is not None else len(placed)
            placed.insert(place, _Placed(cell, index))
            self.mended.append(f"The cell of {name} was missing.")
        return frozenset(missing)

    def _set_up_first(self, placed: list[_Placed], index: int, present: set[int | None]) -> None:
        first_code = next((p for p in placed if p.cell.cell_type == "code"), None)
        if index in present:
            if first_code is None or first_code.index == index:
                return
            item = placed.pop(_position(placed, index))
        else:
            item = _Placed(_pristine(self.index.cells[index]), index)
            self.mended.append("The set-up cell was missing; it was restored.")
        place = placed.index(first_code) if first_code in placed else len(placed)
        placed.insert(place, item)

    def _check_after_solution(
        self, placed: list[_Placed], index: int, present: set[int | None]
    ) -> None:
        """The check stands behind its solution; where it is deleted or stands before, it goes to the
        end of the exercise, so that whatever the learner added there has run."""
        name = _base(self.index.cells[index])
        solution = self.index.by_grade_id.get(name)
        solution_at = _position(placed, solution) if solution in present else None
        if index in present:
            here = _position(placed, index)
            if solution_at is None or here > solution_at:
                return
            item = placed.pop(here)
            solution_at -= 1
            self.mended.append(f"The check of {name} came before its cell; it was moved after it.")
        else:
            item = _Placed(_pristine(self.index.cells[index]), index)
            self.mended.append(f"The check of {name} was missing; it was restored.")
        if solution_at is None:
            earlier = [i for i, p in enumerate(placed) if p.index is not None and p.index < index]
            solution_at = earlier[-1] if earlier else len(placed) - 1
        place = solution_at + 1
        while place < len(placed) and placed[place].index is None:
            place += 1
        placed.insert(place, item)

    # --- what is said of it ---------------------------------------------------------------------------

    def _note_foreign_metadata(self) -> None:
        kernel = self.read.metadata.get("kernelspec")
        name = kernel.get("name") if isinstance(kernel, dict) else None
        wanted = self.release.metadata.get("kernelspec", {}).get("name", "python3")
        if isinstance(name, str) and name != wanted:
            self.mended.append(
                f"The notebook asked for the kernel {name[:40]!r}; it ran with {wanted}."
            )
        if any(key in self.read.metadata for key in ("colab", "widgets")):
            self.mended.append("Data that another editor had added to the notebook was removed.")

    def _note_lost_metadata(self, match: Match, read: ReadCell, target: NotebookNode) -> None:
        grade_id = grade_id_of(target)
        nbgrader = read.metadata.get("nbgrader")
        if not grade_id or isinstance(nbgrader, dict) and _same_flags(nbgrader, target):
            return
        what = _called(target)
        had = "lost" if not nbgrader else "changed"
        self.mended.append(
            f"The {what} had {had} its grading data; it was recognised by its {match.by}."
        )


def _same_flags(nbgrader: dict, target: NotebookNode) -> bool:
    keys = ("grade", "grade_id", "locked", "solution", "task", "points")
    return all(nbgrader.get(key) == target.metadata.nbgrader.get(key) for key in keys)


def _adds_code(read: ReadCell, target: NotebookNode) -> bool:
    """Does the learner's version of a locked cell do more than the released one?"""
    if read.kind != "code" or target.cell_type != "code":
        return False
    released = {ast.dump(node) for node in top_level(target.source)}
    try:
        return any(
            not isinstance(node, ast.Expr | ast.Pass) and ast.dump(node) not in released
            for node in top_level(read.source)
        )
    except RecursionError:  # an expression that deep is not an exercise of this course
        return False


def _called(target: NotebookNode) -> str:
    """How a sentence speaks of a released cell."""
    if is_test(target):
        return f"check of {_base(target)}"
    return f"cell of {grade_id_of(target)}" if is_solution(target) else "locked cell"


def _base(cell: NotebookNode) -> str:
    return grade_id_of(cell).removesuffix(TEST_SUFFIX)


def _position(placed: list[_Placed], index: int | None) -> int:
    return next(i for i, item in enumerate(placed) if item.index == index)


def _pristine(target: NotebookNode) -> NotebookNode:
    cell = copy.deepcopy(target)
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    else:
        cell.metadata.released = True  # its text is the course's: it may be shown as it is
    return cell


def _scratch(read: ReadCell) -> NotebookNode:
    cell = _NEW[read.kind](read.source)
    cell.id = read.id if _VALID_ID.fullmatch(read.id) else ""
    return cell


def _with_unique_ids(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Cell ids as nbformat wants them: the released cells' own first, the rest made to fit."""
    taken = {cell.id for cell in cells if grade_id_of(cell)}
    counter = 0
    for cell in cells:
        if grade_id_of(cell):
            continue
        if not cell.id or cell.id in taken:
            while f"added-{counter}" in taken:
                counter += 1
            cell.id = f"added-{counter}"
        taken.add(cell.id)
    return cells
