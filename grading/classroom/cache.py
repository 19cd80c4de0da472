"""Run records by content hash: what a kernel found out once is not asked again.

Called by ``grade_class``. A record is stored as data (JSON, the observations inside it in the wire
format), never pickled: part of it was written by a submission. Verdicts are not stored here: they
follow from the record and the answers without a kernel.
"""

import base64
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from course_lib.exercises.checking.wire import MAX_BYTES, WireError, pack, unpack
from grading.classroom.versions import digest, run_version
from grading.errors import Failure
from grading.intake.whole_file import write_whole
from grading.runner.run import Job, RunRecord

_UNUSABLE = Failure("error", "No observation of your code came back that could be used.")


def job_key(job: Job) -> str:
    """The hash of everything that a run depends on, the course's own code included."""
    questions = [
        part
        for grade_id, question in job.questions.items()
        for part in (
            json.dumps([grade_id, question.kind, question.name, question.names, question.count]),
            question.payload,
        )
    ]
    companions = [part for name in sorted(job.companions) for part in (name, job.companions[name])]
    setting = json.dumps([asdict(job.limits), job.sandbox, len(job.questions)], sort_keys=True)
    notebook = json.dumps(job.notebook, sort_keys=True)
    return digest(run_version(job.chapter), setting, notebook, *questions, *companions)


def is_final(record: RunRecord) -> bool:
    """Would another run find the same? Not when time ran out: the machine may have been busy."""
    return not record.cut_short and not any(map(_ran_out_of_time, record.answers.values()))


def _ran_out_of_time(answer: list[Any] | Failure) -> bool:
    if isinstance(answer, Failure):
        return answer.status == "timeout"
    return any(isinstance(result, dict) and result.get("failure") == "timeout" for result in answer)


def record_bytes(record: RunRecord) -> bytes:
    """A record as data: what a worker sends back, and what is stored."""
    answers: dict[str, Any] = {}
    for grade_id, answer in record.answers.items():
        try:
            stopped = isinstance(answer, Failure)
            packed = asdict(answer) if stopped else base64.b64encode(pack(answer)).decode()
        except WireError:  # a forged one may unfold to more than it was as bytes
            packed = asdict(_UNUSABLE)
        answers[grade_id] = packed
    tree = {**vars(record), "answers": answers}
    return json.dumps(tree).encode()


def record_from(data: bytes) -> RunRecord:
    """The record that ``record_bytes`` was given. ``ValueError`` when it is none."""
    tree = json.loads(data)
    try:
        answers = {name: _answer_from(answer) for name, answer in tree["answers"].items()}
        return RunRecord(answers, dict(tree["outputs"]), list(tree["notes"]), tree["cut_short"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a run record: {error!r}") from None


def _answer_from(answer: Any) -> list[Any] | Failure:
    if isinstance(answer, dict):
        return Failure(answer["status"], answer["message"])
    try:
        results = unpack(base64.b64decode(answer), 2 * MAX_BYTES)
    except WireError:
        return _UNUSABLE
    return results if isinstance(results, list) else _UNUSABLE


class ResultStore:
    """Results by key, a file each. Whoever kills the grader finds whole files or none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> RunRecord | None:
        """The record stored under ``key``; None when there is none that can be used."""
        try:
            checksum, _, data = self._path(key).read_bytes().partition(b"\n")
            return record_from(data) if checksum.decode() == digest(data) else None
        except (OSError, ValueError):
            return None

    def put(self, key: str, data: bytes) -> None:
        """Store what ``record_bytes`` gave."""
        write_whole(self._path(key), digest(data).encode() + b"\n" + data)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key[2:]
