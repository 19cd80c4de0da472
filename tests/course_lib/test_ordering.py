"""``parts``: the right order passes the check, each line that does not belong fails it."""

import json

import pytest

from course_lib import answers, ordering, progress
from course_lib.answers import exercise_answers, use_answers
from course_lib.display import Text
from course_lib.exercises import all_exercises, chapter_of
from course_lib.ordering import arranged, listed, parts, run_arrangement, shuffled
from course_lib.panels.arrange import arrange
from grading.authoring.answers_pack import FOLDER
from grading.authoring.parts import FEWEST_LINES
from grading.chapter_text.cells import read_chapter
from grading.chapter_text.reference import solved_namespace
from grading.chapter_text.regions import find_regions
from grading.paths import text_source

STORED = {
    name: found["parts"]
    for name in all_exercises()
    if (found := json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))["parts"]
}


@pytest.fixture(autouse=True)
def learner(tmp_path, monkeypatch):
    """A learner of the self-study edition, who has seen both hints of ``trace_shapes``."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    use_answers()
    for _ in range(2):
        progress.record_hint("trace_shapes")


def in_the_notebook_of(name: str, monkeypatch) -> None:
    namespace = solved_namespace(chapter_of(name))
    monkeypatch.setattr(ordering, "_notebook", lambda: namespace)


def works(result) -> bool:
    return isinstance(result, Text) and "this order works" in result.text


def test_every_solution_of_five_lines_or_more_has_parts_with_a_wrong_one():
    long = {
        cell.name
        for name in all_exercises()
        for cell in read_chapter(text_source(chapter_of(name)))
        if cell.role == "solution"
        and any(
            len([line for line in region.solution if line.strip()]) >= FEWEST_LINES
            for region in find_regions(cell.text)
        )
    }
    assert STORED.keys() == long
    assert [name for name, cut in STORED.items() if not 1 <= len(cut["wrong"]) <= 2] == []


@pytest.mark.parametrize("name", STORED)
def test_the_right_order_works_and_each_wrong_piece_does_not(name, monkeypatch):
    in_the_notebook_of(name, monkeypatch)
    cut = exercise_answers(name).parts
    assert works(run_arrangement(name, cut, list(cut.pieces)))
    for wrong in STORED[name]["wrong"]:
        pieces = list(cut.pieces)
        pieces[wrong["place"]] = wrong["piece"]
        assert not works(run_arrangement(name, cut, pieces)), wrong
    assert shuffled(name, cut)[: len(cut.pieces)] != list(cut.pieces)
    assert progress.of(name).tries == 0, "an arrangement is no try of the exercise"


def test_an_order_is_given_as_numbers(monkeypatch):
    in_the_notebook_of("trace_shapes", monkeypatch)
    cut = exercise_answers("trace_shapes").parts
    pieces = shuffled("trace_shapes", cut)
    order = [pieces.index(piece) + 1 for piece in cut.pieces]
    for given in (order, " ".join(map(str, order)), ", ".join(map(str, order))):
        assert works(arranged("trace_shapes", cut, given))
    assert not works(arranged("trace_shapes", cut, order[:-1]))
    assert not works(arranged("trace_shapes", cut, order[::-1]))


@pytest.mark.parametrize("odd", ["1 x", "0 1", "99", "1 1", 3.5, [None], "-1"])
def test_an_order_that_is_none_is_answered_with_how_to_write_one(capsys, odd):
    parts("trace_shapes", odd)
    assert "umber" in capsys.readouterr().out


def test_the_list_has_every_line_and_no_right_order(capsys):
    parts("trace_shapes")
    words = capsys.readouterr().out
    cut = exercise_answers("trace_shapes").parts
    for piece in (*cut.pieces, *cut.wrong):
        for line in piece.split("\n"):
            assert " ".join(line.split()) in " ".join(words.split())
    assert "does not belong" in listed("trace_shapes", cut) or "do not" in listed(
        "trace_shapes", cut
    )


def test_the_lines_open_after_both_hints_or_three_tries_and_with_the_pack_alone(
    capsys, monkeypatch
):
    parts("train_one_epoch")
    assert "open after both hints" in capsys.readouterr().out
    for _ in range(ordering.TRIES):
        progress.record("train_one_epoch", passed=False)
    parts("train_one_epoch")
    assert "shuffled" in capsys.readouterr().out
    monkeypatch.setattr(answers, "_in_use", False)
    parts("trace_shapes")
    assert "answers pack" in capsys.readouterr().out


def test_short_and_unknown_exercises_are_answered(capsys):
    for _ in range(2):
        progress.record_hint("mse")
    parts("mse")
    assert "type it" in capsys.readouterr().out
    parts("trace_shape")
    assert "Did you mean trace_shapes" in capsys.readouterr().out


def test_the_widgets_move_pieces_and_check_their_order():
    seen = []

    class Answer:
        def _repr_html_(self):
            return "answered"

    def check(order):
        seen.append(order)
        return Answer()

    box = arrange("Lines", ["a", "  b", "c"], check)
    _, rest, own, buttons, said = box.children
    press = {button.description: button.click for button in buttons.children}
    for number in (2, 0, 1):
        rest.value = number
        press["Take"]()
    press["Move up"]()
    press["Check"]()
    own.value = 2
    press["Move down"]()
    press["Put back"]()
    press["Check"]()
    assert seen == [["c", "  b", "a"], ["  b", "a"]]
    assert [number for _, number in rest.options] == [2]
    assert said.value == "answered"
