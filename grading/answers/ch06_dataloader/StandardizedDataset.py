"""``StandardizedDataset``, secret half.

Long: tensors, arrays, types, constant features and given statistics can each go wrong in ways of their own.
"""

import copy
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from textwrap import dedent, indent
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset, TensorDataset

from course_lib.exercises.ch06_dataloader.StandardizedDataset import dataset_case
from course_lib.exercises.ch06_dataloader.what_came import described, parts_described
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.compare import difference, in_own_words
from grading.answers.edit import edit
from grading.answers.model import Answer, Symptom, Trial, raises, right_but, wrong

MEAN = "X.mean(dim=0)"
STD = "X.std(dim=0, correction=0)"
CONSTANT = """\
            constant = X.amax(dim=0) == X.amin(dim=0)
            std = torch.where(constant, torch.ones_like(std), std)
"""
KEPT = "        self.X, self.y = (X - mean) / std, y\n"
ITEM = "return self.X[i], self.y[i]"


def _cases(generator: torch.Generator) -> list[Case]:
    case = partial(dataset_case, generator)
    zero_mean = case("mean", n=7, features=3)
    zero_mean["mean"] = torch.zeros(3)
    return [
        case(n=11, features=4),
        case(n=6, features=1),
        case(n=14, features=3, dtype=torch.float64),
        # Nothing has to be converted here, so what is changed in place is the caller's.
        case(n=8, features=3) | {"asks": ("any_input",)},
        case(n=9, features=5, dtype=torch.float64, array=True),
        case("mean", "std", n=8, features=3, labels="str"),
        case("mean", "std", n=7, features=6, dtype=torch.float64, labels="float", array=True),
        case(n=10, features=4, constants=True),
        case(n=13, features=3, constants=True, labels="float"),
        case("mean", n=9, features=4),
        case("std", n=12, features=5),
        case("std", n=6, features=2, dtype=torch.float64, array=True),
        case("mean", "std", n=1, features=3, labels="float"),
        # Given statistics hold, also for a feature that is constant here, and also when they are 0.
        case("mean", "std", n=6, features=3, constants=True),
        zero_mean,
    ]


class _OnTheFly(Dataset):
    def __init__(self, X, y, mean=None, std=None):
        self.X, self.y = (
            torch.tensor(X, dtype=torch.float32) if not isinstance(X, torch.Tensor) else X.clone(),
            y,
        )
        if mean is None:
            mean = self.X.double().mean(0).float()
        if std is None:
            centred = self.X.double() - self.X.double().mean(0)
            std = centred.pow(2).mean(0).sqrt().float()
            for d in range(self.X.shape[1]):
                if self.X[:, d].max() == self.X[:, d].min():
                    std[d] = 1
        self.mean, self.std = mean, std

    def __len__(self):
        return self.X.shape[0]

    def __getitem__(self, index):
        x = self.X[index].to(torch.float32)
        return x.sub(self.mean).div(self.std), self.y[index]


class _WithProperties(Dataset):
    def __init__(self, X, y, mean=None, std=None):
        import numpy as np

        array = np.asarray(X).astype(np.float64)
        constant = np.ptp(array, axis=0) == 0
        self._mean = torch.from_numpy(array.mean(axis=0)).float() if mean is None else mean
        fresh = np.where(constant, 1.0, array.std(axis=0))
        self._std = torch.from_numpy(fresh).float() if std is None else std
        self.pairs = [
            ((torch.from_numpy(row).float() - self._mean) / self._std, label)
            for row, label in zip(array, y, strict=True)
        ]

    mean = property(lambda self: self._mean)
    std = property(lambda self: self._std)

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, i):
        return self.pairs[i]


class _ThroughTensorDataset(TensorDataset):
    """A subclass of a subclass, with the unique values as the test for constancy."""

    def __init__(self, X, y, mean=None, std=None):
        table = copy.deepcopy(torch.as_tensor(X)).float()
        self.mean = table.mean(0) if mean is None else mean
        self.std = table.std(0, unbiased=False) if std is None else std
        if std is None:
            for d, column in enumerate(table.T):
                if len(column.unique()) == 1:
                    self.std[d] = 1.0
        super().__init__((table - self.mean) / self.std)
        self.y = y

    def __getitem__(self, i):
        return super().__getitem__(i)[0], self.y[i]


class _Typed(Dataset[tuple[torch.Tensor, Any]]):
    X: torch.Tensor

    def __init__(
        self,
        X: torch.Tensor | np.ndarray,
        y: Sequence[Any] | torch.Tensor,
        mean: torch.Tensor | None = None,
        std: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.X = torch.from_numpy(np.array(X, dtype=np.float32))
        self.y = y
        low, high = torch.aminmax(self.X, dim=0)
        spread = self.X.var(dim=0, correction=0).sqrt().masked_fill(low == high, 1.0)
        self.mean = self.X.mean(0) if mean is None else mean
        self.std = spread if std is None else std

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, Any]:
        return (self.X[i] - self.mean) / self.std, self.y[i]


