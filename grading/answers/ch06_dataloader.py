"""Chapter 06, secret half: cases, misconceptions, right variants and the quiz's key."""

import copy
import math
import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import BatchSampler, DataLoader, Dataset, SequentialSampler, TensorDataset

from course_lib.data import digits
from course_lib.exercises import ch06_dataloader as public
from course_lib.exercises.ch06_dataloader import flat, pairs_fit, rows_of, whole_number
from course_lib.exercises.checking.model import Case, Observation
from course_lib.models import MLP
from grading.answers.model import Answer, Misconception, QuizKey

# --- count_updates ------------------------------------------------------------------------------


def _count_cases(generator: torch.Generator) -> list[Case]:
    questions: list[tuple[int, int, bool]] = []
    for drop_last in (False, True):
        size = whole_number(generator, 7, 60)
        full = whole_number(generator, 3, 40)
        questions += [
            (full * size, size, drop_last),
            (full * size + 1, size, drop_last),
            (full * size + size - 1, size, drop_last),
            (size - 2, size, drop_last),
            (size, size, drop_last),
            (0, size, drop_last),
            (full, 1, drop_last),
        ]
    return [{"questions": questions}]


def _count_floor(n_examples, batch_size, drop_last=False):
    return n_examples // batch_size


def _count_ceil(n_examples, batch_size, drop_last=False):
    return math.ceil(n_examples / batch_size)


def _count_fraction(n_examples, batch_size, drop_last=False):
    return n_examples / batch_size


def _count_one_more(n_examples, batch_size, drop_last=False):
    return n_examples // batch_size + (not drop_last)


def _count_always_one_more(n_examples, batch_size, drop_last=False):
    return n_examples // batch_size + 1


def _count_reversed(n_examples, batch_size, drop_last=False):
    return n_examples // batch_size if not drop_last else math.ceil(n_examples / batch_size)


def _count_rounded(n_examples, batch_size, drop_last=False):
    return n_examples // batch_size if drop_last else round(n_examples / batch_size)


