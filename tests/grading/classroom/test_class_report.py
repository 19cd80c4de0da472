"""The numbers of a class's report."""

import pytest

from course_lib.chapters import find_chapter
from grading.classroom.class_report import ClassReport


def _report(scores: tuple[float, ...], maximum: float) -> ClassReport:
    return ClassReport(find_chapter("05"), scores, maximum, (), {}, {})


def test_each_possible_whole_score_is_a_band():
    bands = _report((0.0, 0.5, 2.0, 3.0, 3.0), 3.0).bands()
    assert bands == [("0", 2), ("1", 0), ("2", 1), ("3", 2)]


def test_many_points_are_counted_in_tenths_and_full_marks_alone():
    bands = dict(_report((0.0, 1.9, 2.0, 19.9, 20.0), 20.0).bands())
    assert (bands["0-"], bands["2-"], bands["18-"], bands["20"]) == (2, 1, 1, 1)
    assert len(bands) == 11


@pytest.mark.parametrize("maximum", [1.0, 12.0, 15.0, 16.0, 33.0])
def test_everyone_is_in_one_band(maximum):
    scores = tuple(maximum * part / 7 for part in range(8))
    assert sum(count for _, count in _report(scores, maximum).bands()) == len(scores)
