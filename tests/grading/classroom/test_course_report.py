"""The report on a whole course gives back the numbers that a class was made with."""

import csv
import re
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from course_lib.chapters import CHAPTERS
from grading.__main__ import app
from grading.classroom.course_report import Behind, summarize
from grading.classroom.marks import Mark, Marks
from grading.judging.judge import judge_quiz
from grading.judging.outcomes import ItemOutcome, NotebookOutcome

NAMES = ("ann", "bob", "cleo", "dora")
#: By chapter: the share of two points in its exercise, the letter in its question, who has which
#: misconception. Dora hands nothing in after the second chapter.
EXERCISE = {"ann": 2.0, "bob": 2.0, "cleo": 1.0, "dora": 0.0}
LETTERS = {"ann": "right", "bob": "wrong", "cleo": "wrong", "dora": None}
TAUGHT = CHAPTERS[:5]


def _quiz(chapter, answer: str | None) -> ItemOutcome:
    name = f"q{chapter.number}_1"
    right = next(letter for letter in "ABCD" if judge_quiz(name, letter).status == "passed")
    wrong = next(letter for letter in "ABCD" if letter != right)
    return judge_quiz(name, {"right": right, "wrong": wrong, None: None}[answer])


def _outcome(chapter, learner: str) -> NotebookOutcome:
    score = EXERCISE[learner]
    item = ItemOutcome("build__test", score, 2.0, "passed" if score == 2.0 else "partial")
    if learner == "cleo" or (learner == "bob" and chapter == TAUGHT[0]):
        item = replace(item, misconception="zero_grad forgotten")
    return NotebookOutcome(chapter.id, (item, _quiz(chapter, LETTERS[learner])))


def _class() -> dict:
    return {
        chapter: {name: _outcome(chapter, name) for name in NAMES if name != "dora" or place < 2}
        for place, chapter in enumerate(TAUGHT)
    }


@pytest.fixture(scope="module")
def report():
    return summarize(_class())


def test_difficulty_is_the_share_of_the_points(report):
    first = {item.name: item for item in report.items if item.chapter == TAUGHT[0]}
    assert first["build"].difficulty == pytest.approx((2 + 2 + 1 + 0) / 8)
    assert first["q00_1"].difficulty == pytest.approx(1 / 4)
    assert first["build"].lost == 3.0


def test_discrimination_is_the_correlation_with_the_rest(report):
    first = {item.name: item for item in report.items if item.chapter == TAUGHT[0]}
    # (1, 1, 0.5, 0) with (1, 0, 0, 0): covariance 0.09375, variances 0.171875 and 0.1875
    expected = 0.09375 / (0.171875 * 0.1875) ** 0.5
    assert first["build"].discrimination == pytest.approx(expected)
    everyone_right = {TAUGHT[0]: {name: _outcome(TAUGHT[0], "ann") for name in NAMES}}
    assert {item.discrimination for item in summarize(everyone_right).items} == {None}


def test_each_option_has_its_count(report):
    question = next(item for item in report.items if item.name == "q00_1")
    assert question.options[question.key] == 1
    assert sorted(question.options.values()) == [0, 0, 1, 2]
    assert question.learners == 4


def test_misconceptions_are_counted_chapter_by_chapter(report):
    counts = report.misconceptions["zero_grad forgotten"]
    assert [counts[chapter.id] for chapter in TAUGHT] == [2, 1, 1, 1, 1]


def test_who_hands_nothing_in_falls_behind(report):
    missing = tuple(chapter.number for chapter in TAUGHT[2:])
    cleo, dora = (next((b for b in report.behind if b.learner == n), None) for n in NAMES[2:])
    assert dora == Behind("dora", 0.0, 0.0, missing)
    assert cleo == Behind("cleo", pytest.approx(1 / 3), pytest.approx(1 / 3), ())
    assert [one.learner for one in report.behind] == ["dora", "cleo"]


@pytest.fixture
def course(tmp_path):
    for chapter, outcomes in _class().items():
        for learner, outcome in outcomes.items():
            Marks(tmp_path, chapter).put(Mark(learner, outcome=outcome))
            (tmp_path / "submitted" / learner / chapter.id).mkdir(parents=True)
    return tmp_path


def test_table_csv_and_page_say_the_same_and_the_page_names_nobody(course):
    files = [str(course / name) for name in ("course.csv", "course.html")]
    arguments = ["report", "--course", str(course), "--csv", files[0], "--html", files[1]]
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "160"})
    assert done.exit_code == 0, done.output
    assert "zero_grad forgotten" in done.stdout
    assert "dora" in done.stdout
    with open(files[0], newline="") as file:
        rows = {tuple(row[:4]): row[4] for row in csv.reader(file)}
    assert rows["points lost", TAUGHT[0].id, "build", ""] == "3"
    assert rows["falls behind", "", "", "dora"] == "0"
    page = (course / "course.html").read_text(encoding="utf-8")
    words = re.sub(r'src="[^"]*"|<[^>]+>', " ", page)
    assert not set(NAMES) & set(re.findall(r"\w+", words))
    assert "zero_grad forgotten" in words
    assert len(re.findall(r'<img [^>]*alt="[^"]{20,}"', page)) == 2


def test_without_marks_it_says_what_to_do(tmp_path):
    done = CliRunner().invoke(app, ["report", "--course", str(tmp_path)])
    assert (done.exit_code, "grading grade" in done.stderr) == (2, True)
