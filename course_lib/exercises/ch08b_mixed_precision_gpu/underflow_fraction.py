"""``underflow_fraction``, public half."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type
from course_lib.exercises.support.numbers import number_in


def fraction_case(
    values: list[float] | Tensor, dtype: str, scale: float | None = None, saved: bool = False
) -> Case:
    """A case; ``saved``: the scale saves entries that are lost without it, however one counts."""
    own = {"asks": ("share" if scale is None else "scale",), "saved": saved}
    return own | {"grads": torch.as_tensor(values), "dtype": dtype, "scale": scale}


def _observe(function: Any, case: Case, notes: Notes) -> None:
    dtype = getattr(torch, case["dtype"])
    grads = case["grads"].to(case.get("device", "cpu"))
    before = grads.clone()
    if case["scale"] is None:
        notes["returned"] = function(grads, dtype)
    else:
        notes["returned"] = function(grads, dtype, scale=case["scale"])
        notes["unchanged"] = torch.equal(before, grads)
        # What comes out for gradients that are scaled already, and for unscaled ones.
        notes["scaled_before"] = function(before * case["scale"], dtype)
        notes["unscaled"] = function(before.clone(), dtype)


def _facts(case: Case, observation: Observation) -> dict[str, Any]:
    if case["scale"] is None:
        return {}
    returned, scaled, unscaled = (
        number_in(observation[name]) for name in ("returned", "scaled_before", "unscaled")
    )
    same = returned is not None and scaled is not None and math.isclose(returned, scaled)
    return {"scale_used": same and (not case["saved"] or returned != unscaled)}


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    returned = observation["returned"]
    if case["scale"] is not None:
        text = "the gradients that were passed in are left unchanged"
        yield Finding(observation["unchanged"], text, "they were changed")
        names = ("returned", "scaled_before", "unscaled")
        share, before, unscaled = (number_in(observation[name]) for name in names)
        if share is not None and before is not None:
            got = f"yours is {share:.4g}, and {before:.4g} for grads * scale"
            got = "in yours scale makes no difference" if share == unscaled else got
            text = "with scale, the share is that of grads * scale"
            yield Finding(observation["scale_used"], text, got)
    text = "the result is a Python float"
    yield Finding(type(returned) is float, text, f"yours is {a_type(returned)}")
    scale = "" if case["scale"] is None else f" with scale={case['scale']:g}"
    shown = ", ".join(f"{value:g}" for value in case["grads"].flatten().tolist())
    if "answer" not in case:
        return
    if isinstance(returned, Tensor) and returned.numel() == 1:
        returned = returned.item()  # its type was spoken of above
    number = isinstance(returned, int | float)
    yield Finding(
        number and math.isclose(returned, case["answer"]),
        f"for [{shown}] in {case['dtype']}{scale} the share is {case['answer']:g}",
        f"yours is {returned:.4g}" if number else f"yours is {a_type(returned)}",
    )


EXERCISE = Exercise(
    name="underflow_fraction",
    points=2,
    task="The share of the non-zero gradients that a 16-bit format turns into zero.",
    aspects=(
        Aspect("share", "the share of the non-zero entries", 1, ("returned",)),
        Aspect(
            "scale",
            "the scale is applied before the cast, and not to the caller's own gradients",
            1,
            ("scale_used", "unchanged"),
        ),
    ),
    hints=(
        "Three steps: which entries are not zero? what becomes of them when they are multiplied "
        "by scale and cast with .to(dtype)? what share of them is zero now?",
        "Select with a mask: values = grads[grads != 0]. If there are none, the answer is 0.0. The "
        "mean of a boolean mask, as a float, is a share; .item() makes it a Python float.",
    ),
    observe=_observe,
    fields=("returned", "unchanged", "scaled_before", "unscaled"),
    facts=_facts,
    derived=("scale_used",),
    public_cases=lambda: [
        fraction_case([1.0, 1e-3, 1e-9, 1e-12], "float16") | {"answer": 0.5},
        fraction_case([0.0, 0.0, 1.0, 1e-9], "float16") | {"answer": 0.5},
        fraction_case([1e-9, 1e-6, -1e-9, 1.0], "float16", 1024.0) | {"answer": 0.0},
        fraction_case([1e-9, 1e-30], "bfloat16") | {"answer": 0.0},
        fraction_case([[0.0], [0.0]], "float16") | {"answer": 0.0},
        fraction_case([3e-7, 1.0], "float16") | {"answer": 0.0},
        fraction_case([2e-8, 1e6], "float16") | {"answer": 0.5},
    ],
    properties=_properties,
)
