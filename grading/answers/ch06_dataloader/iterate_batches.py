"""``iterate_batches``, secret half.

Long, because many orders are right: the judge compares patterns, and each mistake has its own.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, RandomSampler, SequentialSampler, TensorDataset

from course_lib.exercises.ch06_dataloader.iterate_batches import (
    PASSES,
    SHUFFLED,
    batches_case,
    blocks_moved,
    blocks_stay,
    flat,
    shuffled_are,
    sizes_that_came,
)
from course_lib.exercises.checking.model import Case, Observation
from grading.answers import draw
from grading.answers.compare import in_own_words
from grading.answers.edit import edit
from grading.answers.model import Answer, Symptom, Trial, wrong

DRAW = "torch.randperm(n, generator=generator)"
ORDER = f"    order = {DRAW} if shuffle else torch.arange(n)\n"
UNSHUFFLED = "    order = torch.arange(n)\n"
LOOP = "    for start in range(0, n, batch_size):\n"
ROWS = "        rows = order[start : start + batch_size]\n"
YIELD = "        yield X[rows], y[rows]\n"


_SHUFFLED_AT_ALL = [label for label, how in PASSES.items() if how["shuffle"]]


def _cases(generator: torch.Generator) -> list[Case]:
    case = partial(batches_case, generator)
    return [
        case(n=26 + 4 * draw.size(generator, 0, 2), shape=(3,), batch_size=4),
        case(n=31, shape=(2, 4), batch_size=7, dtype=torch.float64, strided=True),
        case(n=24, shape=(5,), batch_size=6, label_dtype=torch.float32),
        # Enough full batches that their order, shuffled, is hardly ever the old one.
        case(n=47, shape=(), batch_size=draw.size(generator, 6, 8), dtype=torch.float64),
        case(n=1, shape=(2,), batch_size=draw.size(generator, 2, 4)),
    ]


def _compare_pairs(case: Case, expected: Observation, got: Observation) -> str | None:
    for label in _SHUFFLED_AT_ALL:
        rows, size = got["rows"][label], case["batch_size"]
        if rows is None:
            return "a shuffled pass does not give pairs (x, y) of tensors"
        # With drop_last the sizes belong to the aspect before this one.
        if size not in map(len, rows) and not PASSES[label]["drop_last"]:
            return f"no batch of a shuffled pass has {size} examples, as batch_size says"
        if not got["pairs_fit"][label]:
            return "after shuffling, x and y do not belong together, or a dtype has changed"
    return None if got["inputs_unchanged"] else "X or y was changed in place"


def _compare_once(case: Case, expected: Observation, got: Observation) -> str | None:
    n, size = len(case["X"]), case["batch_size"]
    for label in _SHUFFLED_AT_ALL:
        rows, order = got["rows"][label], got["orders"][label]
        if rows is None:
            return "a shuffled pass does not give pairs (x, y) of tensors"
        if len(set(order)) != len(order):
            return "an example appears more than once in a shuffled pass"
        sizes = [len(batch) for batch in rows]
        right = [size] * (n // size) + [n % size] * (n % size > 0)
        if sizes != right and not PASSES[label]["drop_last"]:
            return f"{n} examples at batch size {size}, shuffled, come in batches of {sizes}"
    return None


def _dropping_problem(case: Case, expected: Observation, got: Observation) -> str | None:
    rows, n, size = got["rows"], len(case["X"]), case["batch_size"]
    if rows["plain_drop"] is None or rows["shuffled_drop"] is None:
        return "a pass with drop_last=True does not give pairs (x, y) of tensors"
    for label in ("plain_drop", "shuffled_drop"):
        sizes = [len(batch) for batch in rows[label]]
        if sizes != [size] * (n // size):
            return (
                "drop_last=True leaves out the last batch when it is smaller, and only then: "
                f"{n} example{'s' * (n != 1)} at batch size {size} should come as {n // size} batches of {size}; "
                f"{sizes_that_came(sizes)}"
            )
    if not _in_order(rows["plain_drop"]):
        return (
            f"with shuffle=False and drop_last=True, yours does not give the first {n - n % size} "
            "examples in order"
        )
    if not got["pairs_fit"]["plain_drop"]:
        return (
            "with shuffle=False and drop_last=True, x and y do not belong together, or a dtype has "
            "changed"
        )
    return None


def _in_order(rows: list[list[int]]) -> bool:
    order = flat(rows)
    return order == list(range(len(order)))


def _compare_order(case: Case, expected: Observation, got: Observation) -> str | None:
    order = got["orders"]
    if None in order.values():
        return "a pass does not give pairs (x, y) of tensors"
    if order["first"] == order["second"] or order["global"] == order["global_next"]:
        return "two passes in a row have the same order"
    if order["first"] != order["repeated"]:
        return "generators in the same state give different orders"
    if order["first"] == order["other_seed"]:
        return "generators with different seeds give the same order"
    if order["global"] != order["global_repeated"]:
        return "without a generator, torch.manual_seed does not determine the order"
    if got["drew_from_global"]:
        return "a pass with a generator still draws from the global random state"
    if order["default"] != order["global"]:
        return (
            "called without shuffle and generator it does not shuffle, or not from the global random "
            "state"
        )
    if not got["neighbours_part"]:
        return "not every order of the examples is possible: neighbours stay together"
    return None


def _well_formed(test: Callable[[Case, Observation], bool]) -> Callable[[Case, Observation], bool]:
    """A ``recognise`` that is False where a pass is not made of pairs. A case of less than a batch
    says nothing."""
    return lambda case, got: (
        got.error is None
        and None not in got["orders"].values()
        and ("pairs" not in case["asks"] or test(case, got))
    )


def _complete(got: Observation, *more: str) -> bool:
    """Whether every pass that should have each example once has it, and ``more`` passes have."""
    return all(got["complete"][label] for label in ("plain", *SHUFFLED, *more))


def _pairs_fit(got: Observation) -> bool:
    return all(got["pairs_fit"][label] for label in SHUFFLED)


_pairs_torn = _well_formed(
    lambda case, got: _complete(got) and got["pairs_fit"]["plain"] and not _pairs_fit(got)
)
_drop_last_ignored = _well_formed(lambda case, got: _complete(got, "plain_drop", "shuffled_drop"))


@_well_formed
def _last_batch_lost(case, got):
    kept = len(case["X"]) // case["batch_size"] * case["batch_size"]
    orders = [got["orders"][label] for label in ("plain", *SHUFFLED)]
    return all(len(set(order)) == kept == len(order) for order in orders)


@_well_formed
def _drawn_with_replacement(case, got):
    repeats = shuffled_are(lambda rows: len(set(flat(rows))) < len(flat(rows)), got["rows"])
    return repeats and got["complete"]["plain"] and _pairs_fit(got)


@_well_formed
def _drawn_for_each_batch(case, got):
    """No batch has an example twice, a pass does."""
    each_once = shuffled_are(lambda rows: all(len({*rs}) == len(rs) for rs in rows), got["rows"])
    return each_once and _drawn_with_replacement(case, got)


def _one_pair(case: Case, got: Observation) -> bool:
    match got.get("plain"):
        case [Tensor(), Tensor()]:
            return got.error is None
    return False


def _never_ends(case: Case, got: Observation) -> bool:
    plain = got.get("plain")
    return isinstance(plain, list) and len(plain) > 2 * len(case["X"])


@_well_formed
def _full_batch_dropped(case, got):
    n, size = len(case["X"]), case["batch_size"]
    return _complete(got) and len(got["orders"]["plain_drop"]) == n - (n % size or size)


@_well_formed
def _drew_for_nothing(case, got):
    return (
        bool(got["drew_for_nothing"])
        and _complete(got)
        and _in_order(got["rows"]["plain"])
        and _compare_order(case, got, got) is None
    )


@_well_formed
def _order_stays(case, got):
    order = got["orders"]
    return order["first"] == order["other_seed"] and _order_starts_again(case, got)


@_well_formed
def _order_starts_again(case, got):
    order = got["orders"]
    return (
        _complete(got)
        and order["first"] == order["second"] == order["repeated"]
        and order["global"] == order["global_next"]
        and not _in_order(got["rows"]["first"])
    )


_generator_ignored = _well_formed(
    lambda case, got: (
        _complete(got)
        and _pairs_fit(got)
        and got["orders"]["first"] not in (got["orders"]["repeated"], got["orders"]["second"])
    )
)
_never_shuffled = _well_formed(
    lambda case, got: (
        bool(got["orders"]["plain"])
        and _in_order(got["rows"]["plain"])
        and shuffled_are(_in_order, got["rows"])
    )
)


def _shuffled_like(pattern: Callable[[list[list[int]]], bool]):
    """Recognises passes that all have the pattern, and are shuffled by it."""
    return _well_formed(
        lambda case, got: (
            _complete(got)
            and shuffled_are(pattern, got["rows"])
            and not shuffled_are(_in_order, got["rows"])
        )
    )


@_well_formed
def _no_generator_but_right(case, got):
    return (
        not got["is_generator"]
        and _complete(got)
        and _pairs_fit(got)
        and _compare_order(case, got, got) is None
    )


def _sort_random_keys(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
    order = list(range(X.shape[0]))
    if shuffle:
        order = torch.rand(len(order), generator=generator, dtype=torch.float64).argsort().tolist()
    while order and not (drop_last and len(order) < batch_size):
        rows, order = order[:batch_size], order[batch_size:]
        yield torch.stack([X[row] for row in rows]), torch.stack([y[row] for row in rows])


def _deal_cards(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
    """Fisher and Yates, card by card; the whole is a generator expression."""
    order = list(range(len(X)))
    if shuffle:
        for i in range(len(order) - 1, 0, -1):
            j = int(torch.randint(i + 1, (1,), generator=generator))
            order[i], order[j] = order[j], order[i]
    n_batches = len(order) // batch_size if drop_last else math.ceil(len(order) / batch_size)
    X, y = X.clone(), y.clone()
    starts = [batch_size * i for i in range(n_batches)]
    return ((X[order[s : s + batch_size]], y[order[s : s + batch_size]]) for s in starts)


def _with_samplers(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
    places: Any = range(len(X))
    if shuffle:
        places = torch.randperm(len(X), generator=generator).tolist()
    yield from ((X[rows], y[rows]) for rows in BatchSampler(places, batch_size, drop_last))


def _through_numpy(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
    rows = np.arange(len(X))
    if shuffle:
        rows = torch.randperm(len(X), generator=generator).numpy()
    end = len(rows) - len(rows) % batch_size if drop_last else len(rows)
    for part in np.split(rows[:end], range(batch_size, end, batch_size)):
        if part.size:
            yield X[part.tolist()], y[part.tolist()]


def _typed_with_islice(
    X: Tensor,
    y: Tensor,
    batch_size: int,
    shuffle: bool = True,
    drop_last: bool = False,
    generator: torch.Generator | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    n = y.numel()
    order = iter(torch.randperm(n, generator=generator).tolist() if shuffle else range(n))
    while rows := list(itertools.islice(order, batch_size)):
        if len(rows) == batch_size or not drop_last:
            yield X[rows], y[rows]


def _recursive(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
    rows = torch.multinomial(torch.ones(len(X)), len(X), generator=generator) if shuffle else None
    rows = torch.arange(len(y)) if rows is None else rows

    def batches(rows):
        match len(rows):
            case 0:
                return
            case few if drop_last and few < batch_size:
                return
        yield X[rows[:batch_size]], y[rows[:batch_size]]
        yield from batches(rows[batch_size:])

    yield from batches(rows)


class _Batch(NamedTuple):
    x: Tensor
    y: Tensor


def _through_a_dataset(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
    """Example by example, put together again as a DataLoader does it."""
    data = TensorDataset(X, y)
    order = RandomSampler(data, generator=generator) if shuffle else SequentialSampler(data)
    waiting = []
    for number in order:
        waiting.append(data[number])
        if len(waiting) == batch_size:
            yield _Batch(*map(torch.stack, zip(*waiting, strict=True)))
            waiting.clear()
    if waiting and not drop_last:
        yield _Batch(*map(torch.stack, zip(*waiting, strict=True)))


def _only_the_default_pass_differs(wrong: frozenset[str], trials: Sequence[Trial]) -> bool:
    def sizes(seen: Observation) -> list[list[int]]:
        given = [rows for label, rows in seen["rows"].items() if label != "default"]
        return [list(map(len, rows)) for rows in given]

    return (
        any(t.got["orders"]["default"] != t.got["orders"]["global"] for t in trials)
        and not wrong & {"batches", "dropping"}
        and all(sizes(t.got) == sizes(t.expected) for t in trials)
    )


ANSWER = Answer(
    exercise="iterate_batches",
    cases=_cases,
    compare={
        "dropping": in_own_words(_dropping_problem, "plain_drop", "shuffled_drop_sizes"),
        "pairs": _compare_pairs,
        "once": _compare_once,
        "order": _compare_order,
    },
    equivalent={"X -> y": "Only the length is taken, and both have the same."},
    variants=(
        edit(LOOP + ROWS, "    for rows in order.split(batch_size):\n").edit(
            "X[rows], y[rows]", "X.index_select(0, rows), y.index_select(0, rows)"
        ),
        _sort_random_keys,
        _deal_cards,
        _with_samplers,
        _through_numpy,
        _typed_with_islice,
        _recursive,
        _through_a_dataset,
    ),
    misconceptions=(
        wrong(
            "input changed in place",
            edit(LOOP, "    X[:], y[:], order = X[order], y[order], torch.arange(n)\n" + LOOP),
            "You shuffle the caller's own X and y, so any indices into them now point to other "
            "examples. Shuffle row numbers, and leave the data alone.",
            recognise=_well_formed(
                lambda case, got: not got["inputs_unchanged"] and got["complete"]["plain"]
            ),
        ),
        wrong(
            "X and y shuffled apart",
            edit(LOOP, ORDER.replace("order", "other", 1) + LOOP).edit(
                "y[rows]", "y[other[start : start + batch_size]]"
            ),
            "X and y are not shuffled together: they have two different orders, or one of them "
            "stays as it was. So an example gets another example's label. Draw one order and use "
            "it for both.",
            recognise=_pairs_torn,
        ),
        wrong(
            "last batch lost",
            edit("if drop_last and", "if"),
            "The last batch is left out even though drop_last is False: its examples are never "
            "trained on. A slice that reaches past the end is shorter by itself; yield it.",
            recognise=_last_batch_lost,
        ),
        wrong(
            "drop_last ignored",
            edit("if drop_last and", "if False and"),
            "With drop_last=True you still yield a smaller last batch. Stop when fewer than "
            "batch_size rows are left.",
            recognise=_drop_last_ignored,
        ),
        wrong(
            "sampling with replacement",
            edit(ORDER, "").edit(ROWS, f"    {ORDER}{ROWS}"),
            "You draw a new permutation for each batch, so some examples appear twice in an epoch "
            "and others never. Draw one, before the loop, and cut it into batches.",
            recognise=_drawn_for_each_batch,
        ),
        wrong(
            "sampling with replacement",
            edit(DRAW, "torch.randint(n, (n,), generator=generator)"),
            "Some examples appear twice in an epoch, even in one batch, and others never: each row is "
            "drawn from all rows, as torch.randint does. An epoch shows each example once: draw one "
            "permutation, before the loop.",
            recognise=_drawn_with_replacement,
        ),
        wrong(
            "return instead of yield",
            edit("yield X", "return X"),
            "return ends the function at its first batch. yield hands out a batch and continues "
            "when the next one is asked for.",
            recognise=_one_pair,
        ),
        wrong(
            "the pass never ends",
            edit(
                YIELD,
                f"{YIELD}    yield from iterate_batches(X, y, batch_size, shuffle, drop_last, generator)\n",
            ),
            "After the last batch your function starts again. One call is one pass over the data: "
            "let the function end; for another epoch, the caller calls it again.",
            recognise=_never_ends,
        ),
        wrong(
            "drop_last one batch too eager",
            edit("len(rows) < batch_size", "start + batch_size >= n"),
            "With drop_last=True you leave out even a full last batch. Only a smaller one is left "
            "out: a batch that ends exactly at the end of the data is full.",
            recognise=_full_batch_dropped,
        ),
        wrong(
            "random numbers drawn without need",
            edit(ORDER, f"    order = {DRAW}\n    order = order if shuffle else torch.arange(n)\n"),
            "With shuffle=False you still draw an order, but do not use it. That advances the "
            "random state, so everything drawn afterwards changes. Draw only when you shuffle.",
            recognise=_drew_for_nothing,
        ),
        wrong(
            "never shuffled",
            edit(ORDER, UNSHUFFLED),
            "shuffle=True changes nothing: the examples come in the order of the data.",
            recognise=_never_shuffled,
        ),
        wrong(
            "same order every pass",
            edit("generator=generator", "generator=torch.Generator().manual_seed(0)"),
            "Every pass has the same order: you set the seed again inside the function. Draw from "
            "the given generator, and let its state move on.",
            recognise=_order_stays,
        ),
        wrong(
            "same order every pass",
            edit(ORDER, "    state = torch if generator is None else generator\n" + ORDER).edit(
                "generator=generator",
                "generator=torch.Generator().manual_seed(state.initial_seed())",
            ),
            "Every pass has the same order: you begin again at the generator's seed, with this one "
            "or a new one. Draw from the generator itself, and its state moves on.",
            recognise=_order_starts_again,
        ),
        wrong(
            "generator ignored",
            edit(DRAW, "torch.tensor(__import__('random').sample(range(n), n))"),
            "The order comes from a different source of randomness than the given generator. Pass "
            "it on: torch.randperm(n, generator=generator).",
            recognise=_well_formed(
                lambda case, got: not got["drew_from_global"] and _generator_ignored(case, got)
            ),
        ),
        wrong(
            "generator ignored",
            edit(DRAW, "torch.randperm(n)"),
            "The order does not come from the given generator, so it cannot be repeated. Pass it "
            "on: torch.randperm(n, generator=generator).",
            recognise=_generator_ignored,
        ),
        wrong(
            "always shuffled",
            edit(" if shuffle else torch.arange(n)", ""),
            "shuffle=False shuffles too. For validation the order must not change: use "
            "torch.arange(n) then.",
            recognise=_well_formed(
                lambda case, got: _complete(got) and not _in_order(got["rows"]["plain"])
            ),
        ),
        wrong(
            "batches shuffled, not examples",
            edit("range(0, n, batch_size)", "starts").edit(
                ORDER,
                UNSHUFFLED
                + """\
    starts, full = list(range(0, n, batch_size)), n // batch_size
    if shuffle:
        starts[:full] = [starts[i] for i in torch.randperm(full, generator=generator)]
