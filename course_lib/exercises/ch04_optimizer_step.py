"""Chapter 04, public half: the exercises' checks and drivers, and the quiz's questions."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.quiz import Question

#: Every way to have PyTorch make the step.
OPTIMIZERS = ("torch.optim.Optimizer", "torch.optim.sgd.sgd", "torch.optim.adam.adam")

# --- what the drivers share: parameters, and the gradients that each step finds on them ---------


def steps_case(
    generator: torch.Generator,
    shapes: tuple[tuple[int, ...], ...],
    steps: int,
    *,
    lr: float | tuple[float, ...],
    kind: str = "plain",
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
    ``kind`` names the aspect that the case serves; ``settings`` are passed on by name.
    """

    def normal(shape: tuple[int, ...]) -> Tensor:
        numbers = torch.randn(shape, generator=generator, dtype=torch.float64)
        return numbers.to(getattr(torch, dtype))

    return {
        "kind": kind,
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


def run_steps(
    case: Case, notes: Notes, parameters: list[Tensor], step: Callable[[Any, float], Any]
) -> None:
    """Put each step's gradients on the parameters, call ``step(params, lr)``, note what is left.

    Side effects are noted on plain cases only: a failure elsewhere costs its own aspect. The
    second step of each of them is taken where nothing is recorded, as inside ``no_grad``.
    """
    # Two names for the same memory: an update in place shows under both.
    aliases = [p.detach() for p in parameters]
    prefix = "" if case["kind"] == "plain" else f"{case['kind']}_"
    given: list[Tensor | None] = []
    grad_mode_kept = []
    for index, (gradients, lr) in enumerate(zip(case["gradients"], case["lr"], strict=True)):
        given = [None if g is None else g.clone() for g in gradients]
        for p, gradient in zip(parameters, given, strict=True):
            p.grad = gradient
        recording = case["kind"] != "plain" or index != 1
        with torch.set_grad_enabled(recording):
            step(handed_over(parameters, case["through"]), lr)
            grad_mode_kept.append(torch.is_grad_enabled() == recording)
    notes[f"{prefix}parameters"] = [p.detach().clone() for p in parameters]
    if case["kind"] == "plain":
        notes["aliases"] = [alias.clone() for alias in aliases]
        left = [p.grad for p in parameters]
        notes["gradients"] = [None if g is None else g.detach().clone() for g in left]
        notes["leaves"] = [p.is_leaf and p.requires_grad for p in parameters]
        notes["grad_mode_kept"] = all(grad_mode_kept)


def path_of(case: Case, make: Callable[..., torch.optim.Optimizer]) -> list[Tensor]:
    """Where an optimizer of PyTorch takes the case's parameters."""
    parameters = leaves(case)
    optimizer = make(parameters, lr=case["lr"][0], **case["settings"])
    for gradients, lr in zip(case["gradients"], case["lr"], strict=True):
        optimizer.param_groups[0]["lr"] = lr
        for p, gradient in zip(parameters, gradients, strict=True):
            p.grad = None if gradient is None else gradient.clone()
        optimizer.step()
    return [p.detach() for p in parameters]


def _path_findings(
    case: Case, observation: Observation, make: Callable, name: str, text: str = ""
) -> Iterator[Finding]:
    """The parameters are where PyTorch's own would be, and nothing else has changed."""
    prefix = "" if case["kind"] == "plain" else f"{case['kind']}_"
    got = observation[f"{prefix}parameters"]
    expected = path_of(case, make)
    moved = any(
        not torch.equal(a, b.detach()) for a, b in zip(case["parameters"], got, strict=True)
    )
    steps = len(case["lr"])
    after = f"after {steps} step{'s' if steps > 1 else ''}"
    yield Finding(moved, "the parameters move", f"{after} yours are where they were")
    if moved:
        where = text or after
        place = f"{where}, every parameter is where {name} would put it"
        yield Finding(_all_close(expected, got), place, _first_difference(expected, got))
        if case["kind"] == "plain":
            in_place = all(
                torch.allclose(a, b, equal_nan=True)
                for a, b in zip(got, observation["aliases"], strict=True)
            )
            yield Finding(in_place, "they are changed in place: their memory stays the same")
    if case["kind"] == "plain":
        yield Finding(
            _same_gradients(case["gradients"][-1], observation["gradients"]),
            "the gradients are left as they were",
        )
        still = all(observation["leaves"])
        yield Finding(still, "the parameters still require gradients, and are leaves")
        text = "gradient mode is afterwards as it was before, on or off"
        yield Finding(observation["grad_mode_kept"], text)


def _all_close(expected: list[Tensor], got: list[Tensor]) -> bool:
    return all(
        a.shape == b.shape and torch.allclose(a, b, rtol=1e-6, atol=1e-9)
        for a, b in zip(expected, got, strict=True)
    )


def _first_difference(expected: list[Tensor], got: list[Tensor]) -> str:
    for i, (a, b) in enumerate(zip(expected, got, strict=True)):
        wrong = ~torch.isclose(a, b, rtol=1e-6, atol=1e-9)
        if wrong.any():
            place = wrong.flatten().nonzero()[0].item()
            there, here = a.flatten()[place].item(), b.flatten()[place].item()
            return f"an entry of parameter {i} should be {there:.6g}, yours is {here:.6g}"
    return ""


def _same_gradients(given: list, left: list) -> bool:
    return all(
        (a is None) == (b is None) and (a is None or torch.equal(a, b))
        for a, b in zip(given, left, strict=True)
    )


#: What every step must leave as it found it.
_SIDE_FIELDS = ("aliases", "gradients", "leaves", "grad_mode_kept")
_SIDE_TEXT = "parameters change in place; gradients and gradient mode stay as they are"
_ANY_TEXT = "any iterable will do, and parameters without gradient keep value and state"
_SHAPES = ((3, 2), (4,), ())

# --- sgd_step -----------------------------------------------------------------------------------


def observe_sgd_step(function: Any, case: Case, notes: Notes) -> None:
    run_steps(case, notes, leaves(case), function)


def _public_sgd() -> list[Case]:
    generator = torch.Generator().manual_seed(41)
    textbook = steps_case(generator, ((),), 1, lr=0.1)
    textbook |= {"parameters": [torch.tensor(1.0)], "gradients": [[torch.tensor(2.0)]]}
    return [
        textbook,
        steps_case(generator, _SHAPES, 3, lr=0.05),
        steps_case(
            generator, _SHAPES, 2, lr=0.2, kind="any", skip=((0, 1), (1, 0)), through="generator"
        ),
    ]


def properties_sgd_step(case: Case, observation: Observation) -> Iterator[Finding]:
    text = "when some have no gradient" if case["kind"] == "any" else ""
    yield from _path_findings(case, observation, torch.optim.SGD, "torch.optim.SGD", text)


SGD_STEP = Exercise(
    name="sgd_step",
    points=2,
    task="One step of plain gradient descent, in place.",
    aspects=(
        Aspect(
            "update", "each parameter moves by lr times its gradient, downhill", 1, ("parameters",)
        ),
        Aspect("any", _ANY_TEXT, 0.5, ("any_parameters",), after=("update",)),
        Aspect("side", _SIDE_TEXT, 0.5, _SIDE_FIELDS, after=("update",)),
    ),
    hints=(
        "Three lines: a with-block that switches recording off, a loop over the parameters, and "
        "the update. One more for those whose .grad is None.",
        "p = p - lr * p.grad only gives a new tensor the name p. To change the tensor itself, use "
        "p -= ... or p.sub_(...), under torch.no_grad().",
    ),
    observe=observe_sgd_step,
    public_cases=_public_sgd,
    properties=properties_sgd_step,
    forbidden=OPTIMIZERS,
)

# --- momentum_step ------------------------------------------------------------------------------


def observe_momentum_step(function: Any, case: Case, notes: Notes) -> None:
    parameters = leaves(case)
    velocities = [torch.zeros_like(p, requires_grad=False) for p in parameters]

    def step(params: Iterable[Tensor], lr: float) -> None:
        function(params, velocities, lr, **case["settings"])

    run_steps(case, notes, parameters, step)
    kept = [v.detach().clone() if isinstance(v, Tensor) else v for v in velocities]
    notes["any_velocities" if case["kind"] == "any" else "velocities"] = kept


def _public_momentum() -> list[Case]:
    generator = torch.Generator().manual_seed(42)
    return [
        steps_case(generator, _SHAPES, 1, lr=0.1),
        steps_case(generator, _SHAPES, 4, lr=0.1, momentum=0.5),
        steps_case(generator, _SHAPES, 4, lr=(0.1, 0.02, 0.2, 0.05), kind="changing"),
        steps_case(
            generator, _SHAPES, 3, lr=0.1, kind="any", skip=((1, 0), (2, 1)), through="generator"
        ),
    ]


def properties_momentum_step(case: Case, observation: Observation) -> Iterator[Finding]:
    text = {
        "changing": "when lr changes from step to step",
        "any": "when some have no gradient at some step",
    }.get(case["kind"], "")
    yield from _path_findings(case, observation, _sgd_with_momentum, "torch.optim.SGD", text)


def _sgd_with_momentum(params: list[Tensor], lr: float, momentum: float = 0.9):
    return torch.optim.SGD(params, lr=lr, momentum=momentum)


MOMENTUM_STEP = Exercise(
    name="momentum_step",
    points=2,
    task="One step of gradient descent with momentum.",
    aspects=(
        Aspect(
            "momentum",
            "the velocities gather the gradients and move the parameters",
            1,
            ("parameters",),
        ),
        Aspect(
            "changing",
            "the velocity holds gradients alone: a new lr acts at once",
            0.5,
            ("changing_parameters", "velocities"),
            after=("momentum",),
        ),
        Aspect(
            "any",
            f"{_ANY_TEXT}; nothing else changes",
            0.5,
            ("any_parameters", "any_velocities", *_SIDE_FIELDS),
            after=("momentum",),
        ),
    ),
    hints=(
        "Two lines per parameter: first the velocity becomes momentum times itself plus the "
        "gradient, then the parameter moves by lr times the velocity.",
        "Walk over params and velocities side by side with enumerate or zip. v = 0.9 * v + g gives "
        "a new tensor that the list does not know: write it back with velocities[i] = v, or change "
        "v in place.",
    ),
    observe=observe_momentum_step,
    public_cases=_public_momentum,
    properties=properties_momentum_step,
    forbidden=OPTIMIZERS,
)

# --- adam_step ----------------------------------------------------------------------------------


def observe_adam_step(function: Any, case: Case, notes: Notes) -> None:
    state: dict = {}

    def step(params: Iterable[Tensor], lr: float) -> None:
        function(params, state, lr, **case["settings"])

    run_steps(case, notes, leaves(case), step)


def _public_adam() -> list[Case]:
    generator = torch.Generator().manual_seed(43)
    return [
        steps_case(generator, _SHAPES, 1, lr=0.1, kind="first"),
        steps_case(generator, _SHAPES, 1, lr=0.1, kind="first", eps=0.1),
        steps_case(generator, _SHAPES, 12, lr=0.05),
        steps_case(generator, _SHAPES, 8, lr=0.05, betas=(0.6, 0.8), eps=0.01),
        steps_case(
            generator,
            _SHAPES,
            5,
            lr=0.1,
            kind="any",
            skip=((0, 0), (2, 1), (3, 0)),
            through="generator",
        ),
    ]


def properties_adam_step(case: Case, observation: Observation) -> Iterator[Finding]:
    given = case["settings"]
    text = "when some have no gradient at some step" if case["kind"] == "any" else ""
    if given:
        named = ", ".join(f"{name}={value}" for name, value in given.items())
        text = f"with {named}, after {len(case['lr'])} step{'s' if len(case['lr']) > 1 else ''}"
    yield from _path_findings(case, observation, torch.optim.Adam, "torch.optim.Adam", text)


ADAM_STEP = Exercise(
    name="adam_step",
    points=4,
    task="One step of Adam.",
    aspects=(
        Aspect(
            "first", "the first step is right: both moments are corrected", 1, ("first_parameters",)
        ),
        Aspect(
            "many",
            "many steps are right: the moments are kept",
            2,
            ("parameters", "single_parameters"),
        ),
        Aspect(
            "any",
            f"{_ANY_TEXT}; nothing else changes",
            1,
            ("any_parameters", *_SIDE_FIELDS),
            after=("first", "many"),
        ),
    ),
    hints=(
        "Per parameter, keep three things in state: the number of its steps, and two tensors of "
        "its shape that start at zero. Then write the five lines of the text one after another.",
        "state.setdefault(i, [0, torch.zeros_like(p), torch.zeros_like(p)]) gives parameter number "
        "i its own entry. Raise its counter before you use it, so that the first step has t = 1, "
        "and add eps after the root.",
    ),
    observe=observe_adam_step,
    public_cases=_public_adam,
    properties=properties_adam_step,
    forbidden=OPTIMIZERS,
)

# --- clip_gradients -----------------------------------------------------------------------------


def clip_case(
    generator: torch.Generator,
    shapes: tuple[tuple[int, ...], ...],
    *,
    norm: float,
    max_norm: float,
    kind: str = "plain",
    without: tuple[int, ...] = (),
    dtype: str = "float64",
    through: str = "list",
) -> dict[str, Any]:
    """A case: gradients whose common norm is ``norm``; parameters in ``without`` have none."""
    numbers = [
        None if i in without else torch.randn(shape, generator=generator, dtype=torch.float64)
        for i, shape in enumerate(shapes)
    ]
    total = math.sqrt(sum(float((g**2).sum()) for g in numbers if g is not None))
    kinds = getattr(torch, dtype)
    return {
        "kind": kind,
        "parameters": [
            torch.randn(shape, generator=generator, dtype=torch.float64).to(kinds)
            for shape in shapes
        ],
        "gradients": [None if g is None else (g * (norm / total)).to(kinds) for g in numbers],
        "max_norm": max_norm,
        "norm": norm if total else 0.0,
        "through": through,
    }


def observe_clip_gradients(function: Any, case: Case, notes: Notes) -> None:
    parameters = [value.clone().requires_grad_() for value in case["parameters"]]
    given = [None if g is None else g.clone() for g in case["gradients"]]
    for p, gradient in zip(parameters, given, strict=True):
        p.grad = gradient
    prefix = "" if case["kind"] == "plain" else f"{case['kind']}_"
    notes[f"{prefix}returned"] = function(
        handed_over(parameters, case["through"]), case["max_norm"]
    )
    notes[f"{prefix}gradients"] = [
        None if p.grad is None else p.grad.detach().clone() for p in parameters
    ]
    notes["aliases"] = [None if g is None else g.detach().clone() for g in given]
    notes["values"] = [p.detach().clone() for p in parameters]


def properties_clip_gradients(case: Case, observation: Observation) -> Iterator[Finding]:
    prefix = "" if case["kind"] == "plain" else f"{case['kind']}_"
    returned, gradients = observation[f"{prefix}returned"], observation[f"{prefix}gradients"]
    is_float = isinstance(returned, float)
    shown = f"yours is a {type(returned).__name__}"
    yield Finding(is_float, "the result is a Python float", shown)
    if is_float:
        yield Finding(
            math.isclose(returned, case["norm"], rel_tol=1e-5, abs_tol=1e-9),
            "the result is the common norm before clipping (0.0 without any gradient)",
            f"that is {case['norm']:.4f}, yours is {returned:.4f}",
        )
    known = [g for g in gradients if g is not None]
    after = math.dist(
        [float(v) for g in known for v in g.flatten()], [0.0] * sum(g.numel() for g in known)
    )
    if case["norm"] > case["max_norm"]:
        yield Finding(
            math.isclose(after, case["max_norm"], rel_tol=1e-4),
            "large gradients have the common norm max_norm afterwards",
            f"max_norm is {case['max_norm']:g}, the norm of yours is {after:.4f}{_how(case)}",
        )
        yield Finding(
            _same_direction(case["gradients"], gradients),
            "they keep their direction: all entries shrink by one factor",
        )
        same_memory = all(
            (a is None) == (b is None) and (a is None or torch.equal(a, b))
            for a, b in zip(gradients, observation["aliases"], strict=True)
        )
        yield Finding(same_memory, "the gradients are scaled in place")
    else:
        yield Finding(
            _same_gradients(case["gradients"], gradients),
            "gradients whose norm is at most max_norm stay as they are",
            f"their norm was {case['norm']:g}, yours is {after:.4f} now",
        )


def _how(case: Case) -> str:
    """What is said of the parameters where that may be the reason."""
    generator = case["through"] == "generator"
    return " (params is a generator here, like model.parameters())" if generator else ""


def _same_direction(before: list, after: list) -> bool:
    ratios = [
        (b / a).flatten()
        for a, b in zip(before, after, strict=True)
        if a is not None and b is not None
    ]
    ratio = torch.cat(ratios) if ratios else torch.ones(1)
    return bool((ratio > 0).all()) and bool(ratio.max() - ratio.min() < 1e-4 * ratio.max())


def _public_clips() -> list[Case]:
    generator = torch.Generator().manual_seed(44)
    return [
        clip_case(generator, _SHAPES, norm=8.0, max_norm=2.0),
        clip_case(generator, _SHAPES, norm=0.5, max_norm=2.0, kind="gentle"),
        clip_case(generator, _SHAPES, norm=1.8, max_norm=2.0, kind="gentle"),
        clip_case(
            generator,
            _SHAPES,
            norm=30.0,
            max_norm=1.5,
            kind="any",
            without=(1,),
            through="generator",
        ),
        clip_case(generator, _SHAPES, norm=0.0, max_norm=1.0, kind="gentle"),
        clip_case(generator, _SHAPES, norm=1.0, max_norm=1.0, kind="gentle", without=(0, 1, 2)),
    ]


CLIP_GRADIENTS = Exercise(
    name="clip_gradients",
    points=2,
    task="Scale all gradients down together when their common norm is too large.",
    aspects=(
        Aspect(
            "scaled", "all gradients shrink by one factor, to the norm max_norm", 1, ("gradients",)
        ),
        Aspect("norm", "the result is the norm before clipping, a float", 0.5, ("returned",)),
        Aspect(
            "careful",
            "small or missing gradients stay as they are; scaling is in place; any iterable will do",
            0.5,
            (
                "gentle_gradients",
                "gentle_returned",
                "any_gradients",
                "any_returned",
                "aliases",
                "values",
            ),
            after=("scaled",),
        ),
    ),
    hints=(
        "The common norm is that of all gradients laid end to end: the root of the sum of all "
        "squares, over all parameters. One factor for all of them follows from it.",
        "params may be a generator, which can be read once: collect the gradients that exist in a "
        "list first. Scale only when the norm is larger than max_norm, with g.mul_(factor).",
    ),
    observe=observe_clip_gradients,
    public_cases=_public_clips,
    properties=properties_clip_gradients,
    forbidden=(
        "torch.nn.utils.clip_grad_norm_",
        "torch.nn.utils.clip_grad.clip_grad_norm_",
        "torch.nn.utils.clip_grads_with_norm_",
        "torch.nn.utils.clip_grad_norm",
        "course_lib.training.clip_or_measure",
    ),
)

EXERCISES = (SGD_STEP, MOMENTUM_STEP, ADAM_STEP, CLIP_GRADIENTS)

QUESTIONS = (
    Question(
        "q04_1",
        "Plain gradient descent with a learning rate of 0.1. A weight has the gradient 2.0. What "
        "does one step do to it?",
        {
            "A": "It rises by 0.2.",
            "B": "It falls by 2.0.",
            "C": "It falls by 0.2.",
            "D": "It falls by 20.",
        },
    ),
    Question(
        "q04_2",
        "Adam's very first step. One weight has the gradient 0.001, another one 1000, both the same "
        "learning rate. How far do they move?",
        {
            "A": "Both by almost the same distance, about the learning rate.",
            "B": "The second a million times as far as the first.",
            "C": "Neither moves: the moments start at zero.",
            "D": "The first one farther than the second.",
        },
    ),
    Question(
        "q04_3",
        "On the ravine, SGD with a learning rate of 0.032 zig-zags across the valley. Why?",
        {
            "A": "The learning rate is too small.",
            "B": "SGD picks its directions at random, so its path is jagged.",
            "C": "The gradient points at the minimum, and each step overshoots it.",
            "D": "Learning rate times curvature across the valley is nearly 2, so each step lands on "
            "the other side.",
        },
    ),
)
