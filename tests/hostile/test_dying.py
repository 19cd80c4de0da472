"""Ways to die. Each costs the exercise in which it happens, and nothing else of the notebook."""

import pytest

from grading.runner.crash_cause import Cell, suspects
from tests.hostile.handing_in import CHAPTER, RIGHT, Batch, Case
from tests.hostile.judging import assert_holds, assert_honest_unchanged

ZERO = {"first_bad_step": 0.0}
ORDER = {"order_the_beats": 0.0}
ENDED = "ended the Python process"
CRASHED = "The process ended while your code ran"


def _step(body: str) -> str:
    """``first_bad_step`` with this body."""
    return "def first_bad_step(losses, factor=3.0):\n    " + body.strip().replace("\n", "\n    ")


def _beats(body: str) -> str:
    return "def order_the_beats():\n    " + body.strip().replace("\n", "\n    ")


pytestmark = pytest.mark.slow

CASES = (
    # --- when the function is called ----------------------------------------------------------------
    Case("os._exit in a call", {"first_bad_step": _step("import os; os._exit(0)")}, ZERO, CRASHED),
    Case(
        "os.abort in a call", {"order_the_beats": _beats("import os; os.abort()")}, ORDER, CRASHED
    ),
    Case(
        "a segmentation fault in a call",
        {"first_bad_step": _step("import ctypes; ctypes.string_at(0)")},
        ZERO,
        CRASHED,
    ),
    Case(
        "SIGKILL of itself in a call",
        {"order_the_beats": _beats("import os; os.kill(os.getpid(), 9)")},
        ORDER,
        CRASHED,
    ),
    Case(
        "kills the kernel from a call",
        {
            "first_bad_step": _step(
                "import os; os.kill(os.getppid(), 9); import time; time.sleep(9)"
            )
        },
        ZERO,
        ENDED,
    ),
    Case(
        "kills everyone it may from a call",
        {"order_the_beats": _beats("import os; os.kill(-1, 9)")},
        ORDER,
        ENDED,
    ),
    Case(
        "a stack that overflows in a call",
        {
            "first_bad_step": _step(
                """
import sys
sys.setrecursionlimit(10**9)
def deeper(n): return [deeper(n + 1)].index(max([deeper], key=lambda f: f(n)))
return deeper(0)
"""
            )
        },
        ZERO,
    ),
    Case("endless recursion", {"order_the_beats": _beats("return order_the_beats()")}, ORDER),
    Case("sys.exit in a call", {"first_bad_step": _step("import sys; sys.exit(0)")}, ZERO),
    Case(
        "KeyboardInterrupt in a call", {"order_the_beats": _beats("raise KeyboardInterrupt")}, ORDER
    ),
    Case(
        "an exception that is no Exception, and cannot be shown",
        {
            "first_bad_step": """
                class Bad(BaseException):
                    def __str__(self): raise self
                    __repr__ = __str__
                def first_bad_step(losses, factor=3.0): raise Bad()
                """
        },
        ZERO,
    ),
    Case(
        "an exception that ends the process when shown",
        {
            "order_the_beats": """
                import os
                class Bad(Exception):
                    def __str__(self): os._exit(0)
                def order_the_beats(): raise Bad()
                """
        },
        ORDER,
    ),
    Case(
        "a result that ends the process when it is looked at",
        {
            "first_bad_step": """
                import os
                class Bad:
                    def __repr__(self): os._exit(0)
                def first_bad_step(losses, factor=3.0): return Bad()
                """
        },
        ZERO,
        CRASHED,
    ),
    Case(
        "an exit in a finalizer, one at the end",
        {
            "order_the_beats": """
                import atexit, os
                class Bad:
                    def __del__(self): os._exit(1)
                def order_the_beats():
                    atexit.register(os._exit, 1)
                    Bad()
                    return 5
                """
        },
        ORDER,
        CRASHED,
    ),
    Case(
        "closes everything",
        {"first_bad_step": _step("import os; os.closerange(3, 4000)")},
        ZERO,
        CRASHED,
    ),
    # --- when a cell is run -------------------------------------------------------------------------
    Case(
        "os._exit in a cell of its own", {"<order_the_beats": "import os; os._exit(1)"}, {}, ENDED
    ),
    Case(
        "a crash in the exercise's cell, with right work above",
        {
            "first_bad_step": _step("return 1") + "\nimport ctypes; ctypes.string_at(0)",
        },
        ZERO,
        ENDED,
    ),
    Case("SIGKILL behind the last check", {"q00_3>": "import os; os.kill(os.getpid(), 9)"}),
    Case(
        "an exit in a finalizer of a cell",
        {
            "<q00_1": "import os\nclass Bad:\n    def __del__(self): os._exit(1)\nbad = Bad()\ndel bad"
        },
        {},
        ENDED,
    ),
    Case(
        "exits that Python knows",
        {
            "<q00_2": "exit()",
            "<q00_3": "quit(1)",
            "<first_bad_step": "raise SystemExit('done')",
        },
    ),
    Case(
        "at the end of the process",
        {
            "<order_the_beats": "import atexit, os, time\natexit.register(time.sleep, 60)\natexit.register(os._exit, 3)"
        },
        alone=True,
    ),
    Case(
        "a thread that ends the process behind the last check",
        {"<q00_3": "import os, threading\nthreading.Timer(60, os._exit, (1,)).start()"},
    ),
    Case(
        "an alarm and a timer that go off during honest work",
        {
            "<order_the_beats": "import signal\nsignal.alarm(1)",
            "first_bad_step": RIGHT["first_bad_step"] + "\n        import time; time.sleep(2)",
            "<q00_1": "import os, threading\nthreading.Timer(1.0, os._exit, (1,)).start()",
            "q00_3": "import time; time.sleep(2)\nq00_3 = 'A'",
        },
        {},
        "something that it left behind later ended",
        alone=True,
    ),
    Case(
        "a second process that ends the kernel during honest work",
        {
            "<q00_1": """
                import os, time
                kernel = os.getpid()
                if os.fork() == 0:
                    time.sleep(1.5)
                    os.kill(kernel, 9)
                    os._exit(0)
                """,
            "q00_2": "import time; time.sleep(3)\nq00_2 = 'C'",
        },
        {},
        "something that it left behind later ended",
        alone=True,
    ),
    Case(
        "the event loop stopped",
        {"<q00_1": "import asyncio; asyncio.get_event_loop().stop()"},
        dict.fromkeys(("q00_1", "q00_2", "q00_3")),  # it ends a little later, in one of these
        alone=True,
    ),
    Case(
        "standard streams closed, and none left",
        {
            "<order_the_beats": "import os\nfor stream in (0, 1, 2): os.close(stream)",
            "<first_bad_step": "import sys\nsys.stdin = sys.stdout = sys.stderr = None",
            "<q00_2": "import sys\nsys.stdout = sys.stderr = object()",
            "<q00_3": "import sys\nsys.stdout.close(); sys.stderr.close(); sys.__stdout__.close()",
            "q00_3": "print('still', 'heard')\nq00_3 = 'A'",
        },
        alone=True,
    ),
    Case(
        "the kernel's sockets closed",
        {
            "<q00_1": "kernel = get_ipython().kernel\nkernel.shell_stream.close()\nkernel.iopub_socket.close()"
        },
        {},
        "was left out",
        alone=True,
    ),
    Case(
        "a new program in place of the kernel",
        {"<q00_2": "import os, sys; os.execv(sys.executable, [sys.executable, '-c', 'input()'])"},
        {},
        ENDED,
    ),
    Case(
        "six cells that each end the process",
        dict.fromkeys(
            ("<order_the_beats", "<first_bad_step", "<q00_1", "<q00_2", "<q00_3"),
            "import os; os._exit(1)",
        ),
        {},
        ENDED,
        alone=True,
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(batch: Batch, case: Case):
    assert_holds(batch, case)


def test_the_honest_are_unharmed(batch: Batch, undisturbed):
    assert_honest_unchanged(batch, undisturbed)


def test_what_is_printed_behind_closed_streams_is_shown(batch: Batch):
    learner = batch.learner_of.get("standard streams closed, and none left")
    if learner:  # its case may not be selected
        graded = batch.course / "autograded" / learner / CHAPTER.id / f"{CHAPTER.id}.ipynb"
        assert "still heard" in graded.read_text(encoding="utf-8")


def test_who_is_at_fault_is_found_in_no_time_among_empty_lines():
    """A search that began anew at each line would take an hour, in the grader's process."""
    empty = "x = 1" + "\n" * 500_000
    assert suspects([(0, Cell(empty)), (1, Cell(f"{empty}  !kill 1"))]) == [1]
