"""Where runs happen: processes on this machine, or the workers of a Dask scheduler.

Called by ``grade_class``, which prepares jobs and writes results; a worker needs neither gradebook
nor shared disk. A worker that dies costs nothing: its job runs again elsewhere.
"""

import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Future,
    ProcessPoolExecutor,
    wait,
)
from typing import TYPE_CHECKING, Protocol, TypeVar

from grading.classroom.prefork import METHOD, start_server
from grading.classroom.versions import run_version
from grading.errors import Problem
from grading.runner.limits import Limits
from grading.runner.sandbox import check_protection

if TYPE_CHECKING:  # where nothing has to run, what runs it is not imported
    from grading.runner.run import Job, RunRecord

Item = TypeVar("Item")
#: How often a job may lose its worker. The last time it runs in a process of its own, so that a
#: job which ends its workers is not taken for one that ran beside it.
TRIES = 3


class Workers(Protocol):
    """Something that runs jobs: ``slots`` at a time. ``get_ready`` is told beforehand how many there will
    be at most, whether in a sandbox, and the limits of warm kernels where they are wanted. ``Problem`` where
    a sandbox is wanted and there is none."""

    def get_ready(self, jobs: int, sandbox: bool, warm: Limits | None) -> None: ...

    def slots(self) -> int: ...

    def submit(self, job: "Job", alone: bool = False) -> "Future[bytes]": ...


def run_packed(job: "Job") -> bytes:
    """What a worker does: a pure function of the job. The answer is a packed ``RunRecord``."""
    from grading.runner.run import run

    return run(job).packed()


def start_zygote(warm: Limits) -> None:
    """Start what a first job would wait for, in a worker. What goes wrong the first job will say."""
    from grading.runner.sandbox import NoKernel
    from grading.runner.zygote import CannotFork, can_fork, lease

    with contextlib.suppress(NoKernel, CannotFork):
        if can_fork():
            with lease(warm):
                pass


def run_elsewhere(job: "Job", version: str) -> bytes:
    """On another machine: only where everything that makes the observations is the same."""
    if version != run_version(job.chapter):
        raise Problem("this worker runs a different version of the course, of torch or of Python")
    check_protection(job.sandbox)
    return run_packed(job)


def run_all(
    jobs: "Iterable[tuple[Item, Job | None]]", workers: Workers
) -> Iterator[tuple[Item, bytes | Exception | None]]:
    """Run the jobs and give back each as it is done: its answer, or what went wrong.

    Jobs are taken as there is room, so that no more than a few are held. An item without a job
    comes back at once.
    """
    source = iter(jobs)
    waiting: dict[Future[bytes], tuple[Item, Job, int]] = {}
    exhausted = False
    while True:
        room = 2 * workers.slots()
        while not exhausted and len(waiting) < room:
            try:
                item, job = next(source)
            except StopIteration:
                exhausted = True
            else:
                if job is None:
                    yield item, None
                else:
                    waiting[workers.submit(job)] = (item, job, 1)
        if not waiting:
            return
        for future in wait(waiting, return_when=FIRST_COMPLETED).done:
            item, job, tries = waiting.pop(future)
            answer = _answer(future)
            if isinstance(answer, BrokenExecutor):
                if tries < TRIES:
                    again = workers.submit(job, alone=tries + 1 == TRIES)
                    waiting[again] = (item, job, tries + 1)
                    continue
                answer = Problem(f"the worker process ended {TRIES} times while it ran")
            yield item, answer


def _answer(future: "Future[bytes]") -> bytes | Exception:
    try:
        return future.result()
    except CancelledError:
        return Problem("the scheduler dropped the job")
    except Exception as error:
        return error


