"""The copy that is handed in: what the learner wrote, and nothing that says who or where.

Kept: the text of every cell in its order, and by what grading knows a cell: id, tags, nbgrader's
data. Left out as personal, since it names a person, a machine or a time:

- Colab's ``executionInfo`` (name, id and time of the person who ran the cell) and everything else that an
  editor stores in the metadata of a cell or of the notebook (Drive's file ids, widgets, environments);
- all outputs and execution counts: they hold paths, file names and whatever was printed. Grading
  runs every cell again and never looks at them.

What the learner typed is theirs and stays; ``personal_lines`` points out where it names a home folder
or an e-mail address.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from course_lib.handing_in.inventory import metadata_of, source_of

_KEPT = ("nbgrader", "tags")
_KINDS = ("code", "markdown", "raw")
_VALID_ID = re.compile(r"[a-zA-Z0-9-_]{1,64}")
_PERSONAL = re.compile(
    r"(?:/home/|/Users/|[A-Za-z]:\\+Users\\+)[^\s/\\\"']+|[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}"
)
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def cleaned(notebook: Mapping[str, Any], chapter_id: str, version: str) -> dict[str, Any]:
    """A notebook of format 4.5 with the learner's text alone."""
    metadata = metadata_of(notebook)
    course = metadata.get("course")
    if not isinstance(course, Mapping):
        course = {"chapter": chapter_id}
    known = {key: course[key] for key in ("chapter", "version") if isinstance(course.get(key), str)}
    kept: dict[str, Any] = {
        "course": known | {"handed_in_with": version},
        "kernelspec": dict(_KERNEL),
        "language_info": {"name": "python"},
    }
    if isinstance(metadata.get("accelerator"), str):
        kept["accelerator"] = metadata["accelerator"]
    taken: set[str] = set()
    cells = [
        _cell(cell, number, taken)
        for number, cell in enumerate(notebook["cells"], start=1)
        if isinstance(cell, Mapping)
    ]
    return {"cells": cells, "metadata": kept, "nbformat": 4, "nbformat_minor": 5}


def _cell(cell: Mapping[str, Any], number: int, taken: set[str]) -> dict[str, Any]:
    kind = cell.get("cell_type") if cell.get("cell_type") in _KINDS else "markdown"
    old = metadata_of(cell)
    metadata = {key: old[key] for key in _KEPT if key in old}
    if not isinstance(metadata.get("tags", []), list):
        del metadata["tags"]
    ids = [each for each in (cell.get("id"), old.get("id")) if isinstance(each, str) and each]
    wanted = ids[0] if ids and _VALID_ID.fullmatch(ids[0]) and ids[0] not in taken else ""
    new_id = wanted or _free_id(number, taken)
    taken.add(new_id)
    # An id that could not be kept still says to grading from which cell this one was copied.
    others = [each for each in ids if each != new_id]
    if others:
        metadata["id"] = others[0]
    made: dict[str, Any] = {
        "cell_type": kind,
        "id": new_id,
        "metadata": metadata,
        "source": source_of(cell).splitlines(keepends=True),
    }
    if kind == "code":
        made |= {"execution_count": None, "outputs": []}
    elif isinstance(cell.get("attachments"), Mapping):
        made["attachments"] = cell["attachments"]  # pictures that the learner put into a text
    return made


def _free_id(number: int, taken: set[str]) -> str:
    new_id, count = f"cell-{number}", 1
    while new_id in taken:
        count += 1
        new_id = f"cell-{number}-{count}"
    return new_id


def personal_lines(notebook: Mapping[str, Any]) -> list[str]:
    """What the learner typed that names a home folder or an e-mail address, with the cell's place."""
    home = str(Path.home())
    found = []
    for number, cell in enumerate(notebook["cells"], start=1):
        source = source_of(cell) if isinstance(cell, Mapping) else ""
        match = _PERSONAL.search(source)
        what = match[0] if match else home if len(home) > 4 and home in source else ""
        if what:
            found.append(f"cell {number}: {what[:50]}")
    return found
