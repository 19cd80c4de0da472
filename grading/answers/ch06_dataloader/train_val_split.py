"""``train_val_split``, secret half.

Long, because every random split is right: each mistake is recognised by its own pattern.
"""

import math
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from course_lib.exercises.ch06_dataloader.train_val_split import SPLITS, is_split, split_case
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

DRAW = "torch.randperm(n, generator=generator)"
KEYS = "torch.rand(n, generator=generator, dtype=torch.float64)"
N_TRAIN = "n - round(n * val_fraction)"
RETURN = "return order[:n_train], order[n_train:]"


def _cases(generator: torch.Generator) -> list[Case]:
    fives = [5 * size(generator, 8, 15) for _ in range(2)]
    return [
        split_case(generator, fives[0] + 3, 0.2),  # x.6
        split_case(generator, fives[1] + 1, 0.2),  # x.2
        split_case(generator, 50, 0.35 + 0.02 * size(generator, 0, 2)),  # x.5
        split_case(generator, 46, 0.75),  # 34.5, which rounds to the even 34
        # x.5 on both sides: here it shows which of the two parts was rounded.
        split_case(generator, 4 * size(generator, 7, 12) + 1, 0.5),
        split_case(generator, 4 * size(generator, 7, 12) + 3, 0.5),
        split_case(generator, 33, 0.0),
        split_case(generator, 37, 1.0),
    ]


def _compare_sizes(case: Case, expected: Observation, got: Observation) -> str | None:
    if None in got["parts"].values():
        return _NO_PARTS
    n = case["n"]
    n_val = round(n * case["val_fraction"])
    for label in SPLITS:
        if not got["sized"][label]:
            train, val = got["parts"][label]
            sizes = f"{len(train)} and {len(val)}, not {n - n_val} and {n_val}"
            return f"n={n}, val_fraction={case['val_fraction']:g}: the parts have {sizes} entries"
    return None


_NO_PARTS = "the result is not two parts that hold whole numbers"


def _compare_whole(case: Case, expected: Observation, got: Observation) -> str | None:
    """What keeps the results from being splits of any size: their form, an overlap, a gap."""
    for label in SPLITS:
        if got["parts"][label] is None:
            return _NO_PARTS
        if got["shared"][label]:
            return f"{got['shared'][label]} indices are in both parts"
        if not got["complete"][label]:
            return "together the parts do not hold every index exactly once"
    return None


def _compare_chance(case: Case, expected: Observation, got: Observation) -> str | None:
    parts = got["parts"]
    if None in parts.values():
        return _NO_PARTS
    if parts["first"] != parts["repeated"]:
        return "generators in the same state give different splits"
    if not parts["global"] == parts["global_repeated"] != parts["other_global"]:
        return "without a generator, torch.manual_seed does not determine the split"
    if parts["first"] == parts["continued"]:
        return "a generator that has moved on gives the same split again"
    if parts["first"] == parts["other_seed"]:
        return "generators with different seeds give the same split"
    if got["drew_from_global"]:
        return "a split with a generator still draws from the global random state"
    for part in parts["first"]:
        if len(part) > 3 and part == sorted(part):
            return "a part is in sorted order"
    train, val = parts["first"]
    some = train and 0 < len({*val}) < case["n"]  # all of them can only be the same
    if some and set(val) == set(parts["other_seed"][1]) == set(parts["global"][1]):
        return "the same examples are chosen for validation whatever the seed"
    return None


def _right_parts(got: Observation) -> bool:
    return all((*got["complete"].values(), *got["sized"].values()))


def _splits(test: Callable[[Case, Observation], bool]) -> Callable[[Case, Observation], bool]:
    """A ``recognise`` that is False where a result is not two tensors of indices."""
    return lambda case, got: (
        got.error is None and None not in got["parts"].values() and test(case, got)
    )


def _each(test: Callable[[Case, list[int], list[int]], bool]):
    """The same for what holds of each split alone: it gets the two parts."""
    return _splits(lambda case, got: all(test(case, *pair) for pair in got["parts"].values()))


def _counted(count: Callable[[int, float], int]):
    """Recognises complete splits of which validation gets ``count(n, val_fraction)``."""
    return _each(
        lambda case, train, val: (
            len(val) == count(case["n"], case["val_fraction"])
            and sorted(train + val) == list(range(case["n"]))
        )
    )


@_splits
def _nothing_became_everything(case, got):
    if case["val_fraction"] == 0:
        return all(not train and len(val) == case["n"] for train, val in got["parts"].values())
    return _right_parts(got)


def _with_right_parts(test: Callable[[dict[str, list[list[int]]]], bool]):
    """Recognises what is wrong with the chance alone: ``test`` gets the parts of all splits."""
    return _splits(lambda case, got: _right_parts(got) and test(got["parts"]))


