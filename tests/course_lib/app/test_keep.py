"""A learner's record goes to another machine and comes back, and nothing counts twice."""

import pytest

from course_lib import progress
from course_lib.__main__ import main
from course_lib.app.keep import keep_progress


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))


def work() -> dict[str, progress.Record]:
    """Two tries, two hints, an answer, a prediction with its outcome."""
    for passed in (False, True):
        progress.record("fit", passed=passed)
    for _ in range(2):
        progress.record_hint("fit")
    progress.record_answer("q05_1", "A", right=True)
    progress.record_prediction("p05_1", "learns")
    progress.record_outcome("p05_1", true=True)
    return progress.load()


def test_another_machine_knows_everything_and_a_second_import_adds_nothing(
    tmp_path, monkeypatch, capsys
):
    before, file = work(), str(tmp_path / "mine.jsonl")
    assert main(["progress", "export", file]) == 0
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "another"))
    for _ in range(2):
        assert main(["progress", "import", file]) == 0
        assert progress.load() == before
    assert "0 new events" in capsys.readouterr().out


def test_what_was_done_on_both_machines_is_joined(tmp_path, monkeypatch):
    work()
    file = tmp_path / "mine.jsonl"
    main(["progress", "export", str(file)])
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "another"))
    progress.record("evaluate", passed=True)
    main(["progress", "import", str(file)])
    assert {"fit", "evaluate", "q05_1"} <= progress.load().keys()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{}\n[1]\nnull", b"[" * 100_000])
def test_a_file_that_is_no_record_is_one_line(tmp_path, capsys, content):
    file = tmp_path / "other"
    file.write_bytes(content)
    assert main(["progress", "import", str(file)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is not an exported record" in line
    assert progress.load() == {}


def test_missing_files_and_nothing_to_export_are_one_line(tmp_path, capsys):
    for arguments in (
        ["import", str(tmp_path / "gone")],
        ["export", str(tmp_path / "gone" / "there")],
    ):
        assert main(["progress", *arguments]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")


def test_a_drive_is_used_only_when_it_is_there_and_asked_for(tmp_path, capsys):
    before = work()
    place = progress.path()
    keep_progress(str(tmp_path / "drive"))
    assert "mount" in capsys.readouterr().out
    assert progress.path() == place
    (tmp_path / "drive").mkdir()
    for _ in range(2):
        keep_progress(str(tmp_path / "drive"))
        assert progress.path().is_relative_to(tmp_path / "drive")
        assert progress.load() == before
