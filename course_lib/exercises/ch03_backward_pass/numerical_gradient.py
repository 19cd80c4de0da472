"""``numerical_gradient``, public half."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.ch03_backward_pass.shared import AUTOGRAD, beside, fits, seen
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.support.draw import normal

_DEFAULT_EPS = 1e-4


def nudge_case(
    generator: torch.Generator,
    *shape: int,
    eps: float | None,
    transposed: bool = False,
    leaf: bool = False,
    returns: str = "tensor",
    cubic: bool = True,
) -> dict[str, Any]:
    """A case: f(w) = sum(a w^3 + b w^2 + c w) + sum(d w)^2, with coefficients of w's shape.

    The last term ties the entries of w together. ``cubic=False`` gives a = 0. ``eps=None`` leaves
    it to the default. ``transposed``: w is not contiguous; ``leaf``: it requires gradients.
    """
    a, b, c, d, w = (normal(generator, *shape) for _ in range(5))
    a = a + a.sign() if cubic else torch.zeros_like(a)  # away from 0: eps shows in every entry
    special = transposed or leaf or not shape
    asks = ("any_w",) if special else ("points", "central", "unchanged")
    coefficients = {"a": a, "b": b, "c": c, "d": d}
    given = {"w": w, "eps": eps, "transposed": transposed, "leaf": leaf, "returns": returns}
    return {"asks": asks, **coefficients, **given}


def _argument(case: Case) -> Tensor:
    """w as the learner gets it. Memory layout does not survive the way here, so it is made here."""
    w = case["w"].detach().clone()
    if case["transposed"]:
        w = w.transpose(0, -1).contiguous().transpose(0, -1)
    return w.requires_grad_(case["leaf"])


def _scalar_function(case: Case) -> Callable[[Tensor], Tensor | float]:
    """The f of a case; it insists on w's shape."""
    a, b, c, d = (case[name] for name in "abcd")

    def f(w: Tensor) -> Tensor | float:
        if not isinstance(w, Tensor) or w.shape != a.shape:
            raise ValueError(f"f takes a tensor of w's shape {list(a.shape)}, not {seen(w)}")
        value = (a * w**3 + b * w**2 + c * w).sum() + (d * w).sum() ** 2
        return value.item() if case["returns"] == "float" else value

    return f


def _observe(function: Any, case: Case, notes: Notes) -> None:
    w, f = _argument(case), _scalar_function(case)
    eps = () if case["eps"] is None else (case["eps"],)
    points: list[Tensor] = []

    def asked(point: Tensor) -> Tensor | float:
        # No right solution asks for so many.
        if isinstance(point, Tensor) and point.shape == w.shape and len(points) < 500:
            points.append(point.detach().clone())
        return f(point)

    try:
        notes["gradient"] = function(asked, w, *eps)
    finally:
        notes["w_after"] = w.detach().clone()
        notes["points"] = torch.stack(points) if points else None
    if "any_w" in case["asks"]:
        plain = w.detach().clone(memory_format=torch.contiguous_format)
        notes["gradient_of_plain_w"] = function(f, plain, *eps)


def _facts(case: Case, observation: Observation) -> Mapping[str, Any]:
    """How far w has moved, where f was asked, and whether a special w is treated as a plain one."""
    before, after, points = case["w"], observation["w_after"], observation["points"]
    if before.shape != after.shape:
        return {}
    drift = (after - before).abs().max().item()
    tried = points is not None and not torch.equal(points, before.expand_as(points))
    facts = {
        "drift": drift,
        "unchanged": tried and drift == 0,
        "points_asked": tried and not _points_missed(case, points),
    }
    if "gradient_of_plain_w" in observation.values:
        special, plain = observation["gradient"], observation["gradient_of_plain_w"]
        facts["as_for_a_plain_w"] = tried and _same(case, special, plain)
    return facts


def _points_missed(case: Case, points: Tensor) -> list[int]:
    """Which of w's entries were not nudged by eps, alone: first up, then, counted on, down."""
    eps = case["eps"] or _DEFAULT_EPS
    nudges = eps * torch.eye(case["w"].numel(), dtype=case["w"].dtype).flatten(1)
    wanted = case["w"].flatten() + torch.cat([nudges, -nudges])
    apart = (wanted[:, None] - points.reshape(len(points), -1)).abs().amax(-1)
    return (~(apart.amin(1) < 1e-3 * eps)).nonzero().flatten().tolist()


def _missing_point(case: Case, points: Tensor | None) -> str:
    """What the first of these points would be, in words."""
    if points is None:
        return "yours never calls f with a tensor of w's shape"
    missed = _points_missed(case, points)
    if not missed:
        return ""
    direction, entry = divmod(missed[0], case["w"].numel())
    how = "subtracted from" if direction else "added to"
    return f"yours never calls f with {case['eps'] or _DEFAULT_EPS:g} {how} entry {entry} alone"


