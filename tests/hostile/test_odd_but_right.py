"""Right work that looks wrong: full marks, whatever surrounds it."""

import json

import pytest

from tests.hostile.handing_in import RIGHT, Batch, Case
from tests.hostile.judging import assert_holds, assert_honest_unchanged

STEP = RIGHT["first_bad_step"]


def _reordered(tree: dict) -> bytes:
    tree["cells"].reverse()
    return json.dumps(tree).encode()


CASES = (
    # --- what stands around it ------------------------------------------------------------------------
    Case(
        "warnings, prints and logs",
        {
            "<order_the_beats": """
                import logging, sys, warnings
                warnings.warn("careful")
                logging.basicConfig(level=0); logging.error("trouble")
                print("to stderr", file=sys.stderr); print("\\x1b[31mred\\x1b[0m \\r\\b\\a")
                """,
            "order_the_beats": """
                def order_the_beats():
                    warnings.warn("still here"); print("called", file=sys.stderr); logging.error("x")
                    return ["forward", "loss", "backward", "step"]
                """,
        },
    ),
    Case(
        "magics, shells and help",
        {
            "<first_bad_step": """
                %load_ext autoreload
                %autoreload 2
                %matplotlib inline
                %config InlineBackend.figure_format = 'svg'
                %time sum(range(10))
                %timeit -n1 -r1 sum(range(10))
                !echo shell
                %xmode Minimal
                %pdb on
                %no_such_magic
                """,
            "<q00_1": "%%bash\necho in bash",
            "<q00_2": "print?",
            "<q00_3": "%%javascript\nalert(1)",
            "q00_2": "%%time\nq00_2 = 'C'",
            "q00_3": "%%capture\nq00_3 = 'A'",
        },
    ),
    Case(
        "PyTorch in another state",
        {
            "<order_the_beats": """
                torch.set_default_dtype(torch.float64)
                torch.set_default_device("meta")
                torch.set_grad_enabled(False)
                torch.inference_mode().__enter__()
                torch.set_num_threads(4); torch.ones(400, 400, device="cpu") @ torch.ones(400, 400, device="cpu")
                torch.use_deterministic_algorithms(True)
                torch.autograd.set_detect_anomaly(True)
                torch.manual_seed(5)
                import random, numpy as np
                random.seed(1); np.random.seed(2); np.seterr(all="raise")
                """,
        },
        alone=True,
    ),
    Case(
        "Python in another state",
        {
            "<order_the_beats": """
                import builtins, decimal, gc, locale, os, signal, sys, threading, warnings
                warnings.simplefilter("error")
                sys.setswitchinterval(1e-6); gc.disable()
                os.environ.clear(); os.chdir("/"); os.umask(0o777)
                sys.path.clear()
                sys.argv.clear()
                sys.stdout.write("x")
                signal.alarm(0); signal.signal(signal.SIGCHLD, signal.SIG_IGN)
                decimal.getcontext().prec = 3
                """,
        },
        alone=True,
    ),
    Case(
        "streams replaced",
        {
            "<order_the_beats": "import io, sys\nsys.stdout = io.StringIO()\nsys.stderr = io.StringIO()",
            "<first_bad_step": "import os\nsys.stdout = sys.stderr = open(os.devnull, 'w')",
        },
        alone=True,
    ),
    Case(
        "everything deleted behind each check",
        {
            "order_the_beats>": "%reset -f",
            "first_bad_step>": "%reset -f in out dhist array",
            "<first_bad_step": "import math",
            "q00_1>": "for name in list(globals()):\n    if not name.startswith('__'): del globals()[name]",
        },
        alone=True,
    ),
    Case(
        "built-ins redefined",
        {
            "<order_the_beats": "sum = len = print = open = list = str = int = float = dict = type = 5\n"
            "isinstance = getattr = repr = iter = next = min = max = any = all = id = None",
        },
        alone=True,
    ),
    Case(
        "names of the grader's taken",
        {
            "<q00_1": "course_lib = observe = remote = json = base64 = torch = numpy = wire = 7\n"
            "get_ipython_ = exercise = nonce = _ = __ = In = Out = 0",
            "<q00_2": "from math import *; from random import *; from torch import *",
        },
    ),
    Case(
        "scratch cells that fail",
        {
            "<order_the_beats": "1 / 0",
            "<first_bad_step": "assert False, 'try again'",
            "<q00_1": "import no_such_module",
            "<q00_2": "raise KeyboardInterrupt",
            "<q00_3": "import asyncio; await asyncio.sleep(0)",
        },
    ),
    Case(
        "plots, progress bars and widgets",
        {
            "<first_bad_step": """
                import matplotlib.pyplot as plt
                plt.ion(); plt.plot([1, 2]); plt.show()
                for _ in range(30): plt.figure()
                import ipywidgets; display(ipywidgets.IntSlider())
                for i in range(50): print(f"\\r{i / 50:.0%}", end="")
                """,
            "first_bad_step": STEP.replace(
                "smallest = math.inf\n", "smallest = math.inf; plt.plot(losses); plt.show()\n", 1
            ),
        },
        alone=True,
    ),
    Case(
        "threads and tasks in the background",
        {
            "<order_the_beats": """
                import asyncio, threading
                def busy():
                    while True: sum(range(1000))
                for _ in range(3): threading.Thread(target=busy, daemon=True).start()
                async def tick():
                    while True: await asyncio.sleep(0.01)
                task = asyncio.ensure_future(tick())
                """,
        },
        alone=True,
    ),
    Case("cells in reverse order", damage=_reordered),
    # --- how it is written ----------------------------------------------------------------------------
    Case(
        "an expression and a class",
        {
            "order_the_beats": 'order_the_beats = lambda: "forward loss backward step".split()',
            "first_bad_step": """
                class Finder:
                    def __call__(self, losses, factor=3.0):
                        lowest = [min([x for x in losses[:i] if math.isfinite(x)], default=math.inf)
                                  for i in range(len(losses))]
                        return next((i for i, (x, low) in enumerate(zip(losses, lowest))
                                     if not math.isfinite(x) or x > factor * low), None)
                first_bad_step = Finder()
                """,
        },
    ),
    Case(
        "made by a factory, wrapped and cached",
        {
            "<first_bad_step": "import functools, time",
            "order_the_beats": """
                import functools
                @functools.lru_cache
                def order_the_beats() -> "list[str]":
                    return [*("forward", "loss"), *reversed(["step", "backward"])]
                """,
            "first_bad_step": """
                from __future__ import annotations
                def timed(function):
                    @functools.wraps(function)
                    def inner(*args, **kwargs):
                        start = time.perf_counter()
                        result = function(*args, **kwargs)
                        print(f"took {time.perf_counter() - start:.3f} s")
                        return result
                    return inner

                @timed
                def first_bad_step(losses: list[float], factor: float = 3.0, *, low: NoSuchName = None):
                    if not losses: return None
                    def look(i, low):
                        if i == len(losses): return None
                        x = losses[i]
                        if x != x or x in (math.inf, -math.inf) or x > factor * low: return i
                        return look(i + 1, x if x < low else low)
                    return look(0, math.inf)
                """,
        },
    ),
    Case(
        "Unicode and odd letters",
        {
            "order_the_beats": """
                # Größe, 名前, 🙂, e\u0301, \u200b
                schön, 損失 = "forward", "loss"
                def order_the_beats():
                    '''“Anführung” – ½ €'''
                    return [schön, 損失, *"backward\u0020step".split()]
                """,
            "q00_1": 'q00_1 = " d "',
            "q00_2": "q00_2: str = 'c'  # klein",
        },
    ),
    Case(
        "written in another cell",
        {
            "<first_bad_step": STEP,
            "first_bad_step": "# it stands above",
            "q00_3": "'not here'",
            "q00_3>": "q00_3 = 'A'",
        },
    ),
    Case(
        "taken from a file beside the notebook",
        {
            "order_the_beats": "from helpers.beats import order_the_beats",
            "first_bad_step": "%run -i finder.py",
        },
        beside={
            "helpers/__init__.py": b"",
            "helpers/beats.py": b"def order_the_beats(): return ['forward', 'loss', 'backward', 'step']",
            "finder.py": "\n".join(line[8:] for line in STEP.split("\n")).encode(),
        },
    ),
    Case(
        "empties a copy of what it is given, and remembers",
        {
            "first_bad_step": """
                seen = []
                def first_bad_step(losses, factor=3.0):
                    seen.append(losses)
                    losses = losses[:]
                    low = math.inf
                    i = 0
                    while losses:
                        x = losses.pop(0)
                        if not math.isfinite(x) or x > factor * low: return i
                        low = min(low, x); i += 1
                """,
        },
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(batch: Batch, case: Case):
    assert_holds(batch, case)


def test_the_honest_are_unharmed(batch: Batch, undisturbed):
    assert_honest_unchanged(batch, undisturbed)
