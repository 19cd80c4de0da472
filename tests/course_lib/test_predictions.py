"""A prediction is committed once, before; its outcome stands beside it in one line, after."""

import pytest

from course_lib import progress, simulations
from course_lib.panels import live, panel, widgets
from course_lib.predictions import outcome, predict

KINDS = "the loss: learns / stands still / raises an error"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))


@pytest.fixture
def said(capsys):
    def say(action, *args, **more) -> str:
        action(*args, **more)
        (line,) = capsys.readouterr().out.splitlines()
        return line

    return say


def test_an_empty_one_asks_with_the_choices_and_commits_to_nothing(said):
    line = said(predict, "p05_1", "", KINDS)
    assert "what do you expect?" in line
    assert KINDS in line
    assert progress.of("p05_1").prediction == ""


def test_the_first_one_counts_and_running_it_again_changes_nothing(said):
    assert '"stands still"' in said(predict, "p05_1", "Stands ", KINDS)
    first = said(predict, "p05_1", "stands still", KINDS)
    assert first == said(predict, "p05_1", "", KINDS)
    assert 'your first prediction counts: "stands still"' in said(predict, "p05_1", "learns", KINDS)
    assert progress.of("p05_1").prediction == "stands still"


@pytest.mark.parametrize(
    ("written", "choices", "meant"),
    [
        ("Yes, it does", "yes / no", "yes"),
        ("stay the same", "the parameters: stay / double", "stay"),
        ("784x128", "[784, 128] / [128, 784]", "[784, 128]"),
        ("128 x 784", "[784, 128] / [128, 784]", "[128, 784]"),
        ("falls, then rises, I think", "falls / rises / falls, then rises", "falls, then rises"),
    ],
)
def test_a_choice_in_other_words_is_understood(said, written, choices, meant):
    assert f'you expect "{meant}"' in said(predict, "p01_2", written, choices)


@pytest.mark.parametrize("wrong", ["explodes", "s t", "?", "not learns", "learnsome"])
def test_what_is_not_one_of_the_choices_is_not_taken(said, wrong):
    assert "is not one of the choices" in said(predict, "p05_1", wrong, KINDS)
    assert progress.of("p05_1").prediction == ""


def test_the_outcome_stands_beside_it(said):
    said(predict, "p05_1", "stands still", KINDS)
    line = said(outcome, "p05_1", "raises an error")
    assert 'you expected "stands still"; it was: raises an error. A surprise.' in line
    said(predict, "p05_2", "learns", KINDS)
    assert "As you expected." in said(outcome, "p05_2", "learns")
    assert [progress.of(id).outcome for id in ("p05_1", "p05_2")] == [False, True]


def test_without_a_prediction_the_outcome_is_said_all_the_same(said):
    assert said(outcome, "p05_1", 3) == "  p05_1: it was: 3. (You made no prediction.)"


def test_a_prediction_after_the_outcome_is_no_prediction(said):
    said(outcome, "p05_1", "learns")
    assert "you have seen it" in said(predict, "p05_1", "learns", KINDS)
    assert progress.of("p05_1").late


@pytest.mark.parametrize(
    ("made", "came", "within", "true"),
    [
        ("32x128, 32x128, 32x10", ([32, 128], (32, 128), [32, 10]), 0, True),
        ("[128, 784]", ([784, 128],), 0, False),
        ("about 88", (91,), 5, True),
        ("about 80", (91,), 5, False),
        ("2.3", (2.303,), 0, True),
        ("2.31", (2.303,), 0, False),
        ("1,000", (1000,), 0, True),
        ("90%", (0.9,), 0, True),
        ("-1.5 and .5", ([-1.5, 0.5],), 0, True),
        ("1", ([1, 2],), 0, False),
        ("no idea", (5,), 0, False),
        ("an error", (2.5,), 0, False),
    ],
)
def test_numbers_are_compared_as_numbers(said, made, came, within, true):
    said(predict, "p01_1", made, "numbers")
    said(outcome, "p01_1", *came, within=within)
    assert progress.of("p01_1").outcome is true


def test_nothing_that_is_written_raises(said):
    for odd in (None, 3, [1, 2], "\0", "9" * 10_000, object()):
        said(predict, "p01_1", odd)
        said(outcome, "p01_1", odd)


def test_a_panel_asks_for_what_is_missing_and_opens_all_the_same(capsys, said, monkeypatch):
    monkeypatch.setattr(simulations, "load", lambda name: name)
    monkeypatch.setattr(widgets, "Panel", lambda simulation: opened.append(simulation))
    monkeypatch.setattr(live, "LivePanel", None)
    opened = []
    assert "Predict first, above: p01_2." in said(panel, "shape_tracker", ask="p01_2")
    predict("p01_2", "stay")
    capsys.readouterr()
    panel("shape_tracker", ask="p01_2")
    assert capsys.readouterr().out == ""
    assert opened == ["shape_tracker"] * 2


def test_status_says_how_often_and_which_surprised(capsys):
    from course_lib.app.status import show_status

    for number, came in enumerate(("learns", "learns", "stands still"), start=1):
        predict(f"p05_{number}", "learns", KINDS)
        outcome(f"p05_{number}", came)
    outcome("p05_4", "learns")
    predict("p05_4", "learns", KINDS)
    capsys.readouterr()
    show_status()
    lines = capsys.readouterr().out.splitlines()
    assert "05  2 of 3 predictions came true; surprises: p05_3" in lines
