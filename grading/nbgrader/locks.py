"""Waits while somebody else has the gradebook: another instructor's command, or formgrader saving.

Called before the gradebook is opened. SQLite gives up after five seconds and says so in a traceback; a
person would wait longer, and would want to be told. Other databases wait by themselves.
"""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import typer
from sqlalchemy import event
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import ArgumentError

from grading.errors import Problem

#: Seconds. Formgrader and `autograde` hold it for moments; a backup, for a minute.
PATIENCE = 120.0
#: Seconds between looks, and before the first line about it.
_PAUSE = 0.5
_QUIET = 2.0


class GradebookLocked(Problem):
    """Nobody let go of it. What was written before is whole."""


def wait_for_gradebook(
    db_url: str, say: Callable[[str], None] = lambda line: typer.echo(line, err=True)
) -> None:
    """Return once the gradebook can be written; ``GradebookLocked`` after ``PATIENCE`` seconds."""
    file = _sqlite_file(db_url)
    if file is None or not file.is_file():
        return
    begun, told = time.monotonic(), False
    while not _can_write(file):
        waited = time.monotonic() - begun
        if waited > PATIENCE:
            raise GradebookLocked(
                f"the gradebook {file} has been in use by another program for {PATIENCE:g} seconds. "
                "Close formgrader or the other command and run this one again: it goes on where it "
                "was."
            )
        if waited > _QUIET and not told:
            told = True
            say(
                f"The gradebook is in use by another program; waiting up to {PATIENCE:g} seconds ..."
            )
        time.sleep(_PAUSE)


def _sqlite_file(db_url: str) -> Path | None:
    try:
        url = make_url(db_url)
    except ArgumentError:
        return None
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database)


def _can_write(file: Path) -> bool:
    """Every other fault is left to the next command that opens it, which reports it."""
    try:
        with closing(sqlite3.connect(file, timeout=0.1, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        return not isinstance(error, sqlite3.OperationalError) or "locked" not in str(error)
    return True


@event.listens_for(Engine, "connect")
def _be_patient(connection: object, record: object) -> None:
    """Between the look and the writing somebody else may begin."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute(f"PRAGMA busy_timeout = {int(PATIENCE * 1000)}")
