"""Chapter 06, public half: the exercises' checks and drivers, and the quiz's questions."""

import copy
import inspect
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import torch
from torch.utils.data import Dataset

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import type_name
from course_lib.quiz import Question


def whole_number(generator: torch.Generator, low: int, high: int) -> int:
    """A random integer, ``low`` included, ``high`` not."""
    return int(torch.randint(low, high, (1,), generator=generator))


# --- count_updates ------------------------------------------------------------------------------


def observe_count_updates(function: Any, case: Case, notes: Notes) -> None:
    notes["returned"] = [function(*arguments) for arguments in case["questions"]]


def properties_count_updates(case: Case, observation: Observation) -> Iterator[Finding]:
    returned = observation["returned"]
    kinds = [type_name(value) for value in returned if type(value) is not int]
    yield Finding(not kinds, "the result is an int", f"yours is {', '.join(kinds[:1])}")
    for (n, batch_size, drop_last), right, value in zip(
        case["questions"], case["right"], returned, strict=True
    ):
        words = f"{n:,} examples, batch size {batch_size}, drop_last={drop_last}: {right}"
        good = isinstance(value, int | float) and value == right
        yield Finding(good, words, f"yours is {value!r:.20}")


COUNT_UPDATES = Exercise(
    name="count_updates",
    points=1,
    task="How many optimizer steps does one epoch make?",
    aspects=(Aspect("count", "the number of batches in one epoch", 1, ("returned",)),),
    hints=(
        "Count the full batches first: // divides and drops the rest. Then ask whether something "
        "is left over, and whether the left-over batch counts.",
        "n_examples % batch_size is what is left after the full batches. It makes one more batch "
        "when it is not 0 and drop_last is False.",
    ),
    observe=observe_count_updates,
    public_cases=lambda: [
        {
            "questions": [
                (1000, 32, False),
                (1000, 32, True),
                (96, 32, False),
                (5, 32, False),
                (5, 32, True),
            ],
            "right": [32, 31, 3, 1, 0],
        }
    ],
    properties=properties_count_updates,
)


# --- iterate_batches ----------------------------------------------------------------------------

#: Every pass that is made: how, and with which generator. Runs with the same letter share one.
PASSES: dict[str, dict[str, Any]] = {
    "plain": {"shuffle": False, "drop_last": False},
    "plain_drop": {"shuffle": False, "drop_last": True},
    "first": {"shuffle": True, "drop_last": False, "generator": "a"},
    "second": {"shuffle": True, "drop_last": False, "generator": "a"},
    "repeated": {"shuffle": True, "drop_last": False, "generator": "b"},
    "other_seed": {"shuffle": True, "drop_last": False, "generator": "c"},
    "shuffled_drop": {"shuffle": True, "drop_last": True, "generator": "c"},
    "global": {"shuffle": True, "drop_last": False, "seed": 1},
    "global_next": {"shuffle": True, "drop_last": False},
    "global_repeated": {"shuffle": True, "drop_last": False, "seed": 1},
}
#: No right solution gives more batches than examples.
_MOST_BATCHES = 400


def batches_case(
    generator: torch.Generator,
    *,
    n: int,
    shape: tuple[int, ...],
    batch_size: int,
    dtype: torch.dtype = torch.float32,
    label_dtype: torch.dtype = torch.int64,
    strided: bool = False,
) -> dict[str, Any]:
    """X is ``[n, *shape]``. All labels differ, so that each says which row it belongs to."""
    X = torch.randn(n, *shape, generator=generator, dtype=torch.float64).to(dtype)
    y = torch.randperm(n, generator=generator).add(100).to(label_dtype)
    seeds = torch.randperm(10_000, generator=generator)[:3].tolist()
    return {"X": X, "y": y, "batch_size": batch_size, "seeds": seeds, "strided": strided}


