"""``make test`` does not run again what was green with all that it depends on as it is now.

A test depends on every file of the repository, except documents and other modules of tests (unless it is
named below as one that reads them), and on packages, programs and settings of this machine. Nor does a
test depend on other chapters than that of its parameter, or those named below: no chapter knows
another one (``make lint``), except that old questions come back in later ones. And a test
that starts none of the grader's commands depends only on those of its modules that it imports.

It works with ``--remember`` alone, which ``make test`` gives, and never under ``CI=true``. The tests of a
unit (``work_units``) are remembered when none of those that ran was red, in ``.cache/green``. Without that
folder all are run.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from functools import cache, cached_property
from importlib.metadata import distributions
from pathlib import Path, PurePosixPath

import grimp
import pytest

from course_lib.chapters import CHAPTERS, find_chapter
from course_lib.exercises import chapter_exercises, chapter_of
from course_lib.exercises.checking.model import Exercise
from grading.classroom.versions import digest
from grading.intake.whole_file import write_whole
from tests.work_units import unit_of
from tests.working_files import working_files

REPOSITORY = Path(__file__).resolve().parent.parent
#: Folders and modules of tests that read documents, or run or read other modules of tests.
READ_DOCUMENTS = (
    *("tests/benchmarks", "tests/repository", "tests/seeded_faults", "tests/site"),
    *("tests/browser/test_recorded_panels.py", "tests/grading/authoring/test_publish.py"),
    *("tests/hub", "tests/compatibility"),
)
READ_TESTS = ("tests/compatibility", "tests/everywhere", "tests/repository", "tests/seeded_faults")
#: They start no command of the grader: of its modules they depend on those alone that they import, and on what
#: is imported, unseen, by the cells of the notebooks that they run or by the site's modules.
START_NO_GRADER = {
    "tests/browser": ("grading.paths",),
    "tests/course_lib/exercises": (),
    "tests/course_lib/handing_in": (),
    "tests/course_lib/panels": (),
    "tests/course_lib/simulations": (),
    "tests/course_lib/test_compiler.py": (),
    "tests/course_lib/test_data_parallel.py": (),
    "tests/course_lib/test_ordering.py": (),
    "tests/everywhere/test_capabilities.py": (),
    "tests/everywhere/test_chapter_claims.py": (),
    "tests/grading/answers": (),
    "tests/grading/authoring/test_mutants.py": (),
    "tests/grading/judging": (),
    "tests/notebooks/test_exported.py": (),
    "tests/notebooks/test_nbval.py": ("grading.inprocess",),
    "tests/notebooks/test_released.py": ("grading.inprocess",),
    "tests/site/test_export.py": ("grading.paths",),
    "tests/site/test_recording.py": ("grading.paths",),
}
#: Those for which some chapters stand for all, wherever they come from. No simulation knows an exercise: one
#: chapter stands for what is about them alone.
CHAPTERS_OF = {
    "tests/benchmarks": ("00", "05"),
    "tests/browser/test_alone.py": ("00", "01", "02"),
    "tests/browser/test_dashboard.py": ("07",),
    "tests/course_lib/simulations": ("00",),
    "tests/course_lib/test_compiler.py": ("00",),
    "tests/course_lib/test_data_parallel.py": ("00",),
    "tests/everywhere/test_capabilities.py": ("00",),
    "tests/everywhere/test_chapter_claims.py": ("00",),
    "tests/grading/classroom/test_grade_class.py": ("00", "05"),
    "tests/grading/classroom/test_gradebook_trouble.py": ("00",),
    "tests/grading/nbgrader": ("00", "05"),
    "tests/grading/runner/test_run.py": ("05",),
    "tests/grading/runner/test_zygote.py": ("00",),
    "tests/hostile": ("00", "02", "03", "04"),
    "tests/hub": ("02",),
}

_PROGRAMS = ("bwrap", "chromium", "git", "node", "npm", "pg_ctl", "psql")
_SETTINGS = ("COURSE_", "ATEN_", "MKL_", "OMP_", "ONEDNN_")
_OWN_PLACE = "COURSE_HOME"  # another one for each run
#: What files and folders of a chapter are called.
_NUMBERS = {name: chapter.number for chapter in CHAPTERS for name in (chapter.id, chapter.module)}
_NUMBERS_OF_EXERCISES = {
    exercise.name: chapter.number for chapter in CHAPTERS for exercise in chapter_exercises(chapter)
}

_FOLDER = re.compile(r"^grading\.\w+")

#: Where a test is remembered, and under which name.
_PLACE = pytest.StashKey[tuple[Path, str]]()


class Remembered:
    """The plugin. ``folder`` holds a folder for each unit, with a file that is called by the state that
    its tests were last green in, and holds their names."""

    def __init__(self, repository: Path, folder: Path) -> None:
        self.folder = folder
        self._files = Files(repository)
        self._waiting: dict[Path, set[str]] = defaultdict(set)
        self._passed: dict[Path, set[str]] = defaultdict(set)
        self._red: set[Path] = set()

    @pytest.hookimpl(tryfirst=True)  # xdist then puts the unit behind each test's name
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        known = cache(_read)  # one unit holds many tests
        for item in items if self._files.digests else ():
            module = item.path.relative_to(self._files.repository).as_posix()
            unit = re.sub(r"[^\w.]+", "-", unit_of(item))[-150:]
            state = self._files.state(module, chapters_of(module, item))
            place = self.folder / unit / f"{state}.json"
            if item.nodeid in known(place):
                item.add_marker(pytest.mark.skip("green before, with all of this as it is now"))
            else:
                item.stash[_PLACE] = (place, item.nodeid)
                self._waiting[place].add(item.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Iterator[None]:
        report = yield
        if _PLACE in item.stash:
            self._note(*item.stash[_PLACE], report)
        return report

    def _note(self, place: Path, name: str, report: pytest.TestReport) -> None:
        if report.failed:
            self._red.add(place)
        elif report.when == "call" and report.passed:
            self._passed[place].add(name)
        if report.when == "teardown":
            self._waiting[place].discard(name)
            if not self._waiting[place] and place not in self._red and self._passed[place]:
                names = sorted(_read(place) | self._passed[place])
                write_whole(place, json.dumps(names, indent=0).encode())
                for old in set(place.parent.iterdir()) - {place}:
                    old.unlink(missing_ok=True)


class Files:
    """What git tracks in ``repository`` and what is new there; nothing where git cannot say so."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self.state = cache(self._state)

    @cached_property
    def digests(self) -> dict[str, str]:
        """Of what is in each file."""
        try:
            files = working_files(self.repository)
        except (OSError, subprocess.CalledProcessError):
            return {}
        return {name: digest((self.repository / name).read_bytes()) for name in files}

    def _state(self, module: str, chapters: frozenset[str]) -> str:
        """A digest of all that the tests of ``module`` depend on which are about ``chapters``, or
        about all where there are none."""
        found = [
            f"{name} {content}"
            for name, content in self.digests.items()
            if _is_read(name, module) and (not chapters or chapter_number(name) in {"", *chapters})
        ]
        return digest(*found, *_surroundings())


