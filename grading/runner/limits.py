"""The limits of one submission, in one place. Read by ``sandbox``, ``kernel`` and ``run``."""

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """Times in seconds of wall time, sizes in bytes. The time of one case is observe.py's."""

    start_seconds: float = 120.0
    cell_seconds: float = 60.0
    exercise_seconds: float = 60.0
    submission_seconds: float = 300.0
    #: How long an interrupted cell may take to stop before its kernel is ended.
    interrupt_seconds: float = 3.0
    #: Kernels that one submission may use up; each is started again without the cell that ended it.
    replays: int = 5

    #: Memory of all processes of a submission together, its temporary files included.
    memory_bytes: int = 4096 * MIB
    processes: int = 256
    #: Of one process; a socket holds memory that belongs to no process.
    open_files: int = 1024
    file_bytes: int = 64 * MIB
    temporary_bytes: int = 256 * MIB
    companion_bytes: int = 20 * MIB

    #: What is kept of the outputs of a cell and of a notebook.
    cell_text_bytes: int = 100_000
    cell_outputs: int = 100
    notebook_outputs: int = 1_000
    picture_bytes: int = 2 * MIB
    notebook_output_bytes: int = 10 * MIB

    #: The largest message that is read from a kernel.
    message_bytes: int = 32 * MIB
