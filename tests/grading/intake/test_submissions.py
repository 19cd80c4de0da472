"""What is read of a learner's folder, and what is not: links, pipes, folders, too much."""

import contextlib
import os
import unicodedata
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


def _open_files() -> set[tuple[str, str]]:
    """Each descriptor with what it is of."""
    names = set()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # that of the listing itself
            names.add((number, os.readlink(f"/proc/self/fd/{number}")))
    return names


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
    # Not equality: what an earlier test has left may be closed meanwhile.
    assert _open_files() <= before


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


# --- one learner, however the name was typed --------------------------------------------------------

COMPOSED = unicodedata.normalize("NFC", "Zoë")
DECOMPOSED = unicodedata.normalize("NFD", "Zoë")


def _hand_in(submitted: Path, learner: str, chapter: str = CHAPTER.id) -> None:
    folder = submitted / learner / chapter
    folder.mkdir(parents=True)
    (folder / f"{chapter}.ipynb").write_bytes(learner.encode())


def test_a_decomposed_name_is_the_same_learner(tmp_path):
    _hand_in(tmp_path, DECOMPOSED)
    [one] = submissions(tmp_path, CHAPTER)
    assert one.learner == COMPOSED
    assert one.notebook(CHAPTER) == DECOMPOSED.encode()
    assert [path.name for path in tmp_path.iterdir()] == [COMPOSED]  # what nbgrader lists
    assert submissions(tmp_path, CHAPTER) == [one]


def test_chapters_of_one_learner_in_two_folders_come_together(tmp_path):
    _hand_in(tmp_path, COMPOSED, "05_complete_loop")
    _hand_in(tmp_path, DECOMPOSED)
    [one] = submissions(tmp_path, CHAPTER)
    assert one.folder == tmp_path / COMPOSED / CHAPTER.id
    assert sorted(path.name for path in (tmp_path / COMPOSED).iterdir()) == [
        CHAPTER.id,
        "05_complete_loop",
    ]


def test_one_chapter_in_both_folders_is_reported_and_neither_is_taken(tmp_path):
    _hand_in(tmp_path, COMPOSED)
    _hand_in(tmp_path, DECOMPOSED)
    [one] = submissions(tmp_path, CHAPTER)
    assert one.learner == COMPOSED
    with pytest.raises(Unreadable, match="handed in twice"):
        one.notebook(CHAPTER)
    assert len(list(tmp_path.iterdir())) == 2
