"""What learners let their instructor have of their own records, and what a class has learned by it."""

import csv
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from course_lib import before_after, progress
from course_lib.chapters import find_chapter
from course_lib.exercises.checking.hints import next_hint
from course_lib.gain import IDEAS
from course_lib.handing_in.hand_in import hand_in
from course_lib.predictions import outcome, predict
from grading.__main__ import app
from grading.answers.before_after import KEYS
from grading.classroom.class_gain import class_gain
from grading.classroom.course_report import effort
from grading.classroom.marks import Mark, Marks
from grading.classroom.own_records import Effort, OwnRecord, own_records
from grading.intake.released import read_release
from grading.judging.outcomes import ItemOutcome, NotebookOutcome
from grading.paths import CourseFolder, released_notebook
from grading.sample_class import SAMPLES, submission

CHAPTER, LAST = find_chapter("05"), find_chapter("09")
#: How many of the ten each has right, from the first on, before and after. Eve gave no second answers.
CLASS = {"ann": (10, 10), "bob": (5, 10), "cleo": (0, 5), "dora": (0, 0), "eve": (3, None)}


def first_right(when: str, count: int | None) -> str:
    return "" if count is None else KEYS[when][:count] + "-" * (len(IDEAS) - count)


def record_of(learner: str) -> OwnRecord:
    before, after = CLASS[learner]
    return OwnRecord(first_right("before", before), first_right("after", after))


def hand_in_record(course: Path, learner: str, record, chapter=CHAPTER) -> None:
    """A notebook with any record in it, as a stranger may write one."""
    notebook = {"cells": [], "metadata": {"course": {"progress": record}}, "nbformat": 4}
    folder = CourseFolder(course).submission(learner, chapter)
    folder.mkdir(parents=True)
    (folder / f"{chapter.id}.ipynb").write_text(json.dumps(notebook | {"nbformat_minor": 5}))


# --- numbers -----------------------------------------------------------------------------------------


def test_a_class_made_with_known_numbers_gives_them_back():
    gain = class_gain([record_of(learner) for learner in CLASS] + [OwnRecord()])
    assert (gain.learners, gain.before, gain.after) == (4, 15 / 4, 25 / 4)
    assert gain.gain == pytest.approx(10 / 25)
    first, last = gain.ideas[0], gain.ideas[-1]
    assert (first.before, first.after, first.gain) == (2 / 4, 3 / 4, pytest.approx(1 / 2))
    assert (last.before, last.after, last.gain) == (1 / 4, 2 / 4, pytest.approx(1 / 3))
    # (1, 1, 0, 0) with (9, 4, 0, 0): covariance 6.5 / 4, variances 1 / 4 and 54.75 / 4
    assert first.apart_before == pytest.approx(6.5 / 54.75**0.5)
    # (1, 0, 0, 0) with (9, 5, 0, 0): 5.5 / 4, 0.75 / 4 and 57 / 4
    assert last.apart_before == pytest.approx(5.5 / (0.75 * 57) ** 0.5)
    # (1, 1, 1, 0) with (9, 9, 4, 0): 5.5 / 4, 0.75 / 4 and 57 / 4
    assert first.apart_after == pytest.approx(5.5 / (0.75 * 57) ** 0.5)


def test_where_nothing_was_missing_or_all_are_alike_there_is_no_number():
    gain = class_gain([record_of("ann")] * 3)
    assert gain.gain is None
    assert {(each.gain, each.apart_before, each.apart_after) for each in gain.ideas} == {
        (None, None, None)
    }
    assert class_gain([record_of("eve"), OwnRecord()]) is None


def test_tries_are_of_those_who_got_there():
    records = {
        "ann": OwnRecord(exercises={"fit": Effort(True, 2, 0)}),
        "bob": OwnRecord(exercises={"fit": Effort(True, 5, 1)}),
        "cleo": OwnRecord(exercises={"fit": Effort(False, 9, 2), "mse": Effort(False, 1, 0)}),
    }
    mse, fit = effort(records)
    assert (fit.learners, fit.tries, fit.hinted) == (3, 3.5, pytest.approx(2 / 3))
    assert (mse.name, mse.tries, mse.hinted) == ("mse", None, 0.0)


# --- from the learner's notebook to the report ---------------------------------------------------------


@pytest.fixture
def learner_hands_in(tmp_path, monkeypatch, capsys):
    """Works through what a learner does, and puts the copy where the instructor gets it."""
    release = read_release(released_notebook(CHAPTER))
    work = submission(SAMPLES / CHAPTER.id / "learner-01.py", release)
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)

    def act(learner: str, **more) -> tuple[str, str]:
        home = tmp_path / learner
        monkeypatch.setenv("COURSE_HOME", str(home / "own"))
        before, after = CLASS[learner]
        before_after("before", first_right("before", before))
        before_after("after", first_right("after", after))
        predict("p05_1", "an unusual guess")
        outcome("p05_1", "something else")
        progress.record_answer("q05_1", "A", right=False)
        for passed in (False, True):
            progress.record("fit", passed=passed)
        next_hint("mse")
        file = home / f"{CHAPTER.id}.ipynb"
        file.write_bytes(work)
        capsys.readouterr()
        hand_in("05", file=file, **more)
        said = " ".join(capsys.readouterr().out.split())
        (copy,) = home.glob("hand-in/*/*.ipynb")
        folder = CourseFolder(tmp_path / "course").submission(learner, CHAPTER)
        folder.mkdir(parents=True)
        copy.rename(folder / copy.name)
        return said, (folder / copy.name).read_text(encoding="utf-8")

    return act


def test_nothing_goes_along_unless_it_is_asked_for(learner_hands_in, tmp_path):
    said, copy = learner_hands_in("ann")
    assert "own record" not in said
    assert '"progress"' not in copy
    assert own_records(tmp_path / "course") == ({}, [])


