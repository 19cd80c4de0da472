"""Reads a chapter's text source into cells that know their role. Called by ``build``, ``verify``
and whatever needs the reference solutions.

The format is jupytext's py:percent with a few short metadata keys, at most one per cell::

    # %% [markdown] head=true      first cell: the author's text under the generated title
    # %% setup=true                the set-up cell, the same in every chapter (empty body)
    # %% panel="zero_grad"         a simulation (empty body: panel("zero_grad"))
    # %% solution="train_one_epoch"   the exercise with its solution between the marks
    # %% tests="train_one_epoch"   its check and hidden test (empty body)
    # %% paste="own_adam_step"     a cell to fill that is not graded; its region has a stub
    # %% quiz="q05_1"              question, answer and check (empty body)

Text sources are only read, never written: jupytext's first write would change them.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from grading.errors import Problem

ROLES = ("head", "setup", "panel", "solution", "tests", "paste", "quiz")
#: Roles whose body the build writes.
EMPTY_ROLES = ("setup", "tests", "quiz")
#: Metadata keys beside the roles: nbformat's tags, and Colab's choice of machine on the head cell.
OTHER_KEYS = ("tags", "accelerator")
#: What jupytext adds for its own round trip.
JUPYTEXT_KEYS = ("lines_to_next_cell", "lines_to_end_of_cell_marker")

_MARKER = re.compile(r"^# %%", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class SourceCell:
    """One cell as the author wrote it. ``role`` is one of ``ROLES`` or ``"plain"``; ``name`` is the
    simulation, exercise or question that the role names; ``where`` is ``file:line`` for messages."""

    kind: str
    role: str
    name: str
    text: str
    tags: tuple[str, ...]
    where: str
    accelerator: str = ""


def read_chapter(path: Path) -> list[SourceCell]:
    """The cells of the text source at ``path``; ``Problem`` when it is missing or malformed."""
    if not path.is_file():
        raise Problem(f"{path} does not exist: write the chapter's text source there.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Problem(f"{path} is not UTF-8 text: {error}.") from None
    return parse_chapter(text, path.name)


def parse_chapter(text: str, file_name: str) -> list[SourceCell]:
    """The cells of a text source; ``file_name`` is used in messages."""
    import jupytext  # takes a second, and only who reads sources needs it

    start = _MARKER.search(text)
    if start is None or text[: start.start()].strip():
        raise Problem(f'{file_name}: must start with the cell "# %% [markdown] head=true".')
    raw_cells = jupytext.reads(text, fmt="py:percent").cells
    lines = [text.count("\n", 0, match.start()) + 1 for match in _MARKER.finditer(text)]
    if len(lines) != len(raw_cells):
        raise Problem(f'{file_name}: a line inside a cell starts with "# %%"; indent or reword it.')
    cells = [
        _source_cell(raw, f"{file_name}:{line}") for raw, line in zip(raw_cells, lines, strict=True)
    ]
    _check_order(cells, file_name)
    return cells


def _source_cell(raw, where: str) -> SourceCell:
    metadata = {key: value for key, value in raw.metadata.items() if key not in JUPYTEXT_KEYS}
    unknown = set(metadata) - {*ROLES, *OTHER_KEYS}
    if unknown:
        raise Problem(
            f"{where}: cannot read the cell's metadata ({', '.join(sorted(unknown))}); "
            f'known keys: {", ".join((*ROLES, *OTHER_KEYS))}, written like solution="name".'
        )
    roles = [role for role in ROLES if role in metadata]
    if len(roles) > 1:
        raise Problem(f"{where}: a cell has one role, this one has {' and '.join(roles)}.")
    role = roles[0] if roles else "plain"
    name = _role_name(role, metadata.get(role), where)
    if raw.cell_type != ("markdown" if role == "head" else "code") and role != "plain":
        raise Problem(f"{where}: a {role} cell cannot be a {raw.cell_type} cell.")
    if role in EMPTY_ROLES and raw.source.strip():
        raise Problem(f"{where}: the build writes the body of a {role} cell; leave it empty.")
    if role == "plain" and not raw.source.strip():
        raise Problem(f"{where}: this cell is empty.")
    return SourceCell(
        kind=raw.cell_type,
        role=role,
        name=name,
        text=raw.source.strip("\n"),
        tags=tuple(metadata.get("tags", ())),
        where=where,
        accelerator=metadata.get("accelerator", ""),
    )


def _role_name(role: str, value: object, where: str) -> str:
    if role == "plain":
        return ""
    if role in ("head", "setup"):
        if value is not True:
            raise Problem(f"{where}: write {role}=true.")
        return role
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise Problem(f'{where}: write {role}="name", with a name of letters, digits and "_".')
    return value


def _check_order(cells: list[SourceCell], file_name: str) -> None:
    roles = [cell.role for cell in cells]
    if roles[0] != "head" or roles.count("head") != 1:
        raise Problem(f'{file_name}: must start with its one "# %% [markdown] head=true" cell.')
    code = [cell for cell in cells if cell.kind == "code"]
    if roles.count("setup") != 1 or code[0].role != "setup":
        raise Problem(f'{file_name}: its first code cell must be its one "# %% setup=true" cell.')
    seen: dict[tuple[str, str], str] = {}
    for cell in cells:
        if cell.role not in ("solution", "tests", "paste", "quiz"):
            continue
        if (cell.role, cell.name) in seen:
            first = seen[cell.role, cell.name]
            raise Problem(f'{cell.where}: {cell.role}="{cell.name}" was already used at {first}.')
        seen[cell.role, cell.name] = cell.where
        if cell.role == "tests" and ("solution", cell.name) not in seen:
            raise Problem(f'{cell.where}: no solution="{cell.name}" cell stands before this one.')
    for (role, name), where in seen.items():
        if role == "solution" and ("tests", name) not in seen:
            raise Problem(f'{where}: solution="{name}" has no tests="{name}" cell after it.')
