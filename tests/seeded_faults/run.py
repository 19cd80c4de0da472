"""A copy of the repository, one fault at a time in it, and the tests that have to notice."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.seeded_faults.faults import FAMILIES, Family, Fault
from tests.seeded_faults.warm import SLOW
from tests.working_files import working_files

REPOSITORY = Path(__file__).resolve().parents[2]
#: Longest run of one family, on a busy machine too.
SECONDS = 1800.0
_GREEN, _RED = 0, 1
_TESTS_RUN = re.compile(r"(\d+) (?:passed|failed)")
_FIRST_FAILED = re.compile(r"^(?:FAILED|ERROR) (?:[^\s\[]+/)?(.+?)(?: - .*)?$", re.MULTILINE)


class Unusable(Exception):
    """A fault or family that proves nothing; the text says why."""


@dataclass(frozen=True)
class Result:
    """``caught`` by the test ``by``; else ``reason`` says what happened instead."""

    fault: Fault
    caught: bool
    by: str = ""
    reason: str = ""
    seconds: float = 0.0


def find_tests(family: Family, repository: Path = REPOSITORY) -> Path:
    """The family's module, wherever below ``tests`` it lies. Raises ``Unusable``."""
    found = [
        path
        for path in sorted((repository / "tests").rglob(Path(family.module).name))
        if path.as_posix().endswith(f"/{family.module}")
    ]
    if len(found) != 1:
        raise Unusable(f"{len(found)} test modules are called {family.module}")
    return found[0]


def faulty(fault: Fault, repository: Path = REPOSITORY) -> str:
    """The file's text with the fault in it. Raises ``Unusable``."""
    path = repository / fault.file
    if not path.is_file():
        raise Unusable(f"{fault.file} does not exist")
    text = path.read_text(encoding="utf-8")
    count = text.count(fault.old)
    if count != 1 or fault.old == fault.new:
        raise Unusable(f"{fault.file} holds the text {count} times, not once: {fault.old!r}")
    return text.replace(fault.old, fault.new)


@contextmanager
def copied(repository: Path = REPOSITORY) -> Iterator[Path]:
    """A copy of what git tracks and of what is new beside it, in a repository of its own."""
    with tempfile.TemporaryDirectory(prefix="seeded-faults-") as folder:
        copy = Path(folder) / "course"
        for name in working_files(repository):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, copy / name)
        for arguments in (["init", "--quiet"], ["add", "--all"]):
            subprocess.run(["git", *arguments], cwd=copy, check=True, capture_output=True)
        yield copy


@contextmanager
def seeded(fault: Fault, copy: Path) -> Iterator[None]:
    """The copy with the fault in it, until the ``with`` block ends."""
    path, text = copy / fault.file, faulty(fault, copy)
    before, times = path.read_bytes(), path.stat()
    path.write_text(text, encoding="utf-8")
    # Python takes a module of the same size and second for unchanged.
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 10**10))
    try:
        yield
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


class Pytest:
    """Runs families in a copy, each in a fork of one warm process."""

    def __init__(self, copy: Path, warm: Sequence[str] = SLOW) -> None:
        self.copy, self.log = copy, copy.parent / "log.txt"
        environment = {name: value for name, value in os.environ.items() if name != "CI"}
        self._warm = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("warm.py")), *warm],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=copy,
            env={**environment, "PYTHONPATH": str(copy)},
        )

    def __enter__(self) -> "Pytest":
        return self

    def __exit__(self, *_: object) -> None:
        self._warm.stdin.close()
        self._warm.wait()

    def run(self, family: Family) -> tuple[int, str]:
        """Exit status and output."""
        arguments = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=line", "-rfE"]
        arguments += ["-k", family.tests] if family.tests else []
        arguments.append(str(find_tests(family, self.copy)))
        asked = {"folder": str(self.copy), "arguments": arguments}
        asked |= {"log": str(self.log), "seconds": SECONDS}
        self._warm.stdin.write(json.dumps(asked) + "\n")
        self._warm.stdin.flush()
        status = self._warm.stdout.readline()
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return int(status) if status else -1, text


def results(
    faults: Sequence[Fault], repository: Path = REPOSITORY, warm: Sequence[str] = SLOW
) -> Iterator[Result]:
    """One result a fault, as it is found. Each family first has to be green without a fault."""
    unfit: dict[str, str] = {}
    with copied(repository) as copy, Pytest(copy, warm) as pytest:
        for fault in faults:
            family = FAMILIES[fault.family]
            if fault.family not in unfit:
                unfit[fault.family] = _why_unfit(pytest, family)
            if unfit[fault.family]:
                yield Result(fault, False, reason=f"without the fault {unfit[fault.family]}")
                continue
            begin = time.monotonic()
            try:
                with seeded(fault, copy):
                    status, text = pytest.run(family)
            except Unusable as error:
                yield Result(fault, False, reason=str(error))
                continue
            yield _result(fault, status, text, time.monotonic() - begin)


def _why_unfit(pytest: Pytest, family: Family) -> str:
    """Why the family proves nothing; "" when it is green and some of its tests ran."""
    try:
        status, text = pytest.run(family)
    except Unusable as error:
        return str(error)
    if status != _GREEN:
        return f"pytest ended with {status}: {_end(text)}"
    return "" if _TESTS_RUN.search(text) else f"no test ran: {_end(text)}"


def _result(fault: Fault, status: int, text: str, seconds: float) -> Result:
    failed = _FIRST_FAILED.search(text)
    if status == _RED and failed:
        return Result(fault, True, by=failed[1], seconds=seconds)
    if status == _GREEN:
        reason = "its tests stay green"
    else:  # a module that cannot be imported is noticed by everything, and so proves nothing
        reason = f"pytest ended with {status}: {_end(text)}"
    return Result(fault, False, reason=reason, seconds=seconds)


def _end(text: str) -> str:
    return " / ".join(text.strip().splitlines()[-3:])[-300:]
