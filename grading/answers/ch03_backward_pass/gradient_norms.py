"""``gradient_norms``, secret half. Long: gradients can be cleared, found and measured in many ways."""

import contextlib
import math
from collections import OrderedDict, defaultdict
from functools import partial

import torch

from course_lib.exercises.ch03_backward_pass.gradient_norms import in_graph, norms_case
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.compare import Difference, difference, in_own_words
from grading.answers.edit import edit
from grading.answers.model import Answer, raises, wrong

CLEAR, BACKWARD = "    model.zero_grad()\n", "    loss.backward()\n"
SKIP = " if p.grad is not None"
END = f"{SKIP}\n    }}\n"
#: The dict has a name, so that something can be done before the end.
NAMED = edit("return {", "norms = {")


def _cases(generator: torch.Generator) -> list[Case]:
    case = partial(norms_case, generator)
    return [
        case(5, (3, 4, 2)),
        case(4, (4, 2, 3), dtype="float32"),
        case(6, (2, 4, 3), frozen=True),
        case(6, (2, 5, 3), stale=True),
        case(4, (4, 3, 2), stale=True, unused=True),
        case(7, (3, 2, 4), stale=True, frozen=True),
        case(3, (5, 4, 3), unused=True, silent=True),
        case(8, (2, 3, 5), dtype="float32", stale=True, frozen=True, unused=True),
    ]


def _gradient_off(case: Case, expected: Observation, got: Observation) -> str | None:
    """The first parameter whose gradient is another one afterwards."""
    left = got.get("gradients")
    for name, gradient in expected["gradients"].items() if isinstance(left, dict) else ():
        problem = difference(gradient, left.get(name), 1e-5, 1e-7)
        if problem:
            return Difference(f"{name}.grad afterwards: {problem}")
    return None


def _norms_problem(case: Case, expected: Observation, got: Observation) -> str | None:
    """The values under the names that are right; which those are is a question of its own."""
    returned, right = got.get("returned"), expected["returned"]
    if not isinstance(returned, dict):
        return difference(right, returned, 1e-5, 1e-7)
    named = {name: value for name, value in returned.items() if name in right}
    if not named:
        return "no key of your dict is the name of a parameter that got a gradient"
    return difference({name: right[name] for name in named}, named, 1e-5, 1e-7)


def _zeros_where_nothing_came(case: Case, got: Observation) -> bool:
    """Everything is right, but parameters outside the graph are listed too, as 0.0."""
    if got.error is not None or got["missing"] or got["off"]:
        return False
    # Only where old gradients were set to zeros, or wherever there was None.
    if not got["surplus"] and case["stale"] and case["unused"]:
        return False
    return all(
        name in case["parameters"] and got["returned"][name] == 0.0 for name in got["surplus"]
    )


def _with_autograd_grad(model, loss):
    names, parameters = zip(*model.named_parameters(), strict=True)
    trained = [p for p in parameters if p.requires_grad]
    gradients = dict(
        zip(map(id, trained), torch.autograd.grad(loss, trained, allow_unused=True), strict=True)
    )
    norms = {}
    for name, p in zip(names, parameters, strict=True):
        p.grad = gradients.get(id(p))
        if p.grad is not None:
            norms[name] = float(torch.linalg.vector_norm(p.grad))
    return norms


def _with_squares_and_none(model, loss):
    for p in model.parameters():
        p.grad = None
    loss.backward()
    return {
        name: math.sqrt((p.grad.double() ** 2).sum())
        for name, p in reversed(list(model.named_parameters()))
        if p.grad is not None
    }


def _with_hooks(model, loss):
    """Each tensor tells its own norm when its gradient arrives."""
    norms = {}
    model.zero_grad(set_to_none=True)
    handles = [
        p.register_hook(lambda g, name=name: norms.__setitem__(name, g.flatten().dot(g.flatten())))
        for name, p in model.named_parameters()
        if p.requires_grad
    ]
    loss.backward()
    for handle in handles:
        handle.remove()
    return {name: square.sqrt().item() for name, square in norms.items()}


