"""Tables for spreadsheets: read as people's spreadsheets save them, written so that no cell becomes a
formula. Used by ``roster`` and ``export``."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from grading.errors import Problem
from grading.intake.reading import text_of

_MOST = 50 * 2**20
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?%?")


@dataclass(frozen=True)
class Table:
    """A file's cells, with the delimiter that its platform reads."""

    header: list[str]
    rows: list[list[str]]
    delimiter: str = ","

    def column(self, *names: str) -> int | None:
        """The first column with one of these names, whatever their case."""
        wanted = [name.casefold() for name in names]
        for place, title in enumerate(self.header):
            if title.strip().casefold() in wanted:
                return place
        return None


def is_formula(text: str) -> bool:
    """Would a spreadsheet compute this cell? A number and a lone dash are what they seem."""
    start = text.lstrip(" ")[:1]
    if not start or start not in "=+-@\t\r\n":
        return False
    return text.strip() not in ("-", "+") and not _NUMBER.fullmatch(text.strip())


def plain_cell(text: str) -> str:
    """The text with an apostrophe before what would be computed."""
    return f"'{text}" if is_formula(text) else text


def read_table(file: Path) -> Table:
    """The table in ``file``; ``Problem`` when there is none."""
    try:
        if file.stat().st_size > _MOST:
            raise Problem(f"{file} has more than {_MOST // 2**20} MB: not a roster.")
        data = file.read_bytes()
    except OSError as error:
        raise Problem(f"{file} cannot be read: {error.strerror}.") from None
    text = text_of(data)
    if text is None:
        text = data.decode("cp1252", "replace")  # as Excel saves "CSV"
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise Problem(f"{file} is not a CSV file: {error}.") from None
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        raise Problem(
            f"{file} has no rows below its header: export it from the platform once more."
        )
    width = len(rows[0])
    return Table(rows[0], [(row + [""] * width)[:width] for row in rows[1:]], delimiter)


def write_table(
    file: Path, header: Sequence[str], rows: Iterable[Sequence[str]], delimiter: str = ","
) -> None:
    """Write cells as they are: the caller knows which of them are a platform's own."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", encoding="utf-8", newline="") as opened:
            writer = csv.writer(opened, delimiter=delimiter, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)
    except OSError as error:
        raise Problem(f"cannot write {file}: {error.strerror}.") from None


def number_text(value: float) -> str:
    """At most two decimals, as platforms keep them."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
