"""Hostile and awkward submissions as data, and the batch in which they are graded: chapter 00, each
family between two honest learners.

A ``Case`` says which source goes where, and which points are left. Cases that keep out of each
other's way share a notebook, for most of the time goes into starting kernels.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell
from nbgrader.api import Gradebook

from course_lib.chapters import find_chapter
from grading.classroom import grade_class
from grading.classroom.grade_class import Result, grade_submissions
from grading.classroom.workers import LocalWorkers
from grading.intake.matching import grade_id_of
from grading.intake.released import read_release
from grading.intake.submissions import ORIGINAL_TIME, TIME, submissions
from grading.runner.limits import MIB, Limits

CHAPTER = find_chapter("00")
FULL = {"order_the_beats": 1, "first_bad_step": 2, "q00_1": 1, "q00_2": 1, "q00_3": 1}
RIGHT = {
    "order_the_beats": """
        def order_the_beats():
            return ["forward", "loss", "backward", "step"]
        """,
    "first_bad_step": """
        def first_bad_step(losses, factor=3.0):
            smallest = math.inf
            for step, loss in enumerate(losses):
                if not math.isfinite(loss) or loss > factor * smallest:
                    return step
                if loss < smallest:
                    smallest = loss
            return None
        """,
    "q00_1": 'q00_1 = "D"',
    "q00_2": 'q00_2 = "C"',
    "q00_3": 'q00_3 = "A"',
}
#: Compares with the loss before only: an honest mistake that has a name.
PREVIOUS_ONLY = """
    def first_bad_step(losses, factor=3.0):
        for step, loss in enumerate(losses):
            if not math.isfinite(loss) or step and loss > factor * losses[step - 1]:
                return step
    """
#: What a cell prints that got at something it should not.
REACHED = "REACHED"  # written in two halves where a traceback may show the source
HONEST = ("a-honest", "z-honest")
#: The second has half of an exercise and a question wrong.
HONEST_SCORES = [6.0, 4.0]
SHORT = Limits(
    cell_seconds=15.0,
    exercise_seconds=15.0,
    submission_seconds=150.0,
    interrupt_seconds=1.0,
    memory_bytes=1500 * MIB,
    processes=40,
)

Damage = Callable[[dict[str, Any]], bytes]


@dataclass(frozen=True)
class Case:
    """One hostile or awkward thing.

    ``cells`` maps a place to a source: ``"q00_1"`` is the cell of that name, ``"<q00_1"`` a cell of
    the learner's own before it, ``"q00_1>"`` one behind its check. ``points`` has the items that are
    not full marks (None: whatever it is), ``says`` what a sentence to the learner has to contain. ``damage`` makes the
    file's bytes from the notebook; ``unreadable`` is the reason when nothing can be graded.
    ``beside`` are files in the same folder, or functions that put something there. ``alone``: not
    in one notebook with others.
    """

    name: str
    cells: Mapping[str, str] = field(default_factory=dict)
    points: Mapping[str, float | None] = field(default_factory=dict)
    says: str = ""
    damage: Damage | None = None
    unreadable: str = ""
    beside: Mapping[str, bytes | Callable[[Path], None]] = field(default_factory=dict)
    alone: bool = False

    def items(self) -> set[str]:
        """The items whose cells this case takes."""
        return {place for place in self.cells if place in FULL} | set(self.points)


@dataclass(frozen=True)
class Batch:
    """What a graded batch left behind. ``learner_of`` says in whose notebook a case was."""

    course: Path
    results: Mapping[str, Result]
    learner_of: Mapping[str, str]
    cases_of: Mapping[str, Sequence[Case]]


def notebook_of(release: nbformat.NotebookNode, sources: Mapping[str, str]) -> dict[str, Any]:
    """A submission with set-up, solutions and checks only: quick to run."""
    tree = json.loads(nbformat.writes(release))
    kept = [
        nbformat.from_dict(cell)
        for cell in tree["cells"]
        if cell["metadata"].get("nbgrader") or "setup" in cell["metadata"].get("tags", [])
    ]
    for number, (place, source) in enumerate(sources.items()):
        name, text = place.strip("<>"), dedent(source).strip()
        check = f"{name}__test" if place.endswith(">") else name
        at = next(i for i, cell in enumerate(kept) if grade_id_of(cell) == check)
        if place == name:
            kept[at].source = f"# EXERCISE {name}\n{text}" if not text.startswith("%%") else text
        else:
            kept.insert(at + place.endswith(">"), new_code_cell(text, id=f"own-{number}"))
    tree["cells"] = [dict(cell) for cell in kept]
    return json.loads(json.dumps(tree))


def together(cases: Iterable[Case]) -> list[list[Case]]:
    """Cases by notebook: no two that need the same item, or a place of their own."""
    groups: list[list[Case]] = []
    for case in cases:
        separate = case.alone or case.damage or case.unreadable or case.beside
        for group in groups if not separate else []:
            if _fits(case, group):
                group.append(case)
                break
        else:
            groups.append([case])
    return groups


def _fits(case: Case, group: list[Case]) -> bool:
    if any(other.alone or other.damage or other.beside for other in group):
        return False
    return not any(
        case.items() & other.items() or set(case.cells) & set(other.cells) for other in group
    )


def hand_in(course: Path, learner: str, release: nbformat.NotebookNode, cases: list[Case]) -> None:
    sources = dict(RIGHT)
    for case in cases:
        sources |= case.cells
    tree = notebook_of(release, sources)
    folder = course / "submitted" / learner / CHAPTER.id
    folder.mkdir(parents=True)
    damage = next((case.damage for case in cases if case.damage), _as_it_is)
    (folder / f"{CHAPTER.id}.ipynb").write_bytes(damage(tree))
    for case in cases:
        for name, content in case.beside.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if callable(content):
                content(path)
            else:
                path.write_bytes(content)


def _as_it_is(tree: dict[str, Any]) -> bytes:
    return json.dumps(tree).encode()


def grade_batch(
    course: Path, cases: Sequence[Case], workers: LocalWorkers, limits: Limits = SHORT
) -> Batch:
    """Hand in and grade: the honest learners first and last, the cases between them."""
    release = read_release(course / "release" / CHAPTER.id / f"{CHAPTER.id}.ipynb")
    first, last = HONEST
    hand_in(course, first, release, [])
    hand_in(
        course, last, release, [Case("", {"first_bad_step": PREVIOUS_ONLY, "q00_2": "q00_2='A'"})]
    )
    groups = {f"m-{i:02}": group for i, group in enumerate(together(cases))}
    for learner, group in groups.items():
        hand_in(course, learner, release, group)
    before = files_of(course)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grade_class, "Limits", lambda: limits)
        handed_in = submissions(course / "submitted", CHAPTER)
        graded = list(grade_submissions(CHAPTER, course, handed_in, True, workers))
    after = files_of(course)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert not changed, f"grading changed what was there: {sorted(changed)[:9]}"
    results = {result.learner: result for result in graded}
    learner_of = {case.name: learner for learner, group in groups.items() for case in group}
    return Batch(course, results, learner_of, groups)


def files_of(course: Path) -> dict[str, bytes]:
    """Everything in a course that grading has no business to change. A time that nbgrader would read
    in another way is kept under a name of its own, and counts as where it was."""
    found = {
        path.relative_to(course): path.read_bytes()
        for top in ("submitted", "source", "release", "nbgrader_config.py")
        for path in [course / top, *(course / top).rglob("*")]
        if path.is_file() and not path.is_symlink()
    }
    moved = {path.with_name(TIME): found[path] for path in found if path.name == ORIGINAL_TIME}
    kept = {path: data for path, data in found.items() if path.name != ORIGINAL_TIME} | moved
    return {str(path): data for path, data in kept.items()}


def left_by(course: Path, learner: str) -> dict[str, Any]:
    """What grading makes of a learner: gradebook rows, the graded notebook and the page."""
    graded = course / "autograded" / learner / CHAPTER.id
    page = course / "feedback" / learner / CHAPTER.id
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        notebook = gradebook.find_submission_notebook(CHAPTER.id, CHAPTER.id, learner)
        rows = {
            grade.name: (grade.auto_score, grade.manual_score, grade.needs_manual_grade)
            for grade in notebook.grades
        }
        rows["comments"] = [comment.comment for comment in notebook.comments]
        rows["score"] = notebook.score
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for folder in (graded, page)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return {"rows": rows, "files": files}


def fresh_course(course: Path, target: Path) -> Path:
    shutil.copytree(course, target)
    return target
