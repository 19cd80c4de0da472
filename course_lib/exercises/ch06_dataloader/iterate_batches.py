"""``iterate_batches``, public half. Long: many orders are right, so the check looks at patterns."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice, pairwise
from typing import Any

import torch

from course_lib.exercises.ch06_dataloader.what_came import parts_described
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type, as_tuple

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
    # Called without shuffle, drop_last and generator.
    "default": {"shuffle": True, "drop_last": False, "seed": 1, "defaults": True},
}
#: Shuffled passes of all examples. Left out: the default one, whose order is that of another one.
SHUFFLED = ("first", "second", "repeated", "other_seed", "global", "global_next")
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
    return {
        "X": X,
        "y": y,
        "batch_size": batch_size,
        "seeds": seeds,
        "strided": strided,
        # With fewer examples than a batch takes, chance hardly shows.
        "asks": ("batches", "dropping", "pairs", "once", "order")[: 2 if n < batch_size else 5],
    }


def _observe(function: Any, case: Case, notes: Notes) -> None:
    X, y = case["X"], case["y"]
    if case["strided"]:
        X = torch.stack([X, -X], dim=-1)[..., 0]
    X_before, y_before = X.clone(), y.clone()
    seed, other_seed, global_seed = case["seeds"]
    generators = {
        letter: torch.Generator().manual_seed(number)
        for letter, number in (("a", seed), ("b", seed), ("c", other_seed))
    }
    notes["passes"] = passes = {}
    notes["drew_unasked"] = drew_unasked = []
    torch.manual_seed(global_seed)
    for label, how in PASSES.items():
        if "seed" in how:
            torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        settings = {
            "shuffle": how["shuffle"],
            "drop_last": how["drop_last"],
            "generator": generators.get(how.get("generator", "")),
        }
        result = function(X, y, case["batch_size"], **({} if "defaults" in how else settings))
        if label == "plain":
            notes["is_generator"] = inspect.isgenerator(result)
        passes[label] = _collect(result)
        drew = not torch.equal(before, torch.get_rng_state())
        if drew and (not how["shuffle"] or "generator" in how):
            drew_unasked.append(label)
    notes["inputs_unchanged"] = torch.equal(X, X_before) and torch.equal(y, y_before)


def _collect(result: Any) -> Any:
    """The batches as a list, or what came when it is not iterable."""
    if not isinstance(result, Iterable):
        return result
    return list(map(as_tuple, islice(result, _MOST_BATCHES)))


def _rows_of(case: Case, batches: Any) -> list[list[int]] | None:
    """Per batch the rows of X that it holds, found by their labels; None when it is no list of
    pairs of tensors with labels of this case, or of more than anybody needs. Whether x fits its y
    is not looked at."""
    place = {float(label): row for row, label in enumerate(case["y"].tolist())}
    if not isinstance(batches, list):
        return None
    rows, left = [], _MOST_BATCHES * len(case["X"])
    for batch in batches:
        pair = isinstance(batch, tuple | list) and len(batch) == 2
        if not pair or not all(isinstance(part, torch.Tensor) for part in batch):
            return None
        x, y = batch
        if x.ndim == 0 or y.ndim != 1 or len(x) != len(y) or len(y) > left:
            return None
        left -= len(y)
        labels = [float(label) for label in y.tolist()]
        if any(label not in place for label in labels):
            return None
        rows.append([place[label] for label in labels])
    return rows


def _pairs_fit(case: Case, batches: list[Any], rows: list[list[int]]) -> bool:
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


def blocks_moved(rows: list[list[int]]) -> bool:
    """Whether each batch is a run of neighbours in the data, in order."""
    return all(b == a + 1 for batch in rows for a, b in pairwise(batch))


def blocks_stay(rows: list[list[int]]) -> bool:
    """Whether each batch holds the same examples as without shuffling."""
    return flat([sorted(batch) for batch in rows]) == sorted(flat(rows))


def rotated(rows: list[list[int]]) -> bool:
    """Whether the data were only started elsewhere, or turned round."""
    order = flat(rows)
    return len({(b - a) % len(order) for a, b in pairwise(order)}) == 1


def shuffled_are(pattern: Callable[[list[list[int]]], bool], rows: Mapping[str, Any]) -> bool:
    """Whether all shuffled passes have the pattern."""
    return all(pattern(rows[label]) for label in SHUFFLED)


def _neighbours_part(rows: Mapping[str, Any]) -> bool | None:
    """Whether shuffling can bring any example to any place; None where a pass is malformed."""
    if any(not rows[label] for label in SHUFFLED):
        return None
    return not any(shuffled_are(each, rows) for each in (blocks_moved, blocks_stay, rotated))


def _facts(case: Case, observation: Observation) -> Mapping[str, Any]:
    """The last four are by pass, and None where the pass is malformed."""
    passes, drew = observation["passes"], observation["drew_unasked"]
    rows = {label: _rows_of(case, passes[label]) for label in PASSES}
    orders = {label: batches and flat(batches) for label, batches in rows.items()}
    dropped = rows["shuffled_drop"]
    return {
        "plain": passes["plain"],
        "plain_drop": passes["plain_drop"],
        "shuffled_drop_sizes": None if dropped is None else [len(batch) for batch in dropped],
        "drew_for_nothing": [label for label in drew if not PASSES[label]["shuffle"]],
        "drew_from_global": [label for label in drew if PASSES[label]["shuffle"]],
        "rows": rows,
        "neighbours_part": _neighbours_part(rows),
        "orders": orders,
        "complete": {
            label: None if order is None else sorted(order) == list(range(len(case["X"])))
            for label, order in orders.items()
        },
        "pairs_fit": {
            label: None if batches is None else _pairs_fit(case, passes[label], batches)
            for label, batches in rows.items()
        },
    }


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    n, size = len(case["X"]), case["batch_size"]
    rows, orders = observation["rows"], observation["orders"]
    shaped = all(rows[label] is not None for label in PASSES if label != "plain_drop")
    text = "a pass yields pairs (x, y) of tensors of equal length"
    yield Finding(shaped, text, "" if shaped else _first_misfit(case, observation))
    yield Finding(observation["is_generator"], "the result is a generator: the function yields")
    if not shaped:
        return
    in_order = list(range(n))
    yield Finding(orders["plain"] == in_order, "shuffle=False gives every example, in order")
    sizes = [len(batch) for batch in rows["plain"]]
    right = [size] * (n // size) + [n % size] * (n % size > 0)
    given = f"{n} example{'s' * (n != 1)} at batch size {size}"
    text = "without shuffling, each batch has batch_size examples, and the last has what is left"
    due = f"{given} should come as {_shortened(right)}"
    yield Finding(sizes == right, text, f"{due}; {sizes_that_came(sizes)}")
    kept, come = None, _what_came(case, observation["plain_drop"])
    if rows["plain_drop"] is not None:
        kept = [len(batch) for batch in rows["plain_drop"]]
        come = sizes_that_came(kept)
    yield Finding(
        kept == [size] * (n // size),
        "drop_last=True leaves out the last batch when it is smaller, and only then",
        f"{given} should come as {n // size} batches of {size}; {come}",
    )
    yield Finding(not observation["drew_for_nothing"], "shuffle=False draws no random numbers")
    yield Finding(
        False not in observation["pairs_fit"].values(),
        "every x comes with its own y, and the dtypes are kept",
    )
    first = orders["first"]
    yield Finding(
        observation["complete"]["first"], "a shuffled pass has every example exactly once"
    )
    if n < size:
        return
    yield Finding(first != in_order, "shuffle=True changes the order")
    yield Finding(first != orders["second"], "the next pass has a different order")
    yield Finding(
        first == orders["repeated"], "a generator with the same seed gives the same order"
    )
    yield Finding(
        orders["global"] == orders["global_repeated"],
        "without a generator, torch.manual_seed determines the order",
    )
    # Else the same call gives another order, whatever the defaults are.
    if orders["global"] == orders["global_repeated"] and observation["inputs_unchanged"]:
        text = "shuffle, drop_last and generator have the defaults True, False and None"
        yield Finding(orders["default"] == orders["global"], text)
    text = "a shuffled example can land in any batch: shuffle the examples, then cut"
    yield Finding(observation["neighbours_part"], text)
    yield Finding(observation["inputs_unchanged"], "X and y are left as they were")


def _first_misfit(case: Case, observation: Observation) -> str:
    """What came in the first pass that is not made of pairs, and how that pass was asked for."""
    rows = observation["rows"]
    label = next(label for label in PASSES if label != "plain_drop" and rows[label] is None)
    asked = [f"{name}={PASSES[label][name]}" for name in ("shuffle", "drop_last")]
    return f"with {', '.join(asked)} {_what_came(case, observation['passes'][label])}"


def _what_came(case: Case, batches: Any) -> str:
    """What a pass of the learner's gives, when it is no list of pairs."""
    if not isinstance(batches, list):
        return f"yours gives back {a_type(batches)}"
    if not batches:
        return "yours gives no batch at all"
    number = next((i for i, batch in enumerate(batches) if _rows_of(case, [batch]) is None), 0)
    batch = batches[number]
    which = "the first item" if number == 0 else f"item {number + 1}"
    if not isinstance(batch, tuple | list):
        return f"{which} that yours gives is {a_type(batch)}"
    what = f"{which} that yours gives is {parts_described(batch)}"
    tensors = len(batch) == 2 and all(isinstance(part, torch.Tensor) for part in batch)
    if tensors and batch[1].ndim == 1 and batch[0].shape[:1] == batch[1].shape:
        return f"{what}, and the labels are not all from y"
    return what


