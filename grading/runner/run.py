"""Runs a repaired notebook in a learner's kernel and asks for observations at each check's place.

A pure function of its ``Job``: no database, no answers, so it may run in any process on any
machine. Called by ``grade``; what comes back is data that is judged elsewhere.
"""

import base64
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nbformat import NotebookNode

from course_lib.exercises.checking.wire import WireError, unpack
from grading.errors import Failure
from grading.intake.matching import TEST_SUFFIX, grade_id_of, is_solution, is_test, tags_of
from grading.runner.crash_cause import Doubt, suspects
from grading.runner.kernel import Kernel, KernelEnded, open_kernel
from grading.runner.limits import Limits

_OBSERVE = "__import__('course_lib.exercises.checking.observe', fromlist=['remote'])"
_MODULES = "__import__('sys').modules"
_FORGET = f"[{_MODULES}.pop(n) for n in [*{_MODULES}] if n.startswith('course_lib.exercises')]"


@dataclass(frozen=True)
class Question:
    """What is asked at one test cell. ``payload`` is the packed cases, ``names`` what they need."""

    kind: Literal["exercise", "quiz"]
    name: str
    names: tuple[str, ...]
    payload: bytes = b""
    count: int = 1

    def expression(self, nonce: str, chapter: str) -> str:
        """What the kernel evaluates. ``__import__``, for no name of the learner's is in the way.

        An exercise is observed by modules that are read anew: what a cell put into the loaded ones
        is gone with them.
        """
        if self.kind == "quiz":
            return f"{_OBSERVE}.remote_value({self.name!r}, {nonce!r})"
        payload = base64.b64encode(self.payload).decode()
        arguments = f"{self.name!r}, {payload!r}, {nonce!r}, chapter={chapter!r}"
        return f"[{_FORGET}, {_OBSERVE}.remote({arguments})][1]"


@dataclass(frozen=True)
class Job:
    """All that a run depends on. ``questions`` are by the grade id of the test cell, ``chapter`` is
    the id of theirs."""

    notebook: NotebookNode
    questions: Mapping[str, Question]
    chapter: str = ""
    companions: Mapping[str, bytes] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    sandbox: bool = True
    #: Forked from a process that has imported everything. It changes nothing that is found out.
    warm: bool = True


@dataclass
class RunRecord:
    """What came back: for each question the results, or why there are none; the kept outputs of
    each cell by cell id; sentences about cells that were stopped; whether a limit cut it short."""

    answers: dict[str, list[Any] | Failure] = field(default_factory=dict)
    outputs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    cut_short: bool = False


def run(job: Job) -> RunRecord:
    """Run the notebook; a cell that ends its kernel is left out when the rest runs again.

    Raises ``NoKernel``, a ``Problem``, when no kernel can be had: then nothing is known of the work.
    """
    return _Run(job).record_of_all()


