"""``clinic_h``, secret half."""

import math
from functools import partial

import numpy as np
import torch

from course_lib.exercises.ch09_mastery.clinic_h import weights_case
from course_lib.exercises.checking.model import Case, Observation
from course_lib.exercises.checking.wire import a_type
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

ADAM = "torch.optim.Adam([w], lr=0.05)"
#: A solution that is named after such a mistake has to find the same weights.
_mistake = partial(wrong, also=("returned",))


def _cases(g: torch.Generator) -> list[Case]:
    return [weights_case(g, size(g, 30, 60), size(g, 3, 6)) for _ in range(3)]


def _not_found(case: Case, expected: Observation, got: Observation) -> str | None:
    if got["error"] is None:
        value = got["returned"]
        shape = f" of shape {list(value.shape)}" if isinstance(value, torch.Tensor) else ""
        kind = a_type(value) + shape
        return f"the result should be a tensor with one weight per feature; yours is {kind}"
    if got["has_graph"]:
        return "the weights still carry a graph"
    if got.get("found"):
        return None
    if not math.isfinite(got["error"]):
        return "the weights are NaN or infinite"
    return (
        f"not every weight is within 0.05 of the best one; the worst is off by {got['error']:.2f}"
    )


def _moved_alike(case: Case, got: Observation) -> bool:
    """Adam's first step moves every weight by the learning rate."""
    sizes = got["returned"].abs()
    return 0 < got["largest"] < 1 and bool((sizes > 0.999 * got["largest"]).all())


def _updated_by_hand(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    w = torch.zeros(x.size(1))
    for _ in range(600):
        w = w - 0.1 * 2 * torch.einsum("nd,n->d", x, x @ w - y) / len(y)
    return w


def _with_numpy(x, y):
    best, *_ = np.linalg.lstsq(x.double().numpy(), y.double().numpy(), rcond=None)
    return torch.from_numpy(best).float()


def _solved(x, y):
    return torch.linalg.lstsq(x, y.unsqueeze(1)).solution.squeeze(1)


def _with_lbfgs(x, y):
    layer = torch.nn.Linear(x.shape[1], 1, bias=False)
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=100)

    def closure():
        optimizer.zero_grad()
        loss = torch.dist(layer(x).flatten(), y) ** 2 / len(y)
        loss.backward()
        return loss

    optimizer.step(closure)
    return layer.weight.detach()[0]


ANSWER = Answer(
    exercise="clinic_h",
    cases=_cases,
    compare={"repaired": _not_found},
    equivalent={
        "return w.detach() -> return torch.as_tensor(w.detach())": "It is a tensor.",
        "return w.detach() -> return w.detach().detach()": "It has no graph.",
        "300 -> 301": "One step more changes nothing: the weights have been found by then.",
        "300 -> 299": "One step fewer changes nothing: the weights have been found by then.",
        "0.05 -> 0.1": "The contract leaves the rate free, and this one gets there, too.",
    },
    variants=(
        edit("lr=0.05", "lr=0.1"),
        edit("lr=0.05", "lr=0.02"),
        edit(ADAM, "torch.optim.SGD([w], lr=0.1)"),
        _updated_by_hand,
        _with_numpy,
        _solved,
        _with_lbfgs,
    ),
    misconceptions=(
        wrong(
            "no step made",
            edit("        optimizer.step()\n", ""),
            "The weights are still 0, as at the start: no step has moved them.",
            recognise=lambda case, got: got["largest"] == 0,
        ),
        wrong(
            "one step only",
            edit("range(300)", "range(1)"),
            "All your weights have moved by the same amount, as they do in Adam's first step. One step "
            "is not enough: does something end the loop?",
            recognise=_moved_alike,
        ),
        wrong(
            "graph kept",
            edit("return w.detach()", "return w"),
            "The weights are right, but still part of a graph. Return w.detach().",
        ),
        _mistake(
            "gradients never cleared",
            edit("        optimizer.zero_grad()\n", ""),
            "Each backward pass adds to the gradients of all earlier ones, so the steps swing past the "
            "goal and back. Clear them in every round.",
        ),
        # Adam does not care how large a loss is, so a multiple of it behaves the same.
        *(
            _mistake(
                "error not squared",
                edit(") ** 2)", other),
                "Your loss is the mean error, or a multiple of it: it has no minimum, and the weights "
                "can go on for ever. Square the errors, with ** 2.",
            )
            for other in ("))", ") * 2)")
        ),
        _mistake(
            "error cubed",
            edit(") ** 2)", ") ** 3)"),
            "You take the third power of the errors, which has no minimum. Square them.",
        ),
        _mistake(
            "error's sign",
            edit("@ w - y", "@ w + y"),
            "You add y to the prediction, so your weights get the opposite sign. The error is the "
            "prediction minus y.",
        ),
        wrong(
            "learning rate too low",
            edit("lr=0.05", "lr=1e-5"),
            "The weights hardly move. Adam moves a weight by about lr in each step, and with this rate "
            "all your steps together do not get far. Multiply it by 10 until the loss falls, several "
            "times if need be.",
            recognise=lambda case, got: got["largest"] < 0.05,
        ),
        wrong(
            "still too low",
            edit("lr=0.05", "lr=3e-4"),
            "The weights move, but your steps are not enough to get there. Go on multiplying the rate "
            "by 10.",
            recognise=lambda case, got: 0.05 <= got["largest"] < 0.5 and not got["found"],
        ),
        wrong(
            "now too high",
            edit(ADAM, "torch.optim.SGD([w], lr=5.0)"),
            "The weights leap farther with every step, until they are infinite or NaN. Divide the "
            "rate by 10.",
            recognise=lambda case, got: not math.isfinite(got["largest"]),
        ),
    ),
)
