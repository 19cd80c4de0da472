"""Ten questions before and ten after: silent until the end, and then the gain idea by idea."""

import pytest

from course_lib import progress
from course_lib.answers import use_answers
from course_lib.gain import IDEAS, QUESTIONS, before_after, normalised_gain, right_answers
from grading.answers.before_after import KEYS, PROOFS


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))


def said(capsys, *args) -> str:
    before_after(*args)
    return capsys.readouterr().out


def with_wrong(when: str, *places: int) -> str:
    """All right but for these."""
    return "".join("-" if n in places else key for n, key in enumerate(KEYS[when]))


def test_there_are_two_questions_for_each_idea_with_a_key_each():
    for when in ("before", "after"):
        assert len(QUESTIONS[when]) == len(KEYS[when]) == len(IDEAS)
        assert max(KEYS[when].count(letter) for letter in "ABCD") <= 4


@pytest.mark.parametrize(("when", "number"), PROOFS)
def test_the_right_option_says_what_pytorch_computes(when, number):
    options = QUESTIONS[when][number - 1].options
    begun = [letter for letter, text in options.items() if text.startswith(PROOFS[when, number]())]
    assert begun == [KEYS[when][number - 1]]


def test_nothing_is_said_before_the_end(capsys):
    use_answers()
    shown = said(capsys, "before")
    assert all(question.text.split()[0] in shown for question in QUESTIONS["before"])
    kept = said(capsys, "before", with_wrong("before"))
    assert kept == said(capsys, "before", "A" * 10) == said(capsys, "before")
    assert "right" not in kept
    assert progress.of("gain_before").asked == (with_wrong("before"),)


def test_the_gain_stands_beside_each_idea(capsys):
    use_answers()
    said(capsys, "before", with_wrong("before", 0, 1, 2, 3))
    words = said(capsys, "after", with_wrong("after", 0))
    assert "the four beats: ✗ before, ✗ now" in words
    assert "shapes: ✗ before, ✓ now" in words
    assert "6 of 10 before, 9 now. Of what you did not know, you learned 75%." in words


def test_without_the_first_ten_or_without_the_pack_it_says_so(capsys):
    assert "nothing can be compared" in said(capsys, "after", with_wrong("after"))
    assert right_answers("after", with_wrong("after")) is None
    use_answers()
    assert "10 of 10 are right. You did not answer" in said(capsys, "after")


@pytest.mark.parametrize("odd", ["ABC", "ABCDABCDABX", 5, ["A"] * 10])
def test_other_than_ten_letters_are_not_kept(capsys, odd):
    assert "letters are needed" in said(capsys, "before", odd)
    assert progress.of("gain_before").asked == ()


def test_an_unknown_time_is_answered(capsys):
    assert 'before_after("before")' in said(capsys, "between")


@pytest.mark.parametrize(
    ("before", "after", "gain"), [(4, 7, 0.5), (0, 10, 1.0), (10, 10, None), (5, 4, -0.2)]
)
def test_the_normalised_gain_is_hakes(before, after, gain):
    assert normalised_gain(before, after) == gain
