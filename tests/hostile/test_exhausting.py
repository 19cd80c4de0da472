"""Taking more than its share of memory, processes, disk or output. Payloads are bounded in themselves,
well above the limits that they have to meet."""

from dataclasses import replace

import pytest

from grading.runner.limits import MIB
from tests.hostile.handing_in import FULL, RIGHT, SHORT, Batch, Case
from tests.hostile.judging import assert_holds, assert_honest_unchanged

ZERO = {"first_bad_step": 0.0}
ORDER = {"order_the_beats": 0.0}


def _step(body: str) -> str:
    """``first_bad_step`` with this body."""
    return "def first_bad_step(losses, factor=3.0):\n    " + body.strip().replace("\n", "\n    ")


def _beats(body: str) -> str:
    return "def order_the_beats():\n    " + body.strip().replace("\n", "\n    ")


#: Little, for memory may be slow at first touch: no case is to meet the time limit first.
LIMITS = replace(SHORT, memory_bytes=1000 * MIB)
HOLD = "import time; time.sleep(8)"

pytestmark = pytest.mark.slow

CASES = (
    # --- memory -------------------------------------------------------------------------------------
    Case(
        "memory in a cell",
        {"<order_the_beats": "pieces = [bytes([i]) * 2**26 for i in range(30)]"},
        says="MB of memory",
        alone=True,
    ),
    Case(
        "memory while an exercise is observed",
        {"first_bad_step": _step("pieces = [b'x' * 2**26 + bytes([i]) for i in range(90)]")},
        ZERO,
    ),
    Case(
        "memory of many processes together",
        {
            "<q00_1": f"""
                import os
                for _ in range(12):
                    if os.fork() == 0:
                        data = bytearray(b"x" * 250 * 2**20)
                        {HOLD}
                        os._exit(0)
                {HOLD}
                """
        },
        says="MB of memory",
    ),
    Case(
        "memory that no process has mapped",
        {
            "<q00_2": f"""
                import os
                files = [os.memfd_create(str(i)) for i in range(60)]
                for file in files:
                    for _ in range(60):
                        os.write(file, b"x" * 2**20)
                print("REA" "CHED", sum(os.fstat(file).st_size for file in files))
                {HOLD}
                """
        },
    ),
    Case(
        "shared segments that nobody is attached to",
        {
            "<q00_3": f"""
                import ctypes
                lib = ctypes.CDLL(None, use_errno=True)
                lib.shmat.restype, lib.shmat.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
                lib.shmdt.argtypes = [ctypes.c_void_p]
                made = 0
                for _ in range(50):
                    segment = lib.shmget(0, ctypes.c_size_t(60 * 2**20), 0o1600)
                    if segment < 0:
                        break
                    address = lib.shmat(segment, None, 0)
                    ctypes.memset(address, 1, 60 * 2**20)
                    lib.shmdt(address)
                    made += 60
                if made > 2000:
                    print("REA" "CHED", made, "MB")
                    {HOLD}
                """
        },
    ),
    Case(
        "a tensor that would need 4 TB, one with a view of 4 TB",
        {
            "first_bad_step": _step("return torch.zeros(2**40)"),
            "order_the_beats": _beats("return torch.zeros(1).expand(2**40)"),
        },
        ZERO | ORDER,
    ),
    # --- processes and threads ----------------------------------------------------------------------
    Case(
        "fifty processes",
        {
            "<order_the_beats": f"""
                import subprocess
                running = [subprocess.Popen(["sleep", "8"]) for _ in range(50)]
                {HOLD}
                """
        },
        {},
        "was left out: it started more than 40 processes",
        alone=True,
    ),
    Case(
        "fifty processes that are counted while honest work runs",
        {
            "<order_the_beats": """
                import threading, subprocess
                def start():
                    threading.Event().wait(0.5)
                    for _ in range(50):
                        subprocess.Popen(["sleep", "8"])
                threading.Thread(target=start, daemon=True).start()
                """,
            "first_bad_step": RIGHT["first_bad_step"] + "\n        import time; time.sleep(3)",
        },
        {},
        "something that it left behind later started more than 40 processes",
        alone=True,
    ),
    Case(
        "fifty copies of the kernel",
        {
            "<order_the_beats": f"""
                import os
                for _ in range(50):
                    if os.fork() == 0:
                        {HOLD}
                        os._exit(0)
                """
        },
        says="MB of memory",
    ),
    Case(
        "two hundred threads",
        {
            "<order_the_beats": """
                import threading, time
                for _ in range(200):
                    threading.Thread(target=time.sleep, args=(8,), daemon=True).start()
                """
        },
        alone=True,
    ),
    Case(
        "children of an observed exercise that stay",
        {
            "order_the_beats": _beats(
                """
import os, time
for _ in range(20):
    if os.fork() == 0:
        os.setsid()
        end = time.monotonic() + 30
        while time.monotonic() < end: pass
        os._exit(0)
return 5
"""
            )
        },
        ORDER,
    ),
    Case(
        "a cell that goes on in two processes",
        {"<q00_1": "import os; own = os.fork()"},
        alone=True,
    ),
    # --- files --------------------------------------------------------------------------------------
    Case(
        "one file of 300 MB",
        {
            "<first_bad_step": """
                try:
                    with open("large", "wb") as file:
                        for _ in range(300):
                            file.write(b"x" * 2**20)
                    print("REA" "CHED")
                except OSError as error:
                    print(error)
                """
        },
    ),
    Case(
        "all of /tmp and /dev/shm",
        {
            "<q00_1": """
                for folder in ("/tmp", "/dev/shm", "."):
                    for number in range(12):
                        try:
                            with open(f"{folder}/full-{number}", "wb") as file:
                                for _ in range(60):
                                    file.write(b"x" * 2**20)
                        except OSError as error:
                            print(error)
                """
        },
    ),
    Case(
        "ten thousand files and a deep folder",
        {
            "<q00_2": """
                import os
                for number in range(10_000):
                    open(f"/tmp/small-{number}", "w").close()
                for _ in range(500):
                    os.mkdir("deeper-and-deeper"); os.chdir("deeper-and-deeper")
                """
        },
    ),
    Case(
        "files in the folder of sockets",
        {
            "<q00_3": """
                import os, time
                from ipykernel import get_connection_file
                folder = os.path.dirname(get_connection_file())
                with open(folder + "/large", "wb") as file:
                    for _ in range(50):
                        file.write(b"x" * 2**20)
                time.sleep(8)
                """
        },
        says="grader's folder",
    ),
    Case(
        "every file descriptor",
        {"<order_the_beats": "import os\nfor _ in range(5000):\n    os.dup(0)"},
        dict.fromkeys(FULL),  # IPython itself cannot go on
        alone=True,
    ),
    Case(
        "the file that its start was told to",
        {
            "<first_bad_step": """
                import time
                with open("/proc/1/fd/2", "wb") as file:
                    for _ in range(50):
                        file.write(b"x" * 2**20)
                time.sleep(4)
                """
        },
        says="grader's folder",
    ),
    # --- output -------------------------------------------------------------------------------------
    Case(
        "a flood of lines",
        {"<first_bad_step": "for i in range(200_000): print('flood', i)"},
    ),
    Case(
        "a flood on the streams below Python",
        {
            "<q00_1": "import os\nfor _ in range(2000): os.write(1, b'x' * 10_000); os.write(2, b'y')"
        },
    ),
    Case(
        "one message of 60 MB",
        {
            "<q00_2": "print('x' * (60 * 2**20))",
            "<q00_3": "raise ValueError('x' * (40 * 2**20))",
        },
    ),
    Case(
        "a thousand displays, each cleared",
        {
            "<order_the_beats": """
                from IPython.display import clear_output, display
                for number in range(1000):
                    display({"text/plain": "x" * 1000}, raw=True)
                    clear_output(wait=True)
                """
        },
    ),
    Case(
        "an exception in an exception in an exception",
        {
            "first_bad_step": _step(
                """
error = None
for number in range(2000):
    new = ValueError("x" * 1000)
    new.__cause__ = error
    error = new
raise error
"""
            )
        },
        ZERO,
    ),
    # --- results ------------------------------------------------------------------------------------
    Case(
        "a result of 100 MB",
        {
            "first_bad_step": _step("return 'x' * (100 * 2**20)"),
            "order_the_beats": _beats("return [float(i) for i in range(2_000_000)]"),
        },
        ZERO | ORDER,
        "more data than can be judged",
    ),
    Case(
        "a result nested 100,000 deep",
        {
            "order_the_beats": _beats(
                """
nest = []
for _ in range(100_000):
    nest = [nest]
return nest
"""
            )
        },
        ORDER,
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(batch: Batch, case: Case):
    assert_holds(batch, case)


def test_the_honest_are_unharmed(batch: Batch, undisturbed):
    assert_honest_unchanged(batch, undisturbed)
