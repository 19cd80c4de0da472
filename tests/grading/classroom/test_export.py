"""Scores and pages back into Canvas and Moodle: the files that they export, filled in, and nothing in
them that a spreadsheet would compute."""

import csv
import re
import shutil
import zipfile
from datetime import datetime
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from grading.__main__ import app
from grading.classroom.cells import is_formula, plain_cell, read_table
from grading.classroom.roster import read_roster
from grading.errors import Problem
from grading.intake.deliver import Entry, Record
from grading.nbgrader.config import prepare_process
from grading.nbgrader.course import make_course
from tests.grading.platform_archives import CHAPTER

#: learner: (points by the checks, late penalty); None while a check waits for a grade.
SCORES = {
    "alphaone_4711": (6.0, 0.0),
    "betatwo_4712": (4.5, 1.0),
    "gammathree_4713": (None, 0.0),
    "stranger": (3.0, 0.0),
}
MAXIMUM = 6.0


def _gradebook(course: Path, scores=SCORES) -> None:
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "pytorch-training-loop") as book:
        book.add_assignment(CHAPTER.id)
        book.add_notebook(CHAPTER.id, CHAPTER.id)
        book.add_grade_cell("one", CHAPTER.id, CHAPTER.id, max_score=MAXIMUM, cell_type="code")
        for learner, (points, penalty) in scores.items():
            book.add_student(learner)
            when = {"timestamp": datetime(2026, 10, 12, 13, 14, 15)}
            submission = book.add_submission(CHAPTER.id, learner, **when)
            [notebook] = submission.notebooks
            notebook.late_submission_penalty = penalty
            [grade] = notebook.grades
            grade.auto_score, grade.needs_manual_grade = points, points is None
        book.db.commit()


@pytest.fixture(scope="module")
def graded_class(tmp_path_factory) -> Path:
    """A graded class that was collected from Canvas, but for a stranger."""
    course = tmp_path_factory.mktemp("export") / "course"
    make_course(course)
    prepare_process()
    _gradebook(course)
    for learner in SCORES:
        page = course / "feedback" / learner / CHAPTER.id / f"{CHAPTER.id}.html"
        page.parent.mkdir(parents=True)
        page.write_text(f"<p>{learner}</p>")
    return course


@pytest.fixture
def course(graded_class, tmp_path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(graded_class, tmp_path / "course"))


def _collected(course: Path, platform: str, **members: str) -> None:
    """Note what was collected: ``name_number`` by the member's path. The platform may write a name
    in another way."""
    (course / "downloaded" / CHAPTER.id).mkdir(parents=True)
    record = Record(course / "downloaded" / CHAPTER.id)
    for learner, member in members.items():
        name, _, number = learner.rpartition("_")
        record.put(
            Entry(
                learner=learner,
                key=number,
                name={"alphaone": "Alpha_One"}.get(name, name),
                number=number,
                platform=platform,
                archive="all.zip",
                member=member,
                digest="",
                attempt=["", [], 0],
                time=None,
                late=False,
            )
        )
    record.save()