class _Run:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.record = RunRecord()
        self.seconds = job.limits.submission_seconds
        self.left_out: dict[int, Failure] = {}
        self.unfinished: dict[str, list[Any]] = {}
        self.at: int | None = None
        self.doubt: Doubt | None = None
        self.doubted: set[int] = set()
        self.ended_alone = False
        self.began = 0.0
        self.ran: list[int] = []

    def record_of_all(self) -> RunRecord:
        job, reason = self.job, Failure("error", "The kernel was ended too often; not reached.")
        kernels = job.limits.replays + 1
        while kernels > 0:
            self.at, self.ended_alone = None, False
            try:
                with open_kernel(
                    job.companions, job.limits, job.sandbox, self.seconds, job.warm
                ) as kernel:
                    try:
                        self._run_cells(kernel)
                        self._ask_again(kernel)
                    finally:
                        self.seconds = max(0.0, kernel.deadline - time.monotonic())
                    break
            except KernelEnded as ended:
                if self.seconds and self._find_out(ended):
                    continue
                kernels -= 1
                self._blame(ended)
                if self.at is None or not self._open() or not self.seconds:
                    reason = Failure(ended.status, f"Not reached: {ended}.")
                    break
        for grade_id in self._open():
            self.record.answers[grade_id] = self.unfinished.get(grade_id, reason)
        for grade_id, question in job.questions.items():
            self._explain_missing(grade_id, question)
        return self.record

    def _open(self) -> list[str]:
        return [name for name in self.job.questions if name not in self.record.answers]

    def _run_cells(self, kernel: Kernel) -> None:
        self.began, self.ran = time.monotonic(), []
        for index, cell in enumerate(self.job.notebook.cells):
            if not self._open():
                return
            self.at = None
            if self.doubt is not None and index == self.doubt.at:
                kernel.rest(self.doubt.seconds)
                self.ended_alone = True
            if time.monotonic() > kernel.deadline:
                whole = self.job.limits.submission_seconds
                raise KernelEnded("timeout", f"the notebook's time ({whole:g} s) was used up")
            self.at = index
            if is_test(cell):
                self._ask(kernel, grade_id_of(cell))
            elif _runs(cell) and not self._is_left_out(index):
                self.ran.append(index)
                done = kernel.run_cell(cell.source)
                self.record.outputs[cell.id] = done.outputs
                if done.interrupted:
                    self._note_interrupted(index, done.interrupted)
            if self.doubt is not None and index == self.doubt.at:
                self._settle()

    def _is_left_out(self, index: int) -> bool:
        return index in self.left_out or (self.doubt is not None and index in self.doubt.absent)

    # --- questions ----------------------------------------------------------------------------------

    def _ask(self, kernel: Kernel, grade_id: str) -> None:
        question = self.job.questions.get(grade_id)
        if question is None or grade_id in self.record.answers:
            return
        results = self._answer(kernel, question)
        if isinstance(results, list) and _lacks_names(results):
            self.unfinished[grade_id] = results  # what it needs may be defined further down
        else:
            self.record.answers[grade_id] = results

    def _ask_again(self, kernel: Kernel) -> None:
        """Ask at the end what had no definition at its place: the order of cells may be another."""
        for grade_id in self._open():
            self.at = self._index_of(grade_id)
            self.record.answers[grade_id] = self._answer(kernel, self.job.questions[grade_id])

    def _answer(self, kernel: Kernel, question: Question) -> list[Any] | Failure:
        nonce = secrets.token_hex(16)
        text = kernel.ask(question.expression(nonce, self.job.chapter))
        discarded = Failure("error", "No observation of your code came back that could be used.")
        try:
            answer = unpack(base64.b64decode(text))
        except (WireError, ValueError):
            return discarded
        if not isinstance(answer, dict) or set(answer) != {"nonce", "name", "results"}:
            return discarded
        results = answer["results"]
        mine = answer["nonce"] == nonce and answer["name"] == question.name
        if not mine or not isinstance(results, list) or len(results) != question.count:
            return discarded
        return results

    # --- what went wrong ------------------------------------------------------------------------------

    def _find_out(self, ended: KernelEnded) -> bool:
        """Is another run needed to know which cell ended the kernel?"""
        doubt, self.doubt = self.doubt, None
        if ended.status != "error":  # its own time ran out
            return False
        if doubt is None:
            doubt = self._doubt_about(self.at, str(ended).removeprefix("it "))
        elif self.ended_alone or not doubt.next_trial():
            # All was quiet before it ended the kernel; or nobody else could be found.
            self.at, doubt = doubt.at, None
        self.doubt = doubt
        return doubt is not None

    def _doubt_about(self, at: int | None, how: str) -> Doubt | None:
        if at is None or at in self.doubted:
            return None
        self.doubted.add(at)
        cells = self.job.notebook.cells
        before = [(i, cells[i].source, is_solution(cells[i])) for i in self.ran if i < at]
        suspected = suspects(before)
        seconds = time.monotonic() - self.began
        return Doubt.about(at, seconds, how, suspected) if suspected else None

    def _settle(self) -> None:
        """The cell in doubt has run: what was left out for the trial is what ended the kernel."""
        doubt, self.doubt = self.doubt, None
        if doubt is None:
            return
        reason = f"something that it left behind later {doubt.how}"
        for index in sorted(doubt.absent):
            self._leave_out(index, Failure("error", f"Your cell was run, and {reason}."), reason)

    def _blame(self, ended: KernelEnded) -> None:
        """Note what ended the kernel: a cell is left out from now on, a question is answered."""
        if self.at is None:
            self.record.cut_short = True
            return
        cell = self.job.notebook.cells[self.at]
        self.record.cut_short |= ended.status == "timeout"
        if is_test(cell):
            text = f"Your code was called, and {ended}."
            self.record.answers[grade_id_of(cell)] = Failure(ended.status, text)
            return
        stopped = Failure(ended.status, f"Your cell was run, and {ended}.")
        self._leave_out(self.at, stopped, str(ended))

    def _leave_out(self, index: int, stopped: Failure, reason: str) -> None:
        cell = self.job.notebook.cells[index]
        name = grade_id_of(cell)
        self.left_out[index] = stopped
        self.record.outputs[cell.id] = [_note_output(f"This cell was stopped: {reason}.")]
        if is_solution(cell) and name + TEST_SUFFIX in self._open():
            self.record.answers[name + TEST_SUFFIX] = stopped
        what = f"The cell of {name}" if name else f"Cell {index + 1}"
        self.record.notes.append(f"{what} was left out: {reason}.")

    def _note_interrupted(self, index: int, reason: str) -> None:
        cell = self.job.notebook.cells[index]
        name = grade_id_of(cell)
        what = f"The cell of {name}" if name else f"Cell {index + 1}"
        self.record.notes.append(f"{what} was interrupted: {reason}.")
        self.record.cut_short = True
        self.left_out[index] = Failure("timeout", f"Your cell was interrupted: {reason}.")

    def _explain_missing(self, grade_id: str, question: Question) -> None:
        """A name is missing because the cell that would define it was stopped: say that instead."""
        results = self.record.answers[grade_id]
        if isinstance(results, Failure) or not _lacks_names(results):
            return
        for index, stopped in self.left_out.items():
            cell = self.job.notebook.cells[index]
            mine = grade_id_of(cell) == question.name
            if mine or any(name in cell.source for name in question.names):
                self.record.answers[grade_id] = stopped
                return

    def _index_of(self, grade_id: str) -> int:
        cells = self.job.notebook.cells
        return next(i for i, cell in enumerate(cells) if grade_id_of(cell) == grade_id)


def _runs(cell: NotebookNode) -> bool:
    """Learner's code, apart from untouched panels, which cost seconds and which nothing needs, and
    from the last cell, which looks at a file that is not there."""
    skipped = {"panel", "hand-in"} & set(tags_of(cell))
    return cell.cell_type == "code" and not skipped and bool(cell.source.strip())


def _lacks_names(results: list[Any]) -> bool:
    """Was the exercise's name, or one that its code uses, not defined?"""
    for result in results:
        if not isinstance(result, dict):
            return False
        error = result.get("error")
        if result.get("failure") == "missing":
            return True
        if isinstance(error, list) and error[:1] == ["NameError"]:
            return True
    return False


def _note_output(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stderr", "text": text + "\n"}