class _WithAClosure(Dataset):
    """In place, in a copy of its own."""

    def __init__(self, X, y, mean=None, std=None):
        own = torch.tensor(X.tolist(), dtype=torch.float32)
        if mean is None:
            mean = torch.einsum("nd->d", own.double()).div(len(own)).float()
        if std is None:
            moments = [
                (column.double() - column.double().mean()).square().mean() for column in own.T
            ]
            flat = [column.max().item() == column.min().item() for column in own.T]
            std = torch.tensor(
                [1.0 if f else m.item() ** 0.5 for f, m in zip(flat, moments, strict=True)]
            )
        self.mean, self.std = mean, std
        own.sub_(mean).div_(std)
        self._item = lambda i: (own[i], y[i])
        self._length = own.size(0)

    def __len__(self):
        return self._length

    def __getitem__(self, i):
        return self._item(i)


@dataclass
class _Data(Dataset):
    X: Any
    y: Any
    mean: torch.Tensor | None = None
    std: torch.Tensor | None = None

    def __post_init__(self):
        self.X = torch.as_tensor(self.X).float()
        std, mean = torch.std_mean(self.X, dim=0, correction=0)
        varies = (self.X[0] != self.X).any(dim=0)
        self.mean = mean if self.mean is None else self.mean
        self.std = std.where(varies, 1.0) if self.std is None else self.std

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return _Example((self.X[i] - self.mean) / self.std, self.y[i])


class _Example(NamedTuple):
    x: torch.Tensor
    label: Any


class _Lazy(Dataset):
    """Statistics are computed when somebody asks for them, in NumPy."""

    def __init__(self, X, y, mean=None, std=None):
        self._array, self._labels = np.asarray(X, dtype=np.float32), y
        self.__dict__ |= {k: v for k, v in (("mean", mean), ("std", std)) if v is not None}

    @functools.cached_property
    def mean(self):
        return torch.from_numpy(self._array.mean(axis=0))

    @functools.cached_property
    def std(self):
        std = self._array.std(axis=0)
        std[self._array.max(axis=0) == self._array.min(axis=0)] = 1
        return torch.from_numpy(std)

    def __len__(self):
        return self._array.shape[0]

    def __getitem__(self, i):
        return torch.tensor(self._array[i]).sub(self.mean).div(self.std), self._labels[i]


def _features_off(trial: Trial) -> bool:
    if "features" not in trial.expected.values:
        return False
    return difference(trial.expected["features"], trial.got["features"], 1e-4, 1e-5) is not None


def _missing(*statistics: str):
    """Says which of these statistics has the wrong form."""

    def words(case: Case, expected: Observation, got: Observation) -> str | None:
        features = case["X"].shape[1]
        for name in statistics:
            value = got[f"{name}_values"]
            if value is None or value.shape != (features,):
                return (
                    f"self.{name} should have one entry for each of {features} features; yours is "
                    f"{described(got[name])}"
                )
        return None

    return words


def _items_missing(case: Case, expected: Observation, got: Observation) -> str | None:
    first = got["items"][0] if got["items"] else None
    if not (
        isinstance(first, tuple)
        and len(first) == 2
        and isinstance(first[0], torch.Tensor)
        and first[0].shape == (case["X"].shape[1],)
    ):
        return f"an item should be a tuple (x, label); yours is {parts_described(first)}"
    return _missing("mean", "std")(case, expected, got)


def _labels_missing(case: Case, expected: Observation, got: Observation) -> str | None:
    return _items_missing(case, expected, got) if got["labels"] is None else None


_TOLERANCE = (1e-4, 5e-5)
_compared = partial(in_own_words, tolerance=_TOLERANCE)


