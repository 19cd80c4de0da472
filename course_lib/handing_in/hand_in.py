"""``hand_in("05_complete_loop")``, the last cell of every chapter: checks that every exercise is
there, and writes a copy to hand in. It never changes the learner's notebook, and it never says more
than it has looked at.
"""

import hashlib
import html
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_lib import __version__
from course_lib.chapters import Chapter, find_chapter
from course_lib.display import (
    GREEN,
    GREY,
    ORANGE,
    Text,
    frame,
    in_ipython,
    show,
    wrap,
)
from course_lib.handing_in.clean import cleaned, personal_lines
from course_lib.handing_in.current import Current, NotFound, current_notebook, on_colab
from course_lib.handing_in.inventory import (
    ANSWERED,
    MISSING,
    UNANSWERED,
    WARNING,
    Item,
    source_of,
    take_inventory,
)
from course_lib.handing_in.own_record import in_words, own_record
from course_lib.handing_in.packages import not_in_grading

FOLDER = "hand-in"
_SYMBOL = {ANSWERED: "\u2713", UNANSWERED: "\u25cb", WARNING: "!", MISSING: "\u2717"}
_MARKER = re.compile(r"^[#\s]*EXERCISE\s+([A-Za-z_]\w*)", re.MULTILINE)
_LEFT_OUT = (
    "Left out of the copy: outputs, and what editors store about you, your machine and your times. "
    "Grading runs every cell again."
)


@dataclass(frozen=True)
class Report:
    """What was found and done. ``done`` is in sentences."""

    title: str
    color: str
    items: tuple[Item, ...]
    done: tuple[str, ...]

    def __repr__(self) -> str:
        lines = wrap(self.title, "")
        for item in self.items:
            lines += wrap(_line(item), "  ")
        for sentence in self.done:
            lines += wrap(sentence, "")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        items = "".join(
            f'<li style="list-style:none">{html.escape(_line(item))}</li>' for item in self.items
        )
        listed = f'<ul style="margin:.3em 0;padding-left:.6em">{items}</ul>'
        done = [html.escape(sentence) for sentence in self.done]
        return frame([f"<strong>{html.escape(self.title)}</strong>", listed, *done], self.color)


def hand_in(chapter: str, file: str | Path | None = None, progress: bool = False) -> None:
    """Check the notebook of ``chapter`` (name or number) and write a copy to hand in: in the folder
    ``hand-in``, without outputs and personal data; on Colab the browser downloads it.

    ``file`` names the notebook where it is not found by itself. With ``progress`` your tries, hints and
    answers to ``before_after`` go along, for the instructor's report on the course. Shows what is answered, unanswered
    or missing, and raises nothing: no notebook, no answer or a full disk is said in words.
    """
    show(_report(chapter, file, own_record() if progress else None))


def _report(
    name: str, file: str | Path | None, record: Mapping[str, Any] | None = None
) -> Report | Text:
    if os.environ.get("NBGRADER_EXECUTION"):
        return Text("Nothing to do while the notebook is being graded.")
    try:
        chapter = find_chapter(name)
        current = current_notebook(chapter.id, file)
    except (LookupError, NotFound) as problem:
        return Text(f"\u25cb Nothing was checked. {problem}")
    cells = current.content["cells"]
    if any("### BEGIN SOLUTION" in source_of(cell) for cell in cells if isinstance(cell, Mapping)):
        return Text("This is the instructor's solved notebook: there is nothing to hand in.")
    items = tuple(take_inventory(chapter, cells))
    return _conclude(chapter, current, items, record)


def _conclude(
    chapter: Chapter, current: Current, items: tuple[Item, ...], record: Mapping[str, Any] | None
) -> Report:
    states = [item.state for item in items]
    open_items = len(states) - states.count(ANSWERED)
    looked_at = "this notebook" if current.file is None else f"{current.file.name}, as it was saved"
    if states.count(MISSING) == len(items):
        title = f"\u2717 {chapter.id}: none of its exercises is in {looked_at}"
        return Report(title, ORANGE, (), ("Is this the right notebook? No file was made.",))
    if not set(states) - {UNANSWERED, MISSING}:
        title = f"\u25cb {chapter.id}: nothing is answered yet in {looked_at}"
        done = "So no file was made. Run this cell when you are done."
        return Report(title, GREY, items, (*_not_what_ran(current.content), done))
    notes = [*_not_what_ran(current.content), *_concerns(current.content)]
    notes += _write(chapter, current, not open_items, record)
    if open_items:
        title = f"\u2717 {chapter.id}: {open_items} of {len(items)} need attention in {looked_at}"
        return Report(title, ORANGE, items, tuple(notes))
    title = f"\u2713 {chapter.id}: all {len(items)} are there and answered in {looked_at}"
    return Report(title, GREEN, items, ("Grading decides whether they are correct.", *notes))


