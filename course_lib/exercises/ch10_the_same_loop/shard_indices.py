"""``shard_indices``, public half."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type, kind_of

#: Which shards are asked for, each from all ranks: label, what is added to epoch and to seed.
ROUNDS = (("first", 0, 0), ("again", 0, 0), ("next epoch", 1, 0), ("other seed", 0, 17))


def shard_case(
    *asks: str, n: int, world_size: int, epoch: int, seed: int, drop_last: bool | None = None
) -> dict[str, Any]:
    """A case; with ``drop_last=None`` the argument is left out."""
    own = {"n": n, "world_size": world_size, "epoch": epoch, "seed": seed}
    return {"asks": asks, **own, "drop_last": drop_last}


def _observe(function: Any, case: Case, notes: Notes) -> None:
    n, world_size = case["n"], case["world_size"]
    more = {} if case["drop_last"] is None else {"drop_last": case["drop_last"]}
    before = torch.get_rng_state()
    shards: dict[str, list[Any]] = {}
    notes["shards"] = shards
    for label, epochs, seeds in ROUNDS:
        epoch, seed = case["epoch"] + epochs, case["seed"] + seeds
        shards[label] = [
            function(n, rank, world_size, epoch, seed, **more) for rank in range(world_size)
        ]
    notes["global_state_kept"] = torch.equal(before, torch.get_rng_state())


def _facts(case: Case, observation: Observation) -> Mapping[str, Any]:
    """Whichever permutation it is: how long the shards are and how often the examples come, in the
    first round and in the next epoch; and in what the rounds differ."""
    shards = observation["shards"]
    well_formed = all(_is_shard(shard) for each in shards.values() for shard in each)
    if not well_formed:
        return {"well_formed": False}
    n = case["n"]
    counts = [
        Counter(i for shard in shards[label] for i in shard) for label in ("first", "next epoch")
    ]
    return {
        "well_formed": True,
        "lengths": [len(shard) for shard in shards["first"]],
        "out_of_range": sum(not 0 <= i < n for i in counts[0]),
        "times": [dict(sorted(Counter(count.values()).items())) for count in counts],
        "repeated_in_a_shard": any(len(set(shard)) < len(shard) for shard in shards["first"]),
        "repeatable": shards["first"] == shards["again"],
        "shuffled": any(shard != sorted(shard) for shard in shards["first"]),
        "epochs_differ": shards["first"] != shards["next epoch"],
        "seeds_differ": shards["first"] != shards["other seed"],
    }


def _is_shard(value: Any) -> bool:
    return type(value) is list and all(type(i) is int for i in value)


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    n, world_size, drop_last = case["n"], case["world_size"], bool(case["drop_last"])
    shards = observation["shards"]
    first = shards["first"][0]
    got = f"yours is {'a ' + kind_of(first) if isinstance(first, list | tuple) else a_type(first)}"
    yield Finding(observation["well_formed"], "a shard is a list of ints", got)
    if not observation["well_formed"]:
        return
    words = f"{n} examples, {world_size} workers" + (", drop_last=True" if drop_last else "")
    share = n // world_size if drop_last else -(-n // world_size)
    lengths = observation["lengths"]
    text = "all workers get equally many, rounded up, or down with drop_last=True"
    got = f"{words}: expected {share} each, yours are {lengths}"
    yield Finding(lengths == [share] * world_size, text, got)
    yield Finding(not observation["out_of_range"], f"indices go from 0 to n - 1: {n - 1} here")
    times = observation["times"][0]
    if n % world_size == 0:
        text = "together the workers read every example exactly once"
        yield Finding(times == {1: n}, text, f"{words}: {_times_in_words(times, n)}")
    elif drop_last:
        text = "with drop_last=True no example comes twice, and fewer than world_size are left out"
        yield Finding(
            times == {1: share * world_size}, text, f"{words}: {_times_in_words(times, n)}"
        )
    else:
        twice = share * world_size - n
        text = "when the examples do not divide evenly, all are read, and a few of them twice"
        wanted = {1: n - twice, 2: twice}
        yield Finding(times == wanted, text, f"{words}: {_times_in_words(times, n)}")
    yield Finding(observation["shuffled"], "the order is a random one")
    yield Finding(observation["repeatable"], "the same seed and epoch give the same shards again")
    yield Finding(observation["epochs_differ"], "another epoch has another order")
    yield Finding(observation["seeds_differ"], "another seed has another order")
    text = "PyTorch's global random state is left alone"
    yield Finding(observation["global_state_kept"], text)


def _times_in_words(times: Mapping[int, int], n: int) -> str:
    never = n - sum(times.values())
    parts = [f"{never} never"] if never > 0 else []
    names = {1: "once", 2: "twice"}
    parts += [f"{count} {names.get(time, f'{time} times')}" for time, count in times.items()]
    return f"in yours {', '.join(parts)}"


EXERCISE = Exercise(
    name="shard_indices",
    points=3,
    task="Which examples does each worker read?",
    aspects=(
        Aspect(
            "cover",
            "no example is left out, and none is read by two workers",
            1,
            ("well_formed", "out_of_range", "times"),
        ),
        Aspect(
            "equal",
            "equal numbers for all, where the examples do not divide evenly",
            1,
            ("well_formed", "lengths", "times", "repeated_in_a_shard"),
        ),
        Aspect(
            "order",
            "a random order, fixed by seed and epoch",
            1,
            ("shuffled", "repeatable", "epochs_differ", "seeds_differ", "global_state_kept"),
        ),
    ),
    hints=(
        "All workers must cut up the *same* order, so the generator's seed must not depend on the "
        "rank, but it must depend on seed and epoch. torch.randperm(n, generator=generator) draws the "
        "order.",
        "Make the order as long as share * world_size first: order + order[:missing], or cut it with "
        "drop_last=True. Then order[rank::world_size] gives each worker every world_size-th example.",
    ),
    observe=_observe,
    fields=("shards", "global_state_kept"),
    facts=_facts,
    derived=(
        "well_formed",
        "lengths",
        "out_of_range",
        "times",
        "repeated_in_a_shard",
        "repeatable",
        "shuffled",
        "epochs_differ",
        "seeds_differ",
    ),
    public_cases=lambda: [
        shard_case("cover", "order", n=24, world_size=3, epoch=0, seed=5),
        shard_case("equal", n=22, world_size=4, epoch=1, seed=2),
        shard_case("equal", n=22, world_size=4, epoch=1, seed=2, drop_last=True),
        shard_case("cover", "order", n=20, world_size=1, epoch=2, seed=0, drop_last=False),
    ],
    properties=_properties,
    forbidden=("torch.utils.data.DistributedSampler",),
)
