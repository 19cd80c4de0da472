"""Workers in real processes: the same arithmetic, and none is left whatever happens."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch

from course_lib import data_parallel
from course_lib.data import digits
from course_lib.models import MLP

SHARDS = [list(range(rank, 80, 2)) for rank in range(2)]
#: A model that says which process it is in, and never ends; and a process that trains it.
_WAITS = """
import os
import threading

import torch


class Waits(torch.nn.Linear):
    def forward(self, x):
        with open(os.environ["PIPE"], "w") as pipe:
            pipe.write(f"{os.getpid()}\\n")
        threading.Event().wait()
"""
_ASKS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # what starts the tests may ignore it

import torch
from course_lib import data_parallel
from waits import Waits

X, y = torch.zeros(4, 2), torch.zeros(4).long()
data_parallel.train(Waits(2, 2), X, y, [[0, 1], [2, 3]])
"""


def trained(**options) -> data_parallel.Outcome:
    images, labels = digits(size=8)
    model = MLP(64, 16, 10, seed=0)
    return data_parallel.train(model, images, labels, SHARDS, batch_size=10, **options)


def vector(model: torch.nn.Module) -> torch.Tensor:
    return torch.nn.utils.parameters_to_vector(model.parameters())


@pytest.fixture(scope="module")
def in_processes() -> data_parallel.Outcome:
    if reason := data_parallel.why_not():
        pytest.skip(reason)
    return trained()


def test_two_processes_end_with_the_same_model(in_processes) -> None:
    assert in_processes.processes == 2, in_processes.note
    assert not in_processes.note
    assert in_processes.distance() == 0.0
    assert [len(losses) for losses in in_processes.losses] == [4, 4]
    assert in_processes.losses[0] != in_processes.losses[1]


def test_where_sockets_are_refused_one_process_does_the_same(monkeypatch, in_processes) -> None:
    def refuse(*arguments, **options):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(data_parallel.socket, "socket", refuse)
    outcome = trained()
    assert outcome.processes == 1
    assert outcome.note.startswith("sockets are refused here (Operation not permitted): the same")
    torch.testing.assert_close(vector(outcome.models[1]), vector(in_processes.models[1]))
    for one, other in zip(outcome.losses, in_processes.losses, strict=True):
        assert one == pytest.approx(other, abs=1e-6)


def test_a_worker_that_cannot_start_is_named_and_the_rest_is_done_here(monkeypatch) -> None:
    monkeypatch.setattr(data_parallel, "why_not", lambda: "")
    monkeypatch.setattr(data_parallel.sys, "executable", "/nonexistent/python")
    outcome = trained()
    assert outcome.processes == 1
    assert outcome.note.startswith("no process could be started")


def test_equal_shards_are_one_large_batch() -> None:
    images, labels = digits(size=8)
    task = data_parallel._Task(
        MLP(64, 16, 10, seed=0).double(),
        [[(images[shard].double(), labels[shard])] for shard in SHARDS],
        0.1,
        True,
    )
    outcome = data_parallel._in_one_process(task)
    both = sorted(SHARDS[0] + SHARDS[1])
    alone = data_parallel.train(
        MLP(64, 16, 10, seed=0).double(), images.double(), labels, [both], batch_size=80
    )
    assert (vector(outcome.models[0]) - vector(alone.models[0])).abs().max() < 1e-12


def test_without_averaging_the_replicas_differ(monkeypatch) -> None:
    monkeypatch.setattr(data_parallel, "why_not", lambda: "not here")
    assert trained(average=False).distance() > 1e-3


def test_unequal_shards_are_refused() -> None:
    x, y = torch.zeros(5, 2), torch.zeros(5).long()
    with pytest.raises(ValueError, match=r"equally many examples; the shards have \[3, 2\]"):
        data_parallel.train(MLP(2, 2, seed=0), x, y, [[0, 1, 2], [3, 4]])


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_the_process_that_asked(how, repository: Path, tmp_path: Path) -> None:
    if reason := data_parallel.why_not():
        pytest.skip(reason)
    (tmp_path / "waits.py").write_text(_WAITS)
    (tmp_path / "asks.py").write_text(_ASKS)
    os.mkfifo(tmp_path / "pipe")
    paths = os.pathsep.join([str(repository), str(tmp_path)])
    own = {"PYTHONPATH": paths, "PIPE": str(tmp_path / "pipe"), "OMP_NUM_THREADS": "1"}
    asking = subprocess.Popen(
        [sys.executable, tmp_path / "asks.py"], env={**os.environ, **own}, stderr=subprocess.DEVNULL
    )
    try:
        numbers: set[int] = set()
        while len(numbers) < 2:
            with (tmp_path / "pipe").open() as pipe:  # until a worker opens the other end
                numbers |= set(map(int, pipe.read().split()))
        workers = [psutil.Process(number) for number in numbers]
        asking.send_signal(how)
        asking.wait(60)
        _, alive = psutil.wait_procs(workers, timeout=60)
        assert not alive
    finally:
        asking.kill()
        asking.wait()
