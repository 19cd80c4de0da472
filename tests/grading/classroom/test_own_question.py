"""A question whose numbers follow from the learner's name: everybody's own answer alone is right."""

import nbformat
import pytest

from course_lib.chapters import CHAPTERS, find_chapter
from course_lib.drills.own import check_own, own_numbers, own_template, plain_name, read_own
from course_lib.handing_in.inventory import take_inventory
from grading.authoring.release import release
from grading.classroom.grade_class import grade_submissions
from grading.errors import Failure
from grading.intake.matching import grade_id_of
from grading.intake.released import read_release
from grading.intake.submissions import submissions
from grading.judging.judge import judge_own
from grading.paths import CourseFolder
from tests.grading.handing_in import as_bytes, cell_named

CHAPTER = find_chapter("00")
OWN = CHAPTER.own_question


def right(learner: str, id: str = OWN) -> float:
    return own_template(id).by_torch(own_numbers(id, learner))


def wrong_for(learner: str, other: str) -> bool:
    return not own_template(OWN).accepts(right(other), right(learner))


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> CourseFolder:
    """Released once with own questions, and once more without saying so."""
    root = tmp_path_factory.mktemp("own") / "course"
    for own_questions in (True, False):
        release([CHAPTER.id], root, notebooks_folder=None, own_questions=own_questions)
    return CourseFolder(root)


def handed_in(course: CourseFolder, learner: str, answer: str) -> nbformat.NotebookNode:
    """Their notebook with this answer and nothing else, in its place."""
    notebook = nbformat.from_dict(read_release(course.release(CHAPTER)))
    notebook.cells = [cell for cell in notebook.cells if grade_id_of(cell) or cell.id == "setup"]
    cell_named(notebook, OWN).source = f"{OWN} = {answer}"
    folder = course.submission(learner, CHAPTER)
    folder.mkdir(parents=True)
    (folder / f"{CHAPTER.id}.ipynb").write_bytes(as_bytes(notebook))
    return notebook


@pytest.mark.slow
@pytest.mark.usefixtures("sandbox")
def test_each_ones_answer_is_right_for_them_alone(course):
    assert wrong_for("bob", "ann")
    answers = {
        "ann": f'"Ann: {right("ann")}"',  # case is nobody's mistake
        "bob": f'"bob: {right("ann")}"',
        "cleo": f'"ann: {right("ann")}"',
        "Delta Four_32011": f'"32011: {right("32011")}"',
    }
    for learner, answer in answers.items():
        handed_in(course, learner, answer)
    results = list(grade_submissions(CHAPTER, course.root, submissions(course.submitted, CHAPTER)))
    changed = []
    release(
        [CHAPTER.id],
        course.root,
        notebooks_folder=None,
        changing=lambda *what: changed.append(what),
    )
    assert not changed  # the question is the course's own, and nobody's score for it goes
    items = {
        result.learner: item
        for result in results
        for item in result.outcome.items
        if item.grade_id == f"{OWN}__test"
    }
    assert {learner: item.score for learner, item in items.items()} == {
        "ann": 1.0,
        "bob": 0.0,
        "cleo": 0.0,
        "Delta Four_32011": 1.0,
    }
    assert f"is not right. {own_template(OWN).ask(own_numbers(OWN, 'bob'))}" in items["bob"].message
    assert 'question of "ann", and handed in as "cleo"' in items["cleo"].message


def test_every_chapters_own_question_differs_from_learner_to_learner_in_its_numbers_alone():
    learners = [f"learner {number}" for number in range(40)]
    for chapter in CHAPTERS:
        id = chapter.own_question
        asked = {own_template(id).ask(own_numbers(id, learner)) for learner in learners}
        assert len(asked) >= 10, id
        assert own_numbers(id, learners[0]) == own_numbers(id, "  LEARNER 0 ")
    assert own_template("q00_1") is own_template("own_99") is None


def test_a_release_has_one_only_when_it_is_asked_for_and_then_always(course, tmp_path):
    released = read_release(course.release(CHAPTER))
    names = [grade_id_of(cell) for cell in released.cells]
    assert names[names.index(OWN) : names.index(OWN) + 2] == [OWN, f"{OWN}__test"]
    assert cell_named(released, OWN).source.startswith(f"# EXERCISE {OWN} (1 point)\n{OWN} = None")
    assert "grading" not in cell_named(released, f"{OWN}__test").source
    assert "use_answers" not in next(c.source for c in released.cells if c.id == "setup")
    release([CHAPTER.id], tmp_path, notebooks_folder=None, graded=True)
    names = [
        grade_id_of(cell) for cell in read_release(CourseFolder(tmp_path).release(CHAPTER)).cells
    ]
    assert OWN not in names


def test_the_notebook_asks_for_the_name_shows_the_question_and_notes_the_number(capsys):
    def said(value) -> str:
        check_own(OWN, value)
        return " ".join(capsys.readouterr().out.split())

    for empty in (None, "", "  ", 3.5, ": 2", "x" * 1000):
        assert "write your name" in said(empty)
    asked = own_template(OWN).ask(own_numbers(OWN, "ann"))
    assert asked in said("ann")
    assert f'{OWN} = "ann: 1.5"' in said("ann: about two")
    words = said("ann: 1,234.5")
    assert "1234.5 is noted" in words
    assert str(right("ann"))[:6] not in words.replace(asked, ""), "it does not say the answer"


@pytest.mark.parametrize(
    ("written", "learner", "score"),
    [
        ("ann: {}", "ann", 1),
        ("ANN : {}", "ann", 1),
        ("a:nn: {}", "a:nn", 1),
        ("ann: {}", None, 1),
        ("ann: {}", "ann_b", 0),
        ("ann: {}", "joann", 0),
        ("4711: {}", "alphaone_4711", 1),
        ("4711: {}", "4711_alphaone", 0),
        ("4711: {}", "alphaone4711", 0),
        ("{}", "ann", 0),
        ("ann", "ann", 0),
        ("ann: nan", "ann", 0),
        ("ann: inf", "ann", 0),
        ("\ud800: {}", "ann", 0),
    ],
)
def test_which_names_fit(written, learner, score):
    given = read_own(written.format("1"))
    answer = written.format(right(given.name if given else "ann"))
    item = judge_own(OWN, answer, learner)
    assert item.score == score
    assert item.message
    assert ("nobody looked" in item.message) == (learner is None)


def test_accents_stored_in_two_ways_are_one_name():
    assert plain_name("Zoe\u0308  Q") == plain_name("zo\u00eb q")


def test_nothing_and_what_is_no_text_is_answered():
    assert judge_own(OWN, None, "ann").status == "not_attempted"
    item = judge_own(OWN, Failure("failed", "one letter"), "ann")
    assert "NAME: 1.5" in item.message


def test_handing_in_looks_for_it_where_there_is_one(course):
    cells = [dict(cell) for cell in read_release(course.release(CHAPTER)).cells]
    state = {item.name: item.state for item in take_inventory(CHAPTER, cells)}
    assert state[OWN] == "unanswered"
    for answer, state in (('"ann: 2"', "answered"), ('"ann"', "warning"), ("2", "warning")):
        changed = [
            cell | {"source": f"{OWN} = {answer}"} if cell["id"] == OWN else cell for cell in cells
        ]
        found = {item.name: item.state for item in take_inventory(CHAPTER, changed)}
        assert found[OWN] == state
    without = [cell for cell in cells if not cell["id"].startswith(OWN)]
    assert OWN not in {item.name for item in take_inventory(CHAPTER, without)}