def _with_numpy(model, loss):
    import numpy as np

    [setattr(p, "grad", None) for p in model.parameters()]
    torch.autograd.backward(loss)
    gradients = {name: p.grad for name, p in model.named_parameters()}
    return {
        n: float(np.linalg.norm(g.numpy().ravel())) for n, g in gradients.items() if g is not None
    }


def _with_an_einsum(model: torch.nn.Module, loss: torch.Tensor) -> dict[str, float]:
    model.zero_grad()
    loss.backward()
    norms: dict[str, float] = {}
    for name, p in model.named_parameters():
        match p.grad:
            case None:
                continue
            case g:
                flat = g.flatten()
                norms |= {name: torch.einsum("i,i->", flat, flat).item() ** 0.5}
    return norms


def _in_a_defaultdict(model, loss):
    """The gradients are found module by module."""
    model.zero_grad()
    loss.backward(retain_graph=True)
    squares = defaultdict(float)
    for path, module in model.named_modules():
        for name, p in module.named_parameters(recurse=False):
            if p.grad is not None:
                squares[".".join(filter(None, (path, name)))] += p.grad.square().sum().item()
    for name in squares:
        squares[name] **= 0.5
    return squares


def _when_they_have_arrived(model, loss):
    norms = OrderedDict()

    def note(name):
        return lambda p: norms.update({name: torch._foreach_norm([p.grad])[0].item()})

    torch.optim.SGD(model.parameters()).zero_grad()
    with contextlib.ExitStack() as stack:
        for name, p in model.named_parameters():
            if p.requires_grad:
                stack.callback(p.register_post_accumulate_grad_hook(note(name)).remove)
        loss.backward()
    return norms


