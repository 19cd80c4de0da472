"""``python -m course_lib lab``: JupyterLab on the learner's copies, without pop-ups.

The server runs in this process, so that the address can be printed once the port is its own.
"""

import json
import os
import secrets
import sys
from pathlib import Path

from course_lib.app import workspace
from course_lib.errors import Problem

#: The course's defaults, below the learner's own settings: a Markdown file opens as a page.
_SETTINGS = {
    "default_setting_overrides": {
        "@jupyterlab/docmanager-extension:plugin": {
            "defaultViewers": {"markdown": "Markdown Preview"},
        },
    },
    # No question about news, no call to rebuild, no instructor's tools.
    "page_config": {
        "buildAvailable": False,
        "buildCheck": False,
        "disabledExtensions": {
            "@jupyterlab/apputils-extension:announcements": True,
            "@jupyter/nbgrader": True,
        },
    },
}

#: Installed with nbgrader, they complain at each start that the learner's folder is not a course.
_NO_INSTRUCTORS_TOOLS = {
    f"nbgrader.server_extensions.{name}": False
    for name in ("formgrader", "validate_assignment", "assignment_list", "course_list")
}


def open_lab(folder: Path = workspace.MY_COURSE, browser: bool = True, port: int = 8888) -> int:
    """Prepare the learner's ``folder`` and serve it until stopped; returns the exit status."""
    folder = folder.expanduser().resolve()
    try:
        from jupyter_server.serverapp import list_running_servers
        from jupyterlab.labapp import LabApp
    except ImportError as error:
        raise Problem(
            f"JupyterLab is not installed here ({error.name} is missing): run `make learn`, or "
            'pip install -c constraints.txt -e ".[lab]"'
        ) from error

    for note in workspace.prepare(mine=folder):
        print(f"note: {note}")
    running = [server for server in list_running_servers() if server["root_dir"] == str(folder)]
    if running:
        print(_announcement(f"{running[0]['url']}lab?token={running[0]['token']}"))
        print("It was started before and is still running.")
        return 0

    browser = browser and has_display()
    private = folder / workspace.PRIVATE
    _write_settings(private)
    _write_kernel(private)
    _put_this_python_first()
    _write_first_layout(private / "workspaces", workspace.first_chapter(folder))
    token = secrets.token_hex(24)
    server = LabApp.initialize_server(
        argv=[
            f"--ServerApp.root_dir={folder}",
            f"--ServerApp.port={port}",
            f"--ServerApp.open_browser={browser}",
            f"--ServerApp.allow_root={hasattr(os, 'geteuid') and os.geteuid() == 0}",
            f"--IdentityProvider.token={token}",
            "--Application.log_level=ERROR",
            f"--LabApp.workspaces_dir={private / 'workspaces'}",
            "--LabApp.extension_manager=readonly",
            f"--ServerApp.jpserver_extensions={_NO_INSTRUCTORS_TOOLS}",
        ]
    )

    def announce() -> None:
        print(_announcement(f"http://localhost:{server.port}/lab?token={token}"))
        if browser:
            print("Your browser opens it now.")
        print("To stop: Ctrl+C, twice. Your work is saved in", folder, flush=True)

    # After the server has taken the port that it found free: another program may have been faster.
    server.io_loop.add_callback(announce)
    server.start()
    return 0


def has_display() -> bool:
    """Whether a browser window could open on this machine and be seen."""
    if os.environ.get("SSH_CONNECTION"):
        return False
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _announcement(address: str) -> str:
    return f"\nThe course is open at\n\n    {address}\n"


def _write_settings(private: Path) -> None:
    """Where JupyterLab looks for them: in ``labconfig`` of each folder of JUPYTER_CONFIG_PATH."""
    folder = private / "config" / "labconfig"
    folder.mkdir(parents=True, exist_ok=True)
    for name, settings in _SETTINGS.items():
        (folder / f"{name}.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
    paths = [str(private / "config"), os.environ.get("JUPYTER_CONFIG_PATH")]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, paths))


def _write_kernel(private: Path) -> None:
    """The kernel of this Python, which explains a missing name from its start: also where the set-up
    cell was forgotten. Found before other kernels of that name, in JUPYTER_PATH."""
    from ipykernel.kernelspec import get_kernel_dict

    folder = private / "kernels" / "python3"
    folder.mkdir(parents=True, exist_ok=True)
    kernel = get_kernel_dict()
    kernel["argv"].append("--IPKernelApp.extra_extensions=course_lib.exercises.checking.advice")
    (folder / "kernel.json").write_text(json.dumps(kernel, indent=1), encoding="utf-8")
    paths = [str(private), os.environ.get("JUPYTER_PATH")]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, paths))


def _put_this_python_first() -> None:
    """So that ``!python`` in a cell and ``python`` in JupyterLab's terminal are this Python, also
    where its environment is not activated."""
    paths = [str(Path(sys.executable).parent), os.environ.get("PATH")]
    os.environ["PATH"] = os.pathsep.join(filter(None, paths))


def _write_first_layout(workspaces: Path, chapter: Path) -> None:
    """What is open at the very first start: the start page, and the first chapter behind it.

    Later starts show what the learner left open.
    """
    from jupyterlab_server.workspaces_handler import WorkspacesManager

    if workspaces.is_dir() and any(workspaces.iterdir()):
        return
    page = f"markdownviewer-widget:{workspace.START_PAGE}"
    notebook = f"notebook:{chapter.name}"
    layout = {
        "main": {
            "dock": {"type": "tab-area", "currentIndex": 0, "widgets": [page, notebook]},
            "current": page,
        },
        "left": {"collapsed": False, "visible": True, "current": "filebrowser"},
        "right": {"collapsed": True, "visible": True},
        "relativeSizes": [0.22, 0.78, 0],
    }
    layout = {
        "data": {
            "layout-restorer:data": layout,
            page: {"data": {"path": workspace.START_PAGE, "factory": "Markdown Preview"}},
            notebook: {"data": {"path": chapter.name, "factory": "Notebook"}},
        },
        "metadata": {"id": "default"},
    }
    WorkspacesManager(str(workspaces)).save("default", json.dumps(layout))