def _all_splits(test: Callable[[Any], bool]) -> Callable[[Case, Observation], bool]:
    """Recognises results of another type, as they came."""
    return lambda case, got: got.error is None and all(map(test, got["splits"].values()))


def _mask_then_shuffle(n, val_fraction, generator=None):
    """Chooses the validation set first, and shuffles each part afterwards."""
    chosen = torch.zeros(n, dtype=torch.bool)
    chosen[torch.randperm(n, generator=generator)[: round(n * val_fraction)]] = True
    train, val = (~chosen).nonzero().flatten(), chosen.nonzero().flatten()
    return (
        train[torch.randperm(len(train), generator=generator)],
        val[torch.randperm(len(val), generator=generator)],
    )


def _deal_cards(n, val_fraction, generator=None):
    """Fisher and Yates; the parts are made of Python lists."""
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = torch.randint(i + 1, (1,), generator=generator).item()
        order[i], order[j] = order[j], order[i]
    cut = n - round(val_fraction * n)
    return tuple(torch.tensor(part, dtype=torch.int64) for part in (order[:cut], order[cut:]))


def _typed_with_a_closure(
    n: int, val_fraction: float, generator: torch.Generator | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    order = torch.multinomial(torch.ones(n), n, generator=generator)
    held_out = torch.arange(n) < round(n * val_fraction)

    def part(mask: torch.Tensor) -> torch.Tensor:
        return order.masked_select(mask)

    return part(~held_out), part(held_out)


class _Split(NamedTuple):
    train: torch.Tensor
    val: torch.Tensor


def _named(n, val_fraction, generator=None):
    """A seed is drawn, and Python shuffles."""
    order, cut = list(range(n)), round(n * val_fraction)
    random.Random(torch.randint(2**31, (), generator=generator).item()).shuffle(order)
    return _Split(torch.LongTensor(order[cut:]), torch.LongTensor(order[:cut]))


ANSWER = Answer(
    exercise="train_val_split",
    cases=_cases,
    compare={
        "form": lambda case, expected, got: (
            None if got["well_formed"] else "the result is not a tuple of two int64 tensors"
        ),
        "whole": _compare_whole,
        "sizes": _compare_sizes,
        "chance": _compare_chance,
    },
    variants=(
        edit("n_train = n - ", "n_val = ").edit(RETURN, "return order[n_val:], order[:n_val]"),
        edit(DRAW, f"{KEYS}.argsort()").edit(
            RETURN, "return tuple(map(torch.clone, order.split([n_train, n - n_train])))"
        ),
        _mask_then_shuffle,
        _deal_cards,
        _typed_with_a_closure,
        _named,
        edit(DRAW, f"{KEYS}.topk(n).indices").edit(
            RETURN,
            "val = order.narrow(0, 0, n - n_train)\n    return order[~torch.isin(order, val)], val",
        ),
    ),
    misconceptions=(
        wrong(
            "overlap",
            edit("order[:n_train]", "order"),
            "The validation examples are still in the training part. Cut the order in two: what "
            "goes to validation leaves training.",
            # In the extreme splits one part is empty or holds everything, so they say nothing.
            recognise=_each(
                lambda case, train, val: (
                    case["val_fraction"] in (0.0, 1.0) or bool(val) and {*val} <= {*train}
                )
            ),
        ),
        wrong(
            "overlap",
            edit("order[n_train:]", DRAW + "[n_train:]"),
            "The two parts are drawn independently, so some examples are in both: the model is "
            "validated on what it was trained on. Draw one order and cut it.",
            recognise=_each(
                lambda case, train, val: (
                    case["val_fraction"] in (0.0, 1.0) or bool(set(train) & set(val))
                )
            ),
        ),
        wrong(
            "unshuffled tail",
            edit(DRAW, "torch.arange(n)"),
            "The last examples become the validation part, whatever they are. In sorted data that "
            "is one class. Shuffle all indices before you cut.",
            recognise=_each(lambda case, train, val: train + val == list(range(case["n"]))),
        ),
        wrong(
            "unshuffled tail",
            edit(DRAW, "torch.arange(n).flip(0)", _mask_then_shuffle),
            "The last examples always become the validation part: you shuffle after the cut. In "
            "sorted data that part holds one class. Shuffle all indices before you cut.",
            recognise=_each(
                lambda case, train, val: sorted(train) + sorted(val) == list(range(case["n"]))
            ),
        ),
        wrong(
            "unshuffled head",
            edit(DRAW, "torch.arange(n).roll(-round(n * val_fraction))"),
            "The first examples become the validation part, whatever they are. Shuffle all indices "
            "before you cut.",
            recognise=_each(
                lambda case, train, val: sorted(val) + sorted(train) == list(range(case["n"]))
            ),
        ),
        wrong(
            "parts sorted",
            edit(RETURN, "return order[:n_train].sort().values, order[n_train:].sort().values"),
            "Both parts are sorted. The task asks for a shuffled order, so that reading them in "
            "turn does not give sorted data again.",
            recognise=_with_right_parts(
                lambda parts: all(part == sorted(part) for pair in parts.values() for part in pair)
            ),
        ),
        wrong(
            "rounded down",
            edit(N_TRAIN, "n - int(n * val_fraction)"),
            "int() cuts off: 0.9 becomes 0. The size of the validation part is rounded, "
            "round(n * val_fraction).",
            recognise=_counted(lambda n, fraction: int(n * fraction)),
        ),
        wrong(
            "rounded up",
            edit(N_TRAIN, "int(n - n * val_fraction)"),
            "Your validation part is rounded up: math.ceil does that, and so does int() when it cuts "
            "off the training part. Its size is round(n * val_fraction).",
            recognise=_counted(lambda n, fraction: math.ceil(n * fraction)),
        ),
        wrong(
            "halves rounded up",
            edit(N_TRAIN, "n - int(n * val_fraction + 0.5)"),
            "You round halves up; Python's round takes halves to the nearest even number. Use "
            "round(n * val_fraction).",
            recognise=_counted(lambda n, fraction: math.floor(n * fraction + 0.5)),
        ),
        wrong(
            "training part rounded instead",
            edit(N_TRAIN, "round(n * (1 - val_fraction))"),
            "You round the size of the training part. Round the size of the validation part, "
            "round(n * val_fraction), and give the rest to training.",
            recognise=_counted(lambda n, fraction: n - round(n * (1 - fraction))),
        ),
        wrong(
            "everything for validation when it should get nothing",
            edit(RETURN, "return order[: n_train - n], order[n_train - n :]"),
            "With n_val = 0 your cut goes wrong: order[:-0] is order[:0], which is empty. Cut at "
            "n - n_val.",
            recognise=_nothing_became_everything,
        ),
        wrong(
            "a list of two tensors",
            edit(RETURN, "return [order[:n_train], order[n_train:]]"),
            "You return the two parts in a list. Return a tuple: train, val.",
            recognise=_all_splits(lambda split: isinstance(split, list) and is_split(tuple(split))),
        ),
        wrong(
            "validation first",
            edit(RETURN, "return order[n_train:], order[:n_train]"),
            "The parts are swapped: training comes first, validation second.",
            recognise=_counted(lambda n, fraction: n - round(n * fraction)),
        ),
        wrong(
            "generator ignored",
            edit(DRAW, "torch.randperm(n)"),
            "The split does not come from the given generator, so it cannot be repeated. Pass it "
            "on: torch.randperm(n, generator=generator).",
            recognise=_with_right_parts(lambda parts: parts["first"] != parts["repeated"]),
        ),
        wrong(
            "global state seeded",
            edit(
                "    order =",
                "    if generator is None:\n        torch.manual_seed(0)\n    order =",
            ),
            "Without a generator you set a seed yourself, so every split is the same, and "
            "whatever is drawn afterwards is no longer random. Leave torch.manual_seed to the "
            "caller.",
            recognise=_with_right_parts(
                lambda parts: (
                    parts["global"] == parts["other_global"]
                    and parts["first"] != parts["other_seed"]
                )
            ),
        ),
        wrong(
            "generator started again",
            edit("=generator)", "=generator and generator.manual_seed(generator.initial_seed()))"),
            "You reset the generator to its seed, so a second split repeats the first. Draw from "
            "the generator in the state it arrives in; that moves on by itself.",
            recognise=_with_right_parts(
                lambda parts: parts["first"] == parts["continued"] != parts["other_seed"]
            ),
        ),
        wrong(
            "one split for all seeds",
            edit("generator=generator", "generator=torch.Generator().manual_seed(42)"),
            "Every seed gives the same split: the function sets a seed of its own. Use the given "
            "generator.",
            recognise=_with_right_parts(
                lambda parts: (
                    parts["first"] == parts["other_seed"] == parts["global"]
                    and any(part != sorted(part) for part in parts["first"])
                )
            ),
        ),
        wrong(
            "lists instead of tensors",
            edit(RETURN, "return order[:n_train].tolist(), order[n_train:].tolist()"),
            "The parts are Python lists. Return int64 tensors, which index X and y directly.",
            recognise=_all_splits(
                lambda split: (
                    isinstance(split, tuple | list)
                    and len(split) == 2
                    and all(isinstance(part, list) for part in split)
                )
            ),
        ),
    ),
)
