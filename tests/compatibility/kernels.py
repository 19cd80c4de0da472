"""Runs a notebook in another environment's kernel, driven by the client of this one."""

import os
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

CELL_TIMEOUT = 180


class _OtherInterpreter(KernelSpecManager):
    """Knows one kernel: that of the interpreter ``python``."""

    python = ""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [self.python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python", language="python")


def execute_there(notebook: NotebookNode, python: Path, folder: Path) -> None:
    """Run all cells in ``folder``; a cell that raises and is not tagged for it stops the test.

    The kernel sees nothing of this repository: the course is what is installed there.
    """
    specs = _OtherInterpreter()
    specs.python = str(python)
    hidden = ("PYTHONPATH", "VIRTUAL_ENV", "JPY_SESSION_NAME")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"COURSE_HOME": str(folder / "home"), "IPYTHONDIR": str(folder / "ipython")}
    client = NotebookClient(
        notebook,
        km=AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs),
        timeout=CELL_TIMEOUT,
        store_widget_state=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
    client.execute(env=environment)


def plain_text(cell: NotebookNode) -> str:
    """What the cell shows in words."""
    parts = []
    for output in cell.get("outputs", []):
        parts.append(output.get("text") or output.get("data", {}).get("text/plain", ""))
    return "\n".join(parts)
