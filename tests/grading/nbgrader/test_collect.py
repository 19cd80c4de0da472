"""``nbgrader zip_collect`` with our settings: from an archive to ``submitted/``, and once more when a
later download brings more. Whose file it is, and which counts: ``test_platforms``."""

import contextlib
import io
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from nbgrader.apps import ZipCollectApp

from course_lib.chapters import find_chapter
from grading.errors import Problem
from grading.intake.deliver import Record, in_utc
from grading.nbgrader.course import load_course, make_course
from tests.grading.platform_archives import (
    CHAPTER,
    NAME,
    download,
    mark_of,
    notebook,
    notebooks,
    packed,
)


@pytest.fixture
def course(tmp_path) -> Path:
    """A course directory without submissions."""
    course = tmp_path / "course"
    make_course(course)
    return course


def _set(course: Path, **settings: str) -> None:
    """As an instructor edits ``nbgrader_config.py``."""
    config = course / "nbgrader_config.py"
    line = "configure(c, Path(__file__).resolve().parent"
    given = "".join(f", {name}={value!r}" for name, value in settings.items())
    text = config.read_text()
    assert text.count(f"{line})") == 1
    config.write_text(text.replace(f"{line})", f"{line}{given})"))


def _archives(course: Path) -> Path:
    return course / "downloaded" / CHAPTER.id / "archive"


def _collect(course: Path, *options: str) -> str:
    """Run ``zip_collect``, here: a process of its own takes seconds to start. What it said."""
    said = io.StringIO()
    out, err = contextlib.redirect_stdout(said), contextlib.redirect_stderr(said)
    with contextlib.chdir(course), out, err:
        app = ZipCollectApp()
        app.initialize([CHAPTER.id, *options])
        app.start()
    return said.getvalue()


def _submitted(course: Path) -> dict[str, str]:
    """Whose submission holds which mark."""
    files = (course / "submitted").glob(f"*/{CHAPTER.id}/{NAME}.ipynb")
    return {path.parts[-3]: mark_of(path.read_bytes()) for path in files}


