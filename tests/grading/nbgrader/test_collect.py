"""What a learning platform hands over, sorted by nbgrader's ``zip_collect`` with our settings."""

import io
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from course_lib.chapters import find_chapter

CHAPTER = find_chapter("00")
NOTEBOOK = f"{CHAPTER.id}.ipynb"
#: As platforms name files: the learner, numbers, the file's own name, perhaps in a folder.
NAMES = {
    "ann": f"ann_4711_815_{NOTEBOOK}",
    "bob": f"bob_4712_assignsubmission_file/{NOTEBOOK}",
    "cleo": f"cleo_4713_{CHAPTER.id}-2.ipynb",
}


def test_an_archive_is_sorted_by_learner(handed_in, tmp_path):
    course = Path(shutil.copytree(handed_in, tmp_path / "course"))
    submitted = course / "submitted"
    before = {path.relative_to(submitted): path.read_bytes() for path in submitted.rglob("*.ipynb")}
    archive = course / "downloaded" / CHAPTER.id / "archive" / f"{CHAPTER.id}_2026.zip"
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w") as file:
        for learner, name in NAMES.items():
            file.write(submitted / learner / CHAPTER.id / NOTEBOOK, name)
    shutil.rmtree(submitted)
    _collect(course)
    after = {path.relative_to(submitted): path.read_bytes() for path in submitted.rglob("*.ipynb")}
    assert after == before


def test_archives_of_learners_are_unpacked_up_to_a_size(handed_in, tmp_path):
    course = Path(shutil.copytree(handed_in, tmp_path / "course"))
    submitted = course / "submitted"
    honest = (submitted / "ann" / CHAPTER.id / NOTEBOOK).read_bytes()
    shutil.rmtree(submitted)
    archive = course / "downloaded" / CHAPTER.id / "archive" / "all.zip"
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("ann_1_work.zip", _packed({NOTEBOOK: honest}))
        file.writestr("bob_2_work.zip", _packed({NOTEBOOK: bytes(101 * 2**20)}))
        file.writestr("cleo_3_work.zip", _packed({f"{i}.txt": b"" for i in range(1001)}))
        file.writestr("dan_4_work.zip", b"PK and no more")
        deeper = _packed({"deeper.zip": _packed({NOTEBOOK: honest})})
        file.writestr("eve_5_work.zip", deeper)
    said = _collect(course)
    found = [path.relative_to(submitted) for path in submitted.rglob("*.ipynb")]
    assert found == [Path("ann") / CHAPTER.id / NOTEBOOK]
    for learner in ("bob", "cleo", "dan"):
        assert any(f"{learner}_" in line and "Left packed" in line for line in said.splitlines())
    extracted = course / "downloaded" / CHAPTER.id / "extracted"
    assert sum(path.stat().st_size for path in extracted.rglob("*") if path.is_file()) < 2**20


def _packed(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return packed.getvalue()


def _collect(course: Path) -> str:
    """Run ``zip_collect``; returns what it said."""
    command = [sys.executable, "-m", "nbgrader", "zip_collect", CHAPTER.id]
    done = subprocess.run(command, cwd=course, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr
