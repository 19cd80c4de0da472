"""What runs a submission in nbgrader, replaced by what does so safely. ``configure`` calls ``take_over``, so
this holds in every process that reads a course's settings: nbgrader's commands and formgrader.

nbgrader's own ``autograde`` runs a submission in a plain kernel, with all the rights of whoever presses the
button, and so does ``validate``. Here both call ``python -m grading`` in a process of its own: ``grade``
with its verdicts, stored results, sandbox and limits, and ``grade-notebook`` for learners' files.

A process that never imports those parts of nbgrader, such as ``grade`` itself, does not import them for this:
then they are replaced as they are imported.
"""

import html
import json
import logging
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from fnmatch import fnmatchcase
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from traitlets.config import Application

from course_lib.chapters import find_chapter
from grading.intake.submissions import submissions
from grading.judging.outcomes import VERDICTS
from grading.paths import REPOSITORY, CourseFolder

if TYPE_CHECKING:
    from nbgrader.converters import Autograde
    from nbgrader.coursedir import CourseDirectory
    from nbgrader.validator import Validator

#: The folders of a course directory that hold learners' work.
_LEARNERS_WORK = ("submitted", "autograded", "staging", "downloaded")
_COURSES: set[Path] = set()
#: nbgrader's own ``Validator.validate``.
_validate_as_you: Callable[..., dict] | None = None


def take_over(course: Path) -> None:
    """Replace nbgrader's ways to run a submission in this process, now or when they are imported."""
    _COURSES.add(course.resolve())
    for name, replace in _REPLACED.items():
        if name in sys.modules:
            replace(sys.modules[name])
    if _AtImport not in sys.meta_path:
        sys.meta_path.insert(0, _AtImport)


class _AtImport:
    """A finder that finds what Python would, and replaces in it what is to be replaced."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name not in _REPLACED:
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def then_replace(module: ModuleType) -> None:
                execute(module)
                _REPLACED[name](module)

            spec.loader.exec_module = then_replace
        return spec


def _replace_autograde(module: ModuleType) -> None:
    module.Autograde.start = _autograde


def _replace_validate(module: ModuleType) -> None:
    global _validate_as_you
    if module.Validator.validate is not _validate:
        _validate_as_you = module.Validator.validate
        module.Validator.validate = _validate


_REPLACED: dict[str, Callable[[ModuleType], None]] = {
    "nbgrader.converters.autograde": _replace_autograde,
    "nbgrader.validator": _replace_validate,
}


def _autograde(self: "Autograde") -> None:
    """Grade the submissions that ``--student`` means. Raises ``NbGraderException`` unless each of them
    has a mark afterwards."""
    from nbgrader.converters.base import NbGraderException  # there where this is called

    coursedir = self.coursedir
    with tempfile.TemporaryDirectory(prefix="autograde-") as folder:
        file = Path(folder) / "results.json"
        # On a terminal the table and its progress are shown; formgrader shows a log.
        on_terminal = isinstance(self.parent, Application)
        done = _grading(
            *("grade", coursedir.assignment_id, "--course", coursedir.root, "--json", str(file)),
            *(f"--learner={name}" for name in _meant(coursedir)),
            said=None if on_terminal else subprocess.PIPE,
        )
        results = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if not on_terminal:
        for name, one in results.get("learners", {}).items():
            self.log.info("%s: %g of %g points", name, one["score"], one["max_score"])
        for name, reason in results.get("not_graded", {}).items():
            self.log.error("%s %s", name, reason)
        if done.stderr.strip():
            self.log.log(logging.ERROR if done.returncode else logging.INFO, done.stderr.strip())
    if done.returncode or not results:
        raise NbGraderException("nothing was graded; the log says why")
    if results["not_graded"]:
        raise NbGraderException("not every submission could be graded; the log says why")


def _validate(self: "Validator", filename: str) -> dict[str, list[dict[str, str]]]:
    """``Validator.validate``; a file from a learner's folder is graded in the sandbox instead."""
    path = Path(filename).resolve()
    work = {course / step: course for course in _COURSES for step in _LEARNERS_WORK}
    course = next((work[folder] for folder in work if path.is_relative_to(folder)), None)
    if course is None:
        return _validate_as_you(self, filename)
    arguments = ("grade-notebook", str(path), "--json", "--course", str(course))
    done = _grading(*arguments, said=subprocess.PIPE)
    if done.returncode:
        return {"failed": [_failed("", done.stderr.strip())]}
    failed = [
        _failed(item["grade_id"], f"{VERDICTS[item['status']][1]}: {item['message']}")
        for item in json.loads(done.stdout)["cells"]
        if item["score"] < item["max_score"]
    ]
    return {"failed": failed} if failed else {}


def _failed(source: str, error: str) -> dict[str, str]:
    text = textwrap.fill(error, 80)  # nbgrader cuts longer lines
    return {"source": source, "error": html.escape(text), "raw_error": text}


def _grading(*arguments: str, said: int | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "grading", *arguments],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=said,
        encoding="utf-8",
        errors="replace",
    )


def _meant(coursedir: "CourseDirectory") -> list[str]:
    """The learners that nbgrader's patterns mean; empty for all."""
    pattern, excluded = coursedir.student_id, coursedir.student_id_exclude.split(",")
    if pattern == "*" and excluded == [""]:
        return []
    try:
        chapter = find_chapter(coursedir.assignment_id)
    except LookupError:
        return []  # ``grade`` says so
    handed_in = submissions(CourseFolder(Path(coursedir.root)).submitted, chapter)
    names = [one.learner for one in handed_in if one.learner not in excluded]
    if pattern in names:  # a name may hold brackets
        return [pattern]
    return [name for name in names if fnmatchcase(name, pattern)] or [pattern]
