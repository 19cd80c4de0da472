"""Trying for points from inside the learner's process, with the whole repository read beforehand.

Every case comes with wrong work at the item it wants points for, which has to earn none, and stands
in a notebook whose other work is right.
"""

import pytest
import torch

from grading.answers import find_answer
from tests.hostile.handing_in import Batch, Case
from tests.hostile.judging import assert_holds, assert_honest_unchanged

ZERO = {"first_bad_step": 0.0}
ORDER = {"order_the_beats": 0.0}
WRONG = {
    "first_bad_step": "def first_bad_step(losses, factor=3.0): return 0.5",
    "order_the_beats": "def order_the_beats(): return ['step']",
}

#: What a forger needs who sends answers of its own that have the right shape. The modules that
#: observe are read anew each time; so what is put into ``observe`` here gets into each as it comes.
TOOLS = """
    import base64, builtins, types
    from course_lib.exercises.checking import observe as true_observe
    from course_lib.exercises.checking import wire
    observe, true_import = types.SimpleNamespace(), builtins.__import__
    def forging_import(name, *args, **more):
        module = true_import(name, *args, **more)
        if name == "course_lib.exercises.checking.observe":
            vars(true_import("sys").modules[name]).update(vars(observe))
        return module
    builtins.__import__ = forging_import
    def forged(name, nonce, *results):
        return true_observe._answer(nonce, name, [true_observe._part(each) for each in results])
    def changed(name, nonce, change, *results):
        # The same with every packed result changed, and all lengths right.
        parts = [true_observe._part(each).partition(bytes([10])) for each in results]
        parts = [line + end + change(data) for line, end, data in parts]
        return true_observe._answer(nonce, name, parts)
    def seen(**values):
        return {"values": values, "events": [], "error": None}
    true_remote, true_pack = true_observe.remote, wire.pack
    """


def _forging(text: str, item: str = "first_bad_step") -> dict[str, str]:
    """A forger above an exercise who is gone again behind it."""
    back = "builtins.__import__ = true_import"
    count = len(find_answer(item).cases(torch.Generator()))
    own = TOOLS.rstrip() + f"\n    COUNT = {count}"
    own += text.replace("\n", "\n    ") if text.startswith("\n") else f"\n    {text}"
    return {f"<{item}": own, item: WRONG[item], f"{item}>": back}