ANSWER = Answer(
    exercise="gradient_norms",
    cases=_cases,
    given=lambda case: (
        f"with a model that {'already had gradients' if case['stale'] else 'had no gradients yet'}"
    ),
    compare={
        "norms": _norms_problem,
        "gradients": in_own_words(_gradient_off, "gradients"),
        "fresh": in_own_words(_gradient_off, "gradients", "listed_outside"),
    },
    variants=(
        _with_autograd_grad,
        _with_squares_and_none,
        _with_hooks,
        _with_numpy,
        _with_an_einsum,
        _in_a_defaultdict,
        _when_they_have_arrived,
    ),
    misconceptions=(
        wrong(
            "stale gradients added",
            edit(CLEAR, ""),
            "backward() adds to what is already in .grad. Gradients from an earlier loss were "
            "still there, so you measured the sum: clear them first.",
        ),
        wrong(
            "stale gradients added",
            edit(CLEAR, "").edit(SKIP, ""),
            "backward() adds to what is already in .grad, so clear it first. And a parameter that "
            "the loss does not use has .grad None, which has no norm: leave it out.",
        ),
        wrong(
            "L1",
            edit("p.grad.norm()", "p.grad.abs().sum()"),
            "You add up the absolute values: that is the L1 norm. The L2 norm is the root of the "
            "sum of squares.",
        ),
        wrong(
            "largest singular value",
            edit("p.grad.norm()", "torch.linalg.norm(p.grad, 2)"),
            "torch.linalg.norm(g, 2) is the spectral norm of a matrix: its largest singular value. "
            "The length of all its entries laid end to end is g.norm(), or "
            "torch.linalg.vector_norm(g).",
        ),
        wrong(
            "squared",
            edit("p.grad.norm()", "(p.grad**2).sum()"),
            "You report the sum of squares. The L2 norm is its square root.",
        ),
        wrong(
            "mean in place of sum",
            edit("p.grad.norm()", "(p.grad**2).mean().sqrt()"),
            "You take the root of the mean square, which is smaller the more entries there are. "
            "The L2 norm is the root of the sum of squares.",
        ),
        wrong(
            "largest entry",
            edit("p.grad.norm()", "p.grad.abs().max()"),
            "You report the largest entry. The L2 norm combines all entries: the root of the sum "
            "of their squares.",
        ),
        wrong(
            "cleared after measuring",
            NAMED.edit(END, f"{END}{CLEAR}    return norms\n"),
            "Your norms are right, but then you throw the gradients away. The caller still needs "
            "them for the step: clear at the beginning, not at the end.",
        ),
        wrong(
            "norms of the weights",
            edit("p.grad.norm()", "p.norm()"),
            "You measure the weights themselves. Their gradients are in .grad: p.grad.norm().",
        ),
        wrong(
            "one norm for all",
            NAMED.edit(END, f"{END}    return sum(norm**2 for norm in norms.values()) ** 0.5\n"),
            "You return one number for the whole model. Return one per parameter, by name.",
        ),
        wrong(
            "list instead of a dict",
            NAMED.edit(END, f"{END}    return list(norms.values())\n"),
            "You return the norms without their names. A dict says which belongs to which parameter.",
        ),
        wrong(
            "keys that are not names",
            edit("name: p.grad", "p: p.grad"),
            "The keys of your dict are not the names of the parameters. model.named_parameters() gives "
            "both: a name, and the parameter.",
            recognise=lambda case, got: (
                isinstance(got["returned"], dict)
                and got["returned"]
                and not set(got["returned"]) & set(case["parameters"])
            ),
        ),
        wrong(
            "zero gradients left out",
            edit(SKIP, f"{SKIP} and p.grad.any()"),
            "You leave out gradients that are zero. They were computed, and a zero is a finding: "
            "leave out those that are None.",
        ),
        wrong(
            "backward called twice",
            edit(BACKWARD, f"    loss.backward(retain_graph=True)\n{BACKWARD}"),
            "You run backward() twice, and gradients add up: yours are twice as large as they "
            "should be.",
        ),
        wrong(
            "backward not called",
            edit(CLEAR + BACKWARD, ""),
            "You measure what was in .grad before. Run loss.backward() first.",
        ),
        wrong(
            "truth of a tensor",
            edit(SKIP, " if p.grad"),
            "`if p.grad` asks whether a whole tensor is true, and PyTorch cannot say. Write `if "
            "p.grad is not None`.",
            recognise=raises("Boolean value of Tensor"),
        ),
        wrong(
            "crash on a parameter without gradient",
            edit(SKIP, ""),
            "A parameter that the loss does not use, or that is frozen, has .grad None, and None "
            "has no norm. Leave such parameters out.",
            recognise=raises(
                "None", lambda case: not all(in_graph(case, name) for name in case["parameters"])
            ),
        ),
        wrong(
            "tensors in place of numbers",
            edit(".item()", ""),
            "The values are tensors. A number for a log should be a Python float: call .item().",
        ),
        wrong(
            "cleared after backward",
            edit(CLEAR + BACKWARD, BACKWARD + CLEAR),
            "There is nothing left to measure: the gradients are cleared, and no backward() follows. "
            "Clear first, then call backward(), then measure.",
        ),
        wrong(
            "zeros for parameters without gradient",
            edit(SKIP, "").edit(".item()", ".item() if p.grad is not None else 0.0"),
            "You list parameters that got no gradient as 0.0. That hides a difference: a zero "
            "gradient was computed, a missing one means that the loss does not depend on the "
            "parameter. Leave those out.",
            recognise=_zeros_where_nothing_came,
        ),
        wrong(
            "zeros for parameters without gradient",
            edit("zero_grad()", "zero_grad(set_to_none=False)"),
            "With set_to_none=False an old gradient becomes zeros, and a parameter that the loss "
            "does not use then looks as if it had a gradient of 0. Clear to None, and leave out "
            "what stays None.",
            recognise=_zeros_where_nothing_came,
        ),
    ),
)
