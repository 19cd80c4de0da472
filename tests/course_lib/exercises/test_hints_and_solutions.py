"""``hint`` goes on from stage to stage, ``solution`` opens when it is earned; neither gives away
more than it should."""

import pytest

from course_lib import answers, progress
from course_lib.answers import exercise_answers, use_answers
from course_lib.chapters import CHAPTERS
from course_lib.exercises import chapter_exercises, find_exercise
from course_lib.exercises.checking.check import run_check
from course_lib.exercises.checking.hints import hint, next_hint
from course_lib.exercises.checking.solutions import solution
from grading.chapter_text.cells import read_chapter
from grading.chapter_text.regions import STUB, find_regions
from grading.paths import text_source

EXERCISES = [(chapter, exercise) for chapter in CHAPTERS for exercise in chapter_exercises(chapter)]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A learner of today."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def said(capsys) -> str:
    return " ".join(capsys.readouterr().out.split())


def wrong(*args, **kwargs):
    return "wrong"


# --- hints -------------------------------------------------------------------------------------------


def test_each_call_shows_the_next_stage_and_then_says_that_there_is_no_more():
    first, second = find_exercise("fit").hints
    assert next_hint("fit") == f'Hint 1 of 2: {first}  (More: hint("fit") again.)'
    assert next_hint("fit") == f"Hint 2 of 2: {second}  (The last one.)"
    for _ in range(2):
        again = next_hint("fit")
        assert again.startswith("There are no more hints for fit.")
        assert first in again
        assert second in again


def test_the_last_hint_names_the_next_rung_where_there_is_one():
    use_answers()
    names = ("trace_shapes", "trace_shapes", "mse", "mse")
    assert ["parts(" in next_hint(name) for name in names] == [False, True, False, False]


def test_the_stage_is_remembered_from_one_day_to_the_next(monkeypatch):
    next_hint("fit")
    assert progress.of("fit").hints == 1
    monkeypatch.setattr(progress, "_unwritten", {})  # a new kernel knows the file alone
    assert next_hint("fit").startswith("Hint 2")


def test_hints_go_on_where_nothing_can_be_kept(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "file" / "inside"))
    assert [next_hint("fit")[:6] for _ in range(2)] == ["Hint 1", "Hint 2"]


def test_an_unknown_name_gets_a_suggestion(capsys):
    hint("fitt")
    solution("fitt")
    assert said(capsys).count("Did you mean fit") == 2


def test_no_hint_is_longer_than_a_screen():
    from course_lib.display import HEIGHT, WIDTH, Text

    for _, exercise in EXERCISES:
        shown = [repr(Text(next_hint(exercise.name))).splitlines() for _ in range(3)]
        assert max(map(len, shown)) <= HEIGHT
        assert max(len(line) for lines in shown for line in lines) <= WIDTH


# --- solutions ---------------------------------------------------------------------------------------


def test_before_it_is_earned_it_says_how_many_tries_are_left(capsys):
    use_answers()
    for left in ("5 more tries", "4 more tries", "3 more tries", "2 more tries", "one more try"):
        solution("fit")
        words = said(capsys)
        assert left in words
        assert "def fit" not in words
        advice = run_check("fit", wrong).advice
        assert ('solution("fit")' in advice) == (left == "one more try")
    solution("fit")
    assert "def fit(" in said(capsys)


def test_after_passing_it_is_shown(capsys):
    use_answers()
    progress.record("fit", passed=True)
    solution("fit")
    words = said(capsys)
    assert "def fit(" in words
    assert "Compare" in words


@pytest.mark.parametrize(
    ("chapter", "exercise"), EXERCISES, ids=lambda each: getattr(each, "name", "")
)
def test_what_is_shown_is_the_chapters_solution_without_marks_and_stubs(chapter, exercise):
    use_answers()
    shown = exercise_answers(exercise.name).solution
    (cell,) = [
        cell
        for cell in read_chapter(text_source(chapter))
        if cell.role == "solution" and cell.name == exercise.name
    ]
    expected = cell.text.split("\n")
    for region in reversed(find_regions(cell.text)):
        expected[region.start : region.end + 1] = region.solution
    assert shown == "\n".join(expected).strip("\n")
    assert "###" not in shown
    assert STUB not in shown
    compile(shown, exercise.name, "exec")


@pytest.mark.parametrize("used", [False, True], ids=["pack not in use", "no pack"])
def test_without_the_pack_it_says_where_to_find_it(monkeypatch, capsys, used):
    if used:
        use_answers()
        monkeypatch.setattr(answers, "folder", lambda: None)
    progress.record("fit", passed=True)
    solution("fit")
    words = said(capsys)
    assert "grading/chapters/05_complete_loop.py" in words
    assert "https://github.com/" in words
    assert "def fit" not in words
    for _ in range(6):
        advice = run_check("train_one_epoch", wrong).advice
    assert "solution(" not in advice, "what is not here is not offered"


# --- however the exercise is named -------------------------------------------------------------------


def test_the_function_itself_or_a_name_in_its_cell_is_as_good_as_the_exercise_name(capsys):
    def fit():
        """As a learner's own."""

    first, _ = find_exercise("fit").hints
    hint(fit)
    assert first[:40] in said(capsys)
    solution(fit)
    assert "The solution of fit can be seen once" in said(capsys)
    hint("load_checkpoint")
    assert find_exercise("checkpointing").hints[0][:40] in said(capsys)


@pytest.mark.parametrize("nothing", [(), ("",), (None,), (3,), (["fit"],)])
def test_no_name_at_all_is_answered_with_how_to_ask(capsys, nothing):
    for ask in (hint, solution):
        ask(*nothing)
        assert 'Write its name in quotes, like hint("fit").' in said(capsys)