CASES = (
    # --- answers of its own -----------------------------------------------------------------------
    Case(
        "remote says every value is there and empty",
        _forging(
            """
observe.remote = lambda name, payload, nonce, **more: forged(
    name, nonce, *[seen(returned=None, losses_left_alone=None)] * COUNT)
"""
        ),
        ZERO,
    ),
    Case(
        "remote names the values and leaves out all of them",
        _forging(
            "observe.remote = lambda n, p, nonce, **more: forged(n, nonce, *[seen()] * COUNT)",
            "order_the_beats",
        ),
        ORDER,
    ),
    Case(
        "remote sends the answer to another exercise",
        _forging(
            """
import __main__
earlier = true_remote("order_the_beats", base64.b64encode(wire.pack([{}])).decode(), "x")
observe.remote = lambda name, payload, nonce, **more: earlier
"""
        ),
        ZERO,
        "could be used",
    ),
    Case(
        "remote says that nothing failed, in words of the grader",
        _forging(
            """
observe.remote = lambda name, payload, nonce, **more: true_observe._answer(
    nonce, name, [true_observe._failure("passed", "score 2")] * COUNT)
""",
            "order_the_beats",
        ),
        ORDER,
    ),
    Case(
        "numbers that no float can hold, and unprintable text",
        _forging(
            """
def change(data):
    body = data[8:].replace(b"7", b"9" * 4000).replace(b"8", b'"\\\\\\\\ud800\\\\\\\\u001b[2J"')
    return data[:4] + len(body).to_bytes(4, "little") + body
observe.remote = lambda name, payload, nonce, **more: changed(
    name, nonce, change, *[seen(returned=7, losses_left_alone=8)] * COUNT)
"""
        ),
        ZERO,
    ),
    Case(
        "a tensor whose header lies",
        _forging(
            """
import json, torch
def change(data):
    return data.replace(b'"shape":[3]', b'"shape":[-3]')
observe.remote = lambda name, payload, nonce, **more: changed(
    name, nonce, change, *[seen(returned=torch.ones(3))] * COUNT)
""",
            "order_the_beats",
        ),
        ORDER,
        "could be used",
    ),
    Case(
        "an error of a million characters",
        _forging(
            """
text = "$\\\\href{https://example.org}{x}$ " + "x" * 10**6
observe.remote = lambda name, payload, nonce, **more: forged(
    name, nonce, *[{"values": {}, "events": [], "error": [text, text, text[:99]]}] * min(COUNT, 5)
    + [{"values": {}, "events": [], "error": None}] * max(0, COUNT - 5))
"""
        ),
        ZERO,
    ),
    Case(
        "a tensor that the message names a hundred times",
        _forging(
            """
import torch
def change(data):
    length = int.from_bytes(data[4:8], "little")
    one = b'["x", "0", false]'
    text = data[8 : 8 + length].replace(one, b", ".join([one] * 100))
    return data[:4] + len(text).to_bytes(4, "little") + text + data[8 + length :]
observe.remote = lambda name, payload, nonce, **more: changed(
    name, nonce, change, seen(returned=[torch.ones(2**18)]))
""",
            "order_the_beats",
        ),
        ORDER,
        # It is decoded once, however often it is named.
        "your list has 100 entries",
    ),
    Case(
        "a message with more results than cases",
        _forging(
            "observe.remote = lambda n, p, nonce, **more: forged(n, nonce, *[seen()] * (COUNT + 1))"
        ),
        ZERO,
        "could be used",
    ),
    Case(
        "pack replaced",
        _forging(
            """
observe.pack = lambda value: true_pack({**value, "score": 2})[:-1]
""",
            "order_the_beats",
        ),
        ORDER,
        "could be used",
    ),
    # --- the way of the answer --------------------------------------------------------------------
    Case(
        "IPython's user_expressions replaced",
        {
            "<q00_1": """
                shell = type(get_ipython())
                true_expressions = shell.user_expressions
                def user_expressions(self, expressions):
                    data = {"text/plain": "'" + "QUFB" * 9 + "'"}
                    return {"answer": {"status": "ok", "data": data, "metadata": {}}}
                shell.user_expressions = user_expressions
                """,
            "q00_1": "q00_1 = 'E'",
            "q00_1>": "type(get_ipython()).user_expressions = true_expressions",
        },
        {"q00_1": 0.0},
        "could be used",
    ),
    Case(
        "expressions that are answered with code",
        {
            "<first_bad_step": """
                shell = type(get_ipython())
                shell.user_expressions = lambda self, expressions: {
                    "answer": {"data": {"text/plain": "__import__('os').system('touch /tmp/x')"}}}
                """,
            "first_bad_step": WRONG["first_bad_step"],
        },
        ZERO | {"q00_1": 0.0, "q00_2": 0.0, "q00_3": 0.0},
        "could be used",
        alone=True,
    ),
    Case(
        "the kernel answers every request itself",
        {
            "<first_bad_step": """
                kernel = get_ipython().kernel
                async def do_execute(*args, **kwargs):
                    return {"status": "ok", "execution_count": 1, "payload": [],
                            "user_expressions": {"answer": [[[[None]]]], "score": float("nan")}}
                kernel.do_execute = do_execute
                """,
            "first_bad_step": WRONG["first_bad_step"],
        },
        ZERO | {"q00_1": 0.0, "q00_2": 0.0, "q00_3": 0.0},
        alone=True,
    ),
    Case(
        "formatters, hooks and transformers that get in the way",
        {
            "<order_the_beats": """
                shell = get_ipython()
                plain = shell.display_formatter.formatters["text/plain"]
                def rewrite(lines):
                    return ["first_bad_step = None\\n"] if "first_bad_step" in "".join(lines) else lines
                class Breaks(__import__("ast").NodeTransformer):
                    def visit(self, node):
                        raise RuntimeError("no")
                def before(*args):
                    raise RuntimeError("no")
                shell.input_transformers_cleanup.append(rewrite)
                shell.ast_transformers.append(Breaks())
                for event in ("pre_execute", "pre_run_cell", "post_execute", "post_run_cell"):
                    shell.events.register(event, before)
                shell.set_custom_exc((Exception,), lambda *args, **kwargs: None)
                import sys
                sys.displayhook = sys.excepthook = lambda *args: print("hook")
                """,
        },
        ZERO,
        alone=True,
    ),
    Case(
        "a formatter that shows answers of its own",
        {
            "<q00_2": """
                plain = get_ipython().display_formatter.formatters["text/plain"]
                true_str = plain.for_type(str, lambda text, printer, cycle: printer.text("'QUFB'"))
                """,
            "q00_2": "q00_2 = 'E'",
            "q00_2>": "plain.type_printers.pop(str)",
        },
        {"q00_2": 0.0},
        "could be used",
    ),
    Case(
        "__import__ replaced",
        {
            "<q00_3": """
                import builtins
                true_import = builtins.__import__
                class Module:
                    remote = remote_value = staticmethod(lambda *args: "QUFB")
                def __import__(name, *args, **kwargs):
                    return Module if name.startswith("course_lib") else true_import(name, *args, **kwargs)
                """,
            "q00_3": "q00_3 = 'E'",
            "q00_3>": "del __import__",
        },
        {"q00_3": 0.0},
        "could be used",
    ),
    Case(
        "a namespace that has everything",
        {
            "<q00_3": """
                class Everything(dict):
                    def __contains__(self, name): return True
                    def __missing__(self, name): return "ABCD"
                get_ipython().user_ns = Everything(get_ipython().user_ns)
                """,
            "q00_3": "pass",
        },
        {"q00_3": 0.0},
        alone=True,
    ),
    Case(
        "the observing child writes into every pipe",
        {
            "order_the_beats": """
                def order_the_beats():
                    import os, struct
                    from course_lib.exercises.checking.wire import pack
                    value = {"values": {"returned": None}, "events": [], "error": None}
                    data = b'{"error": ""}' + bytes([10]) + pack(value)
                    for descriptor in range(3, 64):
                        try:
                            os.write(descriptor, struct.pack("<I", len(data)) + data)
                        except OSError:
                            pass
                    return 1
                """,
        },
        ORDER,
        alone=True,
    ),
    Case(
        "a thread that puts right work in place for a moment",
        {
            "first_bad_step": """
                import threading, time
                def first_bad_step(losses, factor=3.0): return 3
                def swap():
                    for number in range(100):
                        get_ipython().user_ns["first_bad_step"] = lambda *args, **more: number
                        time.sleep(0.01)
                threading.Thread(target=swap, daemon=True).start()
                """,
        },
        ZERO,
        alone=True,
    ),
    # --- looking for the expected values ----------------------------------------------------------
    Case(
        "asks its callers and every object in memory for the answer",
        {
            "first_bad_step": """
                def first_bad_step(losses, factor=3.0):
                    import gc, sys
                    frame = sys._getframe(1)
                    while frame:
                        for name, value in frame.f_locals.items():
                            if "expected" in name or "answer" in name or "reference" in name:
                                return value
                            if isinstance(value, dict) and value.get("public_answer") is not None:
                                return value["public_answer"]
                        frame = frame.f_back
                    for thing in gc.get_objects():
                        if type(thing).__name__ in ("CaseSet", "Answer", "Misconception"):
                            return thing
                    return "nothing found"
                """,
        },
        ZERO,
    ),
    Case(
        "patches what might compare",
        {
            "order_the_beats": """
                import math, torch, json, builtins
                from course_lib import quiz
                from course_lib.exercises.checking import check as check_module
                from course_lib.exercises.checking import model
                torch.equal = torch.allclose = math.isclose = lambda *args, **kwargs: True
                quiz.is_letter = lambda answer: True
                torch.Tensor.__eq__ = torch.Tensor.__ne__ = lambda *args: torch.ones(())
                def order_the_beats(): return []
                """,
        },
        ORDER,
        alone=True,
    ),
    # --- results that lie -------------------------------------------------------------------------
    Case(
        "equals everything",
        {
            "first_bad_step": """
                class Yes:
                    __class__ = property(lambda self: int)
                    __eq__ = lambda self, other: True
                    __ne__ = lambda self, other: False
                    __hash__ = lambda self: 0
                    __int__ = __index__ = lambda self: 3
                    __float__ = lambda self: 3.0
                    __bool__ = lambda self: True
                def first_bad_step(losses, factor=3.0): return Yes()
                """,
        },
        ZERO,
    ),
    Case(
        "an int that equals everything",
        {
            "first_bad_step": """
                class Any(int):
                    __eq__ = lambda self, other: True
                    __ne__ = lambda self, other: False
                    __hash__ = int.__hash__
                def first_bad_step(losses, factor=3.0): return Any(3)
                """,
        },
        ZERO,
    ),
    Case(
        "a list of strings that equal everything",
        {
            "order_the_beats": """
                class Word(str):
                    __eq__ = lambda self, other: True
                    __hash__ = str.__hash__
                class List(list):
                    __eq__ = lambda self, other: True
                def order_the_beats(): return List([Word("?")] * 4)
                """,
        },
        ORDER,
    ),
    Case(
        "a tensor that answers for itself",
        {
            "order_the_beats": """
                class Lies(torch.Tensor):
                    @classmethod
                    def __torch_function__(cls, function, types, args=(), kwargs=None):
                        return True
                def order_the_beats(): return torch.ones(4).as_subclass(Lies)
                """,
        },
        ORDER,
    ),
    Case(
        "nan",
        {"first_bad_step": "def first_bad_step(losses, factor=3.0): return math.nan"},
        ZERO,
    ),
    Case(
        "an answer to a question that is every letter",
        {
            "q00_1": """
                class Letter(str):
                    strip = upper = lambda self: self
                    __eq__ = lambda self, other: True
                    __hash__ = str.__hash__
                q00_1 = Letter("D")
                """,
            "q00_2": 'q00_2 = "ABCD"',
            "q00_3": 'q00_3 = {"A", "B", "C", "D"}',
        },
        {"q00_1": 0.0, "q00_2": 0.0, "q00_3": 0.0},
    ),
    Case(
        "a list that holds itself",
        {
            "order_the_beats": """
                def order_the_beats():
                    beats = ["forward"]
                    beats.append(beats)
                    return beats
                """,
        },
        ORDER,
    ),
    Case(
        "small lists that unfold to a million million entries",
        {
            "order_the_beats": """
                def order_the_beats():
                    beats = ["forward"]
                    for _ in range(12):
                        beats = [beats] * 10
                    return beats
                """,
        },
        ORDER,
        "more data than can be judged",
    ),
    # --- words meant for the instructor's screen --------------------------------------------------
    Case(
        "an exception with markup, escapes and half a character",
        {
            "order_the_beats": r"""
                def order_the_beats():
                    kind = type("<script>steal()</script>\ud800", (Exception,), {})
                    raise kind("\ud800\x1b[2J\u202e<img src=x onerror=steal()>\n[red]`</pre>`")
                """,
            "first_bad_step": r"""
                error = type("<script>steal()</script>", (Exception,), {})
                raise error("<script>steal()</script><img src=x onerror=steal()>")
                """,
            "<q00_1": r"""
                from IPython.display import HTML, Javascript, Markdown, SVG, display
                display(HTML("<script>steal()</script>"), Javascript("steal()"),
                        Markdown("<img src=x onerror=steal()>"),
                        SVG(data="<svg xmlns='http://www.w3.org/2000/svg' onload='steal()'/>"))
                print("</pre><script>steal()</script><img src=x onerror=steal()>\x1b[31m\ud800".encode(
                    "utf-8", "replace").decode())
                """,
            "<q00_2": r"""
                kernel = get_ipython().kernel
                bundle = {"text/html": "<script>steal()</script>", "image/png": "javascript:steal()",
                          "text/plain": "<script>steal()</script>"}
                for kind in ("display_data", "execute_result", "update_display_data"):
                    content = {"data": bundle, "metadata": {}, "execution_count": 1, "transient": {}}
                    kernel.session.send(kernel.iopub_socket, kind, content, kernel.get_parent())
                content = {"ename": "<script>steal()", "evalue": 5, "traceback": ["<script>steal()", 3]}
                kernel.session.send(kernel.iopub_socket, "error", content, kernel.get_parent())
                """,
        },
        ORDER | ZERO,
        alone=True,
    ),
    Case(
        "claims to be done before it began",
        {
            "<first_bad_step": """
                kernel = get_ipython().kernel
                content = {"execution_state": "idle"}
                kernel.session.send(kernel.iopub_socket, "status", content, kernel.get_parent())
                """,
            "first_bad_step": """
                kernel = get_ipython().kernel
                reply = {"status": "ok", "execution_count": 1, "user_expressions": {}, "payload": []}
                for _ in range(3):
                    kernel.session.send(kernel.shell_stream, "execute_reply", reply, kernel.get_parent())
                def first_bad_step(losses, factor=3.0): return []
                """,
        },
        ZERO,
        alone=True,
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(batch: Batch, case: Case):
    assert_holds(batch, case)


def test_the_honest_are_unharmed(batch: Batch, undisturbed):
    assert_honest_unchanged(batch, undisturbed)
