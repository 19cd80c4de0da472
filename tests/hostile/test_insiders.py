"""Harvesting, lying and leaving things behind, by somebody who has read this repository; and right
work of people who know a lot about Python. Several in each notebook, for kernels cost most."""

import json
import os
from pathlib import Path

import pytest

from tests.hostile.handing_in import REACHED, RIGHT, Batch, Case
from tests.hostile.judging import assert_holds, assert_honest_unchanged

ZERO = {"first_bad_step": 0.0}
ORDER = {"order_the_beats": 0.0}
SAYS = f"print({REACHED[:3]!r} + {REACHED[3:]!r})"


def _forged_messages() -> str:
    """Replies and outputs of its own over the kernel's own sockets, to every request to come."""
    return """
        kernel = get_ipython().kernel
        session, true_send = kernel.session, type(kernel.session).send
        def send(self, stream, kind, content=None, *args, **more):
            if kind == "execute_reply":
                data = {"text/plain": "'VExXMQ=='"}
                content = {**content, "user_expressions": {"answer": {"status": "ok", "data": data}}}
            return true_send(self, stream, kind, content, *args, **more)
        type(session).send = send
        """


def _in_turn(text: str) -> str:
    """A result for each case in turn, each as odd as the next."""
    return f"""
        import collections, decimal, fractions, itertools, numpy as np
        class Float(float):
            __eq__ = __le__ = __ge__ = lambda self, other: True
            __hash__ = float.__hash__
            __class__ = property(lambda self: int)
        class Dict(dict):
            __getitem__ = get = lambda self, *args: 3
        turn = itertools.cycle({text})
        def first_bad_step(losses, factor=3.0): return next(turn)
        """


def _hard_link(path: Path) -> None:
    path.hardlink_to(path.parent.parent.parent / "a-honest" / path.parent.name / path.name[2:])


def _device(path: Path) -> None:
    if os.geteuid() == 0:
        os.mknod(path, 0o020666, os.makedev(1, 5))  # /dev/zero
    else:
        path.symlink_to("/dev/zero")


def _many_cells(tree: dict) -> bytes:
    tree["cells"] += [{"cell_type": "code", "metadata": {}, "source": "1"}] * 100_000
    return json.dumps(tree).encode()


def _attachment(tree: dict) -> bytes:
    picture = {"p.png": {"image/png": "A" * 20_000_000}}
    tree["cells"].append(
        {
            "cell_type": "markdown",
            "metadata": {},
            "attachments": picture,
            "source": "![](attachment:p.png)",
        }
    )
    return json.dumps(tree).encode()