def sizes_that_came(sizes: list[int]) -> str:
    return f"yours came as {_shortened(sizes)}" if sizes else "yours gave none"


def _shortened(sizes: list[int]) -> str:
    """All sizes where they are few, else the first ones and the last, and how many there are."""
    if len(sizes) <= 8:
        return str(sizes)
    many = f"{len(sizes)}{' or more' * (len(sizes) == _MOST_BATCHES)} batches"
    return f"[{', '.join(map(str, sizes[:6]))}, ..., {sizes[-1]}] ({many})"


def _public_batches() -> list[Case]:
    generator = torch.Generator().manual_seed(60)
    return [
        batches_case(generator, n=23, shape=(2,), batch_size=5),
        batches_case(generator, n=24, shape=(3,), batch_size=6, dtype=torch.float64),
        batches_case(generator, n=3, shape=(1,), batch_size=4),
    ]


EXERCISE = Exercise(
    name="iterate_batches",
    points=3,
    task="A data loader from scratch: one pass over X and y in batches.",
    aspects=(
        Aspect(
            "batches",
            "unshuffled: batches of batch_size, in order, from a generator function",
            0.5,
            ("plain", "is_generator", "drew_for_nothing"),
        ),
        Aspect(
            "dropping",
            "drop_last leaves out a smaller last batch, and nothing else",
            0.5,
            ("plain_drop", "shuffled_drop_sizes"),
        ),
        Aspect("pairs", "shuffled: each x comes with its own y", 0.5, ("pairs_fit",)),
        Aspect(
            "once", "shuffled: every example comes once, in batches of batch_size", 0.5, ("rows",)
        ),
        Aspect(
            "order",
            "a new random order each pass, determined by the generator's state",
            1,
            ("orders", "drew_from_global"),
            after=("pairs",),
        ),
    ),
    hints=(
        "Make one list of row numbers first: torch.arange(n), or torch.randperm(n, generator="
        "generator). Then walk through it in slices of batch_size, and take the same rows from X "
        "and from y.",
        "for start in range(0, n, batch_size): rows = order[start : start + batch_size]; then "
        "yield X[rows], y[rows]. The last slice is shorter by itself; when drop_last is True, "
        "stop as soon as len(rows) < batch_size.",
    ),
    observe=_observe,
    fields=("passes", "drew_unasked", "is_generator", "inputs_unchanged"),
    facts=_facts,
    derived=(
        "plain",
        "plain_drop",
        "shuffled_drop_sizes",
        "drew_for_nothing",
        "drew_from_global",
        "rows",
        "neighbours_part",
        "orders",
        "complete",
        "pairs_fit",
    ),
    public_cases=_public_batches,
    properties=_properties,
    forbidden=(
        "torch.utils.data.DataLoader",
        "course_lib.data.loader",
        "course_lib.data.batches",
    ),
)
