"""``shard_indices``, secret half. Long because it has 25 named mistakes."""

import hashlib
import itertools
import math
import random
from functools import partial

import numpy as np
import torch

from course_lib.exercises.ch10_the_same_loop.shard_indices import shard_case
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, raises, wrong

SEED = "manual_seed(seed + 1000 * epoch)"
SHARE = "n // world_size if drop_last else math.ceil(n / world_size)"
FILL = "    order += order  # as much of it again as is needed\n"
_SEED = "Any seed that depends on both will do."
RETURN = "order[rank : share * world_size : world_size]"
BLOCK = "order[rank * share : (rank + 1) * share]"


def _cases(generator: torch.Generator) -> list[Case]:
    def case(*asks, n, world_size, **settings):
        # The epoch is none of the numbers of workers.
        drawn = {"epoch": size(generator, 6, 9), "seed": size(generator, 1, 900)}
        return shard_case(*asks, n=n, world_size=world_size, **(drawn | settings))

    fours, threes = 4 * size(generator, 8, 12), 3 * size(generator, 8, 14)
    fives = 5 * size(generator, 5, 9)
    return [
        case("cover", n=fours, world_size=4),
        case("cover", n=threes, world_size=3, drop_last=False),
        case("cover", "random", n=size(generator, 21, 40), world_size=1, drop_last=False),
        case("random", "repeatable", n=fours, world_size=4),
        case("random", "repeatable", n=threes, world_size=3, epoch=0),
        case("filled", n=fives + 1, world_size=5),
        case("filled", n=fives + 4, world_size=5, drop_last=False),
        case("filled", n=size(generator, 15, 18) * 2 + 1, world_size=2),
        # Hardly more examples than workers: nearly half of them come twice.
        case("filled", n=9, world_size=8),
        case("dropped", n=fives + 1, world_size=5, drop_last=True),
        case("dropped", n=fives + 4, world_size=5, drop_last=True),
        case("dropped", n=9, world_size=8, drop_last=True),
        case("dropped", n=threes, world_size=3, drop_last=True),
    ]


def _with_modulo(n, rank, world_size, epoch, seed, drop_last=False):
    """Walks round the order as if it were a ring."""
    order = list(range(n))
    random.Random(f"{seed}/{epoch}").shuffle(order)
    share = math.floor(n / world_size) if drop_last else -(-n // world_size)
    return [order[(rank + i * world_size) % n] for i in range(share)]


def _with_numpy(n, rank, world_size, epoch, seed, drop_last=False):
    order = np.random.default_rng([seed, epoch]).permutation(n)
    whole = n - n % world_size
    if drop_last or whole == n:
        order = order[:whole]
    else:
        order = np.concatenate([order, order[: world_size - n % world_size]])
    return [int(i) for i in order.reshape(-1, world_size)[:, rank]]


def _by_digest(n, rank, world_size, epoch, seed, drop_last=False):
    """Neither a generator nor a shuffle: the examples in the order of their digests."""

    def digest(i: int) -> bytes:
        return hashlib.sha256(f"{seed} {epoch} {i}".encode()).digest()

    order, (share, rest) = sorted(range(n), key=digest), divmod(n, world_size)
    own = itertools.islice(itertools.cycle(order), rank, None, world_size)
    return [*itertools.islice(own, share + bool(rest and not drop_last))]


def _like_distributed_sampler(n, rank, world_size, epoch, seed, drop_last=False):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + epoch)
        order = torch.randperm(n).numpy()
    share = n // world_size if drop_last else (n - 1) // world_size + 1
    return np.resize(order, (share, world_size)).T[rank].tolist()


def _asks_torch(n, rank, world_size, epoch, seed, drop_last=False):
    sampler = torch.utils.data.DistributedSampler(
        range(n), num_replicas=world_size, rank=rank, seed=seed, drop_last=drop_last
    )
    sampler.set_epoch(epoch)
    return list(sampler)


def _share(case: Case) -> int:
    n, world_size = case["n"], case["world_size"]
    return n // world_size if case["drop_last"] else math.ceil(n / world_size)