def test_an_archive_is_sorted_by_learner_without_any_setting(course):
    download(
        _archives(course),
        notebooks(
            f"ann_4711_815_{NAME}.ipynb",
            f"bob_4712_assignsubmission_file/{NAME}.ipynb",
            f"cleo_4713_{CHAPTER.id}-2.ipynb",
        ),
    )
    command = [sys.executable, "-m", "nbgrader", "zip_collect", CHAPTER.id]
    done = subprocess.run(command, cwd=course, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert set(_submitted(course)) == {"ann", "bob", "cleo"}
    assert "3 learners" in said
    assert "Not collected" not in said
    assert "Parsing file" not in said


def test_a_second_download_changes_what_is_new_in_it(course):
    _set(course, platform="canvas")
    first = notebooks(f"ann_1_10_{NAME}.ipynb", f"bob_2_11_{NAME}.ipynb", f"cleo_3_12_{NAME}.ipynb")
    download(_archives(course), first, "first.zip", when=1)
    _collect(course)
    mended = course / "submitted" / "bob_2" / CHAPTER.id / f"{NAME}.ipynb"
    mended.write_bytes(notebook("mended by hand"))
    second = first | notebooks(f"ann_1_20_{NAME}-1.ipynb", f"dan_4_21_{NAME}.ipynb")
    download(_archives(course), second, "second.zip", when=2)
    said = _collect(course)
    assert _submitted(course) == {
        "ann_1": f"ann_1_20_{NAME}-1.ipynb",
        "bob_2": "mended by hand",
        "cleo_3": f"cleo_3_12_{NAME}.ipynb",
        "dan_4": f"dan_4_21_{NAME}.ipynb",
    }
    assert "new: 1 (dan_4)" in said
    assert "newer attempt: 1 (ann_1)" in said
    assert "unchanged: 2 (bob_2, cleo_3)" in said
    kept = course / "downloaded" / CHAPTER.id / "replaced" / "ann_1" / "1" / f"{NAME}.ipynb"
    assert mark_of(kept.read_bytes()) == f"ann_1_10_{NAME}.ipynb"
    # Nothing is lost when an older download is the only one that is left.
    (_archives(course) / "second.zip").unlink()
    assert "kept, since what was collected before is newer: 1 (ann_1)" in _collect(course)
    assert _submitted(course)["ann_1"] == f"ann_1_20_{NAME}-1.ipynb"


def test_what_came_in_another_way_is_kept_aside(course):
    there = course / "submitted" / "ann" / CHAPTER.id
    there.mkdir(parents=True)
    (there / f"{NAME}.ipynb").write_bytes(notebook("through the exchange"))
    download(_archives(course), notebooks(f"ann_1_{NAME}.ipynb"))
    assert "newer attempt: 1 (ann)" in _collect(course)
    [kept] = (course / "downloaded").rglob(f"replaced/ann/1/{NAME}.ipynb")
    assert mark_of(kept.read_bytes()) == "through the exchange"


def test_what_was_not_collected_stands_last_and_names_the_file(course):
    _set(course, platform="canvas")
    download(
        _archives(course),
        {
            "ann_1_2_work.rar": b"Rar!",
            "syllabus.pdf": b"%PDF",
            f"bob_3_4_{NAME}.ipynb": notebook("bob"),
        },
    )
    lines = _collect(course).strip().splitlines()
    assert lines[-3] == "Not collected: 2"
    assert "ann_1_2_work.rar: not unpacked" in lines[-2] + lines[-1]
    assert "syllabus.pdf: its name does not say whose it is" in lines[-2] + lines[-1]
    assert set(_submitted(course)) == {"bob_3"}


def test_the_platform_that_the_names_look_like_is_told(course):
    _set(course, platform="ilias")
    download(_archives(course), notebooks(f"A B_1_assignsubmission_file/{NAME}.ipynb"))
    assert 'platform="moodle"' in _collect(course)


def test_times_of_a_platform_are_used_where_their_zone_is_known(course):
    _set(course, platform="blackboard")
    name = f"Chapter 0_aone_attempt_2026-10-12-13-14-15_{NAME}.ipynb"
    download(_archives(course), notebooks(name))
    assert "without a time zone" in _collect(course)
    timestamp = course / "submitted" / "aone" / CHAPTER.id / "timestamp.txt"
    assert not timestamp.exists()
    text = (course / "nbgrader_config.py").read_text()
    (course / "nbgrader_config.py").write_text(
        text.replace("platform='blackboard'", "platform='blackboard', timezone='Europe/Berlin'")
    )
    assert "newer attempt: 1 (aone)" in _collect(course)
    assert timestamp.read_text() == "2026-10-12 11:14:15 UTC"


@pytest.mark.parametrize(
    ("time", "zone", "written"),
    [
        ("2026-10-12T13:14:15", "Europe/Berlin", "2026-10-12 11:14:15 UTC"),
        ("2026-10-12T13:14:15+05:30", None, "2026-10-12 07:44:15 UTC"),
        ("2026-10-12T13:14:15", None, None),
        ("2026-10-25T02:30:00", "Europe/Berlin", None),  # shown twice
        ("2026-03-29T02:30:00", "Europe/Berlin", None),  # never shown
    ],
)
def test_no_time_is_guessed(time, zone, written):
    assert in_utc(datetime.fromisoformat(time), ZoneInfo(zone) if zone else None) == written


def test_the_record_says_under_which_name_the_platform_knows_a_file(course):
    _set(course, platform="canvas")
    name = f"ann_LATE_1_2_{NAME}.ipynb"
    download(_archives(course), notebooks(name))
    _collect(course)
    [entry] = Record(_archives(course).parent).entries.values()
    assert (entry.learner, entry.member, entry.late) == ("ann_1", name, True)
    (_archives(course).parent / "collected.json").write_text("no json")
    assert Record(_archives(course).parent).entries == {}


@pytest.mark.parametrize(
    ("setting", "reason"),
    [({"platform": "canvass"}, "canvas, "), ({"timezone": "Berlin"}, "Europe/Berlin")],
)
def test_a_setting_that_is_not_known_is_one_line(course, setting, reason):
    _set(course, **setting)
    with pytest.raises(Problem, match=reason):
        load_course(course)


# --- a course directory with an expression of its own ---------------------------------------------------


@pytest.fixture
def own_expression(course) -> Path:
    chapters = find_chapter("00").id
    with (course / "nbgrader_config.py").open("a") as file:
        file.write(
            "\nc.FileNameCollectorPlugin.named_regexp = (\n"
            '    r".*[/\\\\]extracted[/\\\\][^/\\\\]+[/\\\\](?P<student_id>[^/\\\\_]+)_"\n'
            f'    r".*?(?P<file_id>{chapters})[^/\\\\]*\\.ipynb$"\n)\n'
        )
    return course


def test_an_expression_of_ones_own_is_used_as_ever(own_expression):
    download(_archives(own_expression), notebooks(f"ann_4711_815_{NAME}.ipynb"))
    _collect(own_expression)
    assert _submitted(own_expression) == {"ann": f"ann_4711_815_{NAME}.ipynb"}
    with pytest.raises(SystemExit):  # nothing submitted is overwritten without --force
        _collect(own_expression)
    _collect(own_expression, "--force")


def test_archives_of_learners_are_then_unpacked_up_to_a_size(own_expression):
    download(
        _archives(own_expression),
        {
            "ann_1_work.zip": packed({f"{NAME}.ipynb": notebook("ann")}),
            "bob_2_work.zip": packed({f"{NAME}.ipynb": bytes(101 * 2**20)}),
            "cleo_3_work.zip": packed({f"{i}.txt": b"" for i in range(1001)}),
            "dan_4_work.zip": b"PK and no more",
            "eve_5_work.zip": packed({"d.zip": packed({f"{NAME}.ipynb": notebook("eve")})}),
        },
    )
    said = _collect(own_expression)
    assert _submitted(own_expression) == {"ann": "ann"}
    for learner in ("bob", "cleo", "dan"):
        assert any(f"{learner}_" in line and "Left packed" in line for line in said.splitlines())
    extracted = own_expression / "downloaded" / CHAPTER.id / "extracted"
    assert sum(path.stat().st_size for path in extracted.rglob("*") if path.is_file()) < 2**20
