"""``python -m course_lib review``: what is due is asked, and again later when it was right."""

import tempfile
from pathlib import Path

import pytest
from anki.collection import Collection, ImportAnkiPackageOptions, ImportAnkiPackageRequest

from course_lib import answers, progress
from course_lib.__main__ import main
from course_lib.app.review import due_questions, due_times, review
from course_lib.quiz import LETTERS, all_questions

DAY = 86_400.0


@pytest.fixture(autouse=True)
def clock(tmp_path, monkeypatch):
    """A learner whose days can be counted."""

    class Clock:
        now = 20_000 * DAY

    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(progress, "now", lambda: Clock.now)
    answers.use_answers()
    return Clock


def key(id: str) -> str:
    return answers.quiz_answer(id).key


def due() -> list[str]:
    return [question.id for question in due_questions()]


def test_nothing_is_due_before_a_quiz_was_answered(capsys):
    assert review() == 0
    assert "answer the quiz of a chapter first" in capsys.readouterr().out


def test_yesterdays_answers_come_back_wrong_ones_first(clock):
    progress.record_answer("q01_1", key("q01_1"), right=True)
    progress.record_answer("q01_2", "A", right=False)
    assert due() == []
    clock.now += DAY
    assert due() == ["q01_2"]
    clock.now += 6 * DAY
    assert set(due()) == {"q01_1", "q01_2"}


def test_a_right_answer_makes_the_pause_longer_and_a_wrong_one_shorter(clock):
    pauses = []
    progress.record_answer("q01_1", key("q01_1"), right=True)
    for right in (True, True, False):
        pauses.append(due_times()["q01_1"].timestamp() - clock.now)
        clock.now += pauses[-1]
        assert due() == ["q01_1"]
        letter = key("q01_1") if right else next(x for x in LETTERS if x != key("q01_1"))
        review(ask=lambda _, letter=letter: letter)
        assert due() == []
    pauses.append(due_times()["q01_1"].timestamp() - clock.now)
    assert pauses[0] < pauses[1] < pauses[2] > pauses[3]


def test_the_answer_gets_its_reason_and_q_stops(clock, capsys):
    for id in ("q01_1", "q01_2"):
        progress.record_answer(id, "A", right=False)
    clock.now += DAY
    given = iter(["what?", key("q01_1"), "q"])
    assert review(ask=lambda _: next(given)) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert answers.quiz_answer("q01_1").why[key("q01_1")] in words
    assert due() == ["q01_2"]


def test_without_the_pack_it_is_one_line_that_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(answers, "folder", lambda: None)
    assert main(["review"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install ./answers" in line


def test_anki_takes_the_deck_and_a_second_export_adds_nothing(tmp_path, capsys):
    deck = tmp_path / "course.apkg"
    with tempfile.TemporaryDirectory() as folder:
        collection = Collection(str(Path(folder) / "collection.anki2"))
        try:
            for _ in range(2):
                assert main(["review", "--anki", str(deck)]) == 0
                request = ImportAnkiPackageRequest(
                    package_path=str(deck), options=ImportAnkiPackageOptions()
                )
                collection.import_anki_package(request)
            assert collection.note_count() == collection.card_count() == len(all_questions())
            (note,) = collection.find_notes('"tag:chapter-05" "Question:*zero_grad()*break*"')
            assert answers.quiz_answer("q05_2").why["B"][:20] in collection.get_note(note)["Answer"]
        finally:
            collection.close()
    assert "questions are in" in capsys.readouterr().out


def test_a_file_that_cannot_be_written_is_one_line(tmp_path, capsys):
    assert main(["review", "--anki", str(tmp_path / "missing" / "deck.apkg")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot write" in line