def _has_right_lengths(case: Case, got: Observation) -> bool:
    return got["lengths"] == [_share(case)] * case["world_size"]


def _tells(case: Case) -> bool:
    """Whether a wrong share shows: not with one worker, nor where each has hardly an example."""
    return case["world_size"] > 1 and _share(case) > 2


def _lengths_wrong(drop_last: bool, case: Case, got: Observation) -> bool:
    """Whether the lengths are wrong with ``drop_last``, or without, and only there."""
    right = _has_right_lengths(case, got)
    return not _tells(case) or right == (bool(case["drop_last"]) != drop_last)


def _most_unread(case: Case, got: Observation) -> bool:
    read = sum(got["times"][0].values())
    return not _tells(case) or 2 * read < _share(case) * case["world_size"]


def _others_read(case: Case, got: Observation) -> bool:
    """Whether all have as many as they should, and yet some examples are left out."""
    if not _has_right_lengths(case, got):
        return False
    read = sum(got["times"][0].values())
    return not _tells(case) or read < min(case["n"], _share(case) * case["world_size"])


ANSWER = Answer(
    exercise="shard_indices",
    cases=_cases,
    oracle=_asks_torch,
    equivalent={
        "return order[rank:share * world_size:world_size] -> return list(order[rank:share * "
        "world_size:world_size])": "It is a list already.",
        "seed + 1000 * epoch -> seed - 1000 * epoch": _SEED,
        "1000 * epoch -> epoch": _SEED,
        "1000 -> 1001": _SEED,
        "1000 -> 999": _SEED,
    },
    variants=(
        edit(SEED, "manual_seed(hash((seed, epoch)) % 2**31)").edit(RETURN, BLOCK),
        _with_modulo,
        _with_numpy,
        _by_digest,
        _like_distributed_sampler,
    ),
    misconceptions=(
        wrong(
            "every worker reads everything",
            edit(RETURN, "order"),
            "Every worker gets all examples, so nothing is shared out. Give rank r its own part: "
            "order[rank::world_size], for example.",
        ),
        wrong(
            "a seed of its own for each rank",
            edit(SEED, "manual_seed(seed + 1000 * epoch + rank)"),
            "Each rank draws an order of its own, so the parts overlap, and some examples are read by "
            "nobody. The seed must not depend on the rank.",
        ),
        wrong(
            "overlapping shards",
            edit(RETURN, "(order + order)[rank : rank + share]"),
            "Neighbouring workers read nearly the same examples: each part starts one further on "
            "than the one before. Take every world_size-th example, or start at rank * share.",
        ),
        wrong(
            "padding forgotten",
            edit(FILL, ""),
            "Where the examples do not divide evenly, some workers get fewer than others. The one with "
            "more would wait for ever for the others' gradients. Fill the order up from its beginning.",
        ),
        wrong(
            "drop_last ignored",
            edit(SHARE, "math.ceil(n / world_size)"),
            "With drop_last=True you still fill up the order. Leave out what does not divide evenly: "
            "n // world_size for each.",
        ),
        wrong(
            "dropped examples counted",
            edit(SHARE, "math.ceil(n / world_size)").edit(
                FILL, "    order += order if not drop_last else []\n"
            ),
            "With drop_last=True you round up, so the first workers still get the examples that "
            "should be left out. Round down.",
        ),
        wrong(
            "examples always dropped",
            edit(SHARE, "n // world_size"),
            "You leave out what does not divide evenly although drop_last is False. Round up, and fill "
            "the order up from its beginning.",
        ),
        wrong(
            "drop_last reversed",
            edit(SHARE, "n // world_size if not drop_last else math.ceil(n / world_size)"),
            "drop_last=True leaves examples out, False fills the order up: you have it the other way round.",
        ),
        wrong(
            "filled up with one example",
            edit(FILL, "    order += order[:1] * world_size\n"),
            "You fill up with copies of a single example, which then counts several times. Take as "
            "many different ones from the order's beginning.",
        ),
        wrong(
            "not shuffled",
            edit("torch.randperm(n, generator=generator)", "torch.arange(n)"),
            "The order is not random: 0, 1, 2 and so on in every epoch. Draw it with torch.randperm.",
        ),
        wrong(
            "epoch ignored",
            edit(" + 1000 * epoch", ""),
            "Every epoch has the same order. Let the generator's seed depend on the epoch, too.",
        ),
        wrong(
            "seed ignored",
            edit("seed + 1000 * epoch", "epoch"),
            "The seed has no influence on the order. Let the generator's seed depend on it.",
        ),
        wrong(
            "global state seeded",
            edit("torch.Generator().", "torch."),
            "You set PyTorch's global seed, so whatever is drawn elsewhere, such as dropout, repeats "
            "itself. Use a torch.Generator of your own.",
        ),
        wrong(
            "a new order at every call",
            edit("." + SEED, "\n    generator.seed()"),
            "Every call draws a new order, so no two workers cut up the same one. Seed a generator with "
            "seed and epoch.",
            recognise=lambda case, got: got["readable"] and not got["repeatable"],
        ),
        wrong(
            "tensor instead of a list",
            edit(RETURN, f"torch.tensor({RETURN})"),
            "You return a tensor. Return a list of ints: tolist() makes one.",
            recognise=lambda case, got: (
                got.error is None
                and all(
                    isinstance(shard, torch.Tensor)
                    for each in got["shards"].values()
                    for shard in each
                )
            ),
        ),
        wrong(
            "nothing returned",
            edit("return order", "order"),
            "Return the worker's part of the order; without a return, your function gives back None.",
        ),
        wrong(
            "dropped without being asked",
            edit("drop_last=False", "drop_last=True"),
            "Called without drop_last, you leave examples out. Its default is False: the order is filled "
            "up.",
            recognise=lambda case, got: _has_right_lengths(
                {**case, "drop_last": case["drop_last"] is not False}, got
            ),
        ),
        wrong(
            "error with drop_last",
            edit("n // world_size if", "n / world_size if"),
            "Your code raises an error only with drop_last=True. A share is a whole "
            "number: n // world_size.",
            recognise=raises("", lambda case: bool(case["drop_last"])),
        ),
        wrong(
            "error without drop_last",
            edit("math.ceil(n / world_size)", "math.ceil()"),
            "Your code raises an error only without drop_last. A share is a whole "
            "number: math.ceil(n / world_size).",
            recognise=raises("", lambda case: not case["drop_last"]),
        ),
        wrong(
            "all workers read the same",
            edit("order[rank :", "order[0 :"),
            "All workers read the same examples, and nobody reads the others. Rank r has to start at a "
            "place of its own: order[rank::world_size], for example.",
            recognise=lambda case, got: (
                case["world_size"] == 1
                or (not got["ranks_differ"] and 0 < got["lengths"][0] < case["n"])
            ),
        ),
        wrong(
            "most examples read by nobody",
            edit("torch.randperm(n,", "torch.randperm(world_size,"),
            "Does your order hold all n examples, and does each worker's part reach to the end of the order?",
            recognise=_most_unread,
        ),
        wrong(
            "wrong share with drop_last",
            edit("n // world_size if", "n if"),
            "Without drop_last the shares are right; with drop_last=True they are not: each worker should "
            "get n // world_size examples.",
            recognise=partial(_lengths_wrong, True),
        ),
        wrong(
            "wrong share without drop_last",
            edit("math.ceil(n / world_size)", "n"),
            "With drop_last=True the shares are right; without it they are not: each worker should get "
            "math.ceil(n / world_size) examples.",
            recognise=partial(_lengths_wrong, False),
        ),
        wrong(
            "wrong share",
            edit("share * world_size", "share"),
            "The workers do not get as many examples as they should: n / world_size each, rounded down with "
            "drop_last=True and up without it. Look at where the slice of the order begins and ends, and "
            "at its step.",
            recognise=lambda case, got: not _tells(case) or not _has_right_lengths(case, got),
        ),
        wrong(
            "as many as asked, but the wrong ones",
            edit("1000 * epoch", "1000 * rank"),
            "Each worker gets the right number of examples, but together they leave some out "
            "and read others several times. All have to cut up the same order, each from its own place.",
            recognise=_others_read,
        ),
    ),
)
