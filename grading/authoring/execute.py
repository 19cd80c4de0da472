"""Runs a solved notebook in a fresh kernel and makes its outputs the same at every run.
Called by ``build``."""

import base64
import os
import re
import struct
import tempfile
from pathlib import Path
from threading import Event

from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode, from_dict

from grading.authoring.expand import KEPT_METADATA, KERNEL_METADATA
from grading.errors import Problem
from grading.paths import REPOSITORY

#: Seconds for one cell; the slowest of the course needs a tenth of it.
CELL_TIMEOUT = 180
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,16}\b")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Chunks that name the software and the time; nothing of the picture is in them.
_PNG_REMARKS = (b"tEXt", b"iTXt", b"zTXt", b"tIME", b"eXIf")


class RunningInterpreter(KernelSpecManager):
    """Knows one kernel: the Python that is running, whatever kernels are registered on the machine."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(**get_kernel_dict())


def execute_notebook(
    notebook: NotebookNode, folder: Path, name: str, stop: Event | None = None
) -> None:
    """Run all cells of ``notebook`` in ``folder`` and store their outputs in it, cleaned.

    ``name`` is the chapter, for messages. ``Problem`` when a cell raises that is not tagged for it,
    takes too long, or kills the kernel, and before the next cell once ``stop`` is set.
    """
    where = _describe(notebook.cells[0], 0)

    def remember(cell: NotebookNode, cell_index: int) -> None:
        nonlocal where
        where = _describe(cell, cell_index)
        if stop is not None and stop.is_set():
            raise Problem(f"{name}: stopped at {where}")

    with tempfile.TemporaryDirectory(prefix="build-") as profile:
        client = NotebookClient(
            notebook,
            km=AsyncKernelManager(kernel_name="python3", kernel_spec_manager=RunningInterpreter()),
            timeout=CELL_TIMEOUT,
            record_timing=False,
            store_widget_state=False,
            coalesce_streams=True,
            resources={"metadata": {"path": str(folder)}},
            extra_arguments=["--IPKernelApp.log_level=ERROR"],  # it warns of plain local sockets
            on_cell_execute=remember,
        )
        try:
            client.execute(env=_environment(profile))
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            raise Problem(f"{name}, {where}: {_reason(error)}") from None
    clean_outputs(notebook)


def _environment(profile: str) -> dict[str, str]:
    """The kernel's: it imports this repository, reads no personal start-up files and leaves the record
    of checks that the person who builds may have as a learner alone."""
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "IPYTHONDIR": profile, "COURSE_HOME": profile}


def _describe(cell: NotebookNode, index: int) -> str:
    lines = [line for line in cell.source.split("\n") if line.strip()]
    first = lines[0].strip() if lines else "empty"
    return f"cell {index + 1} ({cell.id}), which starts with {first!r}"


def _reason(error: Exception) -> str:
    if isinstance(error, CellExecutionError):
        return " ".join(f"{error.ename}: {error.evalue}".split())
    if isinstance(error, CellTimeoutError):
        return f"still running after {CELL_TIMEOUT} s."
    return "it killed the kernel."


def clean_outputs(notebook: NotebookNode) -> None:
    """Drop or settle whatever differs between two runs that show the same: widget ids, widget
    state, object addresses, software names in pictures, the kernel's patch version."""
    kept = {name: notebook.metadata[name] for name in KEPT_METADATA if name in notebook.metadata}
    notebook.metadata = from_dict(KERNEL_METADATA | kept)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        if "hand-in" in cell.metadata.get("tags", []):
            cell.outputs = []  # what it says depends on the file beside it
        cell.metadata.pop("execution", None)
        for output in cell.outputs:
            if "data" in output:
                output.data.pop(WIDGET_VIEW, None)
                for kind, value in output.data.items():
                    output.data[kind] = _settle(kind, value)
            elif output.output_type == "stream":
                output.text = _ADDRESS.sub("at 0x0", output.text)
            elif output.output_type == "error":
                output.traceback = [_ADDRESS.sub("at 0x0", line) for line in output.traceback]
        cell.outputs = [output for output in cell.outputs if output.get("data") != {}]


def _settle(kind: str, value):
    if kind == "image/png":
        return base64.b64encode(strip_png_remarks(base64.b64decode(value))).decode("ascii")
    return _ADDRESS.sub("at 0x0", value) if isinstance(value, str) else value


def strip_png_remarks(png: bytes) -> bytes:
    """The same picture without its text and time chunks."""
    if not png.startswith(_PNG_SIGNATURE):
        return png
    kept = [_PNG_SIGNATURE]
    position = len(_PNG_SIGNATURE)
    while position + 12 <= len(png):
        (length,) = struct.unpack(">I", png[position : position + 4])
        end = position + 12 + length
        if png[position + 4 : position + 8] not in _PNG_REMARKS:
            kept.append(png[position:end])
        position = end
    return b"".join(kept)
