"""Data-parallel training with real processes (chapter 10): ``torch.distributed`` over gloo on 127.0.0.1.

``train`` starts a Python process for each worker and ends them all whatever happens: after an error,
an interrupt, or when the process that started them is killed. Nothing is forked, so it works the same on
every system. Where processes may not talk to each other (a sandbox without sockets, a build of PyTorch
without gloo), it runs the same arithmetic in one process and says so.

A worker is this module, run as ``python -m course_lib.data_parallel FOLDER RANK PORT``.
"""

import copy
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ADDRESS = "127.0.0.1"
#: Where gloo should look; elsewhere it finds the way itself.
_LOOPBACK = {"linux": "lo", "darwin": "lo0"}


@dataclass(frozen=True)
class Outcome:
    """``losses[worker][step]`` on the worker's own batch, before the step; ``models`` as each worker
    has it at the end; ``processes``, how many there were; ``note``, why it was only one, or empty."""

    losses: list[list[float]]
    models: list[nn.Module]
    processes: int
    note: str = ""

    def distance(self) -> float:
        """The largest difference between a weight of one worker's model and the same of another's."""
        return distance(self.models)


@torch.no_grad()
def distance(models: Sequence[nn.Module]) -> float:
    """The largest difference between a weight of the first model and the same of another; 0.0 for one."""
    first, *others = [nn.utils.parameters_to_vector(model.parameters()) for model in models]
    return max(((first - other).abs().max().item() for other in others), default=0.0)


@dataclass(frozen=True)
class _Task:
    model: nn.Module
    batches: list[list[tuple[Tensor, Tensor]]]
    lr: float
    average: bool


def train(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    shards: Sequence[Sequence[int]],
    *,
    batch_size: int = 32,
    lr: float = 0.1,
    average: bool = True,
    seconds: float = 120.0,
) -> Outcome:
    """Train a copy of the classifier ``model`` in each worker, with plain SGD on the cross-entropy.

    ``shards[worker]`` are the rows of ``X`` and ``y`` that this worker reads once, in batches of
    ``batch_size``; all shards are equally long. With ``average`` the gradients are averaged before
    each step. ``model`` itself stays as it is. Workers that are not done after ``seconds`` are ended, and
    the arithmetic is done in one process.

    Raises ``ValueError`` when there is no shard, or when they are not equally long: a worker with one
    batch more would wait for the others for ever.
    """
    lengths = [len(shard) for shard in shards]
    if not lengths or len(set(lengths)) > 1:
        raise ValueError(f"each worker needs equally many examples; the shards have {lengths}")
    batches = [
        [(X[rows], y[rows]) for rows in torch.as_tensor(shard, dtype=torch.long).split(batch_size)]
        for shard in shards
    ]
    task = _Task(copy.deepcopy(model), batches, lr, average)
    if len(shards) == 1:
        return _in_one_process(task)
    reason = why_not()
    if not reason:
        try:
            return _in_processes(task, seconds)
        except _NoProcesses as error:
            reason = str(error)
    return _in_one_process(task, f"{reason}: the same arithmetic ran in one process")


def why_not() -> str:
    """Why processes cannot talk to each other here; empty when they can."""
    if not (torch.distributed.is_available() and torch.distributed.is_gloo_available()):
        return "this build of PyTorch has no gloo"
    try:
        with socket.socket() as listening, socket.socket() as calling:
            listening.bind((ADDRESS, 0))
            listening.listen(1)
            calling.settimeout(5)
            calling.connect(listening.getsockname())
    except OSError as error:
        return f"sockets are refused here ({error.strerror or error})"
    return ""


class _NoProcesses(Exception):
    """The workers could not do it; says why."""


# --- the process that asks ---------------------------------------------------------------------


def _in_processes(task: _Task, seconds: float) -> Outcome:
    count = len(task.batches)
    with tempfile.TemporaryDirectory(prefix="data-parallel-") as name:
        folder = Path(name)
        torch.save(task, folder / "task.pt")
        try:
            # The store takes a free port itself, so nobody else can take it first.
            store = torch.distributed.TCPStore(ADDRESS, 0, is_master=True, wait_for_workers=False)
        except (RuntimeError, OSError) as error:
            words = str(error).splitlines() or [type(error).__name__]
            raise _NoProcesses(f"no place to meet on {ADDRESS} ({words[0][:160]})") from None
        workers: list[subprocess.Popen] = []
        try:
            for rank in range(count):
                workers.append(_start(folder, rank, store.port))
            _wait_for(workers, folder, seconds)
        except OSError as error:
            raise _NoProcesses(f"no process could be started ({error.strerror or error})") from None
        finally:
            _end(workers)
        results = [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(count)]
    return Outcome([losses for losses, _ in results], [model for _, model in results], count)


