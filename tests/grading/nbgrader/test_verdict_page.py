"""What a learner reads below a check, as HTML; how whole pages look is ``test_sample_class``'s."""

import pytest
from bs4 import BeautifulSoup

from course_lib.exercises import find_exercise
from grading.judging.outcomes import VERDICTS, AspectOutcome, ItemOutcome, NotebookOutcome
from grading.nbgrader.verdict import summary_html, verdict_html

HOSTILE = "<script>steal()</script> & `a < b`"
FIT = find_exercise("fit")


def _item(status: str = "failed", score: float = 0.0, **more: object) -> ItemOutcome:
    return ItemOutcome("fit__test", score, 3.0, status, **more)


def _page(html: str) -> BeautifulSoup:
    return BeautifulSoup(html, "html.parser")


@pytest.mark.parametrize(
    "item",
    [
        _item(message=HOSTILE),
        _item(message="m", misconception=HOSTILE),
        _item(message="m", aspects=(AspectOutcome(HOSTILE, 0, 1, HOSTILE),)),
    ],
    ids=["message", "misconception", "aspect"],
)
def test_nothing_that_a_learner_wrote_is_markup(item):
    page = _page(verdict_html(item))
    assert page.find("script") is None
    assert "<script>steal()</script> &" in page.get_text()
    outcome = NotebookOutcome("05_complete_loop", (item,), (HOSTILE,))
    assert _page(summary_html(outcome)).find("script") is None


def test_between_backticks_is_code():
    page = _page(verdict_html(_item(message="call `step()` and `a < b`")))
    assert [each.get_text() for each in page.find_all("code")] == ["step()", "a < b"]


@pytest.mark.parametrize("status", VERDICTS)
def test_each_verdict_is_a_symbol_a_word_and_points(status):
    text = _page(verdict_html(_item(status, 1.5, message="why"))).p.get_text()
    symbol, word = VERDICTS[status]
    assert text.startswith(f"{symbol} {word[0].upper()}{word[1:]}")
    assert text.endswith("1.5 of 3 points")


def test_advice_is_the_first_hint_and_with_a_part_of_the_points_the_second():
    def advice(*item: object) -> str:
        return _page(verdict_html(_item(*item, message="why"))).get_text()

    first, second = (each.split(".")[0].replace("`", "") for each in FIT.hints)
    assert first in advice("failed", 0.0)
    assert second in advice("partial", 1.0)
    assert "What to do" not in advice("passed", 3.0)
    assert "What to do" not in advice("timeout", 0.0)


def test_a_problem_that_is_the_message_is_not_said_twice():
    item = _item(
        message="returned: a Tensor.", aspects=(AspectOutcome("a", 0, 1, "Returned: a tensor"),)
    )
    assert _page(verdict_html(item)).get_text().lower().count("returned: a tensor") == 1


def test_the_summary_has_a_row_for_each_task_and_what_was_mended():
    outcome = NotebookOutcome("05", (_item(misconception="no step"),), ("The check was put back.",))
    page = _page(summary_html(outcome))
    [row] = page.tbody.find_all("tr")
    assert [cell.get_text() for cell in row.find_all("td")] == [
        "fit",
        "✗ not right",
        "0 / 3",
        "no step",
    ]
    assert row.a["href"] == "#fit__test"
    assert [each.get_text() for each in page.find_all("li")] == ["The check was put back."]
