"""Steps on bare parameters: the cases, the driver and the findings that ``sgd_step``,
``momentum_step`` and ``adam_step`` share, and a few of them with ``clip_gradients``."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.checking.model import Case, Finding, Notes, Observation
from course_lib.exercises.support.draw import normal

#: Every way to have PyTorch make the step.
OPTIMIZERS = ("torch.optim.Optimizer", "torch.optim.sgd.sgd", "torch.optim.adam.adam")
#: What a driver writes down of a step.
FIELDS = ("parameters", "aliases", "gradients", "leaves", "grad_mode_kept", "alone")
#: What every step must leave as it found it; nothing of it is earned by doing nothing.
SIDE_FIELDS = ("in_place", "gradients_kept", "leaves", "grad_mode_kept")
FACTS = ("in_place", "gradients_kept", "each_for_itself")
SIDE_TEXT = "parameters change in place; gradients and gradient mode stay as they are"
ANY_TEXT = "any iterable will do, and parameters without a gradient keep their value and state"
PUBLIC_SHAPES = ((3, 2), (4,), (1,))


def steps_case(
    generator: torch.Generator,
    steps: int,
    *asks: str,
    shapes: tuple[tuple[int, ...], ...] = PUBLIC_SHAPES,
    lr: float | tuple[float, ...] | None,
    dtype: str = "float64",
    skip: tuple[tuple[int, int], ...] = (),
    through: str = "list",
    transposed: bool = False,
    scale: float = 1.0,
    even: bool = False,
    **settings: Any,
) -> dict[str, Any]:
    """A case: parameters of these shapes, and for each step one gradient per parameter.

    ``lr``: one for all steps, or one per step; None leaves it to the default. ``skip``: pairs (step, parameter) without a
    gradient. ``even``: all entries have the size ``scale``, and either sign. ``through``: what the function is given, a "list", a "tuple" or a "generator".
    ``settings`` are passed on by name.
    """
    drawn = partial(normal, generator, dtype=getattr(torch, dtype))

    def gradient(shape: tuple[int, ...]) -> Tensor:
        return scale * (drawn(*shape).sign() if even else 0.5 + drawn(*shape))

    return {
        "asks": asks,
        "parameters": [drawn(*shape) for shape in shapes],
        "gradients": [
            [None if (step, i) in skip else gradient(shape) for i, shape in enumerate(shapes)]
            for step in range(steps)
        ],
        "lr": list(lr) if isinstance(lr, tuple) else [lr] * steps,
        "through": through,
        "transposed": transposed,
        "settings": settings,
    }


def leaves(case: Case) -> list[Tensor]:
    """The case's parameters, fresh; transposed ones are not contiguous."""
    parameters = [value.detach().clone() for value in case["parameters"]]
    if case["transposed"]:
        parameters = [p.mT.contiguous().mT if p.dim() > 1 else p for p in parameters]
    return [p.requires_grad_() for p in parameters]


def handed_over(parameters: list[Tensor], through: str) -> Iterable[Tensor]:
    """The parameters as the function gets them."""
    if through == "generator":
        return (p for p in parameters)
    return tuple(parameters) if through == "tuple" else parameters


def copies(tensors: Iterable[Any]) -> list[Any]:
    """Detached copies; anything but a tensor stays as it is."""
    return [each.detach().clone() if isinstance(each, Tensor) else each for each in tensors]


def run_steps(
    case: Case,
    notes: Notes,
    make_step: Callable[[list[Tensor]], Callable[[Any, float | None], Any]],
    parameters_field: str = "parameters",
) -> None:
    """Put each step's gradients on the parameters, call ``step(params, lr)``, note what is left.

    ``make_step(parameters)`` gives the step, with whatever it remembers still empty. The second step
    is taken where nothing is recorded, as inside ``no_grad``. A case that asks for "any" also takes
    each parameter alone through the steps at which it has a gradient.
    """
    parameters = leaves(case)
    step = make_step(parameters)
    # Two names for the same memory: an update in place shows under both.
    aliases = [p.detach() for p in parameters]
    grad_mode_kept = []
    for index, (gradients, lr) in enumerate(zip(case["gradients"], case["lr"], strict=True)):
        for p, gradient in zip(parameters, copies(gradients), strict=True):
            p.grad = gradient
        recording = index != 1
        with torch.set_grad_enabled(recording):
            step(handed_over(parameters, case["through"]), lr)
            grad_mode_kept.append(torch.is_grad_enabled() == recording)
    notes[parameters_field] = copies(parameters)
    notes["aliases"] = copies(aliases)
    notes["gradients"] = copies(p.grad for p in parameters)
    notes["leaves"] = [p.is_leaf and p.requires_grad for p in parameters]
    notes["grad_mode_kept"] = all(grad_mode_kept)
    if "any" in case["asks"]:
        notes["alone"] = [_alone(case, i, make_step) for i in range(len(parameters))]