def chapters_of(module: str, item: pytest.Item) -> frozenset[str]:
    """The numbers of the chapters that a test depends on; none: of all."""
    callspec = getattr(item, "callspec", None)
    given = callspec.params if callspec is not None else {}
    for name, value in given.items():
        if name == "chapter":
            with suppress(LookupError):  # an id, a number, a file or the chapter itself
                called = getattr(value, "id", None) or Path(str(value)).stem
                return frozenset({find_chapter(called).number})
        if isinstance(value, Exercise):
            return frozenset({chapter_of(value.name).number})
    return frozenset(
        number for path, some in CHAPTERS_OF.items() if _is_below(module, path) for number in some
    )


def chapter_number(name: str) -> str:
    """The number of the chapter whose file this is; "" for one of all chapters, as questions are."""
    path = PurePosixPath(name)
    if "quiz" in path.stem or "drills" in path.parts:
        return ""
    if path.parent.name == "course_answers":
        return _NUMBERS_OF_EXERCISES.get(path.stem, "")
    names = (part.partition(".")[0] for part in path.parts)
    return next((_NUMBERS[name] for name in names if name in _NUMBERS), "")


def _is_read(name: str, module: str) -> bool:
    """Can what is in the file ``name`` change how the tests of ``module`` end?"""
    if name == module:
        return True
    if name.endswith(".md") or name.startswith("docs/"):
        return any(_is_below(module, path) for path in READ_DOCUMENTS)
    if name.startswith("tests/") and PurePosixPath(name).name.startswith("test_"):
        return any(_is_below(module, path) for path in READ_TESTS)
    if name.startswith("grading/") and any(_is_below(module, path) for path in START_NO_GRADER):
        known = _dotted(name) in _imports().modules and name != "grading/__init__.py"
        return not known or _dotted(name) in imported_by(module)
    return True