""",
            ),
            "You shuffle the order of the batches, but a batch always holds the same neighbours. "
            "In sorted data it then holds only one class. Shuffle the examples, then cut.",
            recognise=_shuffled_like(blocks_moved),
        ),
        wrong(
            "shuffled inside the batches only",
            edit(ORDER, UNSHUFFLED).edit(
                YIELD,
                "        if shuffle:\n            rows = rows[torch.randperm(len(rows), generator=generator)]\n"
                + YIELD,
            ),
            "You cut first and shuffle inside each batch, so a batch always holds the same "
            "examples. Shuffle all rows first, then cut.",
            recognise=_shuffled_like(blocks_stay),
        ),
        wrong(
            "a list instead of a generator",
            edit(LOOP, "    batches = []\n" + LOOP)
            .edit("            return\n", "            break\n")
            .edit(YIELD, "        batches.append((X[rows], y[rows]))\n    return batches\n"),
            "You build all batches and return them in a list: a second copy of all the data in "
            "memory. Use yield, and each batch is made only when it is asked for.",
            recognise=_no_generator_but_right,
        ),
    ),
    symptoms=(
        Symptom(
            "not pairs of tensors",
            edit("yield X[rows], y[rows]", "yield X[rows], y"),
            "What comes is not made of pairs (x, y): two tensors with the same number of rows, y with "
            "the labels.",
            lambda wrong, trials: any(
                rows is None for t in trials for rows in t.got["rows"].values()
            ),
        ),
        Symptom(
            "examples missing or repeated",
            edit("range(0, n, batch_size)", "range(1, n, batch_size)"),
            "Not every example comes exactly once in a pass. The slices begin at 0, are batch_size apart, and "
            "go to the end of the data.",
            lambda wrong, trials: not all(t.got["complete"]["plain"] for t in trials),
        ),
        Symptom(
            "x and y do not belong together",
            edit("yield X[rows]", "yield X[:len(rows)]"),
            "Even without shuffling, an x is not the one that its label belongs to, or its dtype has changed. "
            "Take the same rows from X and from y.",
            lambda wrong, trials: not all(t.got["pairs_fit"]["plain"] for t in trials),
        ),
        Symptom(
            "a different default from the one asked for",
            edit("shuffle=True", "shuffle=False"),
            "With all arguments given your passes are right, without them they are not: shuffle is True where "
            "nothing is given, drop_last False, and generator None.",
            _only_the_default_pass_differs,
        ),
        Symptom(
            "drop_last off",
            edit("len(rows) < batch_size", "len(rows) <= batch_size"),
            "Without drop_last all examples come. With it, only a last batch that is smaller than batch_size "
            "is left out: not a full one, and not without being asked.",
            lambda wrong, trials: bool(wrong & {"batches", "dropping"}),
        ),
    ),
)
