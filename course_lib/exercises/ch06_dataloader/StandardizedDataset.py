"""``StandardizedDataset``, public half.

Long: tensors, arrays, types and statistics have lines of their own.
"""

import copy
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch.utils.data import Dataset

from course_lib.exercises.ch06_dataloader.what_came import described, parts_described
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import as_tuple
from course_lib.exercises.support import draw


def dataset_case(
    generator: torch.Generator,
    *given: str,
    n: int,
    features: int,
    dtype: torch.dtype = torch.float32,
    array: bool = False,
    labels: str = "int",
    constants: bool = False,
) -> dict[str, Any]:
    """A case: features of very different scales. ``given`` are the arguments that are handed over
    ("mean", "std"); ``array`` hands X over as a NumPy array."""

    normal = partial(draw.normal, generator)
    scale = 10 ** torch.linspace(-1, 1.5, features, dtype=torch.float64)
    X = (normal(n, features) + 3 * normal(features)) * scale
    if constants:
        X[:, 0] = _awkward_constant(generator, n, features)
        X[:, -1] = 0.0
    numbers = torch.randint(10, (n,), generator=generator)
    y = {"int": numbers, "float": numbers * 0.5, "str": [f"label {k}" for k in numbers.tolist()]}
    if array or dtype != torch.float32:
        asks: tuple[str, ...] = ("any_input",)
    elif constants and not given:
        asks = ("constant",)
    elif given:
        asks = ("given",) if labels == "int" else ("given", "labels")
    else:
        asks = ("mean", "std")
    return {
        "asks": asks,
        "X": X.to(dtype),
        "y": y[labels],
        "mean": normal(features).float() if "mean" in given else None,
        "std": normal(features).abs().float() + 0.5 if "std" in given else None,
        "array": array,
    }


def _awkward_constant(generator: torch.Generator, n: int, features: int) -> float:
    """A number whose n copies have, in float32, a mean that is not quite that number."""
    while True:
        value = 0.05 + torch.rand(1, generator=generator).item()
        table = torch.full((n, features), value)
        if table.mean(dim=0)[0] != table[0, 0]:
            return value


def _observe(cls: Any, case: Case, notes: Notes) -> None:
    X = case["X"].numpy() if case["array"] else case["X"]
    arguments = {key: case[key] for key in ("mean", "std") if case[key] is not None}
    before = copy.deepcopy([X, *arguments.values()])
    dataset = cls(X, case["y"], **arguments)
    if "any_input" in case["asks"]:
        usual = cls(case["X"].float(), case["y"], **arguments)
        notes["usual_items"] = _items(usual, len(case["X"]))
    else:  # two at a time: neither knows of the other
        cls(case["X"] + 1.0, list(range(len(case["X"]))))
    notes["mean"] = getattr(dataset, "mean", None)
    notes["std"] = getattr(dataset, "std", None)
    notes["length"] = _length(dataset)
    notes["is_dataset"] = isinstance(dataset, Dataset)
    if "mean" not in case["asks"]:
        notes["items"] = _items(dataset, len(case["X"]))
    notes["inputs_unchanged"] = all(
        bool((a == b).all()) for a, b in zip(before, [X, *arguments.values()], strict=True)
    )


def _facts(case: Case, observation: Observation) -> Mapping[str, Any]:
    """The numbers without their dtypes, which have an aspect of their own."""
    mean, std, items = (observation.get(name) for name in ("mean", "std", "items"))
    facts: dict[str, Any] = {"mean_values": _numbers(mean), "std_values": _numbers(std)}
    if "mean" in case["asks"]:
        return facts
    table = _features(items)
    constant = case["X"].amax(dim=0) == case["X"].amin(dim=0)
    labelled = items is not None and all(
        isinstance(item, tuple) and len(item) == 2 for item in items
    )
    facts |= {
        "features": table,
        "labels": [item[1] for item in items] if labelled else None,
        "constants_become_0": table is not None
        and table.shape == case["X"].shape
        and bool((table[:, constant].abs() < 1e-4).all())
        and facts["std_values"] is not None
        and facts["std_values"].shape == constant.shape
        and bool((facts["std_values"][constant] == 1).all()),
    }
    if "any_input" in case["asks"]:
        usual = _features(observation["usual_items"])
        facts["as_for_a_tensor"] = (
            table is not None
            and usual is not None
            and table.shape == usual.shape
            and torch.allclose(table, usual, rtol=1e-3, atol=1e-3)
        )
        facts["all_float32"] = table is not None and all(
            isinstance(value, torch.Tensor) and value.dtype == torch.float32
            for value in (mean, std, *(item[0] for item in items))
        )
    return facts


