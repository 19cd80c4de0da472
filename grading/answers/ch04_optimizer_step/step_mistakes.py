"""The mistakes that a step of gradient descent, of momentum and of Adam invite alike."""

from collections.abc import Callable

import torch

from course_lib.exercises.ch04_optimizer_step.steps import has_gaps
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.edit import Edit, edit
from grading.answers.model import Misconception, Symptom, raises, wrong

SHAPES = ((3, 2), (5,), (1,))
ANY_GRADIENT = "if p.grad is not None:"
GUARD = "with torch.no_grad():"


def crash_without_gradient(
    solution: Edit, where: Callable[[Case], bool] = has_gaps
) -> Misconception:
    """``where`` says whether a gradient is missing in a case."""
    return wrong(
        "crash on a parameter without gradient",
        solution,
        "A parameter that took no part in the loss has .grad None, and you cannot compute with "
        "None. Skip such parameters.",
        recognise=raises("None", where),
    )


def truth_of_a_tensor(solution: Edit) -> Misconception:
    return wrong(
        "truth of a tensor",
        solution,
        "`if p.grad` asks whether a whole tensor is true, and PyTorch cannot say. Write `if p.grad "
        "is not None`.",
        recognise=raises("Boolean value of Tensor"),
    )


def another_default(default: str, *others: str) -> list[Misconception]:
    """Of the argument ``name=value``, with each of the other values."""
    return [
        wrong(
            "another default",
            edit(default, f"{default.partition('=')[0]}={other}"),
            f"The default is {default}, and yours is a different one. The default is what counts when "
            "the caller leaves the argument out.",
        )
        for other in others
    ]


def _ends(got: Observation) -> list[torch.Tensor]:
    return got.get("parameters", got.get("single_parameters"))


def not_finite(solution: Edit) -> Symptom:
    return Symptom(
        "ends as inf or nan",
        solution,
        "Some parameters end as inf or NaN: something is divided by zero or by next to nothing, or a "
        "root is taken of a negative number. Print each part of the update for one parameter.",
        lambda wrong, trials: any(not p.isfinite().all() for t in trials for p in _ends(t.got)),
    )


def only_the_first(solution: Edit) -> Symptom:
    return Symptom(
        "only the first parameter moved",
        solution,
        "The first parameter moves and the others stay where they are: something ends the loop after "
        "one round.",
        lambda wrong, trials: all(
            all(map(torch.equal, t.case["parameters"][1:], _ends(t.got)[1:]))
            for t in trials
            if not has_gaps(t.case)
        ),
    )


RECORDED = wrong(
    "update recorded in the graph",
    edit(GUARD, "if True:"),
    "You update a parameter while autograd is recording, and it refuses: a leaf that requires "
    "gradients must not be changed in place inside a graph. Put the update under torch.no_grad().",
    recognise=raises("leaf Variable"),
)
REBINDING = wrong(
    "no parameter has moved",
    edit("p -= ", "p = p - "),
    "All parameters are where they were. Is there a line like p = p - ...? It makes a new tensor and "
    "gives it the name p; the model still holds the old one. Change it in place: p -= ... or p.sub_(...).",
)
NEW_MEMORY = wrong(
    "new memory for the parameters",
    edit("p -= ", "p.data = p.data - "),
    "The values are right, but you gave the parameters new memory (p.data = ...). Whatever shared "
    "the old memory still sees the old values. Change it in place: p -= ... or p.sub_(...).",
)
