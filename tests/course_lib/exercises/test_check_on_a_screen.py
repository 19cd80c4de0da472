"""Whatever a learner wrote, a check's answer fits on a screen and holds no traceback of ours."""

import io
import math
import sys

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

from course_lib import display
from course_lib.chapters import CHAPTERS
from course_lib.display import HEIGHT, WIDTH, Text, show
from course_lib.exercises import chapter_exercises
from course_lib.exercises.checking.check import NOT_RIGHT, CheckResult, run_check
from course_lib.exercises.checking.model import Finding
from grading.answers import find_answer
from grading.answers.model import as_subjects

EXERCISES = [exercise for chapter in CHAPTERS for exercise in chapter_exercises(chapter)]


#: Of an exercise's named mistakes, so many stand for all; of checks that train for a second, fewer.
MISTAKES, SLOW = 8, {"run_experiment": 1, "checkpointing": 2, "train": 3}


class Hostile:
    """A result that answers every question with an error or a page of text."""

    def __getattr__(self, name):
        raise RuntimeError("no such thing " * 200)

    def __len__(self):
        raise RuntimeError("no length")

    def __eq__(self, other):
        raise RuntimeError("not comparable")

    __hash__ = None

    def __repr__(self):
        return "a page of text without an end " * 400


def _raises(*args, **kwargs):
    raise ValueError("line\n" * 300 + "word" * 500)


def _worst(exercise) -> list[tuple]:
    """The named wrong solutions and worse: what returns odd things, and what raises at length."""
    count = len(exercise.subjects)
    odd = [
        Hostile(),
        "x" * 10_000,
        float("nan"),
        torch.zeros(3, 0),
        {"a": [None] * 1000},
        (),
        print,
    ]
    strange = [lambda *args, value=value, **kwargs: value for value in odd]
    solutions = [each.solution for each in find_answer(exercise.name).misconceptions]
    chosen = solutions[:: math.ceil(len(solutions) / SLOW.get(exercise.name, MISTAKES))]
    odd = (_raises, Hostile()) if exercise.name in SLOW else (_raises, Hostile(), *strange, int)
    worst = [as_subjects(each, exercise.name) for each in chosen]
    return worst + [(each,) * count for each in odd]


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_the_worst_solutions_are_answered_in_30_lines_of_80_characters(exercise):
    for subjects in _worst(exercise):
        result = run_check(exercise.name, *subjects)
        text = repr(result)
        lines = text.splitlines()
        assert len(lines) <= HEIGHT, text
        assert max(map(len, lines)) <= WIDTH, text
        assert "Traceback" not in text
        assert result.state != "Right" or subjects[0] not in (_raises, int), exercise.name
        assert "<div" in result._repr_html_()


def test_what_does_not_fit_is_counted():
    right = [Finding(True, f"finding {number} " + "word " * 50) for number in range(8)]
    wrong = [Finding(False, f"wrong {number} " + "word " * 60) for number in range(4)]
    from course_lib.exercises.checking.check import _fitting

    result = _fitting(
        CheckResult("fit", NOT_RIGHT, (*wrong, *right), advice="Go on.", more_right=2)
    )
    text = repr(result)
    assert len(text.splitlines()) <= HEIGHT
    assert "wrong 0" in text
    assert f"and {result.more_right} more are right" in text
    assert result.more_right + sum(finding.ok for finding in result.findings) == 10
    assert text.endswith("Go on.")


@pytest.mark.parametrize("shell", [None, InteractiveShell], ids=["Python", "IPython"])
def test_a_terminal_without_unicode_is_no_reason_to_fail(shell, monkeypatch):
    monkeypatch.setattr(display, "in_ipython", lambda: shell and shell())
    latin = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", latin)
    show(Text("\u2713 right \u2026 \u20ac"))
    latin.flush()
    assert latin.buffer.getvalue() == b"v right ... ?\n"


def test_text_and_frame_can_be_read_on_white_and_on_black():
    """The text takes the page's colour; the frame has a contrast of 3 to 1 on both."""
    from course_lib.display import GREEN, GREY, ORANGE

    html = Text("words")._repr_html_()
    assert "color:var(--jp-content-font-color1, inherit)" in html
    assert "background" not in html
    for color in (GREEN, GREY, ORANGE):
        channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        luminance = sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
        assert 1.05 / (luminance + 0.05) >= 3, color
        assert (luminance + 0.05) / 0.05 >= 3, color
