"""``check_quiz`` says "noted" without the answers pack, and why each option is right or wrong with it."""

import pytest

from course_lib import progress
from course_lib.answers import quiz_answer, use_answers
from course_lib.quiz import LETTERS, all_questions, check_quiz


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))


def said(capsys, answer, id="q05_1") -> str:
    check_quiz(id, answer)
    return " ".join(capsys.readouterr().out.split())


def test_without_the_pack_an_answer_is_noted_and_nothing_else(capsys):
    assert quiz_answer("q05_1") is None
    assert said(capsys, "b ") == "✓ q05_1: B is noted. Grading gives the key and the reasons."
    assert progress.of("q05_1").answers == ()


@pytest.mark.parametrize("answers", [False, True])
def test_no_answer_and_a_wrong_kind_of_answer_are_told_apart(capsys, answers):
    if answers:
        use_answers()
    assert said(capsys, None).startswith("○ q05_1: not answered yet.")
    assert "5 is not an answer" in said(capsys, 5)
    assert progress.of("q05_1").answers == ()


def test_a_right_answer_gets_the_reasons_of_all_options(capsys):
    use_answers()
    known = quiz_answer("q05_1")
    words = said(capsys, known.key)
    assert words.startswith(f"✓ q05_1: {known.key} is right. {known.why[known.key]}")
    assert all(known.why[letter] in words for letter in LETTERS)
    assert progress.of("q05_1").right_at_first


def test_a_wrong_answer_gets_its_own_reason_and_the_second_one_all_of_them(capsys):
    use_answers()
    known = quiz_answer("q05_1")
    first, second, _ = (letter for letter in LETTERS if letter != known.key)
    for _ in range(2):  # running the cell again is no second try
        words = said(capsys, first)
        assert known.why[first] in words
        assert known.why[known.key] not in words
        assert f"{known.key} is right" not in words
    words = said(capsys, second)
    assert f"{known.key} is right: {known.why[known.key]}" in words


def test_the_first_answer_is_kept(capsys):
    use_answers()
    key = quiz_answer("q05_1").key
    wrong = next(letter for letter in LETTERS if letter != key)
    for answer in (wrong, key, key):
        said(capsys, answer)
    record = progress.of("q05_1")
    assert record.answers == (wrong, key)
    assert not record.right_at_first


def test_every_question_has_its_reasons_in_the_pack():
    use_answers()
    for id in all_questions():
        known = quiz_answer(id)
        assert known.key in LETTERS
        assert set(known.why) == set(LETTERS)


def test_a_broken_pack_is_no_pack(capsys, tmp_path, monkeypatch):
    from course_lib import answers

    (tmp_path / "quiz_05.json").write_text("{")
    monkeypatch.setattr(answers, "folder", lambda: tmp_path)
    answers._read.cache_clear()
    use_answers()
    assert "is noted" in said(capsys, "A")
    answers._read.cache_clear()
