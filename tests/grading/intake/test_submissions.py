"""What is read of a learner's folder, and what is not: links, pipes, folders, too much."""

import contextlib
import os
from pathlib import Path

import pytest

from course_lib.chapters import find_chapter
from grading.intake.reading import Unreadable
from grading.intake.submissions import submissions

CHAPTER = find_chapter("00")
NOTEBOOK = f"{CHAPTER.id}.ipynb"


@pytest.fixture
def folder(tmp_path) -> Path:
    """The folder of one learner who handed in nothing yet."""
    folder = tmp_path / "ann" / CHAPTER.id
    folder.mkdir(parents=True)
    return folder


def _only(folder: Path):
    [one] = submissions(folder.parent.parent, CHAPTER)
    return one


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
@pytest.mark.parametrize(
    "put",
    [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/etc/hostname"), Path.touch],
    ids=["a folder", "a pipe", "a link", "a file"],
)
def test_no_file_stays_open_whatever_is_in_the_notebooks_place(folder, put):
    put(folder / NOTEBOOK)
    before = _open_files()
    for _ in range(3):
        with contextlib.suppress(Unreadable):
            _only(folder).notebook(CHAPTER)
    assert _open_files() == before


def test_a_folder_in_the_notebooks_place_is_refused(folder):
    (folder / NOTEBOOK).mkdir()
    with pytest.raises(Unreadable, match="not an ordinary file"):
        _only(folder).notebook(CHAPTER)


def test_companions_are_ordinary_files_by_their_path(folder):
    (folder / NOTEBOOK).write_bytes(b"{}")
    (folder / "data").mkdir()
    (folder / "data" / "a.csv").write_bytes(b"1")
    (folder / "timestamp.txt").write_text("2026-01-01 00:00:00 UTC")
    (folder / "submission_secret.txt").write_text("of nbgrader")
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("/etc/hostname")
    (folder / "up").symlink_to("..")
    one = _only(folder)
    assert one.companions() == {"data/a.csv": b"1"}
    assert len(one.mended) == 2  # the pipe and the link; a linked folder is not even entered