def observe_iterate_batches(function: Any, case: Case, notes: Notes) -> None:
    X, y = case["X"], case["y"]
    if case["strided"]:
        X = torch.stack([X, -X], dim=-1)[..., 0]
    X_before, y_before = X.clone(), y.clone()
    seed, other_seed, global_seed = case["seeds"]
    generators = {
        letter: torch.Generator().manual_seed(number)
        for letter, number in (("a", seed), ("b", seed), ("c", other_seed))
    }
    passes: dict[str, Any] = {}
    notes["passes"] = passes
    torch.manual_seed(global_seed)
    drew_unasked = []
    for label, how in PASSES.items():
        if "seed" in how:
            torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        result = function(
            X,
            y,
            case["batch_size"],
            shuffle=how["shuffle"],
            drop_last=how["drop_last"],
            generator=generators.get(how.get("generator", "")),
        )
        if label == "plain":
            notes["is_generator"] = inspect.isgenerator(result)
        passes[label] = _collect(result)
        drew = not torch.equal(before, torch.get_rng_state())
        if drew and (not how["shuffle"] or "generator" in how):
            drew_unasked.append(label)
    notes["plain"], notes["plain_drop"] = passes.pop("plain"), passes.pop("plain_drop")
    rows = rows_of(case, passes["shuffled_drop"])
    notes["shuffled_drop_sizes"] = None if rows is None else [len(batch) for batch in rows]
    notes["drew_for_nothing"] = [label for label in drew_unasked if label.startswith("plain")]
    notes["drew_from_global"] = [label for label in drew_unasked if not label.startswith("plain")]
    notes["inputs_unchanged"] = torch.equal(X, X_before) and torch.equal(y, y_before)


def _collect(result: Any) -> Any:
    """The batches as a list, or what came when it is not iterable."""
    if not isinstance(result, Iterable):
        return result
    return list(islice(result, _MOST_BATCHES))


def rows_of(case: Case, batches: Any) -> list[list[int]] | None:
    """Per batch the rows of X that it holds, found by their labels; None when it is no list of
    pairs of tensors with labels of this case. Whether x fits its y is not looked at."""
    place = {float(label): row for row, label in enumerate(case["y"].tolist())}
    if not isinstance(batches, list):
        return None
    rows = []
    for batch in batches:
        pair = isinstance(batch, tuple | list) and len(batch) == 2
        if not pair or not all(isinstance(part, torch.Tensor) for part in batch):
            return None
        x, y = batch
        if x.ndim == 0 or y.ndim != 1 or len(x) != len(y):
            return None
        labels = [float(label) for label in y.tolist()]
        if any(label not in place for label in labels):
            return None
        rows.append([place[label] for label in labels])
    return rows


def pairs_fit(case: Case, batches: list[Any], rows: list[list[int]]) -> bool:
    """Whether each row of x is the one that its label belongs to, with the dtypes kept."""
    return all(
        x.dtype == case["X"].dtype
        and y.dtype == case["y"].dtype
        and x.shape == case["X"][chosen].shape
        and torch.equal(x, case["X"][chosen])
        for (x, y), chosen in zip(batches, rows, strict=True)
    )


def flat(rows: list[list[int]]) -> list[int]:
    return [row for batch in rows for row in batch]


