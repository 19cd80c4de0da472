"""The class's machine and a browser for it."""

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.grading.conftest import sandbox as sandbox
from tests.hub.machine import (
    PROXY,
    Machine,
    interpreter,
    package_folders,
    readable_to_all,
    running_machine,
)


@pytest.fixture(scope="module")
def machine(sandbox: None, needs: Callable, needs_program: Callable) -> Iterator[Machine]:
    """Set up by the course's own script, with hub, proxy and three people who have accounts."""
    needs(os.name == "posix" and os.geteuid() == 0, "making accounts needs root")
    for program in ("chpasswd", "runuser", "useradd"):
        needs_program(program, package="passwd util-linux")
    needs_program("node", package="nodejs")
    needs(find_spec("jupyterhub") is not None, "JupyterHub is missing: run `make setup`")
    there = (PROXY / "node_modules" / "configurable-http-proxy").is_dir()
    needs(
        there, f"the proxy is missing: npm install --prefix {PROXY} configurable-http-proxy@5.3.0"
    )
    needs(interpreter() is not None, "no Python of this version can be started by every account")
    for folder in package_folders():
        needs(readable_to_all(Path(folder)), f"other accounts cannot read {folder}")
    with running_machine() as running:
        yield running
