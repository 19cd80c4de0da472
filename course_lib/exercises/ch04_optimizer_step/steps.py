"""Steps on bare parameters: the cases, the driver and the findings that ``sgd_step``,
``momentum_step`` and ``adam_step`` share, and a few of them with ``clip_gradients``."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.checking.model import Case, Finding, Notes, Observation

#: Every way to have PyTorch make the step.
OPTIMIZERS = ("torch.optim.Optimizer", "torch.optim.sgd.sgd", "torch.optim.adam.adam")
#: What every step must leave as it found it.
SIDE_FIELDS = ("aliases", "gradients", "leaves", "grad_mode_kept")
SIDE_TEXT = "parameters change in place; gradients and gradient mode stay as they are"
ANY_TEXT = "any iterable will do, and parameters without a gradient keep their value and state"
PUBLIC_SHAPES = ((3, 2), (4,), ())


def steps_case(
    generator: torch.Generator,
    shapes: tuple[tuple[int, ...], ...],
    steps: int,
    *,
    asks: tuple[str, ...],
    lr: float | tuple[float, ...],
    dtype: str = "float64",
    skip: tuple[tuple[int, int], ...] = (),
    through: str = "list",
    transposed: bool = False,
    scale: float = 1.0,
    **settings: Any,
) -> dict[str, Any]:
    """A case: parameters of these shapes, and for each step one gradient per parameter.

    ``lr``: one for all steps, or one per step. ``skip``: pairs (step, parameter) without a
    gradient. ``through``: what the function is given, a "list", a "tuple" or a "generator".
    ``settings`` are passed on by name.
    """

    def normal(shape: tuple[int, ...]) -> Tensor:
        numbers = torch.randn(shape, generator=generator, dtype=torch.float64)
        return numbers.to(getattr(torch, dtype))

    return {
        "asks": asks,
        "parameters": [normal(shape) for shape in shapes],
        "gradients": [
            [
                None if (step, i) in skip else scale * (0.5 + normal(shape))
                for i, shape in enumerate(shapes)
            ]
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


def copies(tensors: Iterable[Tensor | None]) -> list[Tensor | None]:
    """Detached copies, None where there is none."""
    return [None if tensor is None else tensor.detach().clone() for tensor in tensors]


def run_steps(
    case: Case,
    notes: Notes,
    parameters: list[Tensor],
    step: Callable[[Any, float], Any],
    parameters_field: str = "parameters",
) -> None:
    """Put each step's gradients on the parameters, call ``step(params, lr)``, note what is left.

    The second step is taken where nothing is recorded, as inside ``no_grad``.
    """
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


def path_of(case: Case, make: Callable[..., torch.optim.Optimizer]) -> list[Tensor]:
    """Where an optimizer of PyTorch takes the case's parameters."""
    parameters = leaves(case)
    optimizer = make(parameters, lr=case["lr"][0], **case["settings"])
    for gradients, lr in zip(case["gradients"], case["lr"], strict=True):
        optimizer.param_groups[0]["lr"] = lr
        for p, gradient in zip(parameters, copies(gradients), strict=True):
            p.grad = gradient
        optimizer.step()
    return [p.detach() for p in parameters]


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
    got, expected = observation["parameters"], path_of(case, make)
    after = after_steps(case)
    moved = _have_moved(case, observation)
    yield Finding(moved, "the parameters move", f"{after} yours are where they started")
    if moved:
        place = f"{where or after}, every parameter is where {name} would put it"
        difference = _first_difference(expected, got)
        same_shapes = all(a.shape == b.shape for a, b in zip(expected, got, strict=True))
        yield Finding(same_shapes and not difference, place, difference)


def side_findings(case: Case, observation: Observation) -> Iterator[Finding]:
    """Nothing but the parameters' values has changed."""
    if _have_moved(case, observation):
        in_place = all(
            torch.allclose(a, b, equal_nan=True)
            for a, b in zip(observation["parameters"], observation["aliases"], strict=True)
        )
        yield Finding(in_place, "the parameters change in place: their memory stays the same")
    kept = same_gradients(case["gradients"][-1], observation["gradients"])
    yield Finding(kept, "the gradients are left unchanged")
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
        not torch.equal(a, b)
        for a, b in zip(case["parameters"], observation["parameters"], strict=True)
    )


def _first_difference(expected: list[Tensor], got: list[Tensor]) -> str:
    for i, (a, b) in enumerate(zip(expected, got, strict=True)):
        wrong = ~torch.isclose(a, b, rtol=1e-6, atol=1e-9)
        if wrong.any():
            place = wrong.flatten().nonzero()[0].item()
            there, here = a.flatten()[place].item(), b.flatten()[place].item()
            return f"an entry of parameter {i} should be {there:.6g}, yours is {here:.6g}"
    return ""