def _export(course: Path, *options: str, status: int = 0) -> str:
    command = ["export", "00", "--course", str(course), *map(str, options)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == status, result.output
    return result.output


def _cells(file: Path, delimiter: str = ",") -> list[list[str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.reader(opened, delimiter=delimiter))


# --- Canvas -----------------------------------------------------------------------------------------

CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,Essay (100),Chapter 0: Why (771),Final Score
    Points Possible,,,,,10,12,(read only)
"One, Alpha",4711,s4711,aone,A,7,,90
"=HYPERLINK(""http://evil""), Beta",4712,s4712,btwo,A,8,1,91
"Three, Gamma",4713,s4713,g3,B,,,92
"Four, Delta",4714,s4714,d4,B,,5,93
"Student, Test",,,,A,,,
"""


@pytest.fixture
def canvas(tmp_path) -> Path:
    file = tmp_path / "canvas.csv"
    file.write_text(CANVAS, encoding="utf-8-sig")  # as Canvas does for Excel
    return file


def test_canvas_gets_its_own_ids_its_column_and_points_of_its_scale(course, canvas):
    _collected(course, "canvas", alphaone_4711="a", betatwo_4712="b", gammathree_4713="c")
    said = _export(course, "--to", "canvas", "--roster", canvas)
    cells = _cells(course / "export" / f"{CHAPTER.id}-canvas.csv")
    ids = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    assert cells[0] == [*ids, "Chapter 0: Why (771)"]
    assert cells[1] == ["    Points Possible", "", "", "", "", "12"]
    assert cells[2:] == [
        ["One, Alpha", "4711", "s4711", "aone", "A", "12"],
        ['\'=HYPERLINK("http://evil"), Beta', "4712", "s4712", "btwo", "A", "7"],
    ]
    assert "6 points of the course are 12 there" in said
    assert "! 00 stranger: not in the roster" in said
    assert re.search(r"not graded yet, so not exported: 1 \(gammathree_4713\)", said)
    assert "without a score: 2 (Three, Gamma, Four, Delta)" in said


def test_what_canvas_knows_of_others_is_not_touched(course, canvas):
    """An empty cell would delete a score there."""
    _export(course, "--to", "canvas", "--roster", canvas)
    text = (course / "export" / f"{CHAPTER.id}-canvas.csv").read_text()
    assert "4714" not in text
    assert "Essay" not in text
    assert not text.startswith("\ufeff")


def test_a_canvas_export_with_semicolons_stays_one(course, tmp_path):
    file = tmp_path / "c.csv"
    file.write_text(CANVAS.replace('"One, Alpha"', "Alpha One").replace(",", ";"))
    _export(course, "--to", "canvas", "--roster", file)
    cells = _cells(course / "export" / f"{CHAPTER.id}-canvas.csv", ";")
    assert cells[2][1] == "4711"


def test_which_column_is_the_chapter_is_asked_where_it_is_not_clear(course, canvas):
    canvas.write_text(CANVAS.replace("Chapter 0: Why", "Loops"))
    said = _export(course, "--to", "canvas", "--roster", canvas, status=2)
    assert "--column" in said
    assert "Essay (100), Loops (771)" in said
    assert "Final Score" not in said
    _export(course, "--to", "canvas", "--roster", canvas, "--column", "Loops (771)")
    assert _cells(course / "export" / f"{CHAPTER.id}-canvas.csv")[0][-1] == "Loops (771)"


def test_without_a_roster_canvas_gets_the_numbers_of_its_downloads(course):
    _collected(course, "canvas", alphaone_4711="alphaone_4711_81501_x.ipynb")
    said = _export(course, "--to", "canvas")
    cells = _cells(course / "export" / f"{CHAPTER.id}-canvas.csv")
    assert cells[1:] == [
        ["    Points Possible", "", "", "", "6"],
        ["Alpha_One", "4711", "", "", "6"],
    ]
    assert "! 00 stranger: not collected from canvas" in said


def test_canvas_takes_the_pages_back_under_the_names_of_the_files(course):
    _collected(
        course,
        "canvas",
        alphaone_4711="submissions/alphaone_4711_81501_work.zip",
        betatwo_4712="betatwo_LATE_4712_81502_00_why_a_training_loop-1.ipynb",
    )
    said = _export(course, "--to", "canvas", "--feedback")
    with zipfile.ZipFile(course / "export" / f"{CHAPTER.id}-canvas-feedback.zip") as archive:
        names = archive.namelist()
        assert archive.read(names[0]) == b"<p>alphaone_4711</p>"
    assert names == [
        "alphaone_4711_81501_work.html",
        "betatwo_LATE_4712_81502_00_why_a_training_loop-1.html",
    ]
    # Canvas reads the first two parts that are numbers: the person's and the file's.
    numbers = [[part for part in name.split("_") if part.isdigit()][:2] for name in names]
    assert numbers == [["4711", "81501"], ["4712", "81502"]]
    assert "! 00 stranger: no page sent" in said


# --- Moodle -----------------------------------------------------------------------------------------

MOODLE = """\
Identifier,Full name,Email address,Status,Grade,Maximum grade,Grade can be changed,\
Last modified (grade),Feedback comments
Participant 4711,Alpha One,a@example.org,Submitted,,100.00,Yes,-,
Participant 4712,"=cmd|' /C calc'!A0",+b@example.org,Submitted,3.00,100.00,Yes,"Monday, 12 October 2026, 1:14 PM","-1+1 <p>no</p>"
Participant 4714,Delta Four,d@example.org,No submission,,100.00,Yes,-,
"""
GERMAN = """\
ID;Vollständiger Name;E-Mail-Adresse;Bewertung;Beste Bewertung;Zuletzt geändert (Bewertung)
Teilnehmer/in4711;Alpha One;a@example.org;;6,00;-
Teilnehmer/in4712;Beta Two;b@example.org;;6,00;-
"""


@pytest.fixture
def moodle(tmp_path) -> Path:
    file = tmp_path / "moodle.csv"
    file.write_text(MOODLE)
    return file


def test_moodle_gets_its_worksheet_with_grades_and_no_formula(course, moodle):
    _collected(course, "moodle", alphaone_4711="a", betatwo_4712="b")
    said = _export(course, "--to", "moodle", "--roster", moodle)
    cells = _cells(course / "export" / f"{CHAPTER.id}-moodle.csv")
    assert [row[:5] for row in cells[1:]] == [
        ["Participant 4711", "Alpha One", "a@example.org", "Submitted", "100"],
        ["Participant 4712", "'=cmd|' /C calc'!A0", "'+b@example.org", "Submitted", "58.33"],
    ]
    # What its import asks for is there; the comment that would be imported anew is not.
    assert {"Identifier", "Grade", "Last modified (grade)"} < set(cells[0])
    assert "Feedback comments" not in cells[0]
    assert "'Feedback comments' was left out" in said
    assert not any(is_formula(cell) for row in cells for cell in row)


def test_moodles_worksheet_in_another_language(course, tmp_path):
    file = tmp_path / "moodle.csv"
    file.write_bytes(GERMAN.encode("cp1252"))
    _collected(course, "moodle", alphaone_4711="a", betatwo_4712="b")
    said = _export(course, "--to", "moodle", "--roster", file)
    cells = _cells(course / "export" / f"{CHAPTER.id}-moodle.csv", ";")
    assert cells[0][1] == "Vollständiger Name"
    assert [row[3] for row in cells[1:]] == ["6", "3.5"]
    assert "Scaled" not in said


def test_moodle_takes_the_pages_back_by_participant(course, moodle):
    _collected(course, "moodle", alphaone_4711="a", betatwo_4712="b")
    said = _export(course, "--to", "moodle", "--roster", moodle, "--feedback")
    with zipfile.ZipFile(course / "export" / f"{CHAPTER.id}-moodle-feedback.zip") as archive:
        names = archive.namelist()
    assert names == [
        f"Alpha One_4711_assignsubmission_file_/{CHAPTER.id}.html",
        f"betatwo_4712_assignsubmission_file_/{CHAPTER.id}.html",
    ]
    # Moodle's reader: at "_", five parts at most, the number in the second.
    for name in names:
        parts = name.split("/")[0].split("_", 4)
        assert parts[1].isdigit()
        assert parts[2:4] == ["assignsubmission", "file"]
    assert "! 00 stranger" in said


def test_one_worksheet_is_of_one_assignment(course, moodle):
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "pytorch-training-loop") as book:
        book.add_assignment("01_forward_pass")
        book.add_notebook("01_forward_pass", "01_forward_pass")
        book.add_submission("01_forward_pass", "stranger")
    command = ["export", "--course", str(course), "--to", "moodle", "--roster", str(moodle)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert "00, 01" in result.output


# --- a table for everything else ------------------------------------------------------------------------


def test_a_plain_table_has_every_score_with_its_penalty(course):
    _export(course, "--to", "csv")
    cells = _cells(course / "export" / f"{CHAPTER.id}-csv.csv")
    assert cells[0] == ["learner", "chapter", "score", "max_score", "late_penalty", "submitted_utc"]
    assert cells[2] == ["betatwo_4712", CHAPTER.id, "3.5", "6", "1", "2026-10-12 13:14:15"]
    assert len(cells) == 4


def test_a_plain_table_with_a_roster_of_any_kind(course, tmp_path):
    file = tmp_path / "people.csv"
    file.write_text("Username,Room\nstranger,=1+1\nalphaone_4711,B\n", encoding="utf-16")
    said = _export(course, "--to", "csv", "--roster", file)
    cells = _cells(course / "export" / f"{CHAPTER.id}-csv.csv")
    assert cells[0][-2:] == ["Username", "Room"]
    assert [row[-1] for row in cells[1:]] == ["B", "'=1+1"]
    assert "betatwo_4712: not in the roster" in said


def test_pages_for_other_uses_lie_by_learner(course):
    (course / "feedback" / "stranger" / CHAPTER.id / f"{CHAPTER.id}.html").unlink()
    said = _export(course, "--to", "csv", "--feedback")
    with zipfile.ZipFile(course / "export" / f"{CHAPTER.id}-csv-feedback.zip") as archive:
        assert f"betatwo_4712/{CHAPTER.id}.html" in archive.namelist()
    assert "! 00 stranger: no feedback page yet" in said


@pytest.mark.parametrize(
    ("text", "computed"),
    [
        ("=1+1", True),
        ("+cmd", True),
        ("-cmd|' /C calc'!A0", True),
        ("@SUM(A1)", True),
        ("\t=1", True),
        ("\r=1", True),
        ("  =1+1", True),
        ("-", False),
        ("-3.5", False),
        ("+4,5", False),
        ("", False),
        ("ann", False),
        ("a=b", False),
    ],
)
def test_what_a_spreadsheet_would_compute_is_text(text, computed):
    assert is_formula(text) is computed
    assert plain_cell(text) == (f"'{text}" if computed else text)


# --- who is who -----------------------------------------------------------------------------------------

PEOPLE = """\
Student,ID,SIS Login ID,Section,X (1)
"Müller, Zoë",1,zoe,A,
"One, Alpha",2,alpha,A,
"One, Alpha",3,other,A,
"""


@pytest.mark.parametrize(
    ("learner", "number", "row"),
    [
        ("zoe", "", 0),
        ("ZOE", "", 0),
        ("Zoe\u0308 Müller", "", 0),  # typed in another way, the same name
        ("whatever", "1", 0),
        ("müllerzoë_1", "", 0),
        ("onealpha_3", "", 2),
        ("zo", "", None),
        ("someone_1", "", None),  # the number is another person's
        ("zoe", "77", None),  # the platform's number decides, and nobody has it
        ("Alpha One", "", None),  # two people
    ],
)
def test_who_is_who_is_never_guessed(tmp_path, learner, number, row):
    file = tmp_path / "canvas.csv"
    file.write_text(PEOPLE)
    roster = read_roster(file, "canvas")
    matched, unknown = roster.match([learner], {learner: number})
    if row is None:
        assert matched == {}
        assert ("2 people" if learner == "Alpha One" else "not in the roster") in unknown[learner]
    else:
        assert matched[learner].row == row


def test_two_learners_for_one_person_are_both_listed(tmp_path):
    file = tmp_path / "canvas.csv"
    file.write_text(PEOPLE)
    matched, unknown = read_roster(file, "canvas").match(["zoe", "Zoë Müller"], {})
    assert matched == {}
    assert set(unknown) == {"zoe", "Zoë Müller"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no rows"),
        (b"a,b\n", "no rows"),
        (b"Name,Room\nann,1\n", "not a grade book of Canvas"),
        (b"\x00\x01\n\x00", "no rows|not a"),
    ],
)
def test_a_file_that_is_no_roster_is_one_line(tmp_path, content, reason):
    file = tmp_path / "x.csv"
    file.write_bytes(content)
    with pytest.raises(Problem, match=reason):
        read_roster(file, "canvas")
    with pytest.raises(Problem):
        read_roster(tmp_path / "none.csv", "canvas")


def test_a_destination_that_is_not_known_is_one_line(course):
    assert "canvas, moodle, csv" in _export(course, "--to", "ilias", status=2)


def test_a_table_keeps_its_delimiter(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text('a;b\n"x;1";2\n')
    table = read_table(file)
    assert (table.delimiter, table.rows) == (";", [["x;1", "2"]])
