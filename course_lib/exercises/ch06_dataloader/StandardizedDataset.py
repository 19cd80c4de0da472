"""``StandardizedDataset``, public half."""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import Dataset

from course_lib.exercises.ch06_dataloader.what_came import described, parts_described
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation


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

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    scale = 10 ** torch.linspace(-1, 1.5, features, dtype=torch.float64)
    X = (normal(n, features) + 3 * normal(features)) * scale
    if constants:
        X[:, 0] = _awkward_constant(generator, n, features)
        X[:, -1] = 0.0
    numbers = torch.randint(10, (n,), generator=generator)
    y = {"int": numbers, "float": numbers * 0.5, "str": [f"label {k}" for k in numbers.tolist()]}
    asks = "statistics" if not given else "items"
    return {
        "asks": ("edges",) if constants or len(given) == 1 else (asks,),
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
    [asked] = case["asks"]
    if asked != "items":
        notes["mean"] = getattr(dataset, "mean", None)
        notes["std"] = getattr(dataset, "std", None)
    if asked != "statistics":
        notes["items"] = _items(dataset, len(case["X"]))
    if asked == "items":
        notes["length"] = _length(dataset)
        notes["is_dataset"] = isinstance(dataset, Dataset)
        after = [X, *arguments.values()]
        notes["inputs_unchanged"] = all(
            bool((a == b).all()) for a, b in zip(before, after, strict=True)
        )


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
    return [dataset[i] for i in range(n)]


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    features = case["X"].shape[1]
    [asked] = case["asks"]
    if asked == "items":
        yield Finding(observation["is_dataset"], "it is a torch.utils.data.Dataset")
        length, n = observation["length"], len(case["X"])
        text, got = "len() is the number of examples", f"with {n} of them yours is {length}"
        yield Finding(length == n, text, got)
        yield Finding(
            observation["inputs_unchanged"],
            "the X, mean and std that were passed in are left unchanged",
        )
    if asked != "statistics":
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
        yield Finding(pairs, text, f"with {features} features yours is {parts_described(first)}")
        if not pairs:
            return
        same = all(
            type(mine) is type(label) and bool(mine == label)
            for (_, mine), label in zip(items, case["y"], strict=True)
        )
        yield Finding(same, "labels come back unchanged, even when they are a list of words")
        table = torch.stack([x for x, _ in items])
        yield Finding(bool(table.isfinite().all()), "no item contains NaN or infinity")
        if asked == "edges":
            flat_ones = case["X"].amax(dim=0) == case["X"].amin(dim=0)
            yield Finding(
                bool((table[:, flat_ones].abs() < 1e-4).all()), "a constant feature becomes 0"
            )
        if case["mean"] is not None and case["std"] is not None:
            restored = table * case["std"] + case["mean"]
            yield Finding(
                torch.allclose(restored, case["X"].float(), rtol=1e-3, atol=1e-3),
                "a given mean and std are used, not recomputed",
            )
    if asked != "items":
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
            f"with {features} features yours are {described(mean)} and {described(std)}",
        )
        if shaped and asked == "statistics":
            again = (case["X"].float() - mean) / std
            centred = bool((again.mean(dim=0).abs() < 1e-3).all())
            yield Finding(centred, "standardised features have mean 0")
            yield Finding(
                bool((again.square().mean(dim=0) - 1).abs().max() < 1e-2),
                "standardised features have mean square 1 (divide by N, not by N - 1)",
            )


def _public_datasets() -> list[Case]:
    generator = torch.Generator().manual_seed(61)
    return [
        dataset_case(generator, n=9, features=4),
        dataset_case(generator, "mean", "std", n=6, features=3),
        dataset_case(generator, "mean", "std", n=5, features=2, labels="str"),
        dataset_case(generator, "mean", "std", n=4, features=3, dtype=torch.float64, array=True),
        dataset_case(generator, n=7, features=5, constants=True),
    ]


EXERCISE = Exercise(
    name="StandardizedDataset",
    points=3,
    task="A Dataset whose features have mean 0 and standard deviation 1.",
    aspects=(
        Aspect(
            "statistics",
            "mean and std of each feature, over the N examples",
            1,
            ("mean", "std"),
        ),
        Aspect(
            "items",
            "items are standardised with the given statistics; labels stay as they are",
            1,
            ("items", "length", "is_dataset", "inputs_unchanged"),
        ),
        Aspect(
            "edges",
            "constant features get std 1; each statistic is computed only when it is missing",
            1,
            ("mean", "std", "items"),
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
    fields=("mean", "std", "items", "length", "is_dataset", "inputs_unchanged"),
    public_cases=_public_datasets,
    properties=_properties,
)
