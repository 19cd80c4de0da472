"""What a submission can do while it runs, and what that costs: itself only. All in the sandbox."""

import inspect
import json
import os
import secrets
import socket
import subprocess
import sys
import textwrap
from importlib import import_module
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from course_lib.answers import folder as pack_folder
from grading.errors import Problem
from grading.runner import sandbox as sandbox_module
from grading.runner.limits import MIB, Limits
from grading.runner.run import Job, Query, run
from grading.runner.sandbox import check_protection
from grading.runner.zygote import close_idle
from tests.grading.handing_in import EXERCISES, QUESTIONS, cell_named, in_sandbox, place_of

pytestmark = pytest.mark.usefixtures("sandbox")

ALL = (*EXERCISES, *QUESTIONS)

#: What a cell tries to reach; these only look, so that the same can be tried outside.
LOOKS = """
import json, os, socket, sys
found = {}

def try_to(name, action):
    try:
        found[name] = repr(action())[:2000]
    except BaseException as error:
        found[name] = "refused: " + type(error).__name__

def connect():
    socket.create_connection(("127.0.0.1", PORT), timeout=2)

def fill(folder):
    with open(folder + "/mine", "w") as file:
        file.write("x")

try_to("grading", lambda: __import__("grading"))
try_to("answers", lambda: open(ANSWERS).read())
try_to("answers pack", lambda: open(PACK).read())
try_to("secret file", lambda: open(SECRET).read())
try_to("home", lambda: os.listdir(HOME))
try_to("network", connect)
try_to("repository", lambda: sorted(os.listdir(REPOSITORY)))
"""
CHANGES = """
try_to("course_lib", lambda: open(COURSE_LIB + "/mine", "w"))
try_to("libraries", lambda: open(os.path.dirname(json.__file__) + "/mine", "w"))
try_to("root folder", lambda: fill("/"))
try_to("devices", lambda: fill("/dev"))
try_to("system settings", lambda: open("/proc/sys/kernel/core_pattern", "w"))
try_to("processes", lambda: sorted(int(p) for p in os.listdir("/proc") if p.isdigit())[-1] < 1000)
try_to("environment", lambda: sorted(os.environ))
try_to("own files", lambda: (fill("/tmp"), fill("."), open("data/rows.csv").read())[-1])
try_to("capabilities", lambda: [l for l in open("/proc/self/status") if l.startswith("CapEff")])
try_to("user namespace", lambda: os.unshare(0x10000000) if hasattr(os, "unshare") else
       __import__("ctypes").CDLL(None).unshare(0x10000000))
"""
SHOW = 'print("FOUND" + json.dumps(found))\n'


def _insert(notebook, before: str, source: str, name: str) -> None:
    cell = new_code_cell(textwrap.dedent(source).strip(), id=name)
    notebook.cells.insert(place_of(notebook, before), cell)


def _text(record, name: str) -> str:
    return "".join(
        output.get("text", "") + output.get("evalue", "") for output in record.outputs[name]
    )


