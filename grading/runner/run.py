"""Runs a repaired notebook in a learner's kernel and asks for observations at each check's place.

A pure function of its ``Job``: no database, no answers, so it may run in any process on any
machine. Called by ``grade``; what comes back is data that is judged elsewhere.
"""

import base64
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from nbformat import NotebookNode

from grading.errors import Failure, Status
from grading.intake.matching import TEST_SUFFIX, grade_id_of, is_solution, is_test, tags_of
from grading.runner.absent import MOST_ABSENT, absent_package, rest_behind
from grading.runner.crash_cause import Attempt, Cell, Trial, next_step
from grading.runner.kernel import Kernel, KernelEnded, open_kernel
from grading.runner.limits import Limits
from grading.runner.replies import Reply, replies_from

#: How long a run without demonstrations may take: of the time for a submission, and in seconds.
_QUICK_SHARE, _QUICK_SECONDS = 0.25, 30.0
UNUSABLE = Failure("error", "No observation of your code came back that could be used.")
_OBSERVE = "__import__('course_lib.exercises.checking.observe', fromlist=['remote'])"
_MODULES = "__import__('sys').modules"
_FORGET = f"[{_MODULES}.pop(n) for n in [*{_MODULES}] if n.startswith('course_lib.exercises')]"


@dataclass(frozen=True)
class Query:
    """What is asked at one test cell. ``payload`` is the packed cases, ``names`` what they need."""

    kind: Literal["exercise", "quiz"]
    name: str
    names: tuple[str, ...]
    payload: bytes = b""
    count: int = 1

    def expression(self, nonce: str, chapter: str) -> str:
        """What the kernel evaluates. ``__import__``, for no name of the learner's is in the way.

        An exercise is observed by freshly imported modules: what a cell put into the loaded ones
        is gone with them.
        """
        if self.kind == "quiz":
            return f"{_OBSERVE}.remote_value({self.name!r}, {nonce!r})"
        payload = base64.b64encode(self.payload).decode()
        arguments = f"{self.name!r}, {payload!r}, {nonce!r}, chapter={chapter!r}"
        return f"[{_FORGET}, {_OBSERVE}.remote({arguments})][1]"


@dataclass(frozen=True)
class Job:
    """All that a run depends on. ``queries`` are by the grade id of the test cell, ``chapter`` is
    the id of theirs. ``demonstrations`` are cells that nothing needs, by index, with what of each is run
    all the same."""

    notebook: NotebookNode
    queries: Mapping[str, Query]
    chapter: str = ""
    companions: Mapping[str, bytes] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    sandbox: bool = True
    demonstrations: Mapping[int, str] = field(default_factory=dict)
    #: Forked from a process that has imported everything. It changes nothing that is found out.
    warm: bool = True


class RunRecord(msgspec.Struct):
    """What came back: for each query a reply a case, or why there are none; the kept outputs of
    each cell by cell id; sentences about cells that were stopped; whether a limit cut it short.

    It crosses processes and machines, and is stored, as ``packed`` data: part of it was written by a
    submission.
    """

    answers: dict[str, list[Reply] | Failure] = {}
    outputs: dict[str, list[dict[str, Any]]] = {}
    notes: list[str] = []
    cut_short: bool = False

    def packed(self) -> bytes:
        return msgspec.msgpack.encode(self)

    @classmethod
    def unpacked(cls, data: bytes) -> "RunRecord":
        """The record that ``packed`` gave. ``ValueError`` when it is none."""
        try:
            return msgspec.msgpack.decode(data, type=cls)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise ValueError(f"not a run record: {error}") from None

    @property
    def is_final(self) -> bool:
        """Would another run find the same? Not when time ran out: the machine may have been busy."""
        return not self.cut_short and not any(
            answer.status == "timeout"
            if isinstance(answer, Failure)
            else any(reply.failure == "timeout" for reply in answer)
            for answer in self.answers.values()
        )


def run(job: Job) -> RunRecord:
    """Run the notebook; a cell that ends its kernel is left out when the rest runs again.

    At first demonstrations are left out. That counts if nothing raised, stopped or took long: what a learner's
    code does where a name is missing that a demonstration would have bound, it does in another run, of all cells.

    Raises ``NoKernel``, a ``Problem``, when no kernel can be started: then nothing is known about the work.
    """
    if job.demonstrations:
        record = _Run(job, job.demonstrations).record_without_trouble()
        if record is not None:
            return record
    return _Run(job).record_of_all()


