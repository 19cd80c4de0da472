"""``another``: what the formula gives is what PyTorch computes, for a hundred seeds of each template."""

from pkgutil import iter_modules

import pytest

from course_lib import drills, progress
from course_lib.chapters import CHAPTERS
from course_lib.drills import another, templates

#: Every module of questions in the folder, by the number of its chapter.
NUMBERS = sorted(
    each.name.removeprefix("ch")
    for each in iter_modules(drills.__path__)
    if each.name.startswith("ch")
)
TEMPLATES = [(number, each) for number in NUMBERS for each in templates(number)]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))


def test_every_chapter_has_two_kinds_of_questions_or_more():
    assert {chapter.number for chapter in CHAPTERS} <= set(NUMBERS)
    for chapter in CHAPTERS:
        assert len({each.name for each in templates(chapter.number)}) >= 2, chapter.number


@pytest.mark.parametrize(
    ("chapter", "template"), TEMPLATES, ids=[f"{n}-{each.name}" for n, each in TEMPLATES]
)
def test_the_formula_gives_what_pytorch_computes(chapter, template):
    texts, answers = set(), set()
    for seed in range(100):
        numbers = template.numbers(seed)
        assert numbers == template.numbers(seed)
        by_hand, by_torch = template.by_hand(numbers), template.by_torch(numbers)
        assert by_hand == pytest.approx(by_torch, rel=1e-5, abs=1e-6), numbers
        assert template.accepts(by_hand, by_torch)
        assert not template.accepts(by_torch + max(1.0, 0.5 * abs(by_torch)), by_torch)
        assert template.why(numbers)
        texts.add(template.ask(numbers))
        answers.add(round(by_torch, 6))
    assert len(texts) >= 10
    assert len(answers) >= 5


def said(capsys, *args) -> str:
    another(*args)
    return " ".join(capsys.readouterr().out.split())


def test_a_question_stays_until_it_is_answered_and_then_there_is_a_new_one(capsys):
    first = said(capsys, "q04_1")
    assert first == said(capsys, "q04_1")
    assert "plain SGD" in first
    right = templates("04")[0].by_torch(templates("04")[0].numbers(0))
    assert "✗ Not right" in said(capsys, "q04_1", right + 1)
    second = said(capsys, "q04_1")
    assert second != first
    kind = templates("04")[1]
    assert "✓ Right" in said(capsys, "q04_1", str(kind.by_torch(kind.numbers(1))))
    assert [each.right for each in progress.of("another_04").reviews] == [False, True]


def test_a_chapter_by_its_number_is_as_good_as_a_questions_id(capsys):
    assert said(capsys, "q08b_1").split("Answer")[0] == said(capsys, "08b").split("Answer")[0]


@pytest.mark.parametrize("odd", ["x", "", None, 3.5, "q99_1"])
def test_an_unknown_chapter_is_answered(capsys, odd):
    assert "Which chapter?" in said(capsys, odd)


@pytest.mark.parametrize("odd", ["x", [1], float("nan"), object()])
def test_what_is_no_number_is_no_answer(capsys, odd):
    assert "is not a number" in said(capsys, "04", odd)
    assert not progress.of("another_04").reviews


def test_a_number_may_be_written_with_commas_as_the_course_prints_it(capsys):
    kind = templates("01")[0]
    right = kind.by_torch(kind.numbers(0))
    assert right > 1000
    assert "'12,34' is not a number" in said(capsys, "01", "12,34")
    assert '12, 345 is not a number. Write it like another("01", 1234.5)' in said(
        capsys, "01", 12, 345
    )
    assert "✓ Right" in said(capsys, "01", f"{right:,}")
