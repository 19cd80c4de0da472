"""Calling, from a graded exercise, the built-in that it asks to build. One kernel for all: each
attack stands in a cell of its own, and its work is asked for right behind it."""

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from course_lib.exercises import find_exercise
from course_lib.exercises.checking.wire import pack
from grading.classroom.pipeline import evidence
from grading.judging.cases import case_set
from grading.judging.judge import judge_exercise
from grading.judging.outcomes import ItemOutcome
from grading.runner.limits import Limits
from grading.runner.run import Job, Query, run

SEED = 3
SOFTMAX = "def softmax(logits): return torch.softmax(logits, -1)"
CHAPTER = {"softmax": "02", "clip_gradients": "04", "sgd_step": "04", "numerical_gradient": "03"}


@dataclass(frozen=True)
class Attack:
    """What a cell does before the exercise ``name`` is written as in ``work``; ``after`` undoes it."""

    what: str
    name: str
    work: str
    before: str = ""
    after: str = ""


ATTACKS = (
    Attack("called as it is", "softmax", SOFTMAX),
    Attack(
        "the refusal replaced in the loaded modules",
        "softmax",
        SOFTMAX,
        """
        import contextlib
        from course_lib.exercises.checking import check
        from course_lib.exercises.checking import forbid
        from course_lib.exercises.checking import observe
        nothing = lambda *args, **more: contextlib.nullcontext([])
        forbid.refusing = observe.refusing = nothing
        observe.not_refused = forbid.not_refused = lambda names: ""
        observe.refuse_operators_for_good = lambda names: []
        forbid._RefuseOperators.__torch_dispatch__ = lambda s, f, t, a=(), k=None: f(*a, **(k or {}))
        """,
    ),
    Attack(
        "the exercise said to forbid nothing",
        "softmax",
        SOFTMAX,
        """
        from course_lib.exercises import find_exercise
        object.__setattr__(find_exercise("softmax"), "forbidden", ())
        """,
    ),
    Attack(
        "in a thread",
        "softmax",
        """
        import concurrent.futures
        def softmax(logits):
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                return pool.submit(torch.softmax, logits, -1).result()
        """,
    ),
    Attack(
        "outside of all dispatch modes",
        "softmax",
        """
        from torch.utils._python_dispatch import _disable_current_modes
        def softmax(logits):
            with _disable_current_modes():
                return torch.softmax(logits, -1)
        """,
    ),
    Attack(
        "dispatch modes that do nothing",
        "softmax",
        SOFTMAX,
        """
        from torch.utils._python_dispatch import TorchDispatchMode
        true_enter, true_exit = TorchDispatchMode.__enter__, TorchDispatchMode.__exit__
        TorchDispatchMode.__enter__ = lambda self: self
        TorchDispatchMode.__exit__ = lambda self, *args: None
        """,
        "TorchDispatchMode.__enter__, TorchDispatchMode.__exit__ = true_enter, true_exit",
    ),
    Attack(
        "everything that refuses switched off",
        "softmax",
        SOFTMAX,
        """
        from torch.utils._python_dispatch import TorchDispatchMode
        TorchDispatchMode.__enter__ = lambda self: self
        TorchDispatchMode.__exit__ = lambda self, *args: None
        true_impl = torch.library.Library.impl
        torch.library.Library.impl = lambda *args, **more: None
        """,
        """
        TorchDispatchMode.__enter__, TorchDispatchMode.__exit__ = true_enter, true_exit
        torch.library.Library.impl = true_impl
        """,
    ),
    Attack(
        "an alias in a default and one in a list",
        "clip_gradients",
        """
        def clip_gradients(parameters, max_norm, clip=[torch.nn.utils.clip_grad_norm_]):
            return clip[0](parameters, max_norm)
        """,
    ),
    Attack(
        "an optimizer that was built before",
        "sgd_step",
        """
        before = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        def sgd_step(parameters, lr):
            before.param_groups[0].update(params=list(parameters), lr=lr)
            before.step()
        """,
    ),
    Attack(
        "autograd under another name",
        "numerical_gradient",
        """
        own = torch.autograd.grad
        def numerical_gradient(f, x, eps=1e-4):
            x = x.detach().clone().requires_grad_()
            return own(f(x), x)[0]
        """,
    ),
    Attack(
        "patch.object that patches nothing",
        "clip_gradients",
        """
        def clip_gradients(parameters, max_norm):
            return torch.nn.utils.clip_grad_norm_(parameters, max_norm)
        """,
        """
        import contextlib, unittest.mock
        true_patch = unittest.mock.patch.object
        unittest.mock.patch.object = lambda *args, **more: contextlib.nullcontext()
        """,
        "unittest.mock.patch.object = true_patch",
    ),
)
HONEST = """
    def softmax(logits):
        e = torch.exp(logits - logits.max(-1, keepdim=True).values)
        return e / e.sum(-1, keepdim=True)
    """


def _cells() -> Iterator[tuple[str, Attack, list[nbformat.NotebookNode]]]:
    rows = [*ATTACKS, Attack("right work behind all of it", "softmax", HONEST)]
    for number, attack in enumerate(rows):
        grade_id = f"{number}__test"
        test = new_code_cell("")
        test.metadata.nbgrader = {"grade_id": grade_id, "grade": True, "points": 1}
        own = [new_code_cell(dedent(text)) for text in (attack.before, attack.work)]
        yield grade_id, attack, [*own, test, new_code_cell(dedent(attack.after))]


@pytest.fixture(scope="module")
def verdicts(sandbox: None) -> dict[str, ItemOutcome]:
    notebook = nbformat.v4.new_notebook(cells=[new_code_cell("import torch")])
    questions: dict[str, Query] = {}
    attacks: dict[str, Attack] = {}
    for grade_id, attack, cells in _cells():
        notebook.cells += cells
        name, cases = attack.name, case_set(attack.name, SEED).cases
        subjects = find_exercise(name).subjects
        payload = pack(list(cases))
        question = Query("exercise", name, subjects, payload, len(cases))
        questions[grade_id], attacks[grade_id] = question, attack
    record = run(Job(notebook, questions, limits=Limits(cell_seconds=30.0)))
    found: dict[str, ItemOutcome] = {}
    for grade_id, attack in attacks.items():
        observed: Any = evidence(questions[grade_id], record.answers[grade_id])
        found[attack.what] = judge_exercise(attack.name, SEED, observed)
    return found


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.what)
def test_the_built_in_earns_nothing(verdicts, attack):
    verdict = verdicts[attack.what]
    assert verdict.score == 0, verdict
    assert "not allowed in this exercise" in verdict.message or "not counted" in verdict.message


def test_right_work_behind_it_keeps_its_points(verdicts):
    verdict = verdicts["right work behind all of it"]
    assert (verdict.status, verdict.score) == ("passed", verdict.max_score), verdict
