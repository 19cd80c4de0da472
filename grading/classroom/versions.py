"""What a stored result depends on besides the submission: the course's own code, as hashes by folder.

A version is of one chapter: what belongs to other chapters alone is left out, so that changing it
touches no result of this one. Called by ``cache`` and ``grade_class``; ``workers`` on other machines
compare theirs with the grader's.
"""

import platform
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.metadata import version

from course_lib.chapters import CHAPTERS, Chapter
from grading.paths import REPOSITORY

_PACKAGES = ("torch", "numpy", "ipykernel", "safetensors", "msgspec")
#: What makes observations, and what makes verdicts of them. A new module in a folder counts.
_RUNNING = ("course_lib", "grading/errors.py", "grading/intake", "grading/runner")
_JUDGING = (
    "grading/answers",
    "grading/chapter_text",
    "grading/chapters",
    "grading/classroom/pipeline.py",
    "grading/judging",
    "grading/nbgrader",
)
_CODE = (".py", ".jinja")
#: Where each chapter has a file or folder of its own.
_BY_CHAPTER = ("course_lib/exercises", "grading/answers", "grading/chapters")


def digest(*parts: bytes | str) -> str:
    """One hash of several parts; where one ends and the next begins counts."""
    whole = sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "big"))
        whole.update(data)
    return whole.hexdigest()


@cache
def run_version(chapter_id: str) -> str:
    """Of everything that makes observations of a chapter, the packages whose numbers are observed
    included."""
    packages = [f"{name} {version(name)}" for name in _PACKAGES]
    return digest(platform.python_version(), *packages, *_contents(_RUNNING, chapter_id))


@cache
def judge_version(chapter: Chapter) -> str:
    """Of everything that makes verdicts of a chapter: answers, solutions and the judging code."""
    run = run_version(chapter.id)
    return digest(run, version("nbgrader"), *_contents(_JUDGING, chapter.id))


def _contents(places: tuple[str, ...], chapter_id: str) -> Iterator[bytes | str]:
    """Name and text of all code in the places, without those of other chapters."""
    foreign = {
        REPOSITORY / folder / name
        for folder in _BY_CHAPTER
        for other in CHAPTERS
        for name in (other.module, f"{other.module}.py", f"{other.id}.py")
        if other.id != chapter_id
    }
    for place in places:
        path = REPOSITORY / place
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.suffix in _CODE and foreign.isdisjoint((file, *file.parents)):
                yield str(file.relative_to(REPOSITORY))
                yield file.read_bytes()