def _line(item: Item) -> str:
    return f"{_SYMBOL[item.state]} {item.name}: {item.text}"


def _not_what_ran(notebook: Mapping[str, Any]) -> Iterator[str]:
    """Exercises whose cell ran in this kernel with another text than the notebook has. A cell is
    known by its first line: of one that has lost it, nothing is said."""
    shell = in_ipython()
    if shell is None:
        return
    kept = {source_of(cell).strip() for cell in notebook["cells"] if isinstance(cell, Mapping)}
    marked = {name for source in kept for name in _marked(source)}
    last_run: dict[str, str] = {}
    for source in shell.history_manager.input_hist_raw:
        for name in _marked(source):
            last_run[name] = source.strip()
    names = [name for name, source in last_run.items() if name in marked and source not in kept]
    if names:
        yield (
            f"! What you last ran for {', '.join(names)} is not what is in the notebook. Save it "
            "(Ctrl+S), then run this cell again."
        )


def _marked(source: str) -> list[str]:
    return _MARKER.findall("\n".join(source.split("\n")[:5]))


def _concerns(notebook: Mapping[str, Any]) -> Iterator[str]:
    """What is personal in the text, and which imports grading does not have."""
    if lines := personal_lines(notebook):
        shown = "; ".join(lines[:3])
        yield f"! Your notebook contains a folder or address that may identify you ({shown})."
    cells = [cell for cell in notebook["cells"] if isinstance(cell, Mapping)]
    if names := not_in_grading(source_of(c) for c in cells if c.get("cell_type") == "code"):
        yield (
            f"! Grading does not have {', '.join(names)}: the import is left out there, and what needs "
            "it does not work. Solve the exercises without it."
        )


# --- the copy -----------------------------------------------------------------------------------


def _write(
    chapter: Chapter, current: Current, complete: bool, record: Mapping[str, Any] | None
) -> list[str]:
    """Write the copy and say where it is, or why there is none."""
    copy = cleaned(current.content, chapter.id, __version__)
    if record:
        copy["metadata"]["course"]["progress"] = record
    copy["metadata"]["course"]["digest"] = _digest(copy)
    base = Path.cwd() if current.file is None else current.file.resolve().parent
    try:
        path = _free_place(base / FOLDER, chapter.id)
        _replace(path, json.dumps(copy, indent=1, ensure_ascii=False) + "\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return [f"\u2717 The copy could not be written ({reason}): hand in the notebook itself."]
    where = path.relative_to(base).as_posix()
    what = "Hand in this file" if complete else "To hand it in as it is, take this file"
    sentences = [f"{what}: {where}", _LEFT_OUT]
    if record is not None:
        sentences.append(in_words(record))
    if current.file is None and on_colab():
        sentences[0] = _download(path, where, what)
    return sentences


def _free_place(folder: Path, name: str) -> Path:
    """Where the copy goes: over an earlier copy, but not over one in which somebody worked."""
    place, number = folder / name, 1
    while (path := place / f"{name}.ipynb").exists() and not _is_our_copy(path):
        number += 1
        place = folder / f"{name}-{number}"
    return path


def _is_our_copy(path: Path) -> bool:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        return notebook["metadata"]["course"]["digest"] == _digest(notebook)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False


def _digest(notebook: Mapping[str, Any]) -> str:
    content = [[cell["cell_type"], source_of(cell)] for cell in notebook["cells"]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _replace(path: Path, text: str) -> None:
    """The whole file or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    # A lone surrogate, which JSON allows, is not text: it becomes a question mark.
    temporary.write_bytes(text.encode("utf-8", "replace"))
    os.replace(temporary, path)


def _download(path: Path, where: str, what: str) -> str:
    try:
        from google.colab import files

        files.download(str(path))
    except Exception:
        return f"{what}, from the folder view on the left: {where}"
    return f"{what}: {path.name}, which your browser downloads. (Not there? It is also in {where}.)"