def _count_by_negation(n_examples, batch_size, drop_last=False):
    return -(-n_examples // batch_size) if not drop_last else n_examples // batch_size


def _count_by_walking(n_examples, batch_size, drop_last=False):
    count = 0
    while n_examples >= (batch_size if drop_last else 1):
        n_examples -= batch_size
        count += 1
    return count


def _count_by_range(n_examples, batch_size, drop_last=False):
    starts = range(0, n_examples, batch_size)
    return sum(1 for start in starts if not drop_last or start + batch_size <= n_examples)


def _count_by_asking_torch(n_examples, batch_size, drop_last=False):
    return len(BatchSampler(SequentialSampler(range(n_examples)), batch_size, drop_last))


COUNT_UPDATES = Answer(
    exercise="count_updates",
    cases=_count_cases,
    variants=(_count_by_negation, _count_by_walking, _count_by_range, _count_by_asking_torch),
    misconceptions=(
        Misconception(
            "last batch lost",
            _count_floor,
            "You count full batches only. Without drop_last a smaller last batch is trained on "
            "too: one update more when something is left over.",
        ),
        Misconception(
            "drop_last ignored",
            _count_ceil,
            "You count the smaller last batch always. With drop_last=True it is left out.",
        ),
        Misconception(
            "one update too many when nothing is left over",
            _count_one_more,
            "You add one for a last batch even when the batch size divides the number of examples "
            "and nothing is left over.",
        ),
        Misconception(
            "one update added always",
            _count_always_one_more,
            "You add one update whatever is left over. Add it only when n_examples % batch_size is "
            "not 0, and drop_last is False.",
        ),
        Misconception(
            "drop_last reversed",
            _count_reversed,
            "drop_last=True leaves the smaller batch out, False keeps it: you have it the other "
            "way round.",
        ),
        Misconception(
            "fraction of an update",
            _count_fraction,
            "You divide, and get fractions. There is no quarter of an update: a smaller batch is "
            "a whole update, or none.",
        ),
        Misconception(
            "rounded instead of rounded up",
            _count_rounded,
            "You round to the nearest whole number, so a small last batch gets lost. However "
            "small, it is an update: round up.",
        ),
    ),
)

# --- iterate_batches ----------------------------------------------------------------------------


def _batches_cases(generator: torch.Generator) -> list[Case]:
    def case(**settings):
        return public.batches_case(generator, **settings)

    return [
        case(n=26 + 4 * whole_number(generator, 0, 3), shape=(3,), batch_size=4),
        case(n=31, shape=(2, 4), batch_size=7, dtype=torch.float64, strided=True),
        case(n=24, shape=(5,), batch_size=6, label_dtype=torch.float32),
        # Enough full batches that their order, shuffled, is hardly ever the old one.
        case(n=47, shape=(), batch_size=whole_number(generator, 6, 9), dtype=torch.float64),
    ]


def _compare_pairs(case: Case, expected: Observation, got: Observation) -> str | None:
    n, size = len(case["X"]), case["batch_size"]
    for label in expected["passes"]:
        batches = got["passes"][label]
        rows = rows_of(case, batches)
        if rows is None:
            return "a shuffled pass does not give pairs (x, y) of tensors"
        sizes = [len(batch) for batch in rows]
        if len(set(flat(rows))) != sum(sizes):
            return "an example comes more than once in a shuffled pass"
        # With drop_last the sizes belong to the aspect before this one.
        right = [size] * (n // size) + ([n % size] if n % size else [])
        if sizes != right and not public.PASSES[label]["drop_last"]:
            return f"{n} examples at batch size {size}, shuffled, come in batches of {sizes}"
        if not pairs_fit(case, batches, rows):
            return "after shuffling, x and y do not belong together or have another dtype"
    return None if got["inputs_unchanged"] else "X or y was changed in place"


def _orders(case: Case, got: Observation) -> dict[str, list[list[int]]] | None:
    """The rows of all passes, or None when one is malformed."""
    passes = {label: rows_of(case, batches) for label, batches in got["passes"].items()}
    passes["plain"] = rows_of(case, got["plain"])
    passes["plain_drop"] = rows_of(case, got["plain_drop"])
    return None if any(rows is None for rows in passes.values()) else passes


_SHUFFLED = ("first", "second", "repeated", "other_seed", "global", "global_next")


def _blocks_moved(rows: list[list[int]]) -> bool:
    """Whether each batch is a run of neighbours in the data, in order."""
    return all(b == a + 1 for batch in rows for a, b in pairwise(batch))


def _blocks_stay(rows: list[list[int]]) -> bool:
    """Whether each batch holds the same examples as without shuffling."""
    return flat([sorted(batch) for batch in rows]) == sorted(flat(rows))


def _rotated(rows: list[list[int]]) -> bool:
    order = flat(rows)
    return len({(b - a) % len(order) for a, b in pairwise(order)}) == 1


def _compare_order(case: Case, expected: Observation, got: Observation) -> str | None:
    passes = _orders(case, got)
    if passes is None:
        return "a pass does not give pairs (x, y) of tensors"
    order = {label: flat(passes[label]) for label in _SHUFFLED}
    if order["first"] == order["second"] or order["global"] == order["global_next"]:
        return "two passes in a row have the same order"
    if order["first"] != order["repeated"]:
        return "generators in the same state give different orders"
    if order["first"] == order["other_seed"]:
        return "generators with different seeds give the same order"
    if flat(passes["global_repeated"]) != order["global"]:
        return "without a generator, torch.manual_seed does not decide the order"
    if got["drew_from_global"]:
        return "a pass with a generator draws from the global random state all the same"
    for pattern in (_blocks_moved, _blocks_stay, _rotated):
        if all(pattern(passes[label]) for label in _SHUFFLED):
            return "not every order of the examples can come: neighbours stay together"
    return None


def _loader_with(
    order: Callable[..., tuple[torch.Tensor, torch.Tensor]],
    *,
    keep_last: bool | None = None,
    always: bool = False,
):
    """A loader with one mistake or none. ``order(n, generator)`` gives the rows for X and for y."""

    def iterate_batches(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
        n = len(X)
        rows = torch.arange(n)
        x_rows, y_rows = order(n, generator) if shuffle or always else (rows, rows)
        for start in range(0, n, batch_size):
            part = slice(start, start + batch_size)
            last = drop_last if keep_last is None else not keep_last
            if last and len(x_rows[part]) < batch_size:
                return
            yield X[x_rows[part]], y[y_rows[part]]

    return iterate_batches


def _same_rows(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return rows, rows


def _right_order(n, generator):
    return _same_rows(torch.randperm(n, generator=generator))


def _two_orders(n, generator):
    return torch.randperm(n, generator=generator), torch.randperm(n, generator=generator)


def _with_replacement(n, generator):
    return _same_rows(torch.randint(n, (n,), generator=generator))


def _fixed_order(n, generator):
    return _same_rows(torch.randperm(n, generator=torch.Generator().manual_seed(0)))


def _order_of_the_seed(n, generator):
    seed = torch.initial_seed() if generator is None else generator.initial_seed()
    return _same_rows(torch.randperm(n, generator=torch.Generator().manual_seed(seed)))


def _global_order(n, generator):
    return _same_rows(torch.randperm(n))


def _pythons_order(n, generator):
    return _same_rows(torch.tensor(random.sample(range(n), n)))


def _unshuffled(n, generator):
    return _same_rows(torch.arange(n))


def _in_place(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
    if shuffle:
        rows = torch.randperm(len(X), generator=generator)
        X[:] = X[rows]
        y[:] = y[rows]
    for start in range(0, len(X), batch_size):
        stop = start + batch_size
        if stop <= len(X) or not drop_last:
            yield X[start:stop].clone(), y[start:stop].clone()


def _a_list(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
    return list(_loader_with(_right_order)(X, y, batch_size, shuffle, drop_last, generator))


def _new_order_for_each_batch(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
    for start in range(0, len(X), batch_size):
        rows = torch.arange(len(X))
        if shuffle:
            rows = torch.randperm(len(X), generator=generator)
        rows = rows[start : start + batch_size]
        if not drop_last or len(rows) == batch_size:
            yield X[rows], y[rows]


def _returns_the_first(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
    return next(_loader_with(_right_order)(X, y, batch_size, shuffle, drop_last, generator))


def _starts_again(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
    while True:
        yield from _loader_with(_right_order)(X, y, batch_size, shuffle, drop_last, generator)


def _drops_a_full_batch(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
    order = torch.randperm(len(X), generator=generator) if shuffle else torch.arange(len(X))
    for start in range(0, len(X), batch_size):
        if drop_last and start + batch_size >= len(X):
            return
        rows = order[start : start + batch_size]
        yield X[rows], y[rows]


def _draws_always(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
    order = torch.randperm(len(X), generator=generator)
    if not shuffle:
        order = order.sort().values
    for rows in order.split(batch_size):
        if not drop_last or len(rows) == batch_size:
            yield X[rows], y[rows]


def _order_of_batches(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
    blocks = list(torch.arange(len(X)).split(batch_size))
    if drop_last and len(blocks[-1]) < batch_size:
        blocks.pop()
    if shuffle:
        full = [block for block in blocks if len(block) == batch_size]
        order = torch.randperm(len(full), generator=generator).tolist()
        blocks = [full[i] for i in order] + blocks[len(full) :]
    for rows in blocks:
        yield X[rows], y[rows]


def _inside_batches(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
    for rows in torch.arange(len(X)).split(batch_size):
        if drop_last and len(rows) < batch_size:
            return
        if shuffle:
            rows = rows[torch.randperm(len(rows), generator=generator)]
        yield X[rows], y[rows]


def _seen(test: Callable[[Case, Observation, dict[str, list[list[int]]]], bool]):
    """A ``recognise`` that gets the rows of all passes, and is False when one is malformed."""

    def recognise(case: Case, got: Observation) -> bool:
        passes = None if got.error is not None else _orders(case, got)
        return passes is not None and test(case, got, passes)

    return recognise


def _complete(case: Case, rows: list[list[int]]) -> bool:
    return sorted(flat(rows)) == list(range(len(case["X"])))


def _all_complete(case: Case, passes: dict[str, list[list[int]]]) -> bool:
    return all(_complete(case, passes[label]) for label in ("plain", *_SHUFFLED))


def _fits(case: Case, got: Observation) -> bool:
    return all(
        pairs_fit(case, got["passes"][label], rows_of(case, got["passes"][label]))
        for label in _SHUFFLED
    )


def _is_identity(rows: list[list[int]]) -> bool:
    order = flat(rows)
    return order == list(range(len(order)))


@_seen
def _pairs_torn(case, got, passes):
    return _all_complete(case, passes) and not _fits(case, got)


@_seen
def _last_batch_lost(case, got, passes):
    size = case["batch_size"]
    kept = len(case["X"]) // size * size
    return all(
        len(set(flat(passes[label]))) == kept == len(flat(passes[label]))
        for label in ("plain", *_SHUFFLED)
    )


@_seen
def _drop_last_ignored(case, got, passes):
    both = ("plain_drop", "shuffled_drop")
    return _all_complete(case, passes) and all(_complete(case, passes[label]) for label in both)


@_seen
def _drawn_with_replacement(case, got, passes):
    repeats = all(len(set(flat(passes[label]))) < len(flat(passes[label])) for label in _SHUFFLED)
    return repeats and _complete(case, passes["plain"]) and _fits(case, got)


def _one_pair(case: Case, got: Observation) -> bool:
    plain = got.get("plain")
    return (
        got.error is None
        and isinstance(plain, list)
        and len(plain) == 2
        and all(isinstance(part, torch.Tensor) for part in plain)
    )


def _never_ends(case: Case, got: Observation) -> bool:
    plain = got.get("plain")
    return isinstance(plain, list) and len(plain) > 2 * len(case["X"])


@_seen
def _full_batch_dropped(case, got, passes):
    n, size = len(case["X"]), case["batch_size"]
    kept = n - (n % size or size)
    return _all_complete(case, passes) and len(flat(passes["plain_drop"])) == kept


@_seen
def _drew_for_nothing(case, got, passes):
    return (
        bool(got["drew_for_nothing"])
        and _all_complete(case, passes)
        and _is_identity(passes["plain"])
        and _compare_order(case, got, got) is None
    )


@_seen
def _order_stays(case, got, passes):
    order = {label: flat(passes[label]) for label in _SHUFFLED}
    return (
        _all_complete(case, passes)
        and order["first"] == order["second"] == order["repeated"]
        and order["global"] == order["global_next"]
        and not _is_identity(passes["first"])
    )


@_seen
def _generator_ignored(case, got, passes):
    return (
        _all_complete(case, passes)
        and _fits(case, got)
        and flat(passes["first"]) != flat(passes["repeated"])
        and flat(passes["first"]) != flat(passes["second"])
    )


@_seen
def _changed_in_place(case, got, passes):
    return not got["inputs_unchanged"] and all(
        _complete(case, passes[label]) for label in ("plain",)
    )


@_seen
def _never_shuffled(case, got, passes):
    return all(_is_identity(passes[label]) for label in ("plain", *_SHUFFLED))


@_seen
def _always_shuffled(case, got, passes):
    return _all_complete(case, passes) and not _is_identity(passes["plain"])


@_seen
def _whole_batches_moved(case, got, passes):
    return (
        _all_complete(case, passes)
        and all(_blocks_moved(passes[label]) for label in _SHUFFLED)
        and not all(_is_identity(passes[label]) for label in _SHUFFLED)
    )


@_seen
def _batches_keep_their_examples(case, got, passes):
    return (
        _all_complete(case, passes)
        and all(_blocks_stay(passes[label]) for label in _SHUFFLED)
        and not all(_is_identity(passes[label]) for label in _SHUFFLED)
    )


@_seen
def _no_generator_but_right(case, got, passes):
    return (
        not got["is_generator"]
        and _all_complete(case, passes)
        and _fits(case, got)
        and _compare_order(case, got, got) is None
    )


# Right, written differently.


def _split_the_order(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
    order = torch.randperm(len(y), generator=generator) if shuffle else torch.arange(len(y))
    for rows in order.split(batch_size):
        if len(rows) == batch_size or not drop_last:
            yield X.index_select(0, rows), y.index_select(0, rows)


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


ITERATE_BATCHES = Answer(
    exercise="iterate_batches",
    cases=_batches_cases,
    compare={"pairs": _compare_pairs, "order": _compare_order},
    variants=(_split_the_order, _sort_random_keys, _deal_cards, _with_samplers),
    misconceptions=(
        Misconception(
            "input changed in place",
            _in_place,
            "You shuffle the caller's own X and y. Whoever keeps indices into them now has other "
            "examples. Shuffle row numbers, and leave the data alone.",
            recognise=_changed_in_place,
        ),
        Misconception(
            "X and y shuffled apart",
            _loader_with(_two_orders),
            "X and y are not shuffled alike: they have two different orders, or one of them stays as "
            "it was. So an example meets another example's label. Draw one order and use it for "
            "both.",
            recognise=_pairs_torn,
        ),
        Misconception(
            "last batch lost",
            _loader_with(_right_order, keep_last=False),
            "The last batch is left out although drop_last is False: its examples are never "
            "trained on. A slice that reaches past the end is shorter by itself; yield it.",
            recognise=_last_batch_lost,
        ),
        Misconception(
            "drop_last ignored",
            _loader_with(_right_order, keep_last=True),
            "With drop_last=True a smaller last batch still comes. Stop when fewer than "
            "batch_size rows are left.",
            recognise=_drop_last_ignored,
        ),
        Misconception(
            "sampling with replacement",
            _loader_with(_with_replacement),
            "Some examples come twice in an epoch and others never: rows are drawn anew as you go, "
            "with torch.randint or with a new permutation for each batch. An epoch shows each "
            "example once: draw one permutation, before the loop.",
            recognise=_drawn_with_replacement,
        ),
        Misconception(
            "sampling with replacement",
            _new_order_for_each_batch,
            "You draw a new permutation for each batch, so some examples come twice in an epoch "
            "and others never. Draw one, before the loop, and cut it into batches.",
            recognise=_drawn_with_replacement,
        ),
        Misconception(
            "return instead of yield",
            _returns_the_first,
            "return ends the function with its first batch. yield hands a batch out and goes on "
            "with the next one when it is asked for.",
            recognise=_one_pair,
        ),
        Misconception(
            "the pass never ends",
            _starts_again,
            "After the last batch yours starts again. One call is one pass over the data: let the "
            "function end, and whoever wants another epoch calls it again.",
            recognise=_never_ends,
        ),
        Misconception(
            "drop_last one batch too eager",
            _drops_a_full_batch,
            "With drop_last=True a last batch that is full goes missing. Only a smaller one is "
            "left out: a batch that ends exactly at the end of the data is full.",
            recognise=_full_batch_dropped,
        ),
        Misconception(
            "random numbers drawn without need",
            _draws_always,
            "With shuffle=False you draw an order all the same, and do not use it. That moves the "
            "random state on, so everything drawn afterwards changes. Draw only when you shuffle.",
            recognise=_drew_for_nothing,
        ),
        Misconception(
            "never shuffled",
            _loader_with(_unshuffled),
            "shuffle=True changes nothing: the examples come in the order of the data.",
            recognise=_never_shuffled,
        ),
        Misconception(
            "same order every pass",
            _loader_with(_fixed_order),
            "Every pass has the same order: the seed is set anew inside the function. Draw from "
            "the generator that was given, and let its state move on.",
            recognise=_order_stays,
        ),
        Misconception(
            "same order every pass",
            _loader_with(_order_of_the_seed),
            "Every pass has the same order: you start a new generator from the old one's seed. "
            "Draw from the generator itself, and its state moves on.",
            recognise=_order_stays,
        ),
        Misconception(
            "generator ignored",
            _loader_with(_global_order),
            "The order does not come from the generator that was given, so it cannot be repeated. "
            "Hand it on: torch.randperm(n, generator=generator).",
            recognise=_generator_ignored,
        ),
        Misconception(
            "generator ignored",
            _loader_with(_pythons_order),
            "The order comes from another source of chance than the generator that was given. "
            "Hand it on: torch.randperm(n, generator=generator).",
            recognise=_generator_ignored,
        ),
        Misconception(
            "always shuffled",
            _loader_with(_right_order, always=True),
            "shuffle=False shuffles too. For validation the order must stay: use torch.arange(n) "
            "then.",
            recognise=_always_shuffled,
        ),
        Misconception(
            "batches shuffled, not examples",
            _order_of_batches,
            "You shuffle the order of the batches, but a batch always holds the same neighbours. "
            "In sorted data it then holds one class only. Shuffle the examples, then cut.",
            recognise=_whole_batches_moved,
        ),
        Misconception(
            "shuffled inside the batches only",
            _inside_batches,
            "You cut first and shuffle inside each batch, so a batch always holds the same "
            "examples. Shuffle all rows first, then cut.",
            recognise=_batches_keep_their_examples,
        ),
        Misconception(
            "a list instead of a generator",
            _a_list,
            "You build all batches and return them in a list: a second copy of the whole data in "
            "memory. Use yield, and each batch is made when it is asked for.",
            recognise=_no_generator_but_right,
        ),
    ),
)

# --- StandardizedDataset ------------------------------------------------------------------------


def _dataset_cases(generator: torch.Generator) -> list[Case]:
    def case(kind, **settings):
        return public.dataset_case(generator, kind, **settings)

    zero_mean = case("mean", n=7, features=3)
    zero_mean["mean"] = torch.zeros(3)
    return [
        case("plain", n=11, features=4),
        case("plain", n=14, features=3, dtype=torch.float64),
        case("plain", n=9, features=5, dtype=torch.float64, array=True),
        case("given", n=8, features=3, labels="str"),
        case("given", n=7, features=6, dtype=torch.float64, labels="float", array=True),
        case("plain", n=10, features=4, constants=True),
        case("plain", n=13, features=3, constants=True, labels="float"),
        case("mean", n=9, features=4),
        case("std", n=12, features=5, dtype=torch.float64, array=True),
        # Given statistics hold, also for a feature that is constant here, and also when they are 0.
        case("given", n=6, features=3, constants=True),
        zero_mean,
    ]


def _float32(X: Any) -> torch.Tensor:
    return torch.as_tensor(X, dtype=torch.float32)


def _right_mean(X: torch.Tensor) -> torch.Tensor:
    return X.mean(dim=0)


def _right_std(X: torch.Tensor) -> torch.Tensor:
    return torch.where(X.amax(0) == X.amin(0), 1.0, X.std(dim=0, correction=0))


def _std_by_hand(X: torch.Tensor) -> torch.Tensor:
    """Unlike Tensor.std, which runs in float64 inside, it feels the rounding of the mean."""
    return (X - X.mean(dim=0)).square().mean(dim=0).sqrt()


def _dataset_with(
    *,
    mean_of: Callable[[torch.Tensor], torch.Tensor] = _right_mean,
    std_of: Callable[[torch.Tensor], torch.Tensor] = _right_std,
    use: Callable[[Any, Callable[[], torch.Tensor]], torch.Tensor] | None = None,
    epsilon: float = 0.0,
    together: bool = False,
    swapped: bool = False,
    double: bool = False,
):
    """A dataset with one mistake or none. ``use`` decides between a given and a fresh statistic."""

    def choose(given: Any, fresh: Callable[[], torch.Tensor]) -> torch.Tensor:
        return fresh() if given is None else _float32(given)

    pick = use or choose

    class StandardizedDataset(Dataset):
        def __init__(self, X, y, mean=None, std=None):
            X = _float32(X)
            if together and (mean is None or std is None):
                mean = std = None
            self.mean = pick(mean, lambda: mean_of(X))
            self.std = pick(std, lambda: std_of(X))
            self.X = (X - self.mean) / (self.std + epsilon)
            self.X = self.X.double() if double else self.X
            self.y = y

        def __len__(self):
            return len(self.X)

        def __getitem__(self, i):
            return (self.y[i], self.X[i]) if swapped else (self.X[i], self.y[i])

    return StandardizedDataset


class _GivenStdOverruled(Dataset):
    """Puts a 1 for each constant feature into a std that was given, too."""

    def __init__(self, X, y, mean=None, std=None):
        X = _float32(X)
        self.mean = X.mean(dim=0) if mean is None else mean
        std = X.std(dim=0, correction=0) if std is None else std
        self.std = torch.where(X.amax(dim=0) == X.amin(dim=0), 1.0, std)
        self.X, self.y = (X - self.mean) / self.std, y

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        return self.X[i], self.y[i]


def _fresh_unless_true(given: Any, fresh: Callable[[], torch.Tensor]) -> torch.Tensor:
    return _float32(given) if given is not None and bool(given.any()) else fresh()


def _always_fresh(given: Any, fresh: Callable[[], torch.Tensor]) -> torch.Tensor:
    return fresh()


class _LabelsStandardised(Dataset):
    """Standardises numeric labels too: right for nothing that is a class."""

    def __init__(self, X, y, mean=None, std=None):
        self.inner = _dataset_with()(X, y, mean, std)
        self.mean, self.std = self.inner.mean, self.inner.std
        self.y = y
        if isinstance(y, torch.Tensor):
            y = y.float()
            self.y = (y - y.mean()) / y.std(correction=0)

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, i):
        return self.inner.X[i], self.y[i]


class _InPlace(Dataset):
    """Standardises the caller's own tensor: as_tensor does not copy."""

    def __init__(self, X, y, mean=None, std=None):
        X = _float32(X)
        self.mean = _right_mean(X) if mean is None else mean
        self.std = _right_std(X) if std is None else std
        X -= self.mean
        X /= self.std
        self.X, self.y = X, y

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        return self.X[i], self.y[i]


class _LabelsAsTensor(_InPlace):
    def __init__(self, X, y, mean=None, std=None):
        super().__init__(_float32(X).clone(), torch.as_tensor(y), mean, std)


class _OtherNames(_InPlace):
    def __init__(self, X, y, mean=None, std=None):
        super().__init__(_float32(X).clone(), y, mean, std)
        self.m, self.s = self.mean, self.std
        del self.mean, self.std


class _ItemsAsLists(_InPlace):
    def __init__(self, X, y, mean=None, std=None):
        super().__init__(_float32(X).clone(), y, mean, std)

    def __getitem__(self, i):
        return [self.X[i], self.y[i]]


class _MeanOr(_InPlace):
    def __init__(self, X, y, mean=None, std=None):
        X = _float32(X).clone()
        super().__init__(X, y, mean or _right_mean(X), std or _right_std(X))


def _needs_numbers(case: Case, got: Observation) -> bool:
    """Stops at labels that are words, and nowhere else."""
    words = isinstance(case["y"], list)
    return (got.error is not None) is words and (not words or "dimensions" in got.error.message)


# Right, written differently.


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


STANDARDIZED_DATASET = Answer(
    exercise="StandardizedDataset",
    cases=_dataset_cases,
    tolerance=(1e-4, 5e-5),
    variants=(_OnTheFly, _WithProperties, _ThroughTensorDataset),
    misconceptions=(
        Misconception(
            "one mean for all features",
            _dataset_with(
                mean_of=lambda X: X.mean().repeat(X.shape[1]),
                std_of=lambda X: X.std(correction=0).repeat(X.shape[1]),
            ),
            "You take one mean and one standard deviation over the whole table. Features have "
            "different scales: compute along dim=0, one value per feature.",
        ),
        Misconception(
            "one mean for all features",
            _dataset_with(mean_of=lambda X: X.mean(), std_of=lambda X: X.std(correction=0)),
            "You take one mean and one standard deviation over the whole table. Features have "
            "different scales: compute along dim=0, one value per feature.",
        ),
        Misconception(
            "statistics recomputed for validation",
            _dataset_with(use=_always_fresh),
            "A mean and std that are given are not used: each dataset is standardised by its own "
            "statistics, so the same picture becomes other numbers in validation. Compute them "
            "only when they are None.",
        ),
        Misconception(
            "a given std overruled",
            _GivenStdOverruled,
            "A feature that is constant in these data gets the std 1 although a std was given. The "
            "rule for constant features belongs to the std that you compute; a given one holds.",
        ),
        Misconception(
            "a mean of zeros taken for none",
            _dataset_with(use=_fresh_unless_true),
            "A mean that holds zeros only is not used, as if none was given. Ask `mean is None`: "
            "zeros are numbers like others.",
        ),
        Misconception(
            "both recomputed when one is missing",
            _dataset_with(together=True),
            "When only one of mean and std is given, you compute both. Decide for each of them on "
            "its own.",
        ),
        Misconception(
            "division by zero",
            _dataset_with(std_of=lambda X: X.std(dim=0, correction=0)),
            "A constant feature has the standard deviation 0, and dividing by it gives NaN or "
            "noise. Put a 1 there.",
        ),
        Misconception(
            "constant feature missed by rounding",
            _dataset_with(std_of=lambda X: torch.where(_std_by_hand(X) == 0, 1.0, _std_by_hand(X))),
            "You look for a standard deviation of exactly 0. In a column of, say, 0.1 rounding "
            "leaves a tiny positive number, and dividing by that blows up the rounding. A feature "
            "is constant when its largest value equals its smallest.",
        ),
        Misconception(
            "epsilon instead of 1",
            _dataset_with(std_of=lambda X: X.std(dim=0, correction=0), epsilon=1e-8),
            "You add a small epsilon to the standard deviation. A constant feature is then divided "
            "by almost nothing, which blows up its rounding: give it the std 1.",
        ),
        Misconception(
            "sample standard deviation",
            _dataset_with(std_of=lambda X: torch.where(X.amax(0) == X.amin(0), 1.0, X.std(dim=0))),
            "Tensor.std divides by N - 1 unless told otherwise. Asked for is the population's: "
            "std(dim=0, correction=0) divides by N.",
        ),
        Misconception(
            "variance instead of standard deviation",
            _dataset_with(
                std_of=lambda X: torch.where(X.amax(0) == X.amin(0), 1.0, X.var(0, correction=0))
            ),
            "You divide by the variance. The standard deviation is its square root.",
        ),
        Misconception(
            "labels standardised too",
            _LabelsStandardised,
            "The labels are standardised as well. A class number is a name, not a measurement: "
            "hand it back as it came.",
        ),
        Misconception(
            "caller's data changed in place",
            _InPlace,
            "You change the X that came in: as_tensor does not copy, and -= writes into the caller's "
            "own memory. Compute a new tensor, (X - mean) / std.",
        ),
        Misconception(
            "labels turned into a tensor",
            _LabelsAsTensor,
            "You turn the labels into a tensor, which fails for a list of words. They come back as "
            "they are: keep y, and return y[i].",
            recognise=_needs_numbers,
        ),
        Misconception(
            "statistics not kept as mean and std",
            _OtherNames,
            "The statistics are not found under self.mean and self.std, so validation data cannot "
            "reuse them.",
        ),
        Misconception(
            "mean or ... for a missing mean",
            _MeanOr,
            "`mean or ...` asks whether a tensor is true, which raises for more than one entry. Ask "
            "`mean is None`.",
        ),
        Misconception(
            "item is a list",
            _ItemsAsLists,
            "An item is a tuple, (x, label); yours is a list.",
        ),
        Misconception(
            "one mean per example",
            _dataset_with(
                mean_of=lambda X: X.mean(dim=1, keepdim=True),
                std_of=lambda X: X.std(dim=1, correction=0, keepdim=True),
            ),
            "You take mean and standard deviation along dim=1, one per example. A feature's "
            "statistics run down the examples: dim=0.",
        ),
        Misconception(
            "scaled from smallest to largest",
            _dataset_with(
                mean_of=lambda X: X.amin(dim=0),
                std_of=lambda X: torch.where(X.amax(0) == X.amin(0), 1.0, X.amax(0) - X.amin(0)),
            ),
            "You scale each feature to 0 to 1 by its smallest and largest value. Asked for are the "
            "mean and the standard deviation.",
        ),
        Misconception(
            "label before features",
            _dataset_with(swapped=True),
            "An item is (x, label); yours is (label, x).",
        ),
        Misconception(
            "items in float64",
            _dataset_with(double=True),
            "Your items are float64, and a model in float32 will refuse them. Turn X into float32.",
        ),
    ),
)

# --- train_val_split ----------------------------------------------------------------------------


def _split_cases(generator: torch.Generator) -> list[Case]:
    fives = [5 * whole_number(generator, 8, 16) for _ in range(2)]
    return [
        public.split_case(generator, fives[0] + 3, 0.2),  # x.6
        public.split_case(generator, fives[1] + 1, 0.2),  # x.2
        public.split_case(generator, 50, 0.35 + 0.02 * whole_number(generator, 0, 3)),  # x.5
        public.split_case(generator, 46, 0.75),  # 34.5, which rounds to the even 34
        # x.5 on both sides: here it shows which of the two parts was rounded.
        public.split_case(generator, 4 * whole_number(generator, 7, 13) + 1, 0.5),
        public.split_case(generator, 4 * whole_number(generator, 7, 13) + 3, 0.5),
        public.split_case(generator, 33, 0.0),
        public.split_case(generator, 37, 1.0),
    ]


def _parts(split: Any) -> tuple[list[int], list[int]] | None:
    return (split[0].tolist(), split[1].tolist()) if public.is_split(split) else None


def _no_split(case: Case, got: Observation) -> str | None:
    """What keeps the results from being splits of any size: their form, an overlap, a gap."""
    for label in public.SPLITS:
        parts = _parts(got["splits"][label])
        if parts is None:
            return "the result is not a tuple of two one-dimensional int64 tensors"
        train, val = parts
        if set(train) & set(val):
            return f"{len(set(train) & set(val))} indices are in both parts"
        if sorted(train + val) != list(range(case["n"])):
            return "the parts together do not hold every index once"
    return None


def _compare_parts(case: Case, expected: Observation, got: Observation) -> str | None:
    problem = _no_split(case, got)
    if problem:
        return problem
    n = case["n"]
    n_val = round(n * case["val_fraction"])
    for label in public.SPLITS:
        train, val = _parts(got["splits"][label])
        if len(val) != n_val:
            sizes = f"{len(train)} and {len(val)}, not {n - n_val} and {n_val}"
            return f"n={n}, val_fraction={case['val_fraction']:g}: the parts have {sizes} entries"
    return None


def _compare_chance(case: Case, expected: Observation, got: Observation) -> str | None:
    problem = _no_split(case, got)
    if problem:
        return problem
    parts = {label: _parts(split) for label, split in got["splits"].items()}
    if parts["first"] != parts["repeated"]:
        return "generators in the same state give different splits"
    if not parts["global"] == parts["global_repeated"] != parts["other_global"]:
        return "without a generator, torch.manual_seed does not decide the split"
    if parts["first"] == parts["continued"]:
        return "a generator that has moved on gives the same split again"
    if parts["first"] == parts["other_seed"]:
        return "generators with different seeds give the same split"
    if got["drew_from_global"]:
        return "a split with a generator draws from the global random state all the same"
    for part in parts["first"]:
        if len(part) > 3 and part == sorted(part):
            return "a part comes in sorted order"
    train, val = parts["first"]
    if train and val and set(val) == set(parts["other_seed"][1]) == set(parts["global"][1]):
        return "the same examples are chosen for validation whatever the seed"
    return None


def _split_with(
    order, *, count=round, first=False, as_list=False, sort=False, swap=False, rest=False
):
    """A split with one mistake or none; ``order(n, n_val, generator)`` gives all rows."""

    def train_val_split(n, val_fraction, generator=None):
        n_val = n - round(n * (1 - val_fraction)) if rest else count(n * val_fraction)
        rows = order(n, n_val, generator)
        train, val = (
            (rows[n_val:], rows[:n_val]) if first else (rows[: n - n_val], rows[n - n_val :])
        )
        if sort:
            train, val = train.sort().values, val.sort().values
        parts = (val, train) if swap else (train, val)
        return tuple(part.tolist() for part in parts) if as_list else parts

    return train_val_split


def _cut_at_minus_n_val(n, val_fraction, generator=None):
    order, n_val = torch.randperm(n, generator=generator), round(n * val_fraction)
    return order[:-n_val], order[-n_val:]


def _list_of_two(n, val_fraction, generator=None):
    return list(_split_with(_random_rows)(n, val_fraction, generator))


def _random_rows(n, n_val, generator):
    return torch.randperm(n, generator=generator)


def _drawn_twice(n, val_fraction, generator=None):
    n_val = round(n * val_fraction)
    train = torch.randperm(n, generator=generator)[: n - n_val]
    return train, torch.randperm(n, generator=generator)[:n_val]


def _train_is_everything(n, val_fraction, generator=None):
    rows = torch.randperm(n, generator=generator)
    return rows, rows[: round(n * val_fraction)]


def _tail_shuffled(n, n_val, generator):
    train = torch.randperm(n - n_val, generator=generator)
    return torch.cat([train, n - n_val + torch.randperm(n_val, generator=generator)])


def _each(test: Callable[[Case, Observation, dict[str, Any]], bool]):
    """A ``recognise`` that gets the parts of all splits, and is False when one is malformed."""

    def recognise(case: Case, got: Observation) -> bool:
        if got.error is not None:
            return False
        parts = {label: _parts(split) for label, split in got["splits"].items()}
        return all(value is not None for value in parts.values()) and test(case, got, parts)

    return recognise


@_each
def _overlaps(case, got, parts):
    """In the extreme splits one part is empty or holds everything, so they say nothing."""
    if case["val_fraction"] in (0.0, 1.0):
        return True
    return all(set(train) & set(val) for train, val in parts.values())


@_each
def _tail_is_validation(case, got, parts):
    n = case["n"]
    return all(
        sorted(train) == list(range(n - len(val))) and sorted(val) == list(range(n - len(val), n))
        for train, val in parts.values()
    )


@_each
def _head_is_validation(case, got, parts):
    return all(
        sorted(val) == list(range(len(val))) and sorted(train) == list(range(len(val), case["n"]))
        for train, val in parts.values()
    )


@_each
def _parts_sorted(case, got, parts):
    return all(part == sorted(part) for pair in parts.values() for part in pair) and (
        _compare_parts(case, got, got) is None
    )


@_each
def _validation_first(case, got, parts):
    swapped = {label: (split[1], split[0]) for label, split in got["splits"].items()}
    return _compare_parts(case, got, Observation({"splits": swapped})) is None


def _counted_with(count: Callable[[float], int]):
    @_each
    def recognise(case, got, parts):
        n = case["n"]
        n_val = count(n * case["val_fraction"])
        return all(
            len(val) == n_val and sorted(train + val) == list(range(n))
            for train, val in parts.values()
        )

    return recognise


@_each
def _rest_rounded(case, got, parts):
    n = case["n"]
    n_train = round(n * (1 - case["val_fraction"]))
    return all(
        len(train) == n_train and sorted(train + val) == list(range(n))
        for train, val in parts.values()
    )


@_each
def _nothing_became_everything(case, got, parts):
    if case["val_fraction"] == 0:
        return all(not train and len(val) == case["n"] for train, val in parts.values())
    return _compare_parts(case, got, got) is None


def _seeds_the_global_state(n, val_fraction, generator=None):
    if generator is None:
        torch.manual_seed(0)
    return _split_with(_random_rows)(n, val_fraction, generator)


def _seeds_the_generator(n, val_fraction, generator=None):
    if generator is not None:
        generator.manual_seed(generator.initial_seed())
    return _split_with(_random_rows)(n, val_fraction, generator)


@_each
def _global_never_changes(case, got, parts):
    return (
        _compare_parts(case, got, got) is None
        and parts["global"] == parts["other_global"]
        and parts["first"] != parts["other_seed"]
    )


@_each
def _starts_again(case, got, parts):
    return _compare_parts(case, got, got) is None and (
        parts["first"] == parts["continued"] != parts["other_seed"]
    )


def _in_a_list(case: Case, got: Observation) -> bool:
    return got.error is None and all(
        isinstance(split, list) and public.is_split(tuple(split))
        for split in got["splits"].values()
    )


def _half_up(value: float) -> int:
    return math.floor(value + 0.5)


@_each
def _split_ignores_generator(case, got, parts):
    return _compare_parts(case, got, got) is None and parts["first"] != parts["repeated"]


@_each
def _split_never_changes(case, got, parts):
    return (
        _compare_parts(case, got, got) is None
        and parts["first"] == parts["other_seed"] == parts["global"]
        and any(part != sorted(part) for part in parts["first"])
    )


def _lists(case: Case, got: Observation) -> bool:
    return got.error is None and all(
        isinstance(split, tuple | list)
        and len(split) == 2
        and all(isinstance(part, list) for part in split)
        for split in got["splits"].values()
    )


# Right, written differently.


def _validation_cut_first(n, val_fraction, generator=None):
    rows = torch.randperm(n, generator=generator)
    n_val = round(n * val_fraction)
    return rows[n_val:], rows[:n_val]


def _split_sizes(n, val_fraction, generator=None):
    n_val = round(val_fraction * n)
    train, val = (
        torch.rand(n, generator=generator, dtype=torch.float64).argsort().split([n - n_val, n_val])
    )
    return train.clone(), val.clone()


def _mask_then_shuffle(n, val_fraction, generator=None):
    """Chooses the validation set first, and shuffles each part afterwards."""
    chosen = torch.zeros(n, dtype=torch.bool)
    chosen[torch.randperm(n, generator=generator)[: round(n * val_fraction)]] = True
    train, val = (~chosen).nonzero().flatten(), chosen.nonzero().flatten()
    return (
        train[torch.randperm(len(train), generator=generator)],
        val[torch.randperm(len(val), generator=generator)],
    )


TRAIN_VAL_SPLIT = Answer(
    exercise="train_val_split",
    cases=_split_cases,
    compare={"parts": _compare_parts, "chance": _compare_chance},
    variants=(_validation_cut_first, _split_sizes, _mask_then_shuffle),
    misconceptions=(
        Misconception(
            "overlap",
            _drawn_twice,
            "The two parts are drawn independently, so some examples are in both: the model is "
            "validated on what it was trained on. Draw one order and cut it.",
            recognise=_overlaps,
        ),
        Misconception(
            "overlap",
            _train_is_everything,
            "The validation examples are still in the training part. Cut the order in two: what "
            "goes to validation leaves training.",
            recognise=_overlaps,
        ),
        Misconception(
            "unshuffled tail",
            _split_with(lambda n, n_val, generator: torch.arange(n)),
            "The last examples become the validation part, whatever they are. In sorted data that "
            "is one class. Shuffle all indices before you cut.",
            recognise=_tail_is_validation,
        ),
        Misconception(
            "unshuffled tail",
            _split_with(_tail_shuffled),
            "The last examples always become the validation part: you shuffle after the cut. In "
            "sorted data that part holds one class. Shuffle all indices before you cut.",
            recognise=_tail_is_validation,
        ),
        Misconception(
            "unshuffled head",
            _split_with(lambda n, n_val, generator: torch.arange(n), first=True),
            "The first examples become the validation part, whatever they are. Shuffle all indices "
            "before you cut.",
            recognise=_head_is_validation,
        ),
        Misconception(
            "parts sorted",
            _split_with(_random_rows, sort=True),
            "Both parts are sorted. Asked for is a shuffled order, so that whoever reads them in "
            "turn does not meet sorted data again.",
            recognise=_parts_sorted,
        ),
        Misconception(
            "rounded down",
            _split_with(_random_rows, count=int),
            "int() cuts off: 0.9 becomes 0. The size of the validation part is rounded, "
            "round(n * val_fraction).",
            recognise=_counted_with(int),
        ),
        Misconception(
            "rounded up",
            _split_with(_random_rows, count=math.ceil),
            "Your validation part is rounded up: math.ceil does that, and so does int() when it cuts "
            "off the training part. Its size is round(n * val_fraction).",
            recognise=_counted_with(math.ceil),
        ),
        Misconception(
            "halves rounded up",
            _split_with(_random_rows, count=_half_up),
            "You round halves up; Python's round takes halves to the even neighbour. Use "
            "round(n * val_fraction).",
            recognise=_counted_with(_half_up),
        ),
        Misconception(
            "training part rounded instead",
            _split_with(lambda n, n_val, g: torch.randperm(n, generator=g), rest=True),
            "You round the size of the training part. Round that of the validation part, "
            "round(n * val_fraction), and give the rest to training.",
            recognise=_rest_rounded,
        ),
        Misconception(
            "everything for validation when it should get nothing",
            _cut_at_minus_n_val,
            "With n_val = 0 your cut goes wrong: order[:-0] is order[:0], which is empty. Cut at "
            "n - n_val.",
            recognise=_nothing_became_everything,
        ),
        Misconception(
            "a list of two tensors",
            _list_of_two,
            "The two parts come in a list. Return a tuple: train, val.",
            recognise=_in_a_list,
        ),
        Misconception(
            "validation first",
            _split_with(_random_rows, swap=True),
            "The parts are swapped: training comes first, validation second.",
            recognise=_validation_first,
        ),
        Misconception(
            "generator ignored",
            _split_with(lambda n, n_val, generator: torch.randperm(n)),
            "The split does not come from the generator that was given, so nobody can repeat it. "
            "Hand it on: torch.randperm(n, generator=generator).",
            recognise=_split_ignores_generator,
        ),
        Misconception(
            "global state seeded",
            _seeds_the_global_state,
            "Without a generator you set a seed yourself, so every split is the same one, and "
            "whoever draws after you is not random any more. Leave torch.manual_seed to the caller.",
            recognise=_global_never_changes,
        ),
        Misconception(
            "generator started again",
            _seeds_the_generator,
            "You set the generator back to its seed, so a second split is the first one again. "
            "Draw from the state in which it comes; it moves on by itself.",
            recognise=_starts_again,
        ),
        Misconception(
            "one split for all seeds",
            _split_with(
                lambda n, n_val, generator: torch.randperm(
                    n, generator=torch.Generator().manual_seed(42)
                )
            ),
            "Every seed gives the same split: the function sets a seed of its own. Use the "
            "generator that was given.",
            recognise=_split_never_changes,
        ),
        Misconception(
            "lists instead of tensors",
            _split_with(_random_rows, as_list=True),
            "The parts are Python lists. Return int64 tensors, which index X and y directly.",
            recognise=_lists,
        ),
    ),
)

ANSWERS = (COUNT_UPDATES, ITERATE_BATCHES, TRAIN_VAL_SPLIT, STANDARDIZED_DATASET)

# --- quiz ---------------------------------------------------------------------------------------


def _prove_updates() -> str:
    data = TensorDataset(torch.zeros(1000, 1))
    updates = sum(1 for _ in DataLoader(data, batch_size=32, drop_last=False))
    return {1000: "A", 31.25: "B", 31: "C", 32: "D"}[updates]


def _prove_forgetting() -> str:
    """Trains on sorted digits and looks at the accuracy on the zeros, epoch by epoch."""
    X, y = digits(size=8)
    order = y.argsort(stable=True)
    X, y = X[order], y[order]
    zeros = y == 0
    model = MLP(64, 32, 10, seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = DataLoader(TensorDataset(X, y), batch_size=16, shuffle=False)
    best, last, seen = [], [], 0
    for _ in range(3):
        best.append(0.0)
        for batch, labels in loader:
            loss = F.cross_entropy(model(batch), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen += int((labels == 0).sum())
            with torch.no_grad():
                accuracy = (model(X[zeros]).argmax(1) == 0).float().mean().item()
            best[-1] = max(best[-1], accuracy)
        last.append(accuracy)
    if seen == 0:
        return "A"
    if seen != 3 * int(zeros.sum()):
        return "C"
    return "B" if min(best) > 0.9 and max(last) < 0.1 else "D"


def _prove_noise() -> str:
    X, y = digits(size=8)
    model = MLP(64, 32, 10, seed=0)
    parameters = list(model.parameters())

    def gradient(rows: torch.Tensor) -> torch.Tensor:
        loss = nn.functional.cross_entropy(model(X[rows]), y[rows])
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])

    full = gradient(torch.arange(len(X)))
    generator = torch.Generator().manual_seed(0)

    def noise(size: int) -> float:
        draws = [torch.randperm(len(X), generator=generator)[:size] for _ in range(200)]
        return math.sqrt(sum((gradient(rows) - full).square().sum().item() for rows in draws) / 200)

    ratio = noise(64) / noise(16)
    return min({"A": 0.5, "B": 0.25, "C": 1.0, "D": 2.0}.items(), key=lambda o: abs(o[1] - ratio))[
        0
    ]


QUIZ = (
    QuizKey(
        "q06_1",
        "D",
        {
            "A": "That would be a batch size of 1.",
            "B": "There is no quarter of an update: the last 8 examples make a whole one.",
            "C": "31 are full. The last 8 examples make one more; only drop_last=True leaves it out.",
            "D": "31 full batches and one of 8.",
        },
        _prove_updates,
    ),
    QuizKey(
        "q06_2",
        "B",
        {
            "A": "They are seen in every epoch, at its start: that is when the accuracy rises.",
            "B": "Each step helps the class at hand at the cost of the others. It forgets.",
            "C": "A loader drops nothing but, if told so, a last batch that is too small.",
            "D": "A smaller rate forgets more slowly, and a larger one faster.",
        },
        _prove_forgetting,
    ),
    QuizKey(
        "q06_3",
        "A",
        {
            "A": "It goes as 1 / sqrt(batch): four times the examples, half the noise.",
            "B": "A quarter is what happens to the variance; the distance is its root.",
            "C": "Chance errors of different examples cancel in the mean.",
            "D": "The gradient is a mean over the batch, not a sum.",
        },
        _prove_noise,
    ),
)
