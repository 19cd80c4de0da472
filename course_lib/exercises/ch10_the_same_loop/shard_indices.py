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
    notes["shards"] = shards = {}
    for label, epochs, seeds in ROUNDS:
        epoch, seed = case["epoch"] + epochs, case["seed"] + seeds
        shards[label] = [
            function(n, rank, world_size, epoch, seed, **more) for rank in range(world_size)
        ]
    notes["global_state_kept"] = torch.equal(before, torch.get_rng_state())


def _facts(case: Case, observation: Observation) -> Mapping[str, Any]:
    """Whichever permutation it is: how long the shards are and how often the examples come, in the
    first round and in the next epoch; and in what the rounds differ. A tensor or a tuple of ints is
    read like a list; only ``is_list`` tells."""
    given = observation["shards"]
    is_list = all(_is_shard(shard) for each in given.values() for shard in each)
    shards = {label: [_as_list(shard) for shard in each] for label, each in given.items()}
    if any(shard is None for each in shards.values() for shard in each):
        return {"is_list": False, "readable": False}
    n, first = case["n"], shards["first"]
    counts = [
        Counter(i for shard in shards[label] for i in shard) for label in ("first", "next epoch")
    ]
    return {
        "is_list": is_list,
        "readable": True,
        "lengths": [len(shard) for shard in first],
        "out_of_range": sum(not 0 <= i < n for i in counts[0]),
        "times": [dict(sorted(Counter(count.values()).items())) for count in counts],
        "repeated_in_a_shard": any(len(set(shard)) < len(shard) for shard in first),
        "repeatable": first == shards["again"],
        "ranks_differ": len(first) == 1 or first[0] != first[1],
        "shuffled": any(shard != sorted(shard) for shard in first),
        "epochs_differ": first != shards["next epoch"],
        "seeds_differ": first != shards["other seed"],
    }


def _is_shard(value: Any) -> bool:
    return type(value) is list and all(type(i) is int for i in value)


def _as_list(value: Any) -> list[int] | None:
    """The ints of a shard; None where it is something else."""
    if isinstance(value, torch.Tensor) and value.dim() == 1:
        value = value.tolist()
    if not isinstance(value, list | tuple):
        return None
    numbers = [each.item() if isinstance(each, torch.Tensor) else each for each in value]
    return numbers if _is_shard(numbers) else None


_FIRST_LINES = {
    "filled": "all workers get equally many: n / world_size, rounded up",
    "dropped": "with drop_last=True all workers get equally many: n / world_size, rounded down",
    "random": "the order is a random one",
    "repeatable": "the same seed and epoch give the same shards again",
}


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    n, world_size, drop_last = case["n"], case["world_size"], bool(case["drop_last"])
    asks, shards = case["asks"], observation["shards"]
    first = shards["first"][0]
    got = f"yours is {'a ' + kind_of(first) if isinstance(first, list | tuple) else a_type(first)}"
    if "cover" in asks:
        yield Finding(observation["is_list"], "a shard is a list of ints", got)
    if not observation["readable"]:
        for name in asks:
            if name in _FIRST_LINES:
                yield Finding(False, _FIRST_LINES[name], got)
        return
    words = f"{n} examples, {world_size} workers" + (", drop_last=True" if drop_last else "")
    share = n // world_size if drop_last else -(-n // world_size)
    lengths, times = observation["lengths"], observation["times"][0]
    if "cover" in asks:
        yield Finding(not observation["out_of_range"], f"indices go from 0 to n - 1: {n - 1} here")
        text = "together the workers read every example exactly once"
        yield Finding(times == {1: n}, text, f"{words}: {_times_in_words(times, n)}")
    for name in {"filled", "dropped"}.intersection(asks):
        got = f"{words}: {share} each, and yours get {lengths}"
        yield Finding(lengths == [share] * world_size, _FIRST_LINES[name], got)
        if name == "filled":
            twice = share * world_size - n
            text = "when the examples do not divide evenly, all are read, and a few of them twice"
            right = times == {1: n - twice, 2: twice}
        else:
            text = (
                "with drop_last=True no example comes twice, and fewer than world_size are left out"
            )
            right = times == {1: share * world_size}
        yield Finding(right, text, f"{words}: {_times_in_words(times, n)}")
    if "random" in asks:
        yield Finding(observation["shuffled"], _FIRST_LINES["random"])
        yield Finding(observation["epochs_differ"], "a different epoch has a different order")
        yield Finding(observation["seeds_differ"], "a different seed has a different order")
    if "repeatable" in asks:
        yield Finding(observation["repeatable"], _FIRST_LINES["repeatable"])
        yield Finding(observation["ranks_differ"], "each rank has a shard of its own")
        text = "PyTorch's global random state is left alone"
        yield Finding(observation["global_state_kept"], text)


def _times_in_words(times: Mapping[int, int], n: int) -> str:
    counts = {0: n - sum(times.values()), **times}
    names = {0: "not at all", 1: "once", 2: "twice"}
    parts = [
        f"{count} {names[time]}"
        if time in names
        else f"{count} of them {time} times{' each' * (count > 1)}"
        for time, count in counts.items()
        if count > 0
    ]
    return f"yours read {', '.join(parts)}"


EXERCISE = Exercise(
    name="shard_indices",
    points=3,
    task="Which examples does each worker read?",
    aspects=(
        Aspect(
            "cover",
            "no example is left out, and none is read by two workers",
            1,
            ("is_list", "out_of_range", "times"),
        ),
        Aspect(
            "filled",
            "equal numbers where the examples do not divide evenly: a few come twice",
            0.5,
            ("lengths", "times", "repeated_in_a_shard"),
        ),
        Aspect(
            "dropped",
            "equal numbers with drop_last=True: a few are left out",
            0.5,
            ("lengths", "times", "repeated_in_a_shard"),
        ),
        Aspect(
            "random",
            "a random order, a different one for each epoch and each seed",
            0.5,
            ("shuffled", "epochs_differ", "seeds_differ"),
        ),
        Aspect(
            "repeatable",
            "the same order again for the same seed and epoch, from a generator of its own",
            0.5,
            ("repeatable", "ranks_differ", "global_state_kept"),
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
        "is_list",
        "readable",
        "lengths",
        "out_of_range",
        "times",
        "repeated_in_a_shard",
        "repeatable",
        "ranks_differ",
        "shuffled",
        "epochs_differ",
        "seeds_differ",
    ),
    public_cases=lambda: [
        shard_case("cover", "random", "repeatable", n=24, world_size=3, epoch=0, seed=5),
        shard_case("filled", n=22, world_size=4, epoch=1, seed=2),
        shard_case("dropped", n=22, world_size=4, epoch=1, seed=2, drop_last=True),
        shard_case("cover", "random", n=20, world_size=1, epoch=2, seed=0, drop_last=False),
    ],
    properties=_properties,
    forbidden=("torch.utils.data.DistributedSampler",),
)
