"""Warm kernels: what is kept from one submission to the next, and what never is. The hostile half is
in ``tests/hostile/test_neighbours.py``."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from grading.classroom.pipeline import Submission, prepare
from grading.runner import sandbox as sandbox_module
from grading.runner import zygote as zygote_module
from grading.runner.kernel import Kernel, KernelEnded, open_kernel
from grading.runner.limits import MIB, Limits
from grading.runner.run import run
from grading.runner.zygote import can_fork, close_idle, lease
from tests.grading.handing_in import SECRET, as_bytes

LIMITS = Limits()


@pytest.fixture(autouse=True)
def warm(sandbox: None, needs) -> Iterator[None]:
    needs(can_fork(), "kernels cannot be forked here")
    close_idle()  # what tests before these left has served kernels already
    yield
    close_idle()


def _printed(kernel: Kernel, source: str) -> str:
    outputs, _ = kernel.run_cell(source)
    return "".join(output.get("text", "") + output.get("evalue", "") for output in outputs)


def _idle() -> list[int]:
    return [zygote.pid for zygote in zygote_module._of_this_process().zygotes]


def test_kernels_share_a_sandbox_and_no_random_numbers():
    numbers, sandboxes = [], []
    draw = "import random, numpy, torch; print(random.random(), numpy.random.rand(), torch.rand(1))"
    for _ in range(2):
        with open_kernel({}, LIMITS, True, 60.0) as kernel:
            numbers += _printed(kernel, draw).split()
        sandboxes += _idle()
    assert len(set(numbers)) == 6
    assert sandboxes[0] == sandboxes[1]


def test_each_has_its_own_files_key_and_limits():
    keys = set()
    look = "import os, resource; print(os.listdir('.'), resource.getrlimit(resource.RLIMIT_FSIZE))"
    for number in (1, 2):
        limits = Limits(file_bytes=number * MIB)
        with open_kernel({f"{number}.csv": b"1,2"}, limits, True, 60.0) as kernel:
            keys.add(kernel._manager.session.key)
            assert (
                _printed(kernel, look).strip()
                == f"['{number}.csv'] ({number * MIB}, {number * MIB})"
            )
        sandbox = _idle()
        assert len(sandbox) == 1
    assert len(keys) == 2


def test_memory_is_counted_for_each_submission_alone():
    limits = Limits(memory_bytes=1000 * MIB)
    for _ in range(2):
        with open_kernel({}, limits, True, 60.0) as kernel:
            assert _printed(kernel, "x = bytearray(b'x') * (350 * 2**20); print(len(x))").strip()
            time.sleep(0.3)  # the watch looks ten times a second
            assert _printed(kernel, "print('here')") == "here\n"
    with (
        pytest.raises(KernelEnded, match="MB of memory"),
        open_kernel({}, limits, True, 60.0) as one,
    ):
        one.run_cell("x = bytearray(b'x') * (1200 * 2**20); import time; time.sleep(20)")
    with open_kernel({}, limits, True, 60.0) as kernel:
        assert _printed(kernel, "print('here')") == "here\n"


def test_a_sandbox_serves_a_bounded_number_of_kernels(monkeypatch):
    monkeypatch.setattr(zygote_module, "MOST_USES", 2)
    sandboxes = []
    for _ in range(3):
        with lease(LIMITS) as zygote:
            sandboxes.append(zygote.pid)
            zygote.fork({"companions": "", "file_bytes": MIB, "processes": 9, "open_files": 99})
    assert sandboxes[0] == sandboxes[1] != sandboxes[2]
    assert not psutil.pid_exists(sandboxes[0])


def test_a_zygote_outlives_the_thread_that_asked_for_it():
    def start() -> None:
        with lease(LIMITS):
            pass

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    sandbox = _idle()
    with open_kernel({}, LIMITS, True, 60.0) as kernel:
        assert _printed(kernel, "print('here')") == "here\n"
    assert _idle() == sandbox


def test_one_that_ended_by_itself_is_replaced():
    with lease(LIMITS) as zygote:
        first = zygote.first_process
    os.kill(first, signal.SIGKILL)
    with open_kernel({}, LIMITS, True, 60.0) as kernel:
        assert _printed(kernel, "print('here')") == "here\n"


#: Behind the address of the socket over which it is interrupted, it greets as no peer of ZeroMQ may.
BROKEN_PEER = """
import json, os, socket, threading, time
from ipykernel import get_connection_file
info = json.load(open(get_connection_file()))
path = f"{info['ip']}-{info['control_port']}"
os.unlink(path)
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
greeting = bytes.fromhex("ff00000000000000007f0300") + b"BOGUS".ljust(52, bytes(1))
threading.Thread(target=lambda: [listener.accept()[0].send(greeting) for _ in range(99)], daemon=True).start()
time.sleep(30)
"""


@pytest.mark.parametrize("forked", [True, False], ids=["warm", "cold"])
def test_a_kernel_that_breaks_the_protocol_is_ended_all_the_same(forked):
    """Nothing that is sent to it would ever arrive; ZeroMQ itself would wait for ever."""
    limits = replace(LIMITS, cell_seconds=1.0, interrupt_seconds=0.5)
    with open_kernel({}, limits, True, 60.0, forked) as kernel:
        process = psutil.Process(kernel._manager.provisioner.pid)  # a forked one's is its sandbox
        with contextlib.suppress(KernelEnded):
            kernel.run_cell(BROKEN_PEER)
    assert process.is_running() == forked
    with open_kernel({}, LIMITS, True, 60.0, forked) as kernel:
        assert _printed(kernel, "print('here')") == "here\n"


GRADER = """
import sys, time
from grading.runner.kernel import open_kernel
from grading.runner.limits import Limits
from grading.runner.zygote import lease
with lease(Limits()) as idle, open_kernel({}, Limits(), True, 60.0) as kernel:
    kernel.run_cell("import subprocess; helper = subprocess.Popen(['sleep', '600'])")
    print("here", flush=True)
    time.sleep(600)
