"""What a stored result depends on besides the submission: the course's own code, as hashes.

Called by ``cache`` and ``grade_class``; workers compare theirs with the grader's (``workers``).
"""

import platform
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import course_lib
import grading
from course_lib.chapters import CHAPTERS, Chapter

_COURSE = Path(course_lib.__file__).resolve().parent
_GRADING = Path(grading.__file__).resolve().parent
#: The part of the engine that prepares and judges, which needs no kernel. All the rest is hashed, so
#: that a module which is added counts.
_JUDGING = ("cache", "cases", "compare", "grade", "judge", "repair", "versions", "workers")
_PACKAGES = ("torch", "numpy", "ipykernel", "safetensors")


def digest(*parts: bytes | str) -> str:
    """One hash of several parts; where one ends and the next begins counts."""
    whole = sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "big"))
        whole.update(data)
    return whole.hexdigest()


@cache
def run_version() -> str:
    """Of everything that makes observations: ``course_lib``, the running half of the engine, and
    the packages whose numbers are observed."""
    engine = (path for path in (_GRADING / "engine").glob("*.py") if path.stem not in _JUDGING)
    sources = [*_COURSE.rglob("*.py"), *engine]
    packages = [f"{name} {version(name)}" for name in _PACKAGES]
    return digest(platform.python_version(), *packages, *_contents(sources))


@cache
def judge_version(chapter: Chapter) -> str:
    """Of everything that makes verdicts of this chapter: answers, solutions and the judging code.

    What belongs to other chapters alone is left out: changing it touches no mark of this one.
    """
    foreign = {path for other in CHAPTERS if other != chapter for path in _own_files(other)}
    folders = ("answers", "chapters", "engine", "nbgrader")
    sources = [path for name in folders for path in (_GRADING / name).rglob("*.py")]
    sources += [_GRADING / f"{name}.py" for name in ("chapter_source", "expand", "reference")]
    sources = [path for path in sources if path not in foreign]
    return digest(run_version(), version("nbgrader"), *_contents(sources))


def _own_files(chapter: Chapter) -> Iterator[Path]:
    yield _GRADING / "chapters" / f"{chapter.id}.py"
    yield from (_GRADING / "answers").glob(f"ch{chapter.number}_*.py")


def _contents(paths: Iterable[Path]) -> Iterator[bytes | str]:
    for path in sorted(paths):
        yield str(path.relative_to(_COURSE.parent if _COURSE in path.parents else _GRADING.parent))
        yield path.read_bytes()
