"""The learner's own copies of the notebooks, in ``my-course/`` beside ``notebooks/``.

Released notebooks are committed files. A learner who wrote in them would meet a conflict at the
next ``git pull``; so they work on copies, in a folder that git ignores. Called by ``lab``. A copy
that was changed is never overwritten; one that was not follows the released notebook.
"""

import hashlib
import json
import os
from pathlib import Path

import course_lib
from course_lib.chapters import CHAPTERS
from course_lib.errors import Problem

REPOSITORY = Path(course_lib.__file__).resolve().parents[1]
RELEASED = REPOSITORY / "notebooks"
MY_COURSE = REPOSITORY / "my-course"
START_PAGE = "START_HERE.md"
#: JupyterLab's layout and settings for the course, and which releases were copied.
PRIVATE = ".lab"

_HOW = """\
# The PyTorch training loop

Twelve notebooks, about 16 hours. Open one below, or in the list on the left.

{table}

## How this works

1. **Predict, run, read.** A question comes before most cells. Write your answer between the quotes of
   `predict("p05_1", "")`, then run the cells with Shift+Enter: what came stands beside it.
2. **Move the sliders.** The pictures are computed by PyTorch while you watch. The arrow keys work
   too, and the line below a picture says in words what it shows.
3. **Write the exercises.** Replace the line that raises `NotImplementedError`, run the cell, then
   run the check below it. Before you start it says "not attempted yet". `hint("name")` gives a
   first hint, and once more a second one.
4. **Answer the quiz** by changing a line such as `q05_1 = None` to `q05_1 = "B"`. It says why; from
   chapter 02 on, two old questions open each chapter.
5. **Hand in**, when your work is graded: the last cell of a chapter looks whether everything is there
   and makes a copy without personal data in the folder `hand-in`.

What you write is saved in the folder `{folder}`, which no update overwrites.
`!python -m course_lib status` in a cell of any chapter shows what you have passed. When something does
not work, `!python -m course_lib doctor` says what to do; where no cell runs, `make doctor` does, in a
terminal and in the course's folder.
"""


def prepare(released: Path = RELEASED, mine: Path = MY_COURSE) -> list[str]:
    """Bring ``mine`` up to date with ``released``; returns lines for the learner.

    Raises ``Problem`` when there is no released notebook or the folder cannot be written.
    """
    chapters = [path for path in _in_order(released) if path.is_file()]
    if not chapters:
        raise Problem(
            f"there are no notebooks in {released}: start from the course's repository, as its "
            "README says."
        )
    try:
        (mine / PRIVATE).mkdir(parents=True, exist_ok=True)
        notes = _copy(chapters, mine)
        (mine / START_PAGE).write_text(
            _HOW.format(table=_table(mine), folder=mine.name), encoding="utf-8"
        )
    except OSError as error:
        raise Problem(f"{mine} cannot be written ({error.strerror}).") from error
    return notes


def first_chapter(mine: Path) -> Path:
    """The first chapter that is there."""
    return next(path for path in _in_order(mine) if path.is_file())


def _in_order(folder: Path) -> list[Path]:
    return [folder / f"{chapter.id}.ipynb" for chapter in CHAPTERS]


def _copy(chapters: list[Path], mine: Path) -> list[str]:
    ledger = mine / PRIVATE / "copied.json"
    copied = _read(ledger)
    notes = []
    for path in chapters:
        copy = mine / path.name
        content = path.read_bytes()
        new = hashlib.sha256(content).hexdigest()
        old = copied.get(path.name)
        now = hashlib.sha256(copy.read_bytes()).hexdigest() if copy.exists() else None
        if now in (None, old, new):
            if now != new:
                _replace(copy, content)
            copied[path.name] = new
        elif old != new:
            notes.append(
                f"{path.stem} has a new version; yours is kept. To get it, rename yours and start "
                "again."
            )
    _replace(ledger, json.dumps(copied, indent=1).encode())
    return notes


def _replace(path: Path, content: bytes) -> None:
    """Write the whole file or nothing: an interrupted start leaves no half notebook."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def _read(ledger: Path) -> dict[str, str]:
    try:
        content = json.loads(ledger.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _table(mine: Path) -> str:
    lines = ["| chapter | minutes |", "|---|---|"]
    for chapter in CHAPTERS:
        there = (mine / f"{chapter.id}.ipynb").is_file()
        title = f"[{chapter.title}]({chapter.id}.ipynb)" if there else f"{chapter.title} (to come)"
        lines.append(f"| {chapter.number} {title} | {chapter.minutes} |")
    return "\n".join(lines)