"""


def test_a_grader_that_is_killed_leaves_no_process_behind(repository: Path):
    grader = subprocess.Popen(
        [sys.executable, "-c", GRADER], cwd=repository, stdout=subprocess.PIPE, text=True
    )
    with grader:
        assert grader.stdout is not None
        assert grader.stdout.readline() == "here\n"
        below = psutil.Process(grader.pid).children(recursive=True)
        assert len(below) >= 6  # two sandboxes with a zygote each, a kernel, its helper
        grader.kill()
    _, alive = psutil.wait_procs(below, timeout=20)
    assert not alive


def test_where_an_import_starts_threads_kernels_start_one_by_one(monkeypatch):
    """Of these a child would have none: numpy's BLAS starts them when it is told to."""
    environment = sandbox_module._environment
    close_idle()
    monkeypatch.setattr(zygote_module, "_idle", None)
    monkeypatch.setattr(
        sandbox_module,
        "_environment",
        lambda *arguments: {**environment(*arguments), "OPENBLAS_NUM_THREADS": "2"},
    )
    with (
        pytest.warns(UserWarning, match="started from scratch.*thread"),
        open_kernel({}, LIMITS, True, 60.0) as kernel,
    ):
        assert _printed(kernel, "print('here')") == "here\n"
    assert _idle() == []
    monkeypatch.setattr(zygote_module, "_idle", None)


def test_a_warm_kernel_finds_out_what_a_cold_one_does(solved, release):
    job = prepare(Submission(as_bytes(solved)), release, SECRET).job
    warm, cold = run(job), run(replace(job, warm=False))
    assert warm.outputs == cold.outputs
    assert warm.answers.keys() == cold.answers.keys()
    assert repr(warm.answers) == repr(cold.answers)


def test_a_forked_kernel_imports_nothing_for_the_set_up_of_a_chapter(release):
    """And no debugger, which is half of an ordinary kernel's start."""
    (set_up,) = [cell.source for cell in release.cells if "import course_lib" in cell.source]
    with open_kernel({}, LIMITS, True, 60.0) as kernel:
        _printed(kernel, "import sys; before = set(sys.modules)")
        _printed(kernel, set_up)
        shown = _printed(kernel, "print(*{*sys.modules} - before, 'pydevd' in sys.modules)")
    *new, debugged = shown.split()
    assert debugged == "False"
    assert [name for name in new if name.startswith(("course_lib", "ipywidgets", "matplot"))] == []
