"""The one line that matters of somebody else's error. Called wherever nbgrader or its database is asked.

nbgrader logs the reason as a traceback and then says to look above; SQLAlchemy puts the statement and
a link below it. The last line of either is never the reason.
"""

import logging
import re
import textwrap

_ADDED = re.compile(
    r"\((Background on this (error|warning) at|This (warning|Session))|\[(SQL|parameters|cached)\b"
    r"|Please see the |There was an error (accessing the nbgrader database|processing assignment)"
    r"|.*see the (above|error log) "
)
_RAISED = re.compile(r"(?:[A-Za-z_]\w*\.)*(?P<name>[A-Z]\w*)(?:: ?(?P<text>.*))?$")
_RECORD = re.compile(r"^\[\w+ \| (\w+)\] ", re.MULTILINE)
_TRACEBACK = "Traceback (most recent call last):"


def reason_of(error: BaseException) -> str:
    """An exception in one line: what it says first, else what it is called."""
    lines = [line.strip() for line in str(error).splitlines()]
    said = [line for line in lines if line and not _ADDED.match(line)]
    return said[0] if said else type(error).__name__


def reason_in(log: str) -> str:
    """What went wrong, of everything that a command logged: the exception that its last traceback
    ends in, else its last error; "" when it gives no reason."""
    records = _records(log)
    text = "\n".join(said for _, said in records)
    for block in reversed(text.split(_TRACEBACK)[1:]):
        for line in block.splitlines():
            found = _RAISED.match(line)  # what belongs to the traceback itself is indented
            if found and not _ADDED.match(found["text"] or ""):
                said = found["text"] or ""
                return said if " " in said else f"{found['name']}: {said}".removesuffix(": ")
    errors = [said for level, said in records if level in ("ERROR", "CRITICAL")]
    lines = [line.strip() for line in "\n".join(errors or [text]).splitlines()]
    return ([line for line in lines if line and not _ADDED.match(line)] or [""])[-1]


def _records(log: str) -> list[tuple[str, str]]:
    """Level and text of each record; the formatter indents all lines but a record's first."""
    before, *parts = _RECORD.split(log)
    records = [("", before)]
    for level, said in zip(parts[::2], parts[1::2], strict=True):
        first, _, rest = said.partition("\n")
        records.append((level, f"{first}\n{textwrap.dedent(rest)}"))
    return records


class LoggedErrors(logging.Handler):
    """Collects what is logged as an error while it is a handler; ``reason`` is the line of it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(record.getMessage())

    @property
    def reason(self) -> str:
        return reason_in("\n".join(self._said))
