"""What a learning platform hands over, sorted by nbgrader's ``zip_collect`` with our settings."""

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
    command = [sys.executable, "-m", "nbgrader", "zip_collect", CHAPTER.id]
    done = subprocess.run(command, cwd=course, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    after = {path.relative_to(submitted): path.read_bytes() for path in submitted.rglob("*.ipynb")}
    assert after == before
