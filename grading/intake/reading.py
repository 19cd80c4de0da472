"""Reads the bytes of a submitted notebook into plain cells. Called by ``repair``.

Nothing of the file is trusted: what is not a string, a list or an object where one is due is
dropped, stored outputs are never kept, and every failure is one sentence for the instructor.
"""

import json
import logging
import re
from dataclasses import dataclass, field
from typing import Any

import nbformat

MAX_BYTES = 50 * 2**20
MAX_CELLS = 2_000
#: Lists and objects: each takes up to a hundred times the memory that it takes in the file.
MAX_PARTS = 2_000_000
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


class Unreadable(Exception):
    """The file is not a notebook that could be graded; the text says why in one line."""


@dataclass
class ReadCell:
    """A cell as submitted, without its outputs."""

    kind: str
    source: str
    id: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def grade_id(self) -> str:
        """nbgrader's name of the cell; "" where it has none, or no longer."""
        nbgrader = self.metadata.get("nbgrader")
        name = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
        return name if isinstance(name, str) else ""


@dataclass
class ReadNotebook:
    """The cells and metadata of a submitted notebook; ``mended`` says what was repaired while reading."""

    cells: list[ReadCell]
    metadata: dict[str, Any]
    mended: list[str]


def read_notebook(data: bytes) -> ReadNotebook:
    """The notebook in ``data``. Raises ``Unreadable``."""
    mended: list[str] = []
    tree = _parse(_decode(data, mended))
    if not isinstance(tree, dict):
        raise Unreadable("the file is valid JSON, but not a notebook")
    tree = _upgrade(tree, mended)
    raw_cells = tree.get("cells")
    if not isinstance(raw_cells, list):
        raise Unreadable("the file has no list of cells, so it is not a notebook")
    if len(raw_cells) > MAX_CELLS:
        raise Unreadable(f"the notebook has {len(raw_cells)} cells; at most {MAX_CELLS} are read")
    cells = [_cell(raw) for raw in raw_cells]
    broken = cells.count(None)
    if broken:
        mended.append(f"{broken} entries that were not cells were left out.")
    metadata = tree.get("metadata")
    return ReadNotebook(
        cells=[cell for cell in cells if cell is not None],
        metadata=metadata if isinstance(metadata, dict) else {},
        mended=mended,
    )


def _decode(data: bytes, mended: list[str]) -> str:
    if not data.strip():
        raise Unreadable("the file is empty")
    if len(data) > MAX_BYTES:
        size = len(data) / 2**20
        raise Unreadable(f"the file is {size:.0f} MB; at most {MAX_BYTES // 2**20} MB are read")
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            mended.append("The file began with a byte order mark; it was removed.")
            return _decode_as(data, encoding)
    if data[:2].count(0) == 1:  # "{" followed or preceded by a zero byte
        mended.append("The file was saved as UTF-16; it was read as UTF-16.")
        return _decode_as(data, "utf-16-le" if data[1] == 0 else "utf-16-be")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        mended.append("The file was not UTF-8; it was read as Windows-1252.")
        return data.decode("cp1252", errors="replace")


def text_of(data: bytes) -> str | None:
    """The text in a small file, by its byte order mark, else UTF-8; None when it is neither."""
    encoding = next((encoding for bom, encoding in _BOMS if data.startswith(bom)), None)
    try:
        return data.decode(encoding, "replace") if encoding else data.decode()
    except UnicodeDecodeError:
        return None


def _decode_as(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(f"the file claims to be {encoding} but is not ({error.reason})") from None


def _parse(text: str) -> Any:
    if text.count("[") + text.count("{") > MAX_PARTS:
        raise Unreadable("the file has far more lists and objects than any notebook needs")
    try:
        return json.loads(text)
    except RecursionError:
        raise Unreadable("the file is nested too deeply to be a notebook") from None
    except ValueError as error:
        place = ""
        if isinstance(error, json.JSONDecodeError):
            place = f" (line {error.lineno}, column {error.colno}: {error.msg})"
        raise Unreadable(f"the file is not valid JSON{place}{_guess(text)}") from None


def _guess(text: str) -> str:
    start = text.lstrip()[:200].lower()
    if "<<<<<<<" in text and ">>>>>>>" in text:
        return "; it contains the marks of an unresolved merge"
    if start.startswith("<"):
        return "; it looks like a web page: download the notebook itself"
    if start.startswith(("import ", "from ", "#", "def ")):
        return "; it looks like a Python script: submit the notebook"
    if start.startswith("{"):
        return "; it may have been cut off while it was saved or uploaded"
    return ""


def _upgrade(tree: dict[str, Any], mended: list[str]) -> dict[str, Any]:
    major = tree.get("nbformat")
    if "worksheets" not in tree:
        if major != 4 and "cells" in tree:
            mended.append("The notebook's format number was wrong; it was read as version 4.")
        return tree
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, **tree}
    # nbformat logs pages about what it finds invalid; the one line that matters is ours.
    logger = logging.getLogger("traitlets")
    before, logger.disabled = logger.disabled, True
    try:
        upgraded = nbformat.convert(nbformat.from_dict(old), 4)
    except Exception:  # nbformat's converters raise whatever the malformed part provokes
        raise Unreadable("the file is in an old notebook format and cannot be upgraded") from None
    finally:
        logger.disabled = before
    mended.append(f"The notebook was in the old format {major}; it was upgraded to version 4.")
    return upgraded


def _cell(raw: Any) -> ReadCell | None:
    if not isinstance(raw, dict):
        return None
    kind = raw.get("cell_type")
    kind = kind if kind in ("code", "markdown", "raw") else "markdown"
    metadata = raw.get("metadata")
    identifier = raw.get("id")
    return ReadCell(
        kind=kind,
        source=clean_text(_joined(raw.get("source", raw.get("input")))),
        id=identifier if isinstance(identifier, str) else "",
        metadata=metadata if isinstance(metadata, dict) else {},
    )


def _joined(source: Any) -> str:
    if isinstance(source, str):
        return source
    if isinstance(source, list):
        return "".join(part for part in source if isinstance(part, str))
    return ""


def clean_text(text: str) -> str:
    """Text that can be stored: lone surrogates replaced, line ends as ``\\n``."""
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def printable(text: str) -> str:
    """One line that can be stored and printed, whatever a learner's file name or error message
    holds: control characters, which could move a terminal's cursor, are spaces."""
    return _CONTROL.sub(" ", clean_text(text))
