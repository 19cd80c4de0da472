"""Writes outcomes into nbgrader: gradebook, ``autograded/`` and ``feedback/``. Called by ``grade``.

nbgrader's own conversion does the work, with one step of ours in place of executing the notebook;
so formgrader, comments, manual scores, late penalties and ``export`` are nbgrader's own.
"""

import contextlib
import logging
import math
import re
import shutil
import warnings
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import nbformat
from nbconvert.preprocessors import Preprocessor
from nbconvert.writers import FilesWriter
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_output
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.converters.base import BaseConverter, NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    LimitOutput,
    SaveAutoGrades,
)
from sqlalchemy.exc import SAWarning
from traitlets.config import Config

from grading.errors import Problem
from grading.intake.matching import grade_id_of, is_test
from grading.intake.submissions import SECRET, TIME
from grading.judging.outcomes import NotebookOutcome
from grading.nbgrader.course import feedback_page, step_folder
from grading.nbgrader.gradebook import open_gradebook
from grading.nbgrader.locks import wait_for_gradebook
from grading.nbgrader.pages import PageExporter
from grading.nbgrader.reasons import LoggedErrors, reason_of
from grading.nbgrader.verdict import summary_html, verdict_html

STAGING = "staging"
#: How much of what a learner wrote is shown, in characters.
_SHOWN_OF_CELL = 20_000
_SHOWN_OF_NOTEBOOK = 200_000

# nbgrader's gradebook is written for SQLAlchemy 1: harmless, and a screenful per learner.
warnings.filterwarnings("ignore", category=SAWarning, module=r"nbgrader\.")


class ApplyOutcomes(Preprocessor):
    """Gives each test cell its one output: the points, which nbgrader records as partial credit,
    and the verdict, which the learner reads."""

    def __init__(self, outcome: NotebookOutcome, **settings) -> None:
        super().__init__(enabled=True, **settings)
        self.items = {item.grade_id: item for item in outcome.items}
        self.outcome = outcome

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        graded = [cell for cell in nb.cells if is_test(cell)]
        if sorted(map(grade_id_of, graded)) != sorted(self.items):
            raise ValueError("the verdicts do not fit the notebook's checks")
        for cell in graded:
            item = self.items[grade_id_of(cell)]
            maximum = float(cell.metadata.nbgrader.points)
            # nbgrader takes nan, a negative number or no output at all for full marks.
            if not (math.isfinite(item.score) and 0 <= item.score <= maximum):
                raise ValueError(f"{item.grade_id}: a score of {item.score} out of {maximum}")
            data = {"text/plain": repr(float(item.score)), "text/html": verdict_html(item)}
            cell.outputs = [new_output("execute_result", data)]
        nb.cells.insert(0, new_markdown_cell(summary_html(self.outcome), id="graded-summary"))
        return nb, resources


class _OneNotebook(BaseConverter):
    """For exactly one notebook, by its path: a learner's folder may be called ``[a-z]*``."""

    def init_notebooks(self) -> None:
        assignment = self.coursedir.assignment_id
        folder = self._format_source(assignment, self.learner)
        self.assignments = {folder: [str(Path(folder) / f"{assignment}.ipynb")]}


class _WriteOutcomes(_OneNotebook, Autograde):
    """``nbgrader autograde`` from staging, without executing anything."""

    def __init__(self, learner: str, outcome: NotebookOutcome, **settings) -> None:
        super().__init__(**settings)
        self.learner, self.outcome = learner, outcome
        self.force = True

    start = BaseConverter.start  # ``takeover`` has replaced that of ``Autograde``

    @property
    def _input_directory(self) -> str:
        return STAGING

    def convert_single_notebook(self, notebook_filename: str) -> None:
        self.exporter.optimistic_validation = True  # once, and not after each step
        self.exporter._preprocessors = []
        self.exporter.register_preprocessor(ApplyOutcomes(self.outcome))
        for step in (LimitOutput, SaveAutoGrades, AssignLatePenalties, CheckCellMetadata):
            self.exporter.register_preprocessor(step)
        super(Autograde, self).convert_single_notebook(notebook_filename)


class _WriteFeedback(_OneNotebook, GenerateFeedback):
    """``nbgrader generate_feedback`` for exactly one notebook at a time."""

    def __init__(self, **settings) -> None:
        super().__init__(**settings)
        self.force = True
        self.exporter = PageExporter(parent=self, config=self.config, optimistic_validation=True)
        for step in self.preprocessors:
            self.exporter.register_preprocessor(step)

    def start_for(self, learner: str, coursedir: CourseDirectory) -> None:
        """Make the page of ``learner``, whose folders ``coursedir`` has."""
        self.learner, self.coursedir = learner, coursedir
        self.init_notebooks()
        self.writer = FilesWriter(parent=self, config=self.config)
        with contextlib.chdir(self.coursedir.root):
            self.convert_notebooks()


