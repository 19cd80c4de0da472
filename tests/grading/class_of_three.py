"""A class of three in the smallest chapter: one right, one with two mistakes, one who wrote nothing."""

from pathlib import Path

import nbformat

from course_lib.chapters import find_chapter
from grading.authoring.release import release
from grading.classroom.grade_class import grade_submissions
from grading.classroom.results import Result
from grading.intake.matching import grade_id_of, is_solution
from grading.intake.released import read_release
from grading.intake.submissions import submissions
from grading.paths import solved_notebook
from tests.grading.handing_in import as_bytes

CHAPTER = find_chapter("00")
WRONG = {
    "order_the_beats": 'return ["loss", "forward", "backward", "step"]',
    "q00_1": 'q00_1 = "A"',
}
POINTS = {"ann": 6.0, "bob": 4.0, "cleo": 0.0}


def hand_in_class(course: Path) -> None:
    """Make ``course`` a course directory in which the three handed in and nothing is graded."""
    release([CHAPTER.id], course, notebooks_folder=None)
    released = read_release(course / "release" / CHAPTER.id / f"{CHAPTER.id}.ipynb")
    solved = nbformat.read(solved_notebook(CHAPTER), as_version=4)
    sources = {grade_id_of(cell): cell.source for cell in solved.cells if is_solution(cell)}
    for learner in POINTS:
        notebook = nbformat.from_dict(released)
        for cell in notebook.cells:
            name = grade_id_of(cell)
            if learner == "cleo" or name not in sources:
                continue
            cell.source = sources[name]
            if learner == "bob" and name in WRONG:
                head = cell.source.partition("    ### BEGIN")[0] if "return" in WRONG[name] else ""
                cell.source = f"{head}    {WRONG[name]}" if head else WRONG[name]
        folder = course / "submitted" / learner / CHAPTER.id
        folder.mkdir(parents=True)
        (folder / f"{CHAPTER.id}.ipynb").write_bytes(as_bytes(notebook))


def grade(course: Path, workers=None) -> dict[str, Result]:
    """Grade the class: the results by learner."""
    found = submissions(course / "submitted", CHAPTER)
    results = grade_submissions(CHAPTER, course, found, workers=workers)
    return {result.learner: result for result in results}