class Here:
    """Runs each job in this process, one after the other; ``function`` stands in for ``run``."""

    def __init__(self, function: "Callable[[Job], RunRecord] | None" = None) -> None:
        self.function = function

    def get_ready(self, jobs: int, sandbox: bool, warm: Limits | None) -> None:
        check_protection(sandbox)

    def slots(self) -> int:
        return 1

    def submit(self, job: "Job", alone: bool = False) -> "Future[bytes]":
        from grading.runner.run import run

        future: Future[bytes] = Future()
        try:
            future.set_result((self.function or run)(job).packed())
        except Exception as error:
            future.set_exception(error)
        return future


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class LocalWorkers:
    """A process pool that is replaced when one of its processes dies. Use it in ``with``."""

    def __init__(self, jobs: int | None = None) -> None:
        self.jobs = jobs or cores()
        self._context = multiprocessing.get_context(METHOD)
        self._before = set(multiprocessing.active_children())
        self._pools: list[ProcessPoolExecutor] = []
        self._pool: ProcessPoolExecutor | None = None
        self._warmed = 0
        self._warming: list[threading.Thread] = []

    def __enter__(self) -> "LocalWorkers":
        return self

    def __exit__(self, *error: object) -> None:
        self._wait_until_warming()
        if any(error):
            # Interrupted: what runs is not waited for.
            for child in set(multiprocessing.active_children()) - self._before:
                child.terminate()
        for pool in self._pools:
            pool.shutdown(wait=True, cancel_futures=True)

    def get_ready(self, jobs: int, sandbox: bool, warm: Limits | None) -> None:
        """Start the processes and their zygotes, as many as there is work for: meanwhile the grader
        imports what judges. May be called again when more is known to come."""
        more = min(jobs, self.jobs) - self._warmed
        if sandbox and warm is not None and more > 0:
            self._warmed += more
            self._pool = self._pool or self._new_pool(self.jobs)
            # A process is there when the server has imported all it needs: that is not waited for.
            thread = threading.Thread(target=_start_zygotes, args=(self._pool, more, warm))
            self._warming.append(thread)
            thread.start()
        try:
            check_protection(sandbox)
        except Problem as problem:
            self.__exit__(problem)
            raise

    def _wait_until_warming(self) -> None:
        while self._warming:
            self._warming.pop().join()

    def slots(self) -> int:
        return self.jobs

    def submit(self, job: "Job", alone: bool = False) -> "Future[bytes]":
        self._wait_until_warming()
        if alone:
            return self._new_pool(1).submit(run_packed, job)
        for _ in range(TRIES):
            if self._pool is None:
                self._pool = self._new_pool(self.jobs)
            try:
                return self._pool.submit(run_packed, job)
            except BrokenExecutor:
                self._pool = None
        raise Problem("worker processes end as soon as they start: is the machine out of memory?")

    def _new_pool(self, size: int) -> ProcessPoolExecutor:
        start_server()
        pool = ProcessPoolExecutor(size, mp_context=self._context, initializer=_end_with_the_grader)
        self._pools.append(pool)
        return pool


def _start_zygotes(pool: ProcessPoolExecutor, count: int, warm: Limits) -> None:
    with contextlib.suppress(RuntimeError):  # it was closed, or broke: the first job will say
        for _ in range(count):
            pool.submit(start_zygote, warm)


def _end_with_the_grader() -> None:
    """A worker whose grader was killed would wait for jobs for ever; its kernel ends with it."""
    grader = multiprocessing.parent_process()
    gc.freeze()  # imports stay: judging makes much garbage, and a search need not pass them
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the grader's to answer
    signal.signal(signal.SIGTERM, _leave)

    def watch() -> None:
        if grader is not None:
            grader.join()
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
            os._exit(1)

    threading.Thread(target=watch, name="grader", daemon=True).start()


def _leave(*_: object) -> None:
    """End the run in order, so that nothing is left in /tmp; then go, whatever is still queued."""
    threading.Timer(3, os._exit, (1,)).start()
    sys.exit(1)


class ClusterWorkers:
    """The workers of a Dask scheduler. Use it in ``with``. ``Problem`` when there are none."""

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise Problem(
                "--scheduler needs Dask: pip install -c constraints.txt distributed"
            ) from None
        try:
            self._client = Client(address, timeout=10, set_as_default=False)
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise Problem(f"cannot reach the scheduler {address}: {reason}") from None
        self._address = address
        if not self._cores():
            self._client.close()
            raise Problem(f"{address} has no workers: start some with `dask worker {address}`.")
        self._executor = self._client.get_executor()

    def __enter__(self) -> "ClusterWorkers":
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown(wait=False)
        self._client.close()

    def get_ready(self, jobs: int, sandbox: bool, warm: Limits | None) -> None:
        pass  # its workers look for themselves

    def slots(self) -> int:
        """Counted each time: workers come and go."""
        return max(1, self._cores())

    def submit(self, job: "Job", alone: bool = False) -> "Future[bytes]":
        try:
            return self._executor.submit(run_elsewhere, job, run_version(job.chapter))
        except Exception as error:  # Dask's own, tornado's or the system's
            raise self._lost(error) from None

    def _cores(self) -> int:
        try:
            return sum(self._client.ncores().values())
        except Exception as error:
            raise self._lost(error) from None

    def _lost(self, error: Exception) -> Problem:
        return Problem(
            f"the scheduler {self._address} was lost ({type(error).__name__}); what is done is "
            "kept: run the command again."
        )