def _numbers(value: Any) -> torch.Tensor | None:
    return value.double() if isinstance(value, torch.Tensor) else None


def _features(items: Any) -> torch.Tensor | None:
    """The first parts of all items as one table; None where they are not rows of numbers."""
    try:
        return torch.stack([torch.as_tensor(item[0]).double() for item in items])
    except (TypeError, ValueError, RuntimeError, IndexError, KeyError):
        return None


def _defines(value: Any, method: str) -> bool:
    """Whether the learner's class has this method of its own: ``Dataset``'s are empty."""
    found = getattr(type(value), method, None)
    return found is not None and found is not getattr(Dataset, method, None)


def _length(dataset: Any) -> int | None:
    """``len(dataset)``; None without a ``__len__``, or when it forgets to return something."""
    if not _defines(dataset, "__len__") or type(dataset).__len__(dataset) is None:
        return None
    return len(dataset)


def _items(dataset: Any, n: int) -> Any:
    if not _defines(dataset, "__getitem__"):
        return None
    return [as_tuple(dataset[i]) for i in range(n)]


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    features, asks = case["X"].shape[1], case["asks"]
    length, n = observation["length"], len(case["X"])
    dtype = str(case["X"].dtype).removeprefix("torch.")
    kind = "a NumPy array" if case["array"] else f"a {dtype} tensor"
    yield Finding(observation["is_dataset"], "the class is a torch.utils.data.Dataset")
    text, got = "len() is the number of examples", f"with {n} of them yours is {length}"
    yield Finding(length == n, text, got)
    text = "the X, mean and std that were passed in are left unchanged"
    yield Finding(observation["inputs_unchanged"], text)
    mean, std = observation["mean"], observation["std"]
    shaped = all(
        isinstance(value, torch.Tensor)
        and value.dtype == torch.float32
        and value.shape == (features,)
        for value in (mean, std)
    )
    yield Finding(
        shaped,
        "self.mean and self.std are float32 tensors with one entry per feature",
        f"for {kind} with {features} features yours are {described(mean)} and {described(std)}",
    )
    X = case["X"].double()
    deviation = X - X.mean(dim=0)
    if "mean" in asks:
        if shaped:
            centred = bool((((X - mean) / std).mean(dim=0).abs() < 1e-3).all())
            yield Finding(centred, "self.mean is the mean of each feature")
            yield Finding(
                bool(((deviation / std).square().mean(dim=0) - 1).abs().max() < 1e-2),
                "self.std is each feature's standard deviation (divide by N, not by N - 1)",
            )
        return
    items = observation["items"]
    pairs = isinstance(items, list) and all(
        isinstance(item, tuple)
        and len(item) == 2
        and isinstance(item[0], torch.Tensor)
        and item[0].dtype == torch.float32
        and item[0].shape == (features,)
        for item in items
    )
    text = "an item is a tuple: x, float32 of shape [features], and the label"
    first = items[0] if isinstance(items, list) and items else None
    got = f"for {kind} with {features} features yours is {parts_described(first)}"
    yield Finding(pairs, text, got)
    if not pairs:
        return
    same = all(
        type(mine) is type(label) and bool(torch.as_tensor(mine == label).all())
        for (_, mine), label in zip(items, case["y"], strict=True)
    )
    yield Finding(same, "labels come back unchanged, even when they are a list of words")
    table = observation["features"]
    yield Finding(bool(table.isfinite().all()), "no item contains NaN or infinity")
    if "constant" in asks:
        text = "a constant feature has std 1, and becomes 0"
        yield Finding(observation["constants_become_0"], text)
    if "any_input" in asks:
        text = f"{kind} gives the same items as a float32 tensor with the same numbers"
        yield Finding(observation["as_for_a_tensor"], text)
    if "given" not in asks or not shaped:
        return
    for name, used in (("mean", mean), ("std", std)):
        if case[name] is not None:
            text = f"a given {name} is used as it is, whatever its values"
            yield Finding(torch.equal(used, case[name]), text)
    if case["mean"] is None:
        centred = torch.allclose(mean, case["X"].mean(dim=0), rtol=1e-3, atol=1e-3)
        yield Finding(centred, "with a given std alone, the mean is still that of X")
    elif case["std"] is None:
        spread, varies = deviation.square().mean(dim=0).sqrt(), X.amax(dim=0) != X.amin(dim=0)
        good = torch.allclose(std.double()[varies], spread[varies], rtol=1e-2, atol=1e-3)
        yield Finding(good, "with a given mean alone, the std is still that of X")
    restored = table * std + mean
    yield Finding(
        torch.allclose(restored, X, rtol=1e-3, atol=1e-3),
        "an item is (x - self.mean) / self.std",
    )