def _start(folder: Path, rank: int, port: int) -> subprocess.Popen:
    home = str(Path(__file__).resolve().parents[1])
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": "1",
    }
    if sys.platform in _LOOPBACK:
        environment["GLOO_SOCKET_IFNAME"] = _LOOPBACK[sys.platform]
    command = [sys.executable, "-m", "course_lib.data_parallel", str(folder), str(rank), str(port)]
    with (folder / f"{rank}.err").open("wb") as errors:
        # The pipe ends when this process does, however it ends; then the worker ends as well.
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=environment,
        )


def _wait_for(workers: list[subprocess.Popen], folder: Path, seconds: float) -> None:
    """Until all are done. Raises ``_NoProcesses`` with the first that fails, or when time is up."""
    pool = ThreadPoolExecutor(len(workers))
    ends = {pool.submit(worker.wait): rank for rank, worker in enumerate(workers)}
    try:
        for end in as_completed(ends, seconds):
            if end.result() != 0:
                errors = folder / f"{ends[end]}.err"
                raise _NoProcesses(f"worker {ends[end]} failed ({_last_words(errors)})")
    except TimeoutError:
        raise _NoProcesses(f"the workers were not done after {seconds:g} s") from None
    finally:
        pool.shutdown(wait=False)


def _end(workers: list[subprocess.Popen]) -> None:
    for worker in workers:
        with suppress(ProcessLookupError):
            worker.kill()
    for worker in workers:
        worker.wait()
        with suppress(OSError):
            worker.stdin.close()


def _last_words(path: Path) -> str:
    lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    # PyTorch puts the rank in front of each line.
    last = lines[-1].strip().removeprefix(f"[rank{path.stem}]: ") if lines else "without a word"
    return last[:160]


# --- the arithmetic ----------------------------------------------------------------------------


def _in_one_process(task: _Task, note: str = "") -> Outcome:
    """All workers' steps in turn: the mean gradient is computed where it would have been sent."""
    models = [copy.deepcopy(task.model).train() for _ in task.batches]
    losses: list[list[float]] = [[] for _ in models]
    for step in range(len(task.batches[0])):
        for worker, model in enumerate(models):
            losses[worker].append(_backward(model, task.batches[worker][step]))
        if task.average:
            for replicas in zip(*(model.parameters() for model in models), strict=True):
                mean = sum(p.grad for p in replicas) / len(models)
                for p in replicas:
                    p.grad.copy_(mean)
        for model in models:
            _step(model, task.lr)
    return Outcome(losses, models, 1, note)


def _backward(model: nn.Module, batch: tuple[Tensor, Tensor]) -> float:
    x, y = batch
    loss = F.cross_entropy(model(x), y)
    model.zero_grad()
    loss.backward()
    return loss.item()


@torch.no_grad()
def _step(model: nn.Module, lr: float) -> None:
    for p in model.parameters():
        p -= lr * p.grad


# --- a worker ----------------------------------------------------------------------------------


def _work(folder: Path, rank: int, port: int) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    task: _Task = torch.load(folder / "task.pt", weights_only=False)
    count = len(task.batches)
    store = torch.distributed.TCPStore(ADDRESS, port, is_master=False)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=count)
    model, losses = task.model.train(), []
    for batch in task.batches[rank]:
        losses.append(_backward(model, batch))
        if task.average:
            for p in model.parameters():
                torch.distributed.all_reduce(p.grad)  # the sum, in every worker
                p.grad /= count
        _step(model, task.lr)
    torch.save((losses, model), folder / f"{rank}.pt")
    torch.distributed.barrier()  # nobody leaves while another still needs it
    torch.distributed.destroy_process_group()


def _end_with_parent() -> None:
    # Not through sys.stdin, whose lock this thread would still hold when the interpreter shuts down.
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    # What is saved here is found again as a part of the module, not of ``__main__``.
    from course_lib import data_parallel

    data_parallel._work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
