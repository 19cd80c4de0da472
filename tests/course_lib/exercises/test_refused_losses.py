"""However PyTorch's own softmax, cross-entropy or squared error is spelled, chapter 02 refuses it,
and what the contract allows is let through. And other exercises' built-ins, reached by detours."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import _disable_current_modes

from course_lib.exercises import find_exercise
from course_lib.exercises.checking.model import Observation
from course_lib.exercises.checking.observe import _observe_in_child, observe

an_alias = torch.softmax


def observed(name: str, function) -> Observation:
    exercise = find_exercise(name)
    return observe(exercise, (function,), exercise.public_cases()[0])


REFUSED = {
    "softmax": [
        lambda z: torch.softmax(z, -1),
        lambda z: z.softmax(-1),
        lambda z: an_alias(z, -1),
        lambda z: F.softmax(z, dim=-1),
        lambda z: F.softmin(-z, dim=-1),
        lambda z: nn.Softmax(dim=-1)(z),
        lambda z: torch.special.softmax(z, -1),
        lambda z: torch.log_softmax(z, -1).exp(),
        lambda z: nn.LogSoftmax(dim=-1)(z).exp(),
        lambda z: torch.special.log_softmax(z, -1).exp(),
        lambda z: torch.ops.aten._softmax(z, -1, False),
    ],
    "cross_entropy": [
        F.cross_entropy,
        nn.CrossEntropyLoss(),
        lambda z, t: F.nll_loss(z - z.logsumexp(1, keepdim=True), t),
        lambda z, t: nn.NLLLoss()(z - z.logsumexp(1, keepdim=True), t),
        lambda z, t: -z.log_softmax(1)[range(len(t)), t].mean(),
    ],
    "mse": [F.mse_loss, nn.MSELoss(), torch._C._nn.mse_loss],
}


@pytest.mark.parametrize(
    ("name", "function"), [(name, f) for name, functions in REFUSED.items() for f in functions]
)
def test_a_spelling_of_the_built_in_is_refused(name: str, function) -> None:
    error = observed(name, function).error
    assert error is not None
    assert error.type == "ForbiddenCall"


def test_a_refusal_that_is_swallowed_still_counts() -> None:
    def softmax(logits):
        try:
            return logits.softmax(-1)
        except RuntimeError:
            return logits

    error = observed("softmax", softmax).error
    assert error is not None
    assert error.type == "ForbiddenCall"


def test_logsumexp_exp_max_and_indexing_are_allowed() -> None:
    def cross_entropy(logits, targets):
        largest = logits.max(dim=1, keepdim=True).values
        table = (logits - largest) - (logits - largest).exp().logsumexp(1, keepdim=True)
        return table[torch.arange(len(targets)), targets].mean()

    assert observed("cross_entropy", cross_entropy).error is None


def test_the_first_refusal_imports_no_compiler() -> None:
    code = (
        "import sys; from course_lib.exercises.checking.check import run_check;"
        "from course_lib import progress; progress.record = lambda *a, **k: None;"
        "run_check('softmax', lambda z: z.exp() / z.exp().sum(-1, keepdim=True));"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


kept_for_later = torch.nn.utils.clip_grad_norm_
built_before = torch.optim.RMSprop([torch.zeros(1, requires_grad=True)])


def clips_through_a_default(parameters, max_norm, clip=kept_for_later):
    return clip(parameters, max_norm)


def steps_what_was_built_before(parameters, *args, **kwargs):
    built_before.param_groups[0]["params"] = list(parameters)
    built_before.step()


@pytest.mark.parametrize(
    ("name", "function"),
    [("clip_gradients", clips_through_a_default), ("sgd_step", steps_what_was_built_before)],
)
def test_an_alias_or_an_object_from_before_does_not_help(name: str, function) -> None:
    code = kept_for_later.__code__
    error = observed(name, function).error
    assert error is not None
    assert error.type == "ForbiddenCall"
    assert kept_for_later.__code__ is code


def _in_a_thread(function, *arguments):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *arguments).result()


def _outside_the_mode(function, *arguments):
    with _disable_current_modes():
        return function(*arguments)


@pytest.mark.parametrize("way", [_in_a_thread, _outside_the_mode])
def test_a_graded_exercise_refuses_the_operator_itself(way) -> None:
    """Whatever becomes of the mode that watches one thread: its kernel is replaced in the child."""
    exercise = find_exercise("softmax")
    case = exercise.public_cases()[0]
    [part] = _observe_in_child(exercise, (lambda z: way(torch.softmax, z, -1),), [case])
    assert part.startswith(b'{"error": "ForbiddenCall"}\n')
    assert torch.softmax(torch.ones(2), 0).tolist() == [0.5, 0.5]
