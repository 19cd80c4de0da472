"""What the grader is told when an exercise cannot be observed in a process of its own."""

import base64
import os
import signal
import sys
from collections.abc import Iterator

import pytest
import torch

from course_lib.exercises import find_exercise
from course_lib.exercises.checking.observe import _observe_in_child, neutral_state, remote
from course_lib.exercises.checking.wire import pack, unpack
from grading.judging.cases import case_set
from grading.judging.judge import failure_from, observation_from
from grading.runner.replies import Reply, replies_from


def _beats() -> list[str]:
    return ["forward", "loss", "backward", "step"]


def _remote() -> Reply:
    payload = base64.b64encode(pack([{}])).decode()
    answer = remote("order_the_beats", payload, "n", {"order_the_beats": _beats})
    [reply] = replies_from(answer, "n", "order_the_beats", 1)
    return reply


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_no_process_to_be_had_is_said(monkeypatch):
    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    reply = _remote()
    failure = failure_from(reply.failure, reply.detail)
    assert failure.status == "error"
    assert "as many processes or files as they may" in failure.message


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_ignored_children_are_observed_all_the_same():
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert observation_from(_remote().packed)["returned"] == _beats()
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_built_in_is_refused_also_when_the_result_calls_it_later():
    later = {}

    class Later(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            if function is torch.Tensor.detach:  # as packing calls it
                return torch.autograd.grad(*later["todo"])[0]
            return super().__torch_function__(function, types, args, kwargs or {})

    def numerical_gradient(f, x, eps=1e-4):
        result = torch.zeros_like(x).as_subclass(Later)
        x = x.detach().clone().requires_grad_()
        later["todo"] = (f(x), x)
        return result

    exercise, cases = find_exercise("numerical_gradient"), case_set("numerical_gradient", 3).cases
    for part in _observe_in_child(exercise, (numerical_gradient,), list(cases)):
        assert part.startswith(b'{"error": "ForbiddenCall"}\n')


def _settings() -> list[bool]:
    return [
        torch.is_anomaly_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        sys.float_info.min / 2 == 0,  # are the smallest numbers taken for zero?
    ]


@pytest.fixture
def strict() -> Iterator[None]:
    """What a scratch cell may have left switched on."""
    torch.autograd.set_detect_anomaly(True)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_flush_denormal(True)
    yield
    torch.autograd.set_detect_anomaly(False)
    torch.use_deterministic_algorithms(False)
    torch.set_flush_denormal(False)


@pytest.mark.usefixtures("strict")
def test_settings_of_a_scratch_cell_change_no_result_and_are_put_back():
    before = _settings()
    assert before[:3] == [True, True, True]
    with neutral_state():
        assert _settings() == [False, False, False, False]
    assert _settings() == before


def test_empty_tensors_of_a_case_are_no_meta_tensors():
    torch.set_default_device("meta")
    try:
        assert unpack(pack(torch.zeros(0, device="cpu"))).device.type == "cpu"
    finally:
        torch.set_default_device(None)