def test_nothing_that_is_not_its_own_is_in_reach_and_noise_costs_nothing(
    solved, release, tmp_path, repository
):
    """One honest notebook with every probe in scratch cells: all points, and nothing found."""
    own_secret = tmp_path / "secret"
    own_secret.write_text(secrets.token_hex())
    answers = Path(inspect.getsourcefile(import_module("grading.answers.ch05_complete_loop")))
    names = {
        "ANSWERS": str(answers),
        "PACK": str(pack_folder() / "quiz_05.json"),
        "SECRET": str(own_secret),
        "HOME": os.path.expanduser("~"),
        "REPOSITORY": str(repository),
        "COURSE_LIB": str(repository / "course_lib"),
    }
    with socket.create_server(("127.0.0.1", 0)) as server:
        head = "".join(f"{name} = {value!r}\n" for name, value in names.items())
        head += f"PORT = {server.getsockname()[1]}\n"
        outside = subprocess.run(
            [sys.executable, "-c", head + LOOKS + SHOW],
            cwd=repository,
            capture_output=True,
            text=True,
            check=True,
        )
        there = json.loads(outside.stdout.partition("FOUND")[2])
        assert {name: result for name, result in there.items() if "refused" in result} == {}
        _insert(solved, "train_one_epoch", head + LOOKS + CHANGES + SHOW, "probe")
        _insert(
            solved,
            "train_one_epoch",
            """
            import sys, torch
            print("careful", file=sys.stderr)
            torch.set_default_dtype(torch.float64)
            torch.set_grad_enabled(False)
            torch.manual_seed(1234)
            from IPython.display import display, HTML, Javascript
            display(HTML("<script>alert(1)</script>"), Javascript("alert(2)"))
            """,
            "noise",
        )
        _insert(solved, "fit", "for i in range(100_000): print('flood', i)", "flood")
        _insert(solved, "fit", "%reset -f", "reset")
        _insert(solved, "train_with_accumulation", "import torch\nexit()", "exit")
        _insert(solved, "q05_1", "raise KeyboardInterrupt", "interrupt")
        # `fit` calls the learner's `train_one_epoch`, which the reset took away: define it again.
        again = cell_named(solved, "train_one_epoch").source.split("\n", 1)[1]
        _insert(solved, "fit", f"import torch\n{again}", "again")
        companions = {
            "data/rows.csv": b"1,2",
            "json.py": b"raise SystemError",
            "../up.txt": b"out of its folder",
        }
        items, _, record = in_sandbox(solved, release, companions)

    assert {name: items[name].status for name in ALL} == dict.fromkeys(ALL, "passed")
    found = json.loads(_text(record, "probe").partition("FOUND")[2])
    allowed = ("home", "repository", "processes", "environment", "own files", "capabilities")
    for name, result in found.items():
        if name not in allowed:
            assert result.startswith("refused") or result == "-1", (name, result)
    libraries = {part for path in (sys.prefix, sys.base_prefix) for part in Path(path).parts}
    assert found["home"].startswith("refused") or set(eval(found["home"])) <= libraries
    assert set(eval(found["repository"])) <= {"course_lib", ".venv"}
    assert found["processes"] == "True"
    assert found["own files"] == "'1,2'"
    assert "0000000000000000" in found["capabilities"]
    assert not {"JPY_PARENT_PID", "PYTHONPATH", "COURSE_HOME"} & set(eval(found["environment"]))
    assert len(_text(record, "flood")) < 110_000
    assert "output cut here" in _text(record, "flood")
    kept = json.dumps(record.outputs)
    assert "<script>" not in kept
    assert "alert" not in kept


def test_a_crash_costs_the_exercise_it_happens_in(bare, release):
    """A scratch cell that exits, a solution that exits when called, one whose cell crashes."""
    _insert(bare, "train_one_epoch", "import os; os._exit(0)", "scratch-exit")
    cell_named(bare, "fit").source = "def fit(*args):\n    import os; os._exit(0)"
    cell_named(bare, "train_with_accumulation").source = "import ctypes; ctypes.string_at(0)"
    items, graded, _ = in_sandbox(bare, release)
    assert items["train_one_epoch"].status == "passed"
    assert {items[name].status for name in QUESTIONS} == {"passed"}
    assert (items["fit"].status, items["fit"].score) == ("error", 0)
    assert (items["train_with_accumulation"].status, items["train_with_accumulation"].score) == (
        "error",
        0,
    )
    notes = " ".join(graded.outcome.problems)
    assert "was left out: it ended the Python process" in notes


STUBBORN = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"


def test_a_cell_that_cannot_be_interrupted_cuts_the_run_short(bare):
    """Also where every question has an answer: another run may get further."""
    answer, question = (cell_named(bare, name) for name in ("q05_1", "q05_1__test"))
    notebook = new_notebook(cells=[answer, new_code_cell(STUBBORN, id="stubborn"), question])
    queries = {"q05_1__test": Query("quiz", "q05_1", ())}
    record = run(Job(notebook, queries, limits=Limits(cell_seconds=0.5, interrupt_seconds=0.5)))
    assert [reply.failure for reply in record.answers["q05_1__test"]] == [""]
    assert "was left out" in " ".join(record.notes)
    assert record.cut_short
    assert not record.is_final


def test_what_hangs_or_takes_too_much_is_stopped(bare, release):
    """One cell that can be interrupted, one that cannot, and one that eats memory."""
    _insert(bare, "train_one_epoch", "while True: pass", "hang")
    cell_named(bare, "fit").source = STUBBORN
    greedy = "pieces = [bytearray(b'x') * (50 * 2**20) for _ in range(16)]"
    cell_named(bare, "train_with_accumulation").source = greedy
    # The others need less than 300 MB. To fill 1200 takes a virtual machine 3 s by itself: beside other work, that
    # cell's time was over first.
    items, _, record = in_sandbox(
        bare, release, cell_seconds=5.0, interrupt_seconds=1.0, memory_bytes=600 * MIB
    )
    assert items["train_one_epoch"].status == "passed"
    assert {items[name].status for name in QUESTIONS} == {"passed"}
    assert items["fit"].status == "timeout"
    assert "5 s" in items["fit"].message
    too_large = items["train_with_accumulation"]
    assert (too_large.status, too_large.score) == ("error", 0)
    assert "memory" in too_large.message.lower()
    assert record.cut_short


