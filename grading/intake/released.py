"""Reads a released notebook: the course's own file, against which submissions are matched."""

from pathlib import Path

import nbformat
from nbformat import NotebookNode

from grading.errors import Problem


def read_release(path: Path) -> NotebookNode:
    """The released notebook at ``path``; ``Problem`` when it cannot be used."""
    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise Problem(f"{path} does not exist: make it with `python -m grading release`.") from None
    except Exception as error:
        raise Problem(f"{path} cannot be read: {type(error).__name__}: {error}") from None