def _same(case: Case, special: Any, plain: Any) -> bool:
    """Both are tensors of w's shape and dtype, detached, and equal."""
    return (
        all(fits(g, case["w"]) and g.any() for g in (special, plain))
        and not special.requires_grad
        and torch.allclose(special, plain, rtol=1e-6, atol=1e-9)
    )


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    result, w = observation["gradient"], _argument(case)
    fit, text = fits(result, w), "the result is a tensor with w's shape and dtype"
    yield Finding(fit, text, f"yours is {seen(result)}, w is {seen(w)}")
    if "points" in case["asks"]:
        text = "f is called at w + eps and at w - eps, for one entry of w at a time"
        got = _missing_point(case, observation["points"])
        yield Finding(observation.get("points_asked") is True, text, got)
    if fit:
        yield from _about_the_slopes(case, observation)
    if "unchanged" in case["asks"]:
        kept = observation.get("drift") == 0
        yield Finding(kept, "w is unchanged, bit for bit", "your code has changed it")


def _about_the_slopes(case: Case, observation: Observation) -> Iterator[Finding]:
    result, plain = observation["gradient"], observation.get("gradient_of_plain_w")
    text = "the result is detached: it is not part of a graph"
    yield Finding(not result.requires_grad, text, "yours requires gradients")
    w, eps = case["w"].clone().requires_grad_(), case["eps"] or _DEFAULT_EPS
    (exact,) = torch.autograd.grad(_scalar_function(case | {"returns": "tensor"})(w), w)
    if case["a"].any():
        # A cube's slope, measured over a distance, is off by a known amount: the eps that was used.
        exact = exact + case["a"] * eps**2
        text = f"with eps={eps} a slope is measured between w - {eps} and w + {eps}"
        got = beside("for this f that gives", exact, result)
    else:
        kind = _kind_of_w(case)
        text = f"the result is right for {kind}"
        if not kind:
            text = "for a parabola the result agrees with autograd"
        got = beside("autograd says", exact, result)
    right = torch.allclose(exact, result.detach(), rtol=1e-5, atol=1e-7)
    yield Finding(right, text, got)
    if fits(plain, result):
        # The plain w is a copy of the one that the first call has left.
        same = torch.allclose(result.detach(), plain.detach(), rtol=1e-6, atol=1e-9)
        text = f"for {_kind_of_w(case)} the slopes are those for the same numbers in a plain w"
        moved = observation.get("drift") not in (None, 0)
        got = "yours differ, for the first call has changed w" if moved else "yours differ"
        yield Finding(same, text, got)


def _kind_of_w(case: Case) -> str:
    """What is special about the w of a case, in words; "" for a plain one."""
    if case["transposed"]:
        return "a transposed w"
    if case["leaf"]:
        return "a w that requires gradients"
    return "" if case["w"].dim() else "a w without dimensions"


def _public_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(31)
    return [
        nudge_case(generator, 3, eps=0.1, cubic=False),
        nudge_case(generator, 2, 3, eps=0.5, returns="float"),
        nudge_case(generator, eps=None, cubic=False),
        nudge_case(generator, 2, 3, eps=0.1, cubic=False, transposed=True),
        nudge_case(generator, 2, eps=0.1, cubic=False, leaf=True),
        nudge_case(generator, 2, eps=None, cubic=False),
    ]


EXERCISE = Exercise(
    name="numerical_gradient",
    points=2,
    task="Measure the gradient of f at w by nudging one entry at a time, both ways.",
    aspects=(
        Aspect(
            "points",
            "f is called on both sides of w, at a distance of eps, one entry at a time",
            0.5,
            ("points_asked",),
        ),
        Aspect("central", "the slopes are right, as central differences", 0.5, ("gradient",)),
        Aspect(
            "any_w",
            "it works for any shape and layout of w, and the result is detached",
            0.5,
            ("as_for_a_plain_w",),
        ),
        Aspect("unchanged", "w is unchanged afterwards", 0.5, ("unchanged",)),
    ),
    hints=(
        "For each entry: a copy of w in which this one entry is larger by eps, and a copy in which "
        "it is smaller by eps. Call f on both. The copies are 2 * eps apart: divide the difference "
        "of the two values by that.",
        "Copies keep w safe: flat = w.detach().flatten().clone(), change flat[i], and pass "
        "flat.reshape(w.shape) to f. Collect one slope per i, and give the result w's shape at the "
        "end.",
    ),
    observe=_observe,
    fields=("gradient", "w_after", "points", "gradient_of_plain_w"),
    facts=_facts,
    derived=("drift", "unchanged", "points_asked", "as_for_a_plain_w"),
    public_cases=_public_cases,
    properties=_properties,
    forbidden=(*AUTOGRAD, "torch.gradient"),
)