def properties_iterate_batches(case: Case, observation: Observation) -> Iterator[Finding]:
    n, size = len(case["X"]), case["batch_size"]
    plain = rows_of(case, observation["plain"])
    passes = {label: rows_of(case, batches) for label, batches in observation["passes"].items()}
    shaped = plain is not None and all(rows is not None for rows in passes.values())
    text = "a pass gives pairs (x, y) of tensors of equal length"
    yield Finding(shaped, text, "" if shaped else _first_misfit(case, observation))
    yield Finding(observation["is_generator"], "the result is a generator: the function yields")
    if not shaped:
        return
    yield Finding(flat(plain) == list(range(n)), "shuffle=False gives every example, in order")
    sizes = [len(batch) for batch in plain]
    yield Finding(
        sizes == [size] * (n // size) + [n % size] * (n % size > 0),
        "without shuffling, all batches but the last have batch_size examples",
        f"{n} examples at batch size {size} came as {_shortened(sizes)}",
    )
    dropped = rows_of(case, observation["plain_drop"])
    kept = None if dropped is None else [len(batch) for batch in dropped]
    come = (
        _what_came(case, observation["plain_drop"]) if kept is None else f"yours {_shortened(kept)}"
    )
    yield Finding(
        kept == [size] * (n // size),
        "drop_last=True leaves out the last batch when it is smaller, and only then",
        f"{n} examples at batch size {size} make {n // size} batches of {size}, {come}",
    )
    yield Finding(not observation["drew_for_nothing"], "shuffle=False draws no random numbers")
    yield Finding(
        all(pairs_fit(case, observation["passes"][label], rows) for label, rows in passes.items()),
        "after shuffling, every x still has its own y, and the dtypes are kept",
    )
    first = flat(passes["first"])
    yield Finding(sorted(first) == list(range(n)), "a shuffled pass has every example once")
    yield Finding(first != list(range(n)), "shuffle=True changes the order")
    yield Finding(first != flat(passes["second"]), "the next pass has a new order")
    yield Finding(
        first == flat(passes["repeated"]), "a generator with the same seed gives the same order"
    )
    yield Finding(
        flat(passes["global"]) == flat(passes["global_repeated"]),
        "without a generator, torch.manual_seed decides the order",
    )
    yield Finding(observation["inputs_unchanged"], "X and y are left as they were")


def _first_misfit(case: Case, observation: Observation) -> str:
    """What came in the first pass that is not made of pairs, and how that pass was asked for."""
    passes = {"plain": observation["plain"], **observation["passes"]}
    label = next(label for label, batches in passes.items() if rows_of(case, batches) is None)
    asked = [f"{name}={PASSES[label][name]}" for name in ("shuffle", "drop_last")]
    return f"with {', '.join(asked)} {_what_came(case, passes[label])}"


def _what_came(case: Case, batches: Any) -> str:
    """What a pass of the learner's gives, when it is no list of pairs."""
    if not isinstance(batches, list):
        return f"yours gives back {type_name(batches)}"
    if not batches:
        return "yours gives no batch at all"
    number = next((i for i, batch in enumerate(batches) if rows_of(case, [batch]) is None), 0)
    batch = batches[number]
    which = "the first thing" if number == 0 else f"thing {number + 1}"
    if not isinstance(batch, tuple | list):
        return f"{which} that yours gives is {type_name(batch)}"
    things = [_described(part) for part in batch[:3]] + ["more"] * (len(batch) > 3)
    what = f"{which} that yours gives is {type_name(batch)} of {' and '.join(things)}"
    tensors = len(batch) == 2 and all(isinstance(part, torch.Tensor) for part in batch)
    if tensors and batch[1].ndim == 1 and batch[0].shape[:1] == batch[1].shape:
        return f"{what}, and the labels are not all from y"
    return what


def _shortened(sizes: list[int]) -> str:
    return str(sizes) if len(sizes) <= 8 else f"[{', '.join(map(str, sizes[:8]))}, ...]"


def _public_batches() -> list[Case]:
    generator = torch.Generator().manual_seed(60)
    return [
        batches_case(generator, n=23, shape=(2,), batch_size=5),
        batches_case(generator, n=24, shape=(3,), batch_size=6, dtype=torch.float64),
    ]


ITERATE_BATCHES = Exercise(
    name="iterate_batches",
    points=3,
    task="A data loader from scratch: one pass over X and y in batches.",
    aspects=(
        Aspect(
            "batches",
            "batches of the right sizes, with drop_last and without; in order unless shuffled",
            1,
            ("plain", "plain_drop", "shuffled_drop_sizes", "is_generator", "drew_for_nothing"),
        ),
        Aspect("pairs", "shuffled: every example once, and x with its own y", 1, ("passes",)),
        Aspect(
            "order",
            "a new random order each pass, decided by the generator's state",
            1,
            ("passes", "drew_from_global"),
            after=("pairs",),
        ),
    ),
    hints=(
        "Make one list of row numbers first: torch.arange(n), or torch.randperm(n, generator="
        "generator). Then walk through it in slices of batch_size, and take the same rows from X "
        "and from y.",
        "for start in range(0, n, batch_size): rows = order[start : start + batch_size]; then "
        "yield X[rows], y[rows]. A slice at the end is shorter by itself: when drop_last is True, "
        "stop as soon as len(rows) < batch_size.",
    ),
    observe=observe_iterate_batches,
    public_cases=_public_batches,
    properties=properties_iterate_batches,
    forbidden=(
        "torch.utils.data.DataLoader",
        "course_lib.data.loader",
        "course_lib.data.batches",
    ),
)


# --- StandardizedDataset ------------------------------------------------------------------------


def dataset_case(
    generator: torch.Generator,
    kind: str,
    *,
    n: int,
    features: int,
    dtype: torch.dtype = torch.float32,
    array: bool = False,
    labels: str = "int",
    constants: bool = False,
) -> dict[str, Any]:
    """A case: features of very different scales. ``kind`` says which arguments are given: "plain"
    none, "given" both, "mean" and "std" one of them. ``array`` hands X over as a NumPy array."""

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    scale = 10 ** torch.linspace(-1, 1.5, features, dtype=torch.float64)
    X = (normal(n, features) + 3 * normal(features)) * scale
    if constants:
        X[:, 0] = _awkward_constant(generator, n, features)
        X[:, -1] = 0.0
    numbers = torch.randint(10, (n,), generator=generator)
    y = {"int": numbers, "float": numbers * 0.5, "str": [f"label {k}" for k in numbers.tolist()]}
    return {
        "kind": kind,
        "X": X.to(dtype),
        "y": y[labels],
        "mean": normal(features).float() if kind in ("given", "mean") else None,
        "std": normal(features).abs().float() + 0.5 if kind in ("given", "std") else None,
        "array": array,
        "edge": constants or kind in ("mean", "std"),
    }


def _awkward_constant(generator: torch.Generator, n: int, features: int) -> float:
    """A number whose n copies have, in float32, a mean that is not quite that number."""
    while True:
        value = 0.05 + torch.rand(1, generator=generator).item()
        table = torch.full((n, features), value)
        if table.mean(dim=0)[0] != table[0, 0]:
            return value


def observe_standardized_dataset(cls: Any, case: Case, notes: Notes) -> None:
    X = case["X"].numpy() if case["array"] else case["X"]
    arguments = {key: case[key] for key in ("mean", "std") if case[key] is not None}
    before = copy.deepcopy([X, *arguments.values()])
    dataset = cls(X, case["y"], **arguments)
    kind = "edge" if case["edge"] else case["kind"]
    if kind != "given":
        notes[f"{kind}_mean"] = getattr(dataset, "mean", None)
        notes[f"{kind}_std"] = getattr(dataset, "std", None)
    if kind != "plain":
        notes[f"{kind}_items"] = _items(dataset, len(case["X"]))
    if kind == "given":
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


def properties_standardized_dataset(case: Case, observation: Observation) -> Iterator[Finding]:
    features = case["X"].shape[1]
    kind = "edge" if case["edge"] else case["kind"]
    if kind == "given":
        yield Finding(observation["is_dataset"], "it is a torch.utils.data.Dataset")
        length, n = observation["length"], len(case["X"])
        text, got = "len() is the number of examples", f"with {n} of them yours is {length}"
        yield Finding(length == n, text, got)
        yield Finding(
            observation["inputs_unchanged"],
            "the X, mean and std that came in are left as they were",
        )
    if kind != "plain":
        items = observation[f"{kind}_items"]
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
        yield Finding(pairs, text, f"with {features} features yours is {_parts_described(first)}")
        if not pairs:
            return
        same = all(
            type(mine) is type(label) and bool(mine == label)
            for (_, mine), label in zip(items, case["y"], strict=True)
        )
        yield Finding(same, "a label comes back as it is, also when the labels are a list of words")
        table = torch.stack([x for x, _ in items])
        yield Finding(bool(table.isfinite().all()), "no item holds a NaN or an infinity")
        if kind == "edge":
            flat_ones = case["X"].amax(dim=0) == case["X"].amin(dim=0)
            yield Finding(
                bool((table[:, flat_ones].abs() < 1e-4).all()), "a constant feature becomes 0"
            )
        if case["mean"] is not None and case["std"] is not None:
            restored = table * case["std"] + case["mean"]
            yield Finding(
                torch.allclose(restored, case["X"].float(), rtol=1e-3, atol=1e-3),
                "a mean and std that are given are used, not computed anew",
            )
    if kind != "given":
        mean, std = observation[f"{kind}_mean"], observation[f"{kind}_std"]
        shaped = all(
            isinstance(value, torch.Tensor)
            and value.dtype == torch.float32
            and value.shape == (features,)
            for value in (mean, std)
        )
        yield Finding(
            shaped,
            "self.mean and self.std are float32 tensors with one entry per feature",
            f"with {features} features yours are {_described(mean)} and {_described(std)}",
        )
        if shaped and kind == "plain":
            again = (case["X"].float() - mean) / std
            centred = bool((again.mean(dim=0).abs() < 1e-3).all())
            yield Finding(centred, "standardised features have the mean 0")
            yield Finding(
                bool((again.square().mean(dim=0) - 1).abs().max() < 1e-2),
                "standardised features have the mean square 1 (divide by N, not by N - 1)",
            )


def _parts_described(value: Any) -> str:
    """A tuple or a list with its first three parts; anything else by itself."""
    if not isinstance(value, tuple | list):
        return _described(value)
    return f"{type_name(value)} of {', '.join(_described(part) for part in value[:3])}"


def _described(value: Any) -> str:
    """Shape and dtype of a tensor, or the type of anything else."""
    if not isinstance(value, torch.Tensor):
        return type_name(value)
    return f"{list(value.shape)} {str(value.dtype).removeprefix('torch.')}"


def _public_datasets() -> list[Case]:
    generator = torch.Generator().manual_seed(61)
    return [
        dataset_case(generator, "plain", n=9, features=4),
        dataset_case(generator, "given", n=6, features=3),
        dataset_case(generator, "given", n=5, features=2, labels="str"),
        dataset_case(generator, "given", n=4, features=3, dtype=torch.float64, array=True),
        dataset_case(generator, "plain", n=7, features=5, constants=True),
    ]


STANDARDIZED_DATASET = Exercise(
    name="StandardizedDataset",
    points=3,
    task="A Dataset whose features have mean 0 and standard deviation 1.",
    aspects=(
        Aspect(
            "statistics",
            "mean and std of each feature, over the N examples",
            1,
            ("plain_mean", "plain_std"),
        ),
        Aspect(
            "items",
            "items are standardised with the given statistics; labels stay as they are",
            1,
            ("given_items", "length", "is_dataset", "inputs_unchanged"),
        ),
        Aspect(
            "edges",
            "constant features get std 1; each statistic is computed only when it is missing",
            1,
            ("edge_mean", "edge_std", "edge_items"),
        ),
    ),
    hints=(
        "In __init__, turn X into a float32 tensor. Statistics of each feature run down the "
        "examples: dim=0. Compute the mean only when mean is None, the std only when std is None.",
        "X.std(dim=0, correction=0) divides by N. A feature is constant when X.amax(dim=0) equals "
        "X.amin(dim=0); torch.where puts a 1 there. Keep mean and std as self.mean and self.std, "
        "and standardise in __getitem__ or once in __init__.",
    ),
    observe=observe_standardized_dataset,
    public_cases=_public_datasets,
    properties=properties_standardized_dataset,
)


# --- train_val_split ----------------------------------------------------------------------------

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


def observe_train_val_split(function: Any, case: Case, notes: Notes) -> None:
    seed, other_seed, global_seed = case["seeds"]
    splits: dict[str, Any] = {}
    notes["splits"] = splits
    drew = False
    generator = torch.Generator()
    for label in SPLITS:
        if "global" not in label:
            before = torch.get_rng_state()
            if label != "continued":
                generator.manual_seed(other_seed if label == "other_seed" else seed)
            splits[label] = function(case["n"], case["val_fraction"], generator=generator)
            drew = drew or not torch.equal(before, torch.get_rng_state())
        else:
            torch.manual_seed(other_seed if label == "other_global" else global_seed)
            splits[label] = function(case["n"], case["val_fraction"])
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


def properties_train_val_split(case: Case, observation: Observation) -> Iterator[Finding]:
    n, splits = case["n"], observation["splits"]
    shaped = all(is_split(split) for split in splits.values())
    text = "the result is a tuple of two int64 tensors: train, validation"
    yield Finding(shaped, text, f"yours is {_parts_described(splits['first'])}")
    if not shaped:
        return
    lists = {label: [part.tolist() for part in split] for label, split in splits.items()}
    train, val = lists["first"]
    yield Finding(
        len(val) == round(n * case["val_fraction"]),
        "validation gets round(n * val_fraction) indices, and stands second",
        f"with n={n} and val_fraction={case['val_fraction']:g} yours gets {len(val)}",
    )
    yield Finding(not set(train) & set(val), "no index is in both parts")
    yield Finding(sorted(train + val) == list(range(n)), "every index is in one of the parts")
    if min(len(train), len(val)) < 5:
        return
    yield Finding(
        val != sorted(val) and train != sorted(train), "both parts come in a shuffled order"
    )
    yield Finding(
        set(val) != set(lists["other_seed"][1]), "another seed chooses other validation examples"
    )
    yield Finding(lists["first"] == lists["repeated"], "the same seed gives the same split")
    yield Finding(
        lists["first"] != lists["continued"],
        "the same generator gives another split the second time, for it has moved on",
    )
    yield Finding(
        lists["global"] == lists["global_repeated"] != lists["other_global"],
        "without a generator, torch.manual_seed decides the split",
    )


TRAIN_VAL_SPLIT = Exercise(
    name="train_val_split",
    points=2,
    task="Split n examples at random: indices for training, indices for validation.",
    aspects=(
        Aspect("parts", "two parts of the right sizes, disjoint and complete", 1, ("splits",)),
        Aspect(
            "chance",
            "which example goes where is random, and decided by the generator's state",
            1,
            ("splits", "drew_from_global"),
        ),
    ),
    hints=(
        "Shuffle first, cut second: one random order of all n indices, cut into two pieces, can "
        "neither overlap nor lose anything.",
        "torch.randperm(n, generator=generator) is that order; the last n_val = round(n * "
        "val_fraction) of it are for validation. order[:-n_val] is empty when n_val is 0, so cut "
        "at n - n_val.",
    ),
    observe=observe_train_val_split,
    public_cases=lambda: [
        split_case(torch.Generator().manual_seed(62), n, fraction)
        for n, fraction in ((41, 0.2), (30, 0.25), (27, 0.5), (7, 0.0))
    ],
    properties=properties_train_val_split,
    forbidden=("torch.utils.data.random_split",),
)

EXERCISES = (COUNT_UPDATES, ITERATE_BATCHES, TRAIN_VAL_SPLIT, STANDARDIZED_DATASET)

QUESTIONS = (
    Question(
        "q06_1",
        "1,000 examples, batch size 32, `drop_last=False`. How many updates does one epoch make?",
        {"A": "1,000", "B": "31.25", "C": "31", "D": "32"},
    ),
    Question(
        "q06_2",
        "The digits are sorted by class and `shuffle=False`. In every epoch the accuracy on the "
        "zeros rises at the start and falls to nothing later. Why?",
        {
            "A": "The zeros are never seen.",
            "B": "The latest batches pull all weights towards the latest class.",
            "C": "The DataLoader drops examples that it has shown already.",
            "D": "The learning rate is too small to remember a class.",
        },
    ),
    Question(
        "q06_3",
        "You make the batch four times as large. What happens to the noise of the gradient, its "
        "typical distance from the gradient of the whole data?",
        {
            "A": "It halves.",
            "B": "It falls to a quarter.",
            "C": "It stays: every example counts the same.",
            "D": "It doubles: more examples bring more noise.",
        },
    ),
)
