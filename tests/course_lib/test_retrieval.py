"""Old questions come back: what was wrong first, then what was not met for longest."""

import pytest

from course_lib import progress
from course_lib.answers import quiz_answer, use_answers
from course_lib.chapters import CHAPTERS
from course_lib.quiz import LETTERS
from course_lib.retrieval import ASKED, asked_in, pool_before, recall

DAY = 86_400.0


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))


@pytest.fixture
def clock(monkeypatch):
    """The time, to be set."""

    class Clock:
        now = 1_000 * DAY

    monkeypatch.setattr(progress, "now", lambda: Clock.now)
    return Clock


def said(capsys, *args) -> str:
    recall(*args)
    return " ".join(capsys.readouterr().out.split())


def answer(id: str, right: bool) -> None:
    key = quiz_answer(id).key
    letter = key if right else next(each for each in LETTERS if each != key)
    progress.record_answer(id, letter, right=right)


def test_every_chapter_from_02_on_has_a_pool_of_three_questions_a_chapter():
    for place, chapter in enumerate(CHAPTERS):
        assert len(pool_before(chapter.number)) >= 3 * place
        if place >= 2:
            assert len(set(asked_in(chapter.number))) == ASKED


def test_a_new_learner_is_asked_the_same_at_every_run_about_earlier_chapters(tmp_path, monkeypatch):
    first = [asked_in(chapter.number) for chapter in CHAPTERS[2:]]
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "another"))
    assert first == [asked_in(chapter.number) for chapter in CHAPTERS[2:]]
    for chapter, ids in zip(CHAPTERS[2:], first, strict=True):
        earlier = [question.id for question in pool_before(chapter.number)]
        assert set(ids) <= set(earlier)
        assert len({id.partition("_")[0] for id in ids}) == ASKED
    assert len({id for ids in first for id in ids}) >= 10


def test_what_was_wrong_comes_back_first_and_what_was_met_last_comes_last(clock):
    use_answers()
    for id in [question.id for question in pool_before("02")]:
        clock.now += DAY
        answer(id, right=id != "q01_2")
    assert asked_in("02") == ("q01_2", "q00_1")


def test_what_was_chosen_stays_also_when_it_was_answered(capsys):
    use_answers()
    before = asked_in("03")
    said(capsys, "03", "A", "A")
    assert asked_in("03") == before


def test_answers_get_their_reason_and_leave_the_first_quiz_answer_alone(capsys):
    use_answers()
    one, other = asked_in("02")
    key = quiz_answer(one).key
    wrong = next(letter for letter in LETTERS if letter != quiz_answer(other).key)
    words = said(capsys, "02", key.lower(), wrong)
    assert quiz_answer(one).why[key] in words
    assert f"Right is {quiz_answer(other).key}" in words
    assert progress.of(one).answers == ()
    assert [progress.of(id).last_right for id in (one, other)] == [True, False]
    said(capsys, "02", key, wrong)
    assert len(progress.of(one).reviews) == 1


def test_without_answers_it_shows_the_options_and_how_to_answer(capsys):
    use_answers()
    words = said(capsys, "02", "", "x")
    assert "Write a letter" in words
    assert "'x' is not one of" in words
    for id in asked_in("02"):
        assert not progress.of(id).reviews


def test_without_the_pack_nothing_is_given_away(capsys):
    words = said(capsys, "02", "A", "B")
    assert "Look it up in chapter" in words
    assert "right" not in words.lower().replace("write", "")


def test_an_unknown_chapter_is_answered(capsys):
    assert "no chapter called 'x'" in said(capsys, "x")
