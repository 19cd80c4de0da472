"""Workers in real processes: the same arithmetic, and none is left whatever happens."""

import importlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from jupyter_client.manager import KernelManager

from course_lib import data_parallel
from course_lib.data import digits
from course_lib.models import MLP
from grading.authoring.execute import RunningInterpreter

#: For what takes a second; many more only where something is wrong.
SECONDS = 120
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
#: A model that fails in every process but the one that makes it, where it is worker 1.
_FAILS = """
import os
import sys

import torch


class Fails(torch.nn.Linear):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.process = os.getpid()

    def forward(self, x):
        if os.getpid() != self.process and sys.argv[2] == "1":
            1 / 0
        return super().forward(x)
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


def test_workers_end_with_one_that_raises(monkeypatch, tmp_path: Path) -> None:
    """The others would wait for its gradients for ever."""
    if reason := data_parallel.why_not():
        pytest.skip(reason)
    (tmp_path / "fails.py").write_text(_FAILS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    workers = started(monkeypatch)
    model = importlib.import_module("fails").Fails(2, 2)
    X, y = torch.zeros(4, 2), torch.tensor([0, 0, 1, 1])
    outcome = data_parallel.train(model, X, y, [[0, 1], [2, 3]])
    assert outcome.note.startswith(
        "worker 1 failed (ZeroDivisionError: division by zero): the same"
    )
    assert [len(losses) for losses in outcome.losses] == [1, 1]
    assert len(workers) == 2
    assert all(worker.returncode is not None for worker in workers)


def test_workers_end_when_something_is_raised_where_they_are_waited_for(monkeypatch) -> None:
    if reason := data_parallel.why_not():
        pytest.skip(reason)

    def interrupted(*arguments):
        raise KeyboardInterrupt

    workers = started(monkeypatch)
    monkeypatch.setattr(data_parallel, "_wait_for", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained()
    assert len(workers) == 2
    assert all(worker.returncode is not None for worker in workers)


def started(monkeypatch) -> list[subprocess.Popen]:
    """The workers, as they are started from here on."""
    workers: list[subprocess.Popen] = []
    start = data_parallel._start

    def kept(*arguments):
        workers.append(start(*arguments))
        return workers[-1]

    monkeypatch.setattr(data_parallel, "_start", kept)
    return workers


@pytest.fixture
def place(repository: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of a process that finds the model that waits, and the pipe it writes to."""
    if reason := data_parallel.why_not():
        pytest.skip(reason)
    (tmp_path / "waits.py").write_text(_WAITS)
    os.mkfifo(tmp_path / "pipe")
    paths = os.pathsep.join([str(repository), str(tmp_path)])
    own = {"PYTHONPATH": paths, "PIPE": str(tmp_path / "pipe"), "OMP_NUM_THREADS": "1"}
    return {**os.environ, **own}


def two_workers(place: dict[str, str]) -> list[psutil.Process]:
    """The workers, when both are in the middle of a step."""
    numbers: set[int] = set()
    pipe = os.open(place["PIPE"], os.O_RDWR)  # open at both ends, so reading waits for a worker
    try:
        while len(numbers) < 2:
            ready, _, _ = select.select([pipe], [], [], SECONDS)
            assert ready, f"{len(numbers)} of 2 workers came so far"
            numbers |= set(map(int, os.read(pipe, 4096).split()))
    finally:
        os.close(pipe)
    return [psutil.Process(number) for number in numbers]


def all_end(workers: list[psutil.Process]) -> bool:
    """Whether they end by themselves; those that do not are ended here."""
    _, alive = psutil.wait_procs(workers, timeout=60)
    for worker in alive:
        worker.kill()
    return not alive


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_the_process_that_asked(how, place, tmp_path: Path) -> None:
    (tmp_path / "asks.py").write_text(_ASKS)
    asking = subprocess.Popen(
        [sys.executable, tmp_path / "asks.py"], env=place, stderr=subprocess.DEVNULL
    )
    try:
        workers = two_workers(place)
        asking.send_signal(how)
        asking.wait(60)
        assert all_end(workers)
    finally:
        asking.kill()
        asking.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_workers_of_a_notebook_end_with_its_cell_and_with_its_kernel(place) -> None:
    kernel = KernelManager(kernel_name="python3", kernel_spec_manager=RunningInterpreter())
    kernel.start_kernel(env=place)
    client = kernel.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=SECONDS)
        # Else the kernel would drop what it is asked right after the interrupt.
        cell = client.execute(_ASKS, stop_on_error=False)
        workers = two_workers(place)
        kernel.interrupt_kernel()
        replies = iter(lambda: client.get_shell_msg(timeout=SECONDS), None)
        reply = next(each for each in replies if each["parent_header"]["msg_id"] == cell)
        assert reply["content"]["ename"] == "KeyboardInterrupt"
        assert all_end(workers)
        client.execute(_ASKS)  # the kernel goes on, until it is killed
        workers = two_workers(place)
        os.kill(kernel.provisioner.pid, signal.SIGKILL)
        assert all_end(workers)
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
