"""Which cells are tried when a kernel has ended, and in which order."""

import pytest

from grading.runner.crash_cause import Doubt, suspects

TIMER, PLAIN = "import threading\nthreading.Timer(1, stop).start()", "x = 1"


def test_only_what_can_act_later_is_suspected():
    assert suspects([(0, PLAIN, False), (1, TIMER, False), (2, "losses = []", True)]) == [1]
    assert suspects([(0, PLAIN, False)]) == []


@pytest.mark.parametrize(
    "source", ["!kill 1", "%%bash\nkill 1", "os.fork()", "signal.alarm(3)", "obj.__del__ = f"]
)
def test_what_can_act_later_is_known_by_its_words(source):
    assert suspects([(0, source, False)]) == [0]


def test_scratch_cells_come_first_and_of_these_the_nearest():
    cells = [(0, TIMER, True), (1, TIMER, False), (2, TIMER, False), (3, TIMER, True)]
    assert suspects(cells) == [2, 1, 3]


def test_each_suspect_is_left_out_alone_and_then_all_together():
    doubt = Doubt.about(7, 2.0, "ended", [4, 2])
    assert doubt.absent == frozenset()
    tried = []
    while doubt.next_trial():
        tried.append(set(doubt.absent))
    assert tried == [{4}, {2}, {4, 2}]


def test_a_single_suspect_is_tried_once_and_no_wait_is_endless():
    doubt = Doubt.about(7, 1000.0, "ended", [4])
    assert doubt.seconds == 30.0
    assert doubt.next_trial()
    assert not doubt.next_trial()
