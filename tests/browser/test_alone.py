"""A learner alone with chapters 00 to 02: predicts, errs, orders lines by keyboard, asks for another
question, sees reasons, leaves, and is asked the next day about what was wrong."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from course_lib import progress
from course_lib.answers import exercise_answers, quiz_answer, use_answers
from course_lib.app.review import review
from course_lib.drills import templates
from course_lib.ordering import shuffled
from course_lib.quiz import LETTERS, find_question
from tests.browser.accessibility import findings
from tests.browser.notebook_page import Lab, NotebookPage

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DAY = 24 * 60 * 60


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A learner who has done nothing yet."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))


@pytest.fixture
def own_lab(own_home: None, fresh_lab: Lab) -> Lab:
    return fresh_lab


def test_a_learner_goes_through_three_chapters_alone_and_is_asked_again_the_next_day(
    own_lab: Lab, page: Page, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    use_answers()
    _chapter_00(NotebookPage(page, own_lab, "00_why_a_training_loop"))
    _chapter_01(NotebookPage(page, own_lab, "01_forward_pass"))
    assert 'q01_2 = "' in (own_lab.folder / "01_forward_pass.ipynb").read_text().replace("\\", "")

    today = progress.now
    monkeypatch.setattr(progress, "now", lambda: today() + DAY)
    assert review(ask=lambda _: "q") == 0
    said = capsys.readouterr().out
    assert "1 of 2 (q00_1)" in said, "what was wrong yesterday is due today, what was right is not"
    _chapter_02(NotebookPage(page, own_lab, "02_loss_functions"))


def _chapter_00(notebook: NotebookPage) -> None:
    notebook.run_cell("setup")
    expect(_predict(notebook, "p00_2", "the weather")).to_contain_text("not one of the choices")
    expect(_predict(notebook, "p00_2", "the learning")).to_contain_text(
        'you expect "the learning rate"'
    )
    _predict(notebook, "p00_3", "head")
    ran = notebook.run_cell(notebook.cell_saying('outcome("p00_2"'))
    expect(ran).to_contain_text("it was: the data. A surprise.")
    expect(ran).to_contain_text("it was: head. As you expected.")
    _look_at(notebook, "alone_predictions")

    notebook.run_cell(notebook.cell_saying("import math"))
    known = exercise_answers("first_bad_step")
    wrong = known.solution.replace("not math.isfinite(loss) or ", "")
    expect(_try(notebook, "first_bad_step", wrong)).to_contain_text(
        "Every comparison with NaN is False"
    )
    _look_at(notebook, "alone_mistake")
    below = "first_bad_step__test"
    refused = notebook.run_below(below, 'parts("first_bad_step")')
    expect(refused).to_contain_text("open after both hints")
    _order_by_keyboard(
        notebook,
        notebook.run_below(
            below, 'hint("first_bad_step")\nhint("first_bad_step")\nparts("first_bad_step")'
        ),
    )
    _look_at(notebook, "alone_parts", dark=True)
    expect(_try(notebook, "first_bad_step", known.solution)).to_contain_text(
        "first_bad_step: Right"
    )

    kind = templates("00")[0]
    asked = notebook.run_below(below, 'another("00")')
    expect(asked).to_contain_text(kind.ask(kind.numbers(0)))
    right = kind.by_torch(kind.numbers(0))
    answered = notebook.run_below(below, f'another("00", {right + 1})\nanother("00")')
    expect(answered).to_contain_text(f"Not right: PyTorch gives {right:.6g}")
    _look_at(notebook, "alone_another")

    asked = notebook.run_below(below, 'course_lib.before_after("before")')
    expect(asked).to_contain_text("10.")
    _look_at(notebook, "alone_before")
    _wrong_twice(notebook, "q00_1")
    notebook.leave()


def _chapter_01(notebook: NotebookPage) -> None:
    notebook.run_cell("setup")
    for text in ("import digits", "class MLP"):
        notebook.run_cell(notebook.cell_saying(text))
    _predict(notebook, "p01_1", "32x128, 32x128, 32x10")
    ran = notebook.run_cell(notebook.cell_saying('outcome("p01_1"'))
    expect(ran).to_contain_text("As you expected.")
    expect(notebook.run_cell("panel-shape_tracker")).to_contain_text("Predict first, above: p01_2")
    _look_at(notebook, "alone_panel")
    _wrong_twice(notebook, "q01_2")
    said = _answer(notebook, "q01_1", quiz_answer("q01_1").key)
    expect(said).to_contain_text(f"{quiz_answer('q01_1').key} is right")
    _look_at(notebook, "alone_quiz", dark=True)
    notebook.leave()


def _chapter_02(notebook: NotebookPage) -> None:
    notebook.in_kernel(f"import time; today = time.time; time.time = lambda: today() + {DAY}")
    notebook.run_cell("setup")
    cell = notebook.cell_saying('recall("02"')
    asked = notebook.run_cell(cell)
    for id in ("q00_1", "q01_2"):
        expect(asked).to_contain_text(f"({id}) {find_question(id).text.replace('`', '')}")
    _look_at(notebook, "alone_recall")
    order = progress.of("recall_02").asked
    keys = [quiz_answer(id) for id in order]
    other = next(letter for letter in LETTERS if letter != keys[1].key)
    notebook.write_cell(cell, f'recall("02", "{keys[0].key}", "{other}")')
    answered = notebook.run_cell(cell)
    for words in (
        f"{keys[0].key} is right: {keys[0].why[keys[0].key]}",
        f"{other} is not right: {keys[1].why[other]}",
        f"Right is {keys[1].key}",
    ):
        expect(answered).to_contain_text(words.replace("`", ""))
    _look_at(notebook, "alone_recall_answered", dark=True)
    assert [progress.of(id).last_right for id in order] == [True, False]
    notebook.leave()


def _predict(notebook: NotebookPage, id: str, expected: str) -> Locator:
    """Write the prediction between its quotes, and run its cell."""
    cell = notebook.cell_saying(f'predict("{id}", ')
    lines = notebook.source(cell).split("\n")
    place = next(i for i, line in enumerate(lines) if f'predict("{id}"' in line)
    before, _, rest = lines[place].partition(f'"{id}", "')
    lines[place] = f'{before}"{id}", "{expected}"{rest.partition(chr(34))[2]}'
    notebook.write_cell(cell, "\n".join(lines))
    return notebook.run_cell(cell)


def _try(notebook: NotebookPage, name: str, solution: str) -> Locator:
    """Write a solution of the exercise and run it and its check, which is returned."""
    notebook.write_cell(name, solution)
    notebook.run_cell(name)
    return notebook.run_cell(f"{name}__test")


def _answer(notebook: NotebookPage, id: str, letter: str) -> Locator:
    notebook.write_cell(id, f'{id} = "{letter}"')
    notebook.run_cell(id)
    return notebook.run_cell(f"{id}__test")


def _wrong_twice(notebook: NotebookPage, id: str) -> None:
    """The first wrong answer gets its own reason, the second one all of them."""
    known = quiz_answer(id)
    first, second, *_ = (letter for letter in LETTERS if letter != known.key)
    said = _answer(notebook, id, first)
    expect(said).to_contain_text(f"{first} is not right. {known.why[first]}".replace("`", ""))
    expect(said).not_to_contain_text(known.why[known.key].replace("`", ""))
    said = _answer(notebook, id, second)
    for letter in LETTERS:
        expect(said).to_contain_text(known.why[letter].replace("`", ""))


def _order_by_keyboard(notebook: NotebookPage, cell: Locator) -> None:
    """First with a line that does not belong, which is then replaced by the right one."""
    cut = exercise_answers("first_bad_step").parts
    pieces = shuffled("first_bad_step", cut)
    lines = _Lines(notebook, cell, len(pieces))
    odd = pieces.index(cut.wrong[0])
    right = [pieces.index(piece) for piece in cut.pieces]
    for number in right[1:]:
        lines.take(number)
    lines.take(odd)
    lines.press("Check")
    expect(cell).to_contain_text("Not right yet")
    lines.press("Put back")
    lines.expect_own(right[1:])
    lines.take(right[0])
    for _ in right[1:]:
        lines.press("Move up")
    lines.expect_own(right)
    lines.press("Check")
    expect(cell).to_contain_text("this order works")


class _Lines:
    """The two lists and five buttons of ``parts``, by keyboard alone once the first has the focus."""

    STOPS = ("rest", "own", "Take", "Put back", "Move up", "Move down", "Check")

    def __init__(self, notebook: NotebookPage, cell: Locator, count: int) -> None:
        self.notebook = notebook
        self.keyboard = notebook.page.keyboard
        self.lists = cell.get_by_role("listbox")
        self.cell = cell
        self.here = "rest"
        expect(self.lists.nth(0).locator("option")).to_have_count(count)
        self.lists.nth(0).focus()

    def take(self, number: int) -> None:
        """Choose this line of those that are left, and take it."""
        own = len(self._numbers(1))
        self._go("rest")
        self.keyboard.press("Home")
        for _ in range(self._numbers(0).index(number)):
            self.keyboard.press("ArrowDown")
        # A choice right after another one waits in the page until the kernel has noted the first.
        self.notebook.in_kernel("")
        self.press("Take")
        expect(self.lists.nth(1).locator("option")).to_have_count(own + 1)

    def press(self, label: str) -> None:
        self._go(label)
        expect(self.cell.get_by_role("button", name=label)).to_be_focused()
        self.keyboard.press("Enter")

    def expect_own(self, numbers: list[int]) -> None:
        begun = [re.compile(rf"^{number + 1}:") for number in numbers]
        expect(self.lists.nth(1).locator("option")).to_have_text(begun)

    def _numbers(self, place: int) -> list[int]:
        shown = self.lists.nth(place).locator("option").all_text_contents()
        return [int(text.partition(":")[0]) - 1 for text in shown]

    def _go(self, stop: str) -> None:
        by = self.STOPS.index(stop) - self.STOPS.index(self.here)
        for _ in range(abs(by)):
            self.keyboard.press("Tab" if by > 0 else "Shift+Tab")
        self.here = stop


def _look_at(notebook: NotebookPage, name: str, dark: bool = False) -> None:
    """Nothing that axe finds, and pictures for people."""
    assert findings(notebook.page) == []
    notebook.keep_picture(name)
    if dark:
        with notebook.dark_theme():
            assert findings(notebook.page) == []
            notebook.keep_picture(f"{name}_dark")