ANSWER = Answer(
    exercise="StandardizedDataset",
    cases=_cases,
    tolerance=_TOLERANCE,
    compare={
        "mean": _compared(_missing("mean"), "mean_values"),
        "std": _compared(_missing("std"), "std_values"),
        "given": _compared(_items_missing, "mean_values", "std_values", "features"),
        "labels": _compared(_labels_missing, "labels", "length", "is_dataset"),
        "constant": _compared(_items_missing, "constants_become_0"),
        "any_input": _compared(
            _items_missing, "as_for_a_tensor", "all_float32", "inputs_unchanged"
        ),
    },
    equivalent={
        "return len(self.X) -> return torch.as_tensor(len(self.X))": "len() makes an int of it.",
        **dict.fromkeys(
            ("std -> mean #5", "std -> constant #5"),
            "Only the shape is taken, and all have the same.",
        ),
    },
    variants=(
        _OnTheFly,
        _WithProperties,
        _ThroughTensorDataset,
        _Typed,
        _WithAClosure,
        _Data,
        _Lazy,
    ),
    misconceptions=(
        wrong(
            "one mean for all features",
            edit(MEAN, "X.mean().repeat(X.shape[1])")
            .edit(STD, "X.std(correction=0).repeat(X.shape[1])")
            .edit(CONSTANT, ""),
            "You take one mean and one standard deviation over the whole table. Features have "
            "different scales: compute along dim=0, one value per feature.",
        ),
        wrong(
            "one mean for all features",
            edit(MEAN, "X.mean()").edit(STD, "X.std(correction=0)").edit(CONSTANT, ""),
            "You take one mean and one standard deviation over the whole table. Features have "
            "different scales: compute along dim=0, one value per feature.",
        ),
        wrong(
            "statistics recomputed for validation",
            edit("if mean is None", "if True").edit("if std is None", "if True"),
            "A given mean and std are not used: each dataset is standardised by its own "
            "statistics, so the same picture turns into different numbers in validation. Compute "
            "them only when they are None.",
        ),
        wrong(
            "a given std overruled",
            edit(CONSTANT, indent(dedent(CONSTANT), " " * 8)),
            "A feature that is constant in this data gets std 1 even though a std was given. The "
            "rule for constant features applies to the std that you compute; use a given one as "
            "it is.",
        ),
        wrong(
            "a mean of zeros taken for none",
            edit("if mean is None", "if mean is None or not mean.any()"),
            "A mean of all zeros is not used, as if none had been given. Test `mean is None`: "
            "zeros are valid values.",
        ),
        wrong(
            "both recomputed when one is missing",
            edit("if mean is None:", "if mean is None or std is None:\n            std = None"),
            "When only one of mean and std is given, you compute both. Decide for each one "
            "separately.",
        ),
        wrong(
            "division by zero",
            edit(CONSTANT, ""),
            "A constant feature has standard deviation 0, and dividing by it gives NaN or noise. "
            "Use 1 instead.",
        ),
        wrong(
            "constant feature missed by rounding",
            edit(STD, "(X - X.mean(dim=0)).square().mean(dim=0).sqrt()").edit(
                "X.amax(dim=0) == X.amin(dim=0)", "std == 0"
            ),
            "You look for a standard deviation of exactly 0. In a column of, say, 0.1 rounding "
            "leaves a tiny positive number, and dividing by that blows up the rounding. A feature "
            "is constant when its largest value equals its smallest.",
        ),
        wrong(
            "epsilon instead of 1",
            edit(CONSTANT, "").edit("/ std, y", "/ (std + 1e-8), y"),
            "You add a small epsilon to the standard deviation. A constant feature is then "
            "divided by almost nothing, which blows up its rounding: give it std 1.",
        ),
        wrong(
            "sample standard deviation",
            edit(STD, "X.std(dim=0)"),
            "Tensor.std divides by N - 1 unless told otherwise. The task asks for the "
            "population's: std(dim=0, correction=0) divides by N.",
        ),
        wrong(
            "variance instead of standard deviation",
            edit(STD, "X.var(dim=0, correction=0)"),
            "You divide by the variance. The standard deviation is its square root.",
        ),
        wrong(
            "labels standardised too",
            edit(
                KEPT,
                "        if isinstance(y, torch.Tensor):\n"
                "            y = (y.float() - y.float().mean()) / y.float().std(correction=0)\n"
                + KEPT,
            ),
            "The labels are standardised as well. A class number is a name, not a measurement: "
            "return it unchanged.",
        ),
        wrong(
            "caller's data changed in place",
            edit(KEPT, "        X -= mean\n        X /= std\n        self.X, self.y = X, y\n"),
            "You change the X that was passed in: as_tensor does not copy, and -= writes into the "
            "caller's own memory. Compute a new tensor, (X - mean) / std.",
        ),
        wrong(
            "labels turned into a tensor",
            edit("/ std, y", "/ std, torch.as_tensor(y)"),
            "You turn the labels into a tensor, which fails for a list of words. They should come "
            "back unchanged: keep y, and return y[i].",
            recognise=raises("dimensions", lambda case: isinstance(case["y"], list)),  # of words
        ),
        wrong(
            "statistics not kept as mean and std",
            edit("self.mean, self.std = mean", "self.m, self.s = mean"),
            "The statistics are not stored as self.mean and self.std, so validation data cannot "
            "reuse them.",
        ),
        wrong(
            "mean or ... for a missing mean",
            edit("        if mean is None:\n            mean =", "        mean = mean or").edit(
                "if std is None", "if not std"
            ),
            "`mean or ...` asks whether a tensor is true, which raises for more than one entry. "
            "Test `mean is None`.",
        ),
        wrong(
            "item is a list",
            edit(ITEM, "return [self.X[i], self.y[i]]"),
            "An item is a tuple, (x, label); yours is a list.",
        ),
        wrong(
            "one mean per example",
            edit(MEAN, "X.mean(dim=1, keepdim=True)")
            .edit(STD, "X.std(dim=1, correction=0, keepdim=True)")
            .edit(CONSTANT, ""),
            "You take mean and standard deviation along dim=1, one per example. A feature's "
            "statistics are taken over the examples: dim=0.",
        ),
        wrong(
            "scaled from smallest to largest",
            edit(MEAN, "X.amin(dim=0)").edit(STD, "X.amax(dim=0) - X.amin(dim=0)"),
            "You scale each feature to the range 0 to 1 by its smallest and largest values. The "
            "task asks for the mean and the standard deviation.",
        ),
        wrong(
            "label before features",
            edit(ITEM, "return self.y[i], self.X[i]"),
            "An item is (x, label); yours is (label, x).",
        ),
        wrong(
            "arrays not taken",
            edit("torch.as_tensor(X, dtype=torch.float32)", "X.float()"),
            "X may be a NumPy array, which has no float(). torch.as_tensor(X, dtype=torch.float32) "
            "takes both.",
            recognise=raises("", lambda case: case["array"]),
        ),
        wrong(
            "statistics in float64",
            edit("torch.float32", "torch.float64").edit("self.X[i],", "self.X[i].float(),"),
            "Your mean and std are float64. Turn X into float32 first, and they are float32 too.",
        ),
        wrong(
            "items in float64",
            edit("(X - mean) / std", "((X - mean) / std).double()"),
            "Your items are float64, and a float32 model will refuse them. Turn X into float32.",
        ),
    ),
    symptoms=(
        Symptom(
            "items are not pairs",
            edit("return self.X[i], self.y[i]", "return self.X[i]"),
            "dataset[i] does not give a tuple of two, the features of example i and its label.",
            lambda wrong, trials: any(
                "items" in t.got.values and t.got.get("labels") is None for t in trials
            ),
        ),
        Symptom(
            "mean and std off",
            edit("X.mean(dim=0)", "X.std(dim=0)").edit("correction=0", "correction=1"),
            "Neither self.mean nor self.std holds what the task asks for: the mean of each feature, and its "
            "population standard deviation, in the dtype float32.",
            lambda wrong, trials: {"mean", "std"} <= wrong,
        ),
        Symptom(
            "mean off",
            edit("X.mean(dim=0)", "X.median(dim=0).values"),
            "self.mean is not the mean of each feature of X, as a tensor with one entry per feature.",
            lambda wrong, trials: "mean" in wrong,
        ),
        Symptom(
            "std off",
            edit("X.std(dim=0, correction=0)", "X.std(dim=0, correction=0) ** 3"),
            "self.std is not the population standard deviation of each feature of X, with a 1 for each "
            "constant one.",
            lambda wrong, trials: "std" in wrong,
        ),
        Symptom(
            "given statistics not used",
            edit("if std is None:", "if True:"),
            "Without mean and std all is well. A mean or std that is given is to be used as it is, for the "
            "items and as self.mean and self.std.",
            lambda wrong, trials: (
                wrong == {"given"}
                and not any(
                    t.case["mean"] is None and t.case["std"] is None and _features_off(t)
                    for t in trials
                )
            ),
        ),
        Symptom(
            "features off",
            edit("(X - mean) / std", "(X - mean) * std"),
            "self.mean and self.std are right, but the items are not (x - self.mean) / self.std.",
            lambda wrong, trials: any(_features_off(t) for t in trials),
        ),
        Symptom(
            "labels off",
            edit("self.X, self.y = (X - mean) / std, y", "self.X, self.y = (X - mean) / std, X"),
            "The features are right. Labels come back as they came, len() is the number of examples, and the "
            "class is a Dataset: one of these is not so.",
            lambda wrong, trials: "labels" in wrong,
        ),
        Symptom(
            "constant features off",
            edit("torch.ones_like(std)", "2 * torch.ones_like(std)"),
            "A feature that is the same in all examples gets a std of 1, so its items are 0. Yours do "
            "something else with it.",
            lambda wrong, trials: "constant" in wrong,
        ),
        Symptom(
            "other kinds of input off",
            edit("torch.as_tensor(X, dtype=torch.float32)", "torch.as_tensor(X)"),
            "For a float32 tensor all is well. With an array, or with another dtype, the items should be the "
            "same, in float32, and what came in stays as it was.",
            right_but("any_input"),
        ),
    ),
)