#: The modules that observe are read anew each time: what is put into ``observe`` gets into each.
REMOTE = """
import builtins, types
from course_lib.exercises.checking import observe as true_observe
observe, true_import = types.SimpleNamespace(), builtins.__import__
def forging_import(name, *args, **more):
    module = true_import(name, *args, **more)
    if name == "course_lib.exercises.checking.observe":
        vars(true_import("sys").modules[name]).update(vars(observe))
    return module
builtins.__import__ = forging_import
"""
ANSWERS_OF_ITS_OWN = """
def remote(name, payload, nonce, **more):
    result = {"values": {}, "events": list("ZFLBS"), "error": None}
    return true_observe._answer(nonce, name, [true_observe._part(result)] * 5)
true_remote, observe.remote = true_observe.remote, remote
"""
ANOTHER_NONCE = (
    "observe.remote = lambda name, payload, nonce, **more: true_remote(name, payload, '0' * 32)"
)
NOT_ONLY_TEXT = """
class Answer:
    def __repr__(self):
        return "__import__('os').system('true')"
observe.remote = lambda *args: Answer()
"""
TOO_LARGE = "observe.remote_value = lambda *args: 'A' * (40 * 2**20)"


def test_forged_answers_earn_nothing_and_take_nothing(bare, release):
    """Well-formed values of its own, an old nonce for right work, code in place of text."""
    cell_named(bare, "train_one_epoch").source = "def train_one_epoch(*args): return 0.5"
    _insert(bare, "train_one_epoch", REMOTE + ANSWERS_OF_ITS_OWN, "forger-1")
    _insert(bare, "fit", ANOTHER_NONCE, "forger-2")
    _insert(bare, "train_with_accumulation", NOT_ONLY_TEXT, "forger-3")
    _insert(bare, "q05_3", TOO_LARGE, "forger-4")
    items, _, _ = in_sandbox(bare, release, exercise_seconds=5.0)
    assert [items[name].score for name in (*EXERCISES, "q05_3")] == [0, 0, 0, 0]
    discarded = [items[name] for name in ("fit", "train_with_accumulation")]
    assert {item.status for item in discarded} == {"error"}
    assert all("could be used" in item.message for item in discarded)
    assert [items[name].status for name in ("q05_1", "q05_2")] == ["passed", "passed"]


def test_cells_in_another_order_keep_their_points(bare, release):
    """The checks first, the set-up last: the definitions stand, if later than usual."""
    bare.cells.reverse()
    items, _, _ = in_sandbox(bare, release)
    assert {items[name].status for name in ALL} == {"passed"}


def test_a_missing_a_raising_and_an_untouched_cell_are_told_apart(bare, release):
    del bare.cells[place_of(bare, "train_one_epoch")]
    cell_named(bare, "fit").source = "def fit(model loader):\n    pass"
    stub = cell_named(release, "train_with_accumulation").source
    cell_named(bare, "train_with_accumulation").source = stub
    cell_named(bare, "q05_1").source = "q05_1 = ['A']"
    items, _, _ = in_sandbox(bare, release)
    assert [items[name].status for name in EXERCISES] == ["missing", "error", "not_attempted"]
    assert "SyntaxError" in items["fit"].message
    assert items["q05_1"].status == "failed"


def test_without_bubblewrap_grading_refuses_in_one_line(monkeypatch):
    monkeypatch.setattr(sandbox_module, "unavailable", lambda: "the sandbox needs bubblewrap")
    with pytest.raises(Problem, match="--no-sandbox") as refused:
        check_protection(True)
    assert "\n" not in str(refused.value)
    check_protection(False)


@pytest.mark.parametrize("warm", [True, False], ids=["forked", "started anew"])
def test_a_kernel_that_does_not_start_is_nobodys_zero(bare, release, monkeypatch, warm):
    """The grader's own trouble is said, and no mark is given for it."""
    close_idle()
    monkeypatch.setattr(sandbox_module, "_package_folders", list)
    monkeypatch.setattr(sandbox_module.sys, "executable", "/usr/bin/false")
    with pytest.raises(Problem, match="no kernel could be started"):
        in_sandbox(bare, release, warm=warm)


def test_the_time_of_a_whole_notebook_is_bounded(bare, release):
    _insert(bare, "fit", "import time; time.sleep(60)", "slow")
    items, graded, record = in_sandbox(bare, release, submission_seconds=6.0)
    assert items["train_one_epoch"].status == "passed"
    assert {items[name].status for name in ("fit", *QUESTIONS)} == {"timeout"}
    assert record.cut_short
    assert "6 s" in items["q05_1"].message
    assert "time for the whole notebook" in " ".join(graded.outcome.problems)
