"""What lies in the shared exchange folder is a stranger's: only their own ordinary files are taken."""

import os
import pwd
from pathlib import Path

import pytest
from traitlets.config import Config

from grading.errors import Problem
from grading.nbgrader.exchange import attempts, take

CHAPTER = "00_why_a_training_loop"
STAMP = "2026-10-12 12:00:00.000000 UTC"


@pytest.fixture
def config(tmp_path) -> Config:
    config = Config()
    config.Exchange.root = str(tmp_path / "exchange")
    config.CourseDirectory.course_id = "a-course"
    return config


def hand_in(config: Config, learner: str, stamp: str = STAMP, secret: str = "0" * 128) -> Path:
    name = f"{learner}+{CHAPTER}+{stamp}+random"
    folder = Path(config.Exchange.root) / "a-course" / "inbound" / name
    folder.mkdir(parents=True)
    (folder / f"{CHAPTER}.ipynb").write_text("{}")
    if secret:
        (folder / "submission_secret.txt").write_text(secret)
    return folder


def test_links_and_pipes_are_left_where_they_are(config, tmp_path):
    (tmp_path / "secret").write_text("the instructor's")
    folder = hand_in(config, "ann")
    (folder / "data.csv").symlink_to(tmp_path / "secret")
    (folder / "all").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    (folder / "more").mkdir()
    (folder / "more" / "own.csv").write_text("1,2")
    [attempt] = attempts(config, CHAPTER)
    take(config, attempt, tmp_path / "to")
    taken = {str(path.relative_to(tmp_path / "to")) for path in (tmp_path / "to").rglob("*")}
    assert taken == {f"{CHAPTER}.ipynb", "submission_secret.txt", "more", "more/own.csv"}


def test_a_link_in_place_of_the_whole_submission_takes_nothing(config, tmp_path):
    folder = hand_in(config, "ann")
    [attempt] = attempts(config, CHAPTER)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path)
    take(config, attempt, tmp_path / "to")
    assert list((tmp_path / "to").iterdir()) == []


def test_nobody_hands_in_for_another_account_or_another_folder(config):
    mine = pwd.getpwuid(os.getuid()).pw_name
    other = next(one.pw_name for one in pwd.getpwall() if one.pw_uid != os.getuid())
    for learner in (mine, other, "without-an-account", "..", ""):
        hand_in(config, learner)
    assert {one.learner for one in attempts(config, CHAPTER)} == {mine, "without-an-account"}


def test_what_is_not_there_as_a_whole_or_has_no_time_waits(config):
    hand_in(config, "ann", secret="")
    hand_in(config, "bob", stamp="yesterday")
    hand_in(config, "cleo+x")
    assert [one.learner for one in attempts(config, CHAPTER)] == ["cleo+x"]


def test_a_submission_that_cannot_be_taken_leaves_the_last_one(config, tmp_path):
    hand_in(config, "ann")
    [attempt] = attempts(config, CHAPTER)
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "earlier").write_text("work")
    config.CourseDirectory.max_dir_size = 0
    with pytest.raises(Problem, match="max_dir_size"):
        take(config, attempt, tmp_path / "to")
    assert (tmp_path / "to" / "earlier").read_text() == "work"
    assert [path.name for path in tmp_path.glob(".new-*")] == []