@cache
def _dotted(name: str) -> str:
    """What the module in the file ``name`` is called."""
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def _imports() -> grimp.ImportGraph:
    graph = grimp.build_graph("course_lib", "grading", "benchmarks", "tests", cache_dir=None)
    graph.remove_import(importer="tests.conftest", imported=__name__)  # no test needs this module
    return graph


@cache
def imported_by(module: str) -> frozenset[str]:
    """The names of the modules that those of the tests in the file ``module`` import, with those of the fixtures
    that they use, and what these import. Of the grader, a folder counts with all that is in it: some is looked up
    by name."""
    imports, found = _imports(), set[str]()
    waiting = {_dotted(name) for name in (module, *_conftests(module))} & imports.modules
    waiting.update(*(unseen for path, unseen in START_NO_GRADER.items() if _is_below(module, path)))
    while waiting:
        found |= waiting
        reached = {name for each in waiting for name in imports.find_upstream_modules(each)}
        folders = {name for each in reached | waiting for name in _FOLDER.findall(each)}
        within = {name for each in folders for name in imports.find_descendants(each)}
        waiting = (reached | folders | within) - found
    return frozenset(found)


def _conftests(module: str) -> Iterator[str]:
    """The files of fixtures above ``module`` one of which it names, or a file between the two."""
    text = (REPOSITORY / module).read_text(encoding="utf-8")
    for folder in PurePosixPath(module).parents:
        path = REPOSITORY / folder / "conftest.py"
        if path.is_file():
            fixtures = path.read_text(encoding="utf-8")
            names = re.findall(r"^@pytest\.fixture[^\n]*\ndef (\w+)", fixtures, re.MULTILINE)
            unread = "autouse" in fixtures or len(names) < fixtures.count("@pytest.fixture")
            if unread or any(re.search(rf"\b{name}\b", text) for name in names):
                yield str(folder / "conftest.py")
                text += fixtures


def _is_below(name: str, path: str) -> bool:
    return name == path or name.startswith(f"{path}/")


@cache
def _surroundings() -> tuple[str, ...]:
    """Packages, programs, the machine's kind, and settings of the course and of PyTorch."""
    packages = sorted({f"{each.name} {each.version}" for each in distributions()})
    programs = [shutil.which(name) for name in _PROGRAMS]
    dates = [f"{name} {Path(name).stat().st_mtime_ns}" for name in programs if name]
    names = sorted(n for n in os.environ if n.startswith(_SETTINGS) and n != _OWN_PLACE)
    settings = [f"{name}={os.environ[name]}" for name in names]
    return (sys.version, platform.platform(), *packages, *dates, *settings)


def _read(place: Path) -> set[str]:
    try:
        return set(json.loads(place.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return set()
