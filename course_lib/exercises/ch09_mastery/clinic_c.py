"""``clinic_c``, public half: one pass of training."""

import math
from collections.abc import Iterator
from typing import Any

import torch

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type, kind_of
from course_lib.exercises.support.classifier import (
    build,
    classifier_case,
    own_gradient_findings,
    record_steps,
)
from course_lib.exercises.support.loop_watch import parameters_of, watching


def _observe(function: Any, case: Case, notes: Notes) -> None:
    model, loader, loss_fn, optimizer = build(case)
    steps = record_steps(model, optimizer)
    try:
        with watching(notes, model, optimizer) as watch:
            notes["returned"] = function(model, loader, watch(loss_fn), optimizer)
    finally:
        notes["parameters"] = parameters_of(model)
        notes["steps"] = steps[:3]


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    returned, batches = observation["returned"], len(build(case)[1])
    is_list = isinstance(returned, list)
    good = is_list and len(returned) == batches
    got = f"yours has {len(returned)}" if is_list else f"yours is {kind_of(returned)}"
    text = f"the result is a list with one loss per batch, {batches} here"
    yield Finding(good, text, got)
    if good:
        kinds = [a_type(loss) for loss in returned if type(loss) is not float]
        text = "the losses are Python floats"
        yield Finding(not kinds, text, f"your list has {kinds[0]}" if kinds else "")
        if not kinds:
            model, loader, loss_fn, _ = build(case)
            x, y = next(iter(loader))
            first = loss_fn(model(x), y).item()
            text = "each loss is computed before its step"
            got = f"the first is {first:.4f} then, and yours {returned[0]:.4f}"
            yield Finding(math.isclose(first, returned[0], rel_tol=1e-4), text, got)
    yield from own_gradient_findings(case, observation)


EXERCISE = Exercise(
    name="clinic_c",
    points=1,
    task="One pass of training.",
    aspects=(
        Aspect(
            "repaired", "each step uses its own batch's gradient", 1, ("returned", "parameters")
        ),
    ),
    hints=(
        "Four beats are there. What about the chore between two turns?",
        "What does backward() do with gradients that are still there from the batch before?",
    ),
    observe=_observe,
    fields=("returned", "parameters", "steps"),
    public_cases=lambda: [
        classifier_case(
            torch.Generator().manual_seed(3),
            n=20,
            sizes=(3, 5, 4),
            batch_size=8,
            lr=0.3,
            stale=True,
        )
    ],
    properties=_properties,
)