def _public_datasets() -> list[Case]:
    generator = torch.Generator().manual_seed(61)
    return [
        dataset_case(generator, n=9, features=4),
        dataset_case(generator, "mean", "std", n=6, features=3),
        dataset_case(generator, "mean", "std", n=6, features=3, constants=True),
        dataset_case(generator, "mean", n=5, features=2) | {"mean": torch.zeros(2)},
        dataset_case(generator, "std", n=5, features=3),
        dataset_case(generator, "mean", "std", n=5, features=2, labels="str"),
        dataset_case(generator, "mean", "std", n=4, features=3, dtype=torch.float64, array=True),
        dataset_case(generator, n=6, features=2, dtype=torch.float64),
        dataset_case(generator, n=7, features=5, constants=True),
    ]


EXERCISE = Exercise(
    name="StandardizedDataset",
    points=3,
    task="A Dataset whose features have mean 0 and standard deviation 1.",
    aspects=(
        Aspect("mean", "self.mean is the mean of each feature", 0.5, ("mean_values",)),
        Aspect("std", "self.std is their standard deviation, over N", 0.5, ("std_values",)),
        Aspect(
            "given",
            "a given mean or std is used as it is; only what is missing is computed",
            0.5,
            ("mean_values", "std_values", "features"),
        ),
        Aspect(
            "labels",
            "it is a Dataset of pairs (x, label), and labels stay as they are",
            0.5,
            ("labels", "length", "is_dataset"),
        ),
        Aspect(
            "constant", "a constant feature has std 1 and becomes 0", 0.5, ("constants_become_0",)
        ),
        Aspect(
            "any_input",
            "arrays and float64 give float32 all the same, and X stays unchanged",
            0.5,
            ("as_for_a_tensor", "all_float32", "inputs_unchanged"),
        ),
    ),
    hints=(
        "In __init__, turn X into a float32 tensor. The statistics of each feature are taken over "
        "the examples: dim=0. Compute the mean only when mean is None, the std only when std is "
        "None.",
        "X.std(dim=0, correction=0) divides by N. A feature is constant when X.amax(dim=0) equals "
        "X.amin(dim=0); torch.where puts a 1 there. Keep mean and std as self.mean and self.std, "
        "and standardise in __getitem__ or once in __init__.",
    ),
    observe=_observe,
    fields=("mean", "std", "items", "usual_items", "length", "is_dataset", "inputs_unchanged"),
    facts=_facts,
    derived=(
        "mean_values",
        "std_values",
        "features",
        "labels",
        "constants_become_0",
        "as_for_a_tensor",
        "all_float32",
    ),
    public_cases=_public_datasets,
    properties=_properties,
)
