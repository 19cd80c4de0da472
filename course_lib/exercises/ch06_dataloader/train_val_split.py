"""``train_val_split``, public half."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from course_lib.exercises.ch06_dataloader.what_came import parts_described
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import as_tuple

#: Splits that are asked for: "continued" by the generator of "first", which has moved on by then.
SPLITS = (
    "first",
    "continued",
    "repeated",
    "other_seed",
    "global",
    "global_repeated",
    "other_global",
)


def split_case(generator: torch.Generator, n: int, val_fraction: float) -> dict[str, Any]:
    seeds = torch.randperm(10_000, generator=generator)[:3].tolist()
    return {"n": n, "val_fraction": val_fraction, "seeds": seeds}


def _observe(function: Any, case: Case, notes: Notes) -> None:
    seed, other_seed, global_seed = case["seeds"]
    notes["splits"] = splits = {}
    drew = False
    generator = torch.Generator()
    for label in SPLITS:
        if "global" not in label:
            before = torch.get_rng_state()
            if label != "continued":
                generator.manual_seed(other_seed if label == "other_seed" else seed)
            split = function(case["n"], case["val_fraction"], generator=generator)
            drew = drew or not torch.equal(before, torch.get_rng_state())
        else:
            torch.manual_seed(other_seed if label == "other_global" else global_seed)
            split = function(case["n"], case["val_fraction"])
        splits[label] = as_tuple(split)
    notes["drew_from_global"] = drew


def is_split(value: Any) -> bool:
    """Whether it is a tuple of two one-dimensional int64 tensors."""
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and all(
            isinstance(part, torch.Tensor) and part.dtype == torch.int64 and part.ndim == 1
            for part in value
        )
    )


def _two_parts(value: Any) -> list[list[int]] | None:
    """Two parts as lists of ints, whatever holds them."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        return None
    parts = [part.tolist() if isinstance(part, torch.Tensor) else part for part in value]
    good = all(isinstance(part, list) and all(type(i) is int for i in part) for part in parts)
    return parts if good else None


def _facts(case: Case, observation: Observation) -> Mapping[str, Any]:
    """By split: its parts as lists, or None where they are not two of whole numbers; how many indices
    are in both; whether every index comes once; whether validation gets as many as were asked for.
    Whether they are tensors in a tuple is a question of its own."""
    splits = observation["splits"]
    whole = {label: parts for label in SPLITS if (parts := _two_parts(splits[label])) is not None}
    n, n_val = case["n"], round(case["n"] * case["val_fraction"])
    return {
        "well_formed": all(is_split(splits[label]) for label in SPLITS),
        "parts": {label: whole.get(label) for label in SPLITS},
        "shared": {label: len({*train} & {*val}) for label, (train, val) in whole.items()},
        "complete": {
            label: sorted(train + val) == list(range(n)) for label, (train, val) in whole.items()
        },
        "sized": {label: len(val) == n_val for label, (_, val) in whole.items()},
    }


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    n, parts = case["n"], observation["parts"]
    text = "the result is a tuple of two int64 tensors: train, validation"
    got = f"yours is {parts_described(observation['splits']['first'])}"
    yield Finding(observation["well_formed"], text, got)
    if None in parts.values():
        return
    train, val = parts["first"]
    yield Finding(
        observation["sized"]["first"],
        "validation gets round(n * val_fraction) indices, and comes second",
        f"with n={n} and val_fraction={case['val_fraction']:g} yours gets {len(val)}",
    )
    yield Finding(not observation["shared"]["first"], "no index is in both parts")
    yield Finding(observation["complete"]["first"], "every index is in one of the two parts")
    if min(len(train), len(val)) < 5:
        return
    yield Finding(val != sorted(val) and train != sorted(train), "both parts are in shuffled order")
    yield Finding(
        set(val) != set(parts["other_seed"][1]),
        "a different seed chooses different validation examples",
    )
    yield Finding(parts["first"] == parts["repeated"], "the same seed gives the same split")
    yield Finding(
        parts["first"] != parts["continued"],
        "the same generator gives a different split the second time: its state has moved on",
    )
    yield Finding(
        parts["global"] == parts["global_repeated"] != parts["other_global"],
        "without a generator, torch.manual_seed determines the split",
    )


EXERCISE = Exercise(
    name="train_val_split",
    points=2,
    task="Split n examples at random: indices for training, indices for validation.",
    aspects=(
        Aspect("form", "it returns a tuple of two int64 tensors", 0.5, ("well_formed",)),
        Aspect(
            "whole",
            "no index is in both parts, and none is missing",
            0.5,
            ("shared", "complete"),
        ),
        Aspect("sizes", "validation gets round(n * val_fraction) indices", 0.5, ("sized",)),
        Aspect(
            "chance",
            "which example goes where is random, and determined by the generator's state",
            0.5,
            ("parts", "drew_from_global"),
        ),
    ),
    hints=(
        "Shuffle first, cut second: one random order of all n indices, cut into two pieces, can "
        "neither overlap nor lose anything.",
        "torch.randperm(n, generator=generator) is that order; its last n_val = round(n * "
        "val_fraction) entries are for validation. order[:-n_val] is empty when n_val is 0, so "
        "cut at n - n_val.",
    ),
    observe=_observe,
    fields=("splits", "drew_from_global"),
    facts=_facts,
    derived=("well_formed", "parts", "shared", "complete", "sized"),
    public_cases=lambda: [
        split_case(torch.Generator().manual_seed(62), n, fraction)
        for n, fraction in ((41, 0.2), (26, 0.25), (27, 0.5), (7, 0.0))
    ],
    properties=_properties,
    forbidden=("torch.utils.data.random_split",),
)
