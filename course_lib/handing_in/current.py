"""Finds the notebook that is running: on Colab in the open page, elsewhere the saved file.

Called by ``hand_in``.
"""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_lib.display import in_ipython

_COLAB_SECONDS = 20
_MOST_BYTES = 50 * 2**20


class NotFound(Exception):
    """There is no notebook to look at; the text says why and what to do."""


@dataclass(frozen=True)
class Current:
    """The notebook as parsed JSON, and its file; None on Colab, where the page has it."""

    content: dict[str, Any]
    file: Path | None


def on_colab() -> bool:
    return "google.colab" in sys.modules


def current_notebook(chapter_id: str, file: str | Path | None = None) -> Current:
    """The running notebook of the chapter, or the one in ``file``. Raises ``NotFound``."""
    if file is None and on_colab():
        return Current(_from_colab(), None)
    path = Path(file).expanduser() if file is not None else _saved_file(chapter_id)
    return Current(_read(path), path)


def _from_colab() -> dict[str, Any]:
    """Colab's page answers through a private interface, so whatever goes wrong has a way round."""
    try:
        from google.colab import _message

        answer = _message.blocking_request("get_ipynb", request="", timeout_sec=_COLAB_SECONDS)
        notebook = answer["ipynb"]
    except Exception:
        notebook = None
    if not _is_notebook(notebook):
        raise NotFound(
            "Colab did not give out the open notebook. Download it by hand (File > Download > "
            "Download .ipynb) and hand in that file."
        )
    return notebook


def _saved_file(chapter_id: str) -> Path:
    for path in _named_by_the_editor():
        if path.is_file():
            return path
    here = Path.cwd()
    exact = here / f"{chapter_id}.ipynb"
    if exact.is_file():
        return exact
    copies = sorted(path for path in here.glob("*.ipynb") if chapter_id in path.name)
    if len(copies) == 1:
        return copies[0]
    how = f'hand_in("{chapter_id}", file="NAME.ipynb")'
    if copies:
        names = ", ".join(path.name for path in copies[:4])
        raise NotFound(f"Several notebooks could be meant ({names}). Name yours: {how}")
    raise NotFound(
        f"There is no {chapter_id}.ipynb in the folder where this kernel runs. Save your notebook; "
        f"if it has another name or place: {how}"
    )


def _named_by_the_editor() -> list[Path]:
    """Where VS Code and Jupyter's server say that the running notebook lies, if they do."""
    shell = in_ipython()
    names = [
        shell.user_ns.get("__vsc_ipynb_file__") if shell is not None else None,
        os.environ.get("JPY_SESSION_NAME"),  # relative to the server's folder, or absolute
    ]
    paths = [Path(name) for name in names if isinstance(name, str) and name.endswith(".ipynb")]
    return [path if path.is_absolute() else Path.cwd() / path.name for path in paths]


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise NotFound(
                f"{path.name} has more than {_MOST_BYTES // 2**20} MB: clear its outputs."
            )
        notebook = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise NotFound(f"{path.name} cannot be read: {error.strerror or error}.") from None
    except (ValueError, RecursionError):
        raise NotFound(f"{path.name} cannot be read as a notebook: save it again.") from None
    if not _is_notebook(notebook):
        raise NotFound(f"{path.name} is not in a current notebook format.")
    return notebook


def _is_notebook(notebook: Any) -> bool:
    return isinstance(notebook, dict) and isinstance(notebook.get("cells"), list)