def _alone(case: Case, i: int, make_step: Callable) -> Tensor:
    """Where parameter ``i`` ends by itself, without the steps at which it has no gradient."""
    parameter = leaves(case)[i]
    step = make_step([parameter])
    for gradients, lr in zip(case["gradients"], case["lr"], strict=True):
        if gradients[i] is not None:
            parameter.grad = gradients[i].clone()
            step([parameter], lr)
    return parameter.detach().clone()


def facts(case: Case, observation: Observation) -> dict[str, Any]:
    """What is true of a step whatever its rule: in place, gradients kept, no parameter touched by
    what another one has or lacks."""
    values = observation.values
    parameters, moved = _ends(observation), _have_moved(case, observation)
    finite = all(bool(p.isfinite().all()) for p in parameters)
    found = {
        "in_place": moved and _all_close(parameters, values["aliases"]),
        "gradients_kept": same_gradients(case["gradients"][-1], values["gradients"]),
    }
    if "alone" in values:
        found["each_for_itself"] = moved and finite and _all_close(parameters, values["alone"])
    return found


def _all_close(some: list[Tensor], others: list[Tensor]) -> bool:
    return all(
        torch.allclose(a, b, rtol=1e-6, atol=1e-9, equal_nan=True)
        for a, b in zip(some, others, strict=True)
    )


def stepped(case: Case, make: Callable[..., torch.optim.Optimizer]) -> torch.optim.Optimizer:
    """An optimizer of PyTorch that has taken the case's steps."""
    parameters = leaves(case)
    optimizer = make(parameters, **case["settings"])
    for gradients, lr in zip(case["gradients"], case["lr"], strict=True):
        if lr is not None:
            optimizer.param_groups[0]["lr"] = lr
        for p, gradient in zip(parameters, copies(gradients), strict=True):
            p.grad = gradient
        optimizer.step()
    return optimizer


def has_gaps(case: Case) -> bool:
    """Whether a parameter has no gradient at some step."""
    return any(gradient is None for gradients in case["gradients"] for gradient in gradients)


def after_steps(case: Case) -> str:
    """``after 3 steps``"""
    steps = len(case["lr"])
    return f"after {steps} step{'s' if steps > 1 else ''}"


def path_findings(
    case: Case, observation: Observation, make: Callable, name: str, where: str = ""
) -> Iterator[Finding]:
    """The parameters are where PyTorch's own would be."""
    got, expected = _ends(observation), copies(stepped(case, make).param_groups[0]["params"])
    after = after_steps(case)
    moved = _have_moved(case, observation)
    yield Finding(moved, "the parameters move", f"{after} yours are where they started")
    if moved:
        place = f"{where or after}, every parameter is where {name} would put it"
        difference = first_difference(expected, got)
        same_shapes = all(a.shape == b.shape for a, b in zip(expected, got, strict=True))
        yield Finding(same_shapes and not difference, place, difference)


def side_findings(case: Case, observation: Observation) -> Iterator[Finding]:
    """Nothing but the parameters' values has changed."""
    if _have_moved(case, observation):
        text = "the parameters change in place: their memory stays the same"
        yield Finding(observation["in_place"], text)
        if "any" in case["asks"]:
            text = "a parameter moves by its own gradients alone, and waits while it has none"
            yield Finding(observation["each_for_itself"], text)
    yield Finding(observation["gradients_kept"], "the gradients are left unchanged")
    still = all(observation["leaves"])
    yield Finding(still, "the parameters are still leaves that require gradients")
    text = "gradient mode is the same afterwards as before, on or off"
    yield Finding(observation["grad_mode_kept"], text)


def same_gradients(given: list[Tensor | None], left: list[Tensor | None]) -> bool:
    """Whether the same ones are missing, and the others are equal."""
    return all(
        (a is None) == (b is None) and (a is None or torch.equal(a, b))
        for a, b in zip(given, left, strict=True)
    )


def _have_moved(case: Case, observation: Observation) -> bool:
    return any(
        not torch.equal(a, b) for a, b in zip(case["parameters"], _ends(observation), strict=True)
    )


def _ends(observation: Observation) -> list[Tensor]:
    """Where the parameters ended, in either precision."""
    values = observation.values
    return values["parameters"] if "parameters" in values else values["single_parameters"]


def first_difference(expected: list[Tensor], got: list[Tensor], what: str = "parameter") -> str:
    """The first entry that is off, in words; "" when all are equal within rounding. Shapes are equal."""
    for i, (a, b) in enumerate(zip(expected, got, strict=True)):
        rtol, atol = (1e-4, 1e-5) if a.dtype == torch.float32 else (1e-6, 1e-9)
        wrong = ~torch.isclose(a, b, rtol=rtol, atol=atol)
        if wrong.any():
            place = wrong.flatten().nonzero()[0].item()
            there, here = a.flatten()[place].item(), b.flatten()[place].item()
            return f"an entry of {what} {i} should be {there:.6g}, yours is {here:.6g}"
    return ""