class Writer:
    """Writes the outcomes of one assignment of a course; ``config`` is ``load_course``'s."""

    def __init__(self, course: Path, config: Config, assignment: str) -> None:
        self.course, self.config, self.assignment = course.resolve(), config, assignment
        self.log = logging.getLogger("grading.nbgrader")
        self.log.setLevel(logging.ERROR)
        self.log.propagate = False

    def get_ready(self, release: NotebookNode) -> None:
        """Do beforehand what the first page would wait for."""
        self._pages.exporter.get_ready(release)

    def begin(self, learner: str, timestamp: str | None) -> None:
        """Before an attempt: the automatic scores and the pages of an earlier one are gone, whatever
        happens next. Manual scores and comments stay."""
        for step in (STAGING, "autograded", "feedback"):
            _remove(self._folder(step, learner))
        with open_gradebook(self.config) as gradebook:
            gradebook.update_or_create_student(learner)
            # Also when it is unknown: the time of an earlier attempt is not this one's.
            submission = gradebook.update_or_create_submission(
                self.assignment, learner, timestamp=timestamp
            )
            for notebook in submission.notebooks:
                notebook.late_submission_penalty = None
                for grade in notebook.grades:
                    grade.auto_score = None
                    grade.needs_manual_grade = True
            gradebook.db.commit()

    def write(
        self,
        learner: str,
        notebook: NotebookNode,
        outcome: NotebookOutcome,
        timestamp: str | None,
        secret: str = "",
    ) -> None:
        """Into the gradebook and ``autograded/``. ``secret`` is that of the submission, by which
        ``nbgrader fetch_feedback`` finds its page. ``Problem`` when nbgrader refuses."""
        folder = self.stage(learner)
        nbformat.write(_safe_to_show(notebook), folder / f"{outcome.notebook}.ipynb")
        # Without one of them ``nbgrader release_feedback`` releases no page at all.
        (folder / TIME).write_text(timestamp or "", encoding="utf-8")
        (folder / SECRET).write_text(secret, encoding="utf-8")
        coursedir = self._coursedir(learner)
        converter = _WriteOutcomes(
            learner, outcome, coursedir=coursedir, config=self.config, log=self.log
        )
        with self._explained(coursedir, learner):
            converter.start()

    def feedback(self, learner: str) -> Path:
        """Make the feedback page; its path."""
        coursedir = self._coursedir(learner)
        with self._explained(coursedir, learner):
            self._pages.start_for(learner, coursedir)
        return feedback_page(self.config, learner, self.assignment)

    def stage(self, learner: str) -> Path:
        """The folder between submission and gradebook."""
        folder = self._folder(STAGING, learner)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def set_aside(self, learner: str, data: bytes, reason: str) -> None:
        """Keep what could not be read, with the reason beside it."""
        folder = self.stage(learner)
        (folder / f"{self.assignment}.unreadable").write_bytes(data)
        (folder / "reason.txt").write_text(reason + "\n", encoding="utf-8")

    def _folder(self, step: str, learner: str) -> Path:
        return step_folder(self.config, step, learner, self.assignment)

    def _coursedir(self, learner: str) -> CourseDirectory:
        named = {"student_id": learner, "assignment_id": self.assignment}
        return CourseDirectory(config=self.config, log=self.log, **named)

    @cached_property
    def _pages(self) -> _WriteFeedback:
        coursedir = CourseDirectory(config=self.config, log=self.log)
        return _WriteFeedback(coursedir=coursedir, config=self.config, log=self.log)

    @contextlib.contextmanager
    def _explained(self, coursedir: CourseDirectory, learner: str) -> Iterator[None]:
        """Wait for the gradebook first; ``Problem`` with the reason where nbgrader refuses."""
        errors = LoggedErrors()
        wait_for_gradebook(coursedir.db_url)
        self.log.addHandler(errors)
        try:
            yield
        except (NbGraderException, SystemExit, OSError) as error:
            # nbgrader logs the reason as a traceback and raises a reference to it.
            reason = errors.reason or reason_of(error)
            raise Problem(f"nbgrader could not write the result of {learner}: {reason}") from None
        finally:
            self.log.removeHandler(errors)


def _safe_to_show(notebook: NotebookNode) -> NotebookNode:
    """A learner's own Markdown as plain text: raw HTML in it would run in the instructor's browser.

    The released notebook's own cells keep their look; attachments are not kept at all.
    """
    shown = nbformat.from_dict(notebook)
    left = _SHOWN_OF_NOTEBOOK
    for cell in shown.cells:
        cell.pop("attachments", None)
        if not (is_test(cell) or cell.metadata.get("released")):
            cell.source = _cut(cell.source, max(0, min(left, _SHOWN_OF_CELL)))
            left -= len(cell.source)
        if cell.cell_type != "code" and not cell.metadata.get("released"):
            fence = "~" * (3 + max(map(len, re.findall("~+", cell.source)), default=0))
            cell.cell_type = "markdown"
            cell.source = f"{fence}text\n{cell.source}\n{fence}"
        cell.metadata.pop("released", None)
    return shown


def _cut(source: str, most: int) -> str:
    """Colouring a megabyte of code takes the page's maker minutes and gigabytes."""
    if len(source) <= most:
        return source
    rest = f"{len(source) - most} more characters are in the submitted file"
    return f"{source[:most]}\n# ... {rest} ..."


def _remove(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink():
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                path.chmod(0o644)  # nbgrader leaves read-only files behind
        shutil.rmtree(folder)