def test_what_goes_along_is_said_and_what_is_private_stays(learner_hands_in, tmp_path):
    said, copy = learner_hands_in("bob", progress=True)
    assert 'before_after("before"), before_after("after"), tries and hints of 2 exercises' in said
    assert "Left out: predictions" in said
    carried = json.loads(copy)["metadata"]["course"]["progress"]
    assert carried == {
        "before": first_right("before", 5),
        "after": KEYS["after"],
        "exercises": {
            "fit": {"passed": True, "tries": 2, "hints": 0},
            "mse": {"passed": False, "tries": 0, "hints": 1},
        },
    }
    assert "unusual guess" not in copy
    records, problems = own_records(tmp_path / "course")
    assert problems == []
    assert records["bob"].before == first_right("before", 5)
    assert records["bob"].exercises["mse"] == Effort(False, 0, 1)


def test_an_empty_record_is_said_and_not_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "empty"))
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    file = tmp_path / f"{CHAPTER.id}.ipynb"
    release = read_release(released_notebook(CHAPTER))
    file.write_bytes(submission(SAMPLES / CHAPTER.id / "learner-01.py", release))
    hand_in("05", file=file, progress=True)
    assert "none of it goes along" in " ".join(capsys.readouterr().out.split())
    (copy,) = tmp_path.glob("hand-in/*/*.ipynb")
    assert '"progress"' not in copy.read_text(encoding="utf-8")


def test_the_report_shows_the_gain_and_names_nobody(tmp_path):
    course = tmp_path / "course"
    for learner in CLASS:
        own = record_of(learner)
        hand_in_record(course, learner, {k: v for k, v in vars(own).items() if v})
        item = ItemOutcome("fit__test", 1.0, 2.0, "partial")
        Marks(course, CHAPTER).put(Mark(learner, outcome=NotebookOutcome(CHAPTER.id, (item,))))
    hand_in_record(course, "mallory", {"before": ["A"] * 10})
    files = [str(course / name) for name in ("course.csv", "course.html")]
    arguments = ["report", "--course", str(course), "--csv", files[0], "--html", files[1]]
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "160"})
    assert done.exit_code == 0, done.output
    assert "4 learners answered before_after both times" in done.stdout
    assert (
        "3.8 were right before the course, 6.2 after it: a normalised gain of 0.40" in done.stdout
    )
    assert "! mallory, 05: its answers before the course are not ten letters" in done.stdout
    with open(files[0], newline="") as file:
        rows = {(row[0], row[3]): row[4] for row in csv.reader(file)}
    assert rows["normalised gain", IDEAS[0]] == "0.5"
    assert rows["discrimination before", IDEAS[0]] == "0.8785"
    page = Path(files[1]).read_text(encoding="utf-8")
    words = re.sub(r'src="[^"]*"|<[^>]+>', " ", page)
    assert not {*CLASS, "mallory"} & set(re.findall(r"\w+", words))
    assert "a normalised gain of 0.40" in words
    assert "0.88" in words


def test_the_last_chapters_record_counts_and_lacks_nothing_that_was_there(tmp_path):
    early = {"before": "A" * 10, "exercises": {"fit": {"passed": False, "tries": 1, "hints": 0}}}
    late = {"after": "B" * 10, "exercises": {"fit": {"passed": True, "tries": 2, "hints": 0}}}
    hand_in_record(tmp_path, "ann", early)
    hand_in_record(tmp_path, "ann", late, LAST)
    records, _ = own_records(tmp_path)
    assert records == {"ann": OwnRecord("A" * 10, "B" * 10, {"fit": Effort(True, 2, 0)})}


FIT = {"passed": True, "tries": 2, "hints": 0}


@pytest.mark.parametrize(
    "hostile",
    [
        [],
        "x" * 100_000,
        {"before": "ABCD"},
        {"before": "A" * 10 + "\n"},
        {"after": {"A": 1}},
        {"name": "ann"},
        {"exercises": [1]},
        {"exercises": {"no_such": FIT}},
        {"exercises": {f"e{n}": FIT for n in range(10_000)}},
        {"exercises": {"fit": FIT | {"tries": -1}}},
        {"exercises": {"fit": FIT | {"tries": 10**30}}},
        {"exercises": {"fit": FIT | {"tries": True}}},
        {"exercises": {"fit": FIT | {"tries": float("nan")}}},
        {"exercises": {"fit": FIT | {"passed": "yes"}}},
        {"exercises": {"fit": FIT | {"more": 1}}},
        {"exercises": {"fit": [[[[]]]]}},
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_hand_in_did_not_write_gets_one_line(tmp_path, hostile):
    hand_in_record(tmp_path, "ann", hostile)
    hand_in_record(tmp_path, "bob", {"before": "A" * 10})
    records, problems = own_records(tmp_path)
    assert records == {"bob": OwnRecord("A" * 10)}
    (line,) = problems
    assert line.startswith("ann, 05: ")
    assert len(line) < 120
    assert line.isprintable()


@pytest.mark.parametrize(
    "data",
    [
        b'{"progress": ',
        b'"progress"' + b"[" * 100_000,
        b'{"cells": [], "metadata": {"course": "progress", "progress": 1}, "nbformat": 4}',
        b"\xff\xfe\x00" + b'"progress"',
    ],
)
def test_a_notebook_that_cannot_be_read_is_left_to_grade(tmp_path, data):
    folder = CourseFolder(tmp_path).submission("ann", CHAPTER)
    folder.mkdir(parents=True)
    (folder / f"{CHAPTER.id}.ipynb").write_bytes(data)
    assert own_records(tmp_path) == ({}, [])
