"""``train_with_accumulation``, public half."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.support import classifier
from course_lib.exercises.support.loop_watch import gradients_of, parameters_of, watching
from course_lib.exercises.support.numbers import same_numbers


def _observe(function: Any, case: Case, notes: Notes) -> None:
    model, loader, loss_fn, optimizer = classifier.build(case)
    steps = case["accumulate_steps"]
    made = classifier.record_steps(model, optimizer)
    try:
        with watching(notes, model, optimizer) as watch:
            notes["returned"] = function(model, loader, watch(loss_fn), optimizer, steps)
    finally:
        notes["parameters"] = parameters_of(model)
        notes["gradients"] = gradients_of(model)
        notes["steps"] = made


def accumulation_case(
    generator: torch.Generator, batches: int, accumulate_steps: int, **settings: Any
) -> dict[str, Any]:
    """A case with ``batches`` batches of equal size."""
    settings = settings | {"n": batches * settings["batch_size"]}
    groups = "last_group" if batches % accumulate_steps else "groups"
    own = {"accumulate_steps": accumulate_steps, "asks": (groups, "count")}
    return classifier.classifier_case(generator, **settings) | own


def _facts(case: Case, observation: Observation) -> Mapping[str, Any]:
    """Whether the steps that were made are counted; how many there should be shows in the weights."""
    returned, made = observation.get("returned"), len(observation["steps"])
    return {"counted": type(returned) is int and returned == made > 0}


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    batches = len(classifier.build(case)[1])
    steps = case["accumulate_steps"]
    groups = math.ceil(batches / steps)
    made = observation.events.count("S")
    text = (
        f"{batches} batches in groups of {steps} make {groups} optimizer step{'s' * (groups > 1)}"
    )
    yield Finding(made == groups, text, f"yours made {made}")
    if made:
        text = "backward() runs before each optimizer step"
        yield Finding(observation.events.count("B") >= groups, text)
    returned = observation["returned"]
    yield Finding(
        type(returned) is int and returned == made,
        "the result is the number of optimizer steps",
        f"yours made {made}, and returned {returned!r:.30}",
    )
    if made == groups:
        good = [
            all(gradient is not None for gradient in gradients)
            and same_numbers(_gradient_of_group(case, i, parameters), gradients)
            for i, (parameters, gradients) in enumerate(observation["steps"])
        ]
        text = "a full group's step uses the mean gradient of its batches, and nothing older"
        yield Finding(all(good[: batches // steps]), text, _other_groups(observation, steps))
        if batches % steps:
            text = "a shorter last group's step uses the mean over its own batches"
            yield Finding(good[-1], text)


def _other_groups(observation: Observation, steps: int) -> str:
    """After how many batches the first step came, where that is not what was asked for."""
    before = observation.events[: observation.events.index("S")].count("F")
    batches = "1 batch" if before == 1 else f"{before} batches"
    return f"yours makes its first step after {batches}" if before not in (0, steps) else ""


def _gradient_of_group(
    case: Case, group: int, parameters: list[torch.Tensor]
) -> list[torch.Tensor | None]:
    """Of one batch that holds all of group number ``group``: it has the group's mean gradient."""
    model, _loader, loss_fn, _ = classifier.build(case | {"stale": False})
    classifier.load_parameters(model, parameters)
    size = case["accumulate_steps"] * case["batch_size"]
    rows = slice(group * size, (group + 1) * size)
    loss_fn(model(case["x"][rows]), case["y"][rows]).backward()
    return gradients_of(model)


EXERCISE = Exercise(
    name="train_with_accumulation",
    points=3,
    task="Train with one optimizer step per group of batches; return the number of steps.",
    aspects=(
        Aspect(
            "groups",
            "each step uses the mean gradient of its group, and nothing older",
            1,
            ("parameters",),
        ),
        Aspect(
            "last_group",
            "a shorter last group is averaged over its own length",
            1,
            ("parameters",),
        ),
        Aspect("count", "the result is the number of steps that were made", 1, ("counted",)),
    ),
    hints=(
        "backward() adds. So within a group, leave the gradients alone and let them add up; step "
        "and clear at the end of each group. Divide each loss by the length of its group first.",
        "With n = len(loader), batch number i (from 0) belongs to the group that starts at "
        "i - i % accumulate_steps; that group has min(accumulate_steps, n - start) batches. Step "
        "when a group is full or when the batch is the last one.",
    ),
    observe=_observe,
    fields=("returned", "parameters", "gradients", "steps"),
    facts=_facts,
    derived=("counted",),
    public_cases=lambda: [
        accumulation_case(
            torch.Generator().manual_seed(4), n, 3, stale=old, sizes=(3, 5, 4), batch_size=4, lr=0.3
        )
        for n, old in ((6, True), (5, False))
    ],
    properties=_properties,
    forbidden=("course_lib.training.Trainer",),
)
