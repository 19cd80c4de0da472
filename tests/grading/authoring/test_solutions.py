"""Solutions that are tried: what never ends is stopped, what a slow machine holds up is not."""

import contextlib
import os
import signal

import pytest

from grading.authoring.solutions import TooSlow, stopped_after


def _endless() -> None:
    while True:
        pass


def _catches_what_stops_it(times: int) -> None:
    for _ in range(times):
        with contextlib.suppress(TooSlow):
            _endless()
    _endless()


@pytest.mark.parametrize("catches", [0, 2])
def test_what_never_ends_is_stopped_however_often_it_catches_that(catches):
    with pytest.raises(TooSlow), stopped_after(0.5):
        _catches_what_stops_it(catches)


def test_a_machine_that_stood_still_for_long_stops_nothing():
    """However much time it charges at once, the timer is heard of once."""
    with stopped_after(1.0):
        os.kill(os.getpid(), signal.SIGPROF)


def test_nothing_is_stopped_afterwards():
    before = signal.getsignal(signal.SIGPROF)
    with stopped_after(1.0):
        pass
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGPROF) is before