class _Trouble(Exception):
    """A run without demonstrations is not to be gone on with."""


class _Run:
    def __init__(self, job: Job, left_out: Mapping[int, str] | None = None) -> None:
        self.job, self.cells = job, job.notebook.cells
        self.demonstrations = left_out or {}
        self.record = RunRecord()
        self.seconds = job.limits.submission_seconds
        self.left_out: dict[int, Failure] = {}
        self.unfinished: dict[str, list[Reply]] = {}

    def record_without_trouble(self) -> RunRecord | None:
        """The record of one quick run in which nothing raised; None when there is none."""
        self.seconds = min(self.seconds * _QUICK_SHARE, _QUICK_SECONDS)
        try:
            ran = self._ran_to_the_end(Attempt())
        except _Trouble:
            return None
        return self.record if ran and not self._open() else None

    def record_of_all(self) -> RunRecord:
        reason = Failure("error", "Not reached: too many cells ended the kernel.")
        sources = [Cell(cell.source, is_solution(cell)) for cell in self.cells]
        history: list[Attempt] = []
        kernels, trial = self.job.limits.replays + 1, None
        while kernels > 0:
            attempt = Attempt(trial)
            if self._ran_to_the_end(attempt):
                break
            history.append(attempt)
            step = next_step(history, sources) if self.seconds else attempt.at
            if isinstance(step, Trial):
                trial = step
                continue
            kernels, trial = kernels - 1, None
            self._blame(step, attempt)
            if step is None or not self._open() or not self.seconds:
                reason = Failure(attempt.status, f"Not reached: {attempt.how}.")
                break
        for grade_id in self._open():
            self.record.answers[grade_id] = self.unfinished.get(grade_id, reason)
        for grade_id, query in self.job.queries.items():
            self._explain_missing(grade_id, query)
        return self.record

    def _open(self) -> list[str]:
        return [name for name in self.job.queries if name not in self.record.answers]

    def _ran_to_the_end(self, attempt: Attempt) -> bool:
        job, began = self.job, time.monotonic()
        try:
            with open_kernel(
                job.companions, job.limits, job.sandbox, self.seconds, job.warm
            ) as kernel:
                began = time.monotonic()
                try:
                    self._run_cells(kernel, attempt)
                    self._ask_again(kernel, attempt)
                finally:
                    self.seconds = max(0.0, kernel.deadline - time.monotonic())
        except KernelEnded as ended:
            attempt.status, attempt.how = ended.status, str(ended)
            attempt.seconds = time.monotonic() - began
            return False
        return True

    def _run_cells(self, kernel: Kernel, attempt: Attempt) -> None:
        for index, cell in enumerate(self.cells):
            if not self._open():
                return
            attempt.at, trial = None, attempt.trial
            in_doubt = trial is not None and index == trial.at
            if in_doubt:
                kernel.rest(trial.seconds)
                attempt.reached = True
            if time.monotonic() > kernel.deadline:
                whole = self.job.limits.submission_seconds
                raise KernelEnded("timeout", f"the notebook's time ({whole:g} s) was used up")
            attempt.at = index
            absent = index in self.left_out or (trial is not None and index in trial.absent)
            if is_test(cell):
                self._ask(kernel, grade_id_of(cell))
            elif index in self.demonstrations:
                if self.demonstrations[index]:
                    kernel.run_cell(self.demonstrations[index])
            elif _runs(cell) and not absent:
                attempt.ran.append(index)
                self._run_cell(kernel, index)
            if in_doubt:
                attempt.trial = None
                reason = f"something that it left behind later {trial.how}"
                for guilty in sorted(trial.absent):
                    self._leave_out(guilty, "error", reason)

    def _run_cell(self, kernel: Kernel, index: int) -> None:
        """Run a cell; where it stops at a package that is not here, also what follows its import."""
        cell, absent = self.cells[index], []
        rest: str | None = cell.source
        outputs = self.record.outputs[cell.id] = []
        while rest is not None:
            shown, interrupted = kernel.run_cell(rest)
            outputs += shown
            if self.demonstrations and (interrupted or _raised(shown)):
                raise _Trouble
            if interrupted:
                self.record.notes.append(f"{self._called(index)} was interrupted: {interrupted}.")
                self.record.cut_short = True
                reason = f"Your cell was interrupted: {interrupted}."
                self.left_out[index] = Failure("timeout", reason)
                break
            package = absent_package(shown)
            rest = rest_behind(rest, package) if package and len(absent) < MOST_ABSENT else None
            absent += [package] if rest is not None else []
        if absent:
            names = ", ".join(dict.fromkeys(absent))
            self.record.notes.append(
                f"{self._called(index)} imports {names}, which grading does not have: that line "
                "was left out, and what needs it does not work."
            )

    # --- queries ----------------------------------------------------------------------------------

    def _ask(self, kernel: Kernel, grade_id: str) -> None:
        query = self.job.queries.get(grade_id)
        if query is None or grade_id in self.record.answers:
            return
        replies = self._answer(kernel, query)
        if self.demonstrations and not _nothing_raised(replies):
            raise _Trouble
        if isinstance(replies, list) and _lacks_names(replies):
            self.unfinished[grade_id] = replies  # what it needs may be defined further down
        else:
            self.record.answers[grade_id] = replies

    def _ask_again(self, kernel: Kernel, attempt: Attempt) -> None:
        """Ask at the end what had no definition at its place: the order of cells may be another."""
        for grade_id in self._open():
            attempt.at = [grade_id_of(cell) for cell in self.cells].index(grade_id)
            self.record.answers[grade_id] = self._answer(kernel, self.job.queries[grade_id])

    def _answer(self, kernel: Kernel, query: Query) -> list[Reply] | Failure:
        nonce = secrets.token_hex(16)
        text = kernel.ask(query.expression(nonce, self.job.chapter))
        replies = replies_from(text, nonce, query.name, query.count)
        return UNUSABLE if replies is None else replies

    # --- what went wrong ------------------------------------------------------------------------------

    def _blame(self, index: int | None, attempt: Attempt) -> None:
        """Note what ended the kernel: a cell is left out from now on, a query is answered."""
        self.record.cut_short |= index is None or attempt.status == "timeout"
        if index is None:
            return
        cell = self.cells[index]
        if is_test(cell):
            text = f"Your code was called, and {attempt.how}."
            self.record.answers[grade_id_of(cell)] = Failure(attempt.status, text)
        else:
            self._leave_out(index, attempt.status, attempt.how)

    def _leave_out(self, index: int, status: Status, reason: str) -> None:
        cell = self.cells[index]
        name = grade_id_of(cell)
        failure = self.left_out[index] = Failure(status, f"Your cell was run, and {reason}.")
        note = f"This cell was stopped: {reason}.\n"
        self.record.outputs[cell.id] = [{"output_type": "stream", "name": "stderr", "text": note}]
        if is_solution(cell) and name + TEST_SUFFIX in self._open():
            self.record.answers[name + TEST_SUFFIX] = failure
        self.record.notes.append(f"{self._called(index)} was left out: {reason}.")

    def _called(self, index: int) -> str:
        name = grade_id_of(self.cells[index])
        return f"The cell of {name}" if name else f"Cell {index + 1}"

    def _explain_missing(self, grade_id: str, query: Query) -> None:
        """A name is missing because the cell that would define it was stopped: say that instead."""
        replies = self.record.answers[grade_id]
        if isinstance(replies, Failure) or not _lacks_names(replies):
            return
        for index, failure in self.left_out.items():
            cell = self.cells[index]
            mine = grade_id_of(cell) == query.name
            if mine or any(name in cell.source for name in query.names):
                self.record.answers[grade_id] = failure
                return


def _runs(cell: NotebookNode) -> bool:
    """Learner's code, apart from untouched panels, which cost seconds and which nothing needs, and
    from the last cell, which looks at a file that is not there."""
    skipped = {"panel", "hand-in"} & set(tags_of(cell))
    return cell.cell_type == "code" and not skipped and bool(cell.source.strip())


def _lacks_names(replies: list[Reply]) -> bool:
    return any(reply.lacks_a_name for reply in replies)


def _raised(outputs: Sequence[Mapping[str, Any]]) -> bool:
    return any(output["output_type"] == "error" for output in outputs)


def _nothing_raised(replies: list[Reply] | Failure) -> bool:
    """A stub that says it is not written needs no name."""
    return isinstance(replies, list) and all(
        not reply.failure and reply.error in ("", "NotImplementedError") for reply in replies
    )
