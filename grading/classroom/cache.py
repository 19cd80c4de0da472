"""Run records by content hash: what a kernel found out once is not asked again.

Called by ``grade_class``. Verdicts are not stored here: they follow from the record and the answers
without a kernel.
"""

import json
from pathlib import Path

import msgspec

from grading.classroom.versions import digest, run_version
from grading.intake.whole_file import write_whole
from grading.runner.run import Job, RunRecord


def job_key(job: Job) -> str:
    """The hash of everything that a run depends on, the course's own code included."""
    settings = msgspec.msgpack.encode(
        (job.limits, job.sandbox, dict(job.queries), dict(job.demonstrations))
    )
    notebook = json.dumps(job.notebook, sort_keys=True)
    companions = [part for pair in sorted(job.companions.items()) for part in pair]
    return digest(run_version(job.chapter), settings, notebook, *companions)


class ResultStore:
    """Results by key, a file each. Whoever kills the grader finds whole files or none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> RunRecord | None:
        """The record stored under ``key``; None when there is none that can be used."""
        try:
            checksum, _, data = self._path(key).read_bytes().partition(b"\n")
            return RunRecord.unpacked(data) if checksum.decode() == digest(data) else None
        except (OSError, ValueError):
            return None

    def put(self, key: str, data: bytes) -> None:
        """Store a packed record."""
        write_whole(self._path(key), digest(data).encode() + b"\n" + data)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key[2:]
