"""What the grader is told when an exercise cannot be observed in a process of its own."""

import base64
import os
import signal

import pytest

from course_lib.exercises.observe import remote
from course_lib.exercises.wire import pack, unpack
from grading.engine.judge import observation_from


def _beats() -> list[str]:
    return ["forward", "loss", "backward", "step"]


def _remote() -> dict:
    payload = base64.b64encode(pack([{}])).decode()
    names = {"order_the_beats": _beats}
    return unpack(base64.b64decode(remote("order_the_beats", payload, "n", names)))["results"][0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_no_process_to_be_had_is_said(monkeypatch):
    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    failure = observation_from(_remote())
    assert failure.status == "error"
    assert "as many processes or files as they may" in failure.message


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_ignored_children_are_observed_all_the_same():
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert _remote()["values"]["returned"] == _beats()
    finally:
        signal.signal(signal.SIGCHLD, before)
