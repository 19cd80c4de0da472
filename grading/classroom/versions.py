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
_PACKAGES = ("torch", "numpy", "ipykernel", "safetensors")


def digest(*parts: bytes | str) -> str:
    """One hash of several parts; where one ends and the next begins counts."""
    whole = sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "big"))
        whole.update(data)
    return whole.hexdigest()


#: What makes observations, and what makes verdicts of them, as folders of ``grading``.
_RUNNING = ("runner", "intake")
_JUDGING = ("answers", "chapter_text", "chapters", "judging", "nbgrader")


@cache
def run_version() -> str:
    """Of everything that makes observations: ``course_lib``, the runner, and the packages whose
    numbers are observed."""
    packages = [f"{name} {version(name)}" for name in _PACKAGES]
    return digest(platform.python_version(), *packages, *_contents(_files(_COURSE, *_RUNNING)))


@cache
def judge_version(chapter: Chapter) -> str:
    """Of everything that makes verdicts of this chapter: answers, solutions and the judging code.

    What belongs to other chapters alone is left out: changing it touches no mark of this one.
    """
    foreign = {path for other in CHAPTERS if other != chapter for path in _own_files(other)}
    sources = [path for path in _files(*_JUDGING) if path not in foreign]
    return digest(run_version(), version("nbgrader"), *_contents(sources))


def _files(*folders: Path | str) -> list[Path]:
    return [path for folder in folders for path in (_GRADING / folder).rglob("*.py")]


def _own_files(chapter: Chapter) -> Iterator[Path]:
    yield _GRADING / "chapters" / f"{chapter.id}.py"
    yield from (_GRADING / "answers").glob(f"ch{chapter.number}_*.py")
    yield from (_GRADING / "answers" / chapter.module).rglob("*.py")


def _contents(paths: Iterable[Path]) -> Iterator[bytes | str]:
    for path in sorted(paths):
        yield str(path.relative_to(_COURSE.parent if _COURSE in path.parents else _GRADING.parent))
        yield path.read_bytes()