CASES = (
    Case(
        "replies of its own over the kernel's sockets",
        {
            "<q00_2": _forged_messages(),
            "q00_2": "q00_2 = 'E'",
            "q00_2>": "type(session).send = true_send",
        },
        {"q00_2": 0.0},
        "could be used",
    ),
    Case(
        "frames and memory of the observing child harvested",
        {
            "order_the_beats": """
                import gc, inspect, sys
                def order_the_beats():
                    lists = [x for x in gc.get_objects() if type(x) is list and len(x) == 4]
                    for frame in inspect.stack():
                        lists += [v for v in frame.frame.f_locals.values() if isinstance(v, (list, tuple))]
                    words = [x for x in lists if sorted(map(str, x)) == ["backward", "forward", "loss", "step"]]
                    return list(words[0]) if words else [str(lists)[:50]]
                """,
        },
        # The names of the beats are in course_lib in their right order: this is public.
        {"order_the_beats": None},
    ),
    Case(
        "course_lib replaced in sys.modules",
        {
            "<first_bad_step": """
                import sys, types
                fake = types.ModuleType("course_lib.exercises.checking.observe")
                fake.remote = fake.remote_value = lambda *args, **more: "VExXMQ=="
                sys.modules["course_lib.exercises.checking.observe"] = fake
                sys.modules["course_lib.exercises.checking"].observe = fake
                """,
            "first_bad_step": "def first_bad_step(losses, factor=3.0): return 0",
        },
        ZERO,
    ),
    Case(
        "numbers and dictionaries that lie",
        {
            "first_bad_step": _in_turn(
                "[True, 3.0, Float(3), -0.0, Dict(a=1), np.int64(3), np.array(3), fractions.Fraction(3), "
                "decimal.Decimal(3), collections.OrderedDict(), 3 + 0j, '3', b'3', [3], range(3)]"
            )
        },
        ZERO,
    ),
    Case(
        "tensors of every odd kind",
        {
            "first_bad_step": _in_turn(
                "[torch.tensor(3), torch.tensor(3.0, device='meta'), torch.ones(3).to_sparse(), "
                "torch.quantize_per_tensor(torch.ones(3), 1.0, 0, torch.quint8), torch.tensor(3, dtype=torch.uint8), "
                "torch.nested.nested_tensor([torch.ones(1), torch.ones(2)]), torch.ones(1).expand(10**9), "
                "torch.tensor(3j), torch.nn.Parameter(torch.ones(1)), torch.empty(0), torch.tensor(float('nan'))]"
            )
        },
        ZERO,
    ),
    Case(
        "a generator without an end, and a string that is long",
        {
            "order_the_beats": "import itertools\ndef order_the_beats(): return itertools.repeat('forward')",
            "first_bad_step": "def first_bad_step(losses, factor=3.0): return '3' * 10**8",
        },
        ORDER | ZERO,
    ),
    Case(
        "start-up files, modules and paths beside the notebook",
        {
            "<first_bad_step": f"""
                import builtins, os, sys
                if hasattr(builtins, "planted"): {SAYS}
                assert "planted" not in os.environ
                """,
        },
        beside={
            f"{name}": f"import builtins, os; builtins.planted = os.environ['planted'] = '1'; {SAYS}".encode()
            for name in (
                "usercustomize.py",
                "sitecustomize.py",
                "a.pth",
                "__init__.py",
                "__main__.py",
                "conftest.py",
                "numpy/__init__.py",
                "math.py",
                "builtins.py",
                "site.py",
                "torch.py",
                "zmq/__init__.py",
                "ipython_kernel_config.py",
                "jupyter_config.py",
                ".pythonrc.py",
                "startup/00.py",
            )
        },
    ),
    Case(
        "a hard link, a device, and a folder that leads up",
        beside={
            "l-00_why_a_training_loop.ipynb": _hard_link,
            "zero.csv": _device,
            "up": lambda path: path.symlink_to("../.."),
        },
    ),
    Case("a hundred thousand cells", damage=_many_cells, unreadable="at most 2000 are read"),
    Case("an attachment of 20 MB", damage=_attachment),
    # --- right all the same -----------------------------------------------------------------------
    Case(
        "from torch import *, decorators, hints, and a helper below",
        {
            "order_the_beats": """
                from __future__ import annotations
                from typing import Final, TypeAlias
                from torch import *
                from builtins import min
                Beats: TypeAlias = "list[str]"
                @no_grad()
                def order_the_beats() -> Beats:
                    beats: Final = _beats()  # noch nicht definiert: steht weiter unten
                    return beats
                """,
            "order_the_beats>": "def _beats(): return ['forward', 'loss', 'backward', 'step']",
            "first_bad_step": """
                import functools, logging
                def first_bad_step(losses, factor): return None  # an earlier try
                def logged(function):
                    @functools.wraps(function)
                    def inner(*args, **more):
                        logging.getLogger().warning("called"); print("called")
                        return function(*args, **more)
                    return inner
                @logged
                @torch.inference_mode()
                def first_bad_step(losses, factor=3.0):
                    best = math.inf
                    return next((i for i, x in enumerate(losses) if not math.isfinite(x) or x > factor * best
                                 or (best := min(best, x)) is None), None)
                """,
        },
        alone=True,
    ),
    Case(
        "tabs, %%time, an interactive figure, and pip",
        {
            "<order_the_beats": """
                %matplotlib agg
                import matplotlib.pyplot as plt
                plt.ion(); plt.plot([1, 2]); plt.show()
                %pip --version
                !ls
                torch.set_default_dtype(torch.float64); torch.use_deterministic_algorithms(True)
                """,
            "order_the_beats": "%%time\ndef order_the_beats():\n\treturn [\n\t\t'forward', 'loss',\r\n\t\t'backward', 'step']",
            "first_bad_step": RIGHT["first_bad_step"]
            + "\n        first_bad_step = torch.compiler.disable(first_bad_step)",
        },
        alone=True,
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(batch: Batch, case: Case):
    assert_holds(batch, case)


def test_the_honest_are_unharmed(batch: Batch, undisturbed):
    assert_honest_unchanged(batch, undisturbed)
