"""``clinic_d``, secret half."""

import functools
from collections import namedtuple
from functools import partial

import torch

from course_lib.exercises.ch09_mastery.clinic_d import line_case
from course_lib.exercises.checking.model import Case, Observation
from course_lib.exercises.checking.wire import kind_of
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

#: A solution that is named after such a mistake has to find the same line.
_mistake = partial(wrong, also=("returned",))


def _cases(g: torch.Generator) -> list[Case]:
    return [line_case(g, size(g, 20, 60)) for _ in range(3)]


def _off_the_line(case: Case, expected: Observation, got: Observation) -> str | None:
    if not got["pair"]:
        return f"the result should be a tuple of two Python floats; yours is {kind_of(got['returned'])}"
    if got["on_the_line"]:
        return None
    slope, intercept = got["returned"]
    text = "slope and intercept are not those of the least-squares line, within 2 %"
    return f"{text}; yours are {slope:.3g} and {intercept:.3g}"


def _on_the_way(case: Case, got: Observation) -> bool:
    """Small steps come along the path on which the squared error falls fastest. In the directions of
    its curvatures c what is left of the way is exp(-c t), with one t for both."""
    if not got["finite"] or got["on_the_line"]:
        return False
    x, y = case["x"].double(), case["y"].double()
    table = torch.stack([x, torch.ones_like(x)], dim=1)
    curvatures, directions = torch.linalg.eigh(2 * table.T @ table / len(x))
    best = torch.linalg.lstsq(table, y[:, None]).solution[:, 0]
    line = torch.tensor(got["returned"], dtype=torch.float64)
    left = (directions.T @ (best - line)) / (directions.T @ best)
    if not bool(((left > 0) & (left < 1)).all()):
        return False
    slow, fast = (-left.log() / curvatures).tolist()
    return abs(slow - fast) < 0.1 * max(slow, fast)


def _still_zero(*which: bool):
    """Recognises a line of which slope and intercept are, or are not, as they were at the start."""

    def recognise(case: Case, got: Observation) -> bool:
        return got["finite"] and tuple(value == 0 for value in got["returned"]) == which

    return recognise


def _updated_by_hand(x, y):
    w = b = 0.0
    for _ in range(400):
        error = w * x + b - y
        w, b = w - 0.3 * (2 * error * x).mean().item(), b - 0.3 * 2 * error.mean().item()
    return w, b


def _with_a_matrix(x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    table = torch.stack([x, torch.ones_like(x)], dim=1)
    line = torch.zeros(2, requires_grad=True)
    for _ in range(500):
        (slope,) = torch.autograd.grad((table @ line - y).square().mean(), line)
        with torch.no_grad():
            line -= 0.2 * slope
    first, second = line.tolist()
    return first, second


def _with_torch_func(x, y):
    slope = torch.func.grad(lambda line: (line[0] * x + line[1] - y).square().mean())
    steps = range(400)
    return tuple(
        functools.reduce(lambda line, _: line - 0.3 * slope(line), steps, torch.zeros(2)).tolist()
    )


def _as_a_layer(x, y):
    layer = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=500)
    for _ in range(500):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(layer(x[:, None]).squeeze(1), y).backward()
        optimizer.step()
        schedule.step()
    return namedtuple("Line", "w b")(layer.weight.item(), layer.bias.item())


ANSWER = Answer(
    exercise="clinic_d",
    cases=_cases,
    compare={"repaired": _off_the_line},
    equivalent={
        "300 -> 301": "One step more changes nothing: the line has been found by then.",
        "300 -> 299": "One step fewer changes nothing: the line has been found by then.",
        "0.3 -> 0.6": "The contract leaves the rate free, and this one converges, too.",
    },
    variants=(
        edit("range(300)", "range(400)"),
        edit("lr=0.3", "lr=0.05"),
        edit("lr=0.3", "lr=0.05, momentum=0.9"),
        _updated_by_hand,
        _with_a_matrix,
        _with_torch_func,
        _as_a_layer,
    ),
    misconceptions=(
        wrong(
            "learning rate too high",
            edit("lr=0.3", "lr=3.0"),
            "Each step goes farther than the one before, until slope and intercept are infinite or "
            "NaN. If the loss is the squared error, the rate is too high: divide it by 10.",
            recognise=lambda case, got: got["pair"] and not got["finite"],
        ),
        wrong(
            "slope and intercept swapped",
            edit("w.item(), b.item()", "b.item(), w.item()"),
            "The numbers are right but in the wrong order: slope first, then intercept.",
            recognise=lambda case, got: got["swapped"],
        ),
        wrong(
            "learning rate now too low",
            edit("lr=0.3", "lr=0.0005"),
            "Nothing leaps any more, but with this rate your steps do not get there. Dividing by 10 "
            "was enough.",
            recognise=_on_the_way,
        ),
        wrong(
            "no step made",
            edit("        optimizer.step()\n", ""),
            "Slope and intercept are still 0, as at the start: no step has moved them.",
            recognise=_still_zero(True, True),
        ),
        wrong(
            "only the intercept trained",
            edit("[w, b]", "[b]"),
            "The slope is still 0, as at the start: nothing has moved it. It has to be in the loss, to "
            "require gradients, and to be in the optimizer's list.",
            recognise=_still_zero(True, False),
        ),
        wrong(
            "only the slope trained",
            edit("[w, b]", "[w]"),
            "The intercept is still 0, as at the start: nothing has moved it. It has to be in the loss, "
            "to require gradients, and to be in the optimizer's list.",
            recognise=_still_zero(False, True),
        ),
        _mistake(
            "gradients never cleared",
            edit("        optimizer.zero_grad()\n", ""),
            "Each backward pass adds to the gradients of all earlier ones, so the steps swing past the "
            "line and back. Clear them in every round.",
        ),
        _mistake(
            "error not squared",
            edit(") ** 2)", "))"),
            "Your loss is the mean error. It has no minimum: the line can go down for ever. Square the "
            "errors.",
        ),
        _mistake(
            "error not squared",
            edit(") ** 2)", ") * 2)"),
            "You double the errors. Squaring them is ** 2; doubled, they have no minimum.",
        ),
        _mistake(
            "error's sign",
            edit("+ b - y", "+ b + y"),
            "You add y to the prediction, so your line is fitted to the points turned upside down. The "
            "error is the prediction minus y.",
        ),
        _mistake(
            "intercept's sign",
            edit("((w * x + b", "((w * x - b"),
            "You subtract the intercept in the loss, so what comes out has the opposite sign: the line "
            "is w * x + b.",
        ),
        _mistake(
            "x missing from the line",
            edit("((w * x + b", "((w + b"),
            "The prediction does not depend on x: the line is w * x + b.",
        ),
        _mistake(
            "one step only",
            edit("range(300)", "range(1)"),
            "You return after one step, and that is not enough to reach the line.",
        ),
    ),
)
