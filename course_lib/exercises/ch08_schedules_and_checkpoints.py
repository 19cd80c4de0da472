"""Chapter 08, public half: the exercises' checks, and the quiz's questions.

What runs the learner's code on a case stands beside this module: ``resume.py`` for checkpoints,
``stopping.py`` for early stopping.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import type_name
from course_lib.exercises.support.resume import (
    checkpoint_case,
    observe_checkpointing,
    uninterrupted,
)
from course_lib.exercises.support.stopping import (
    observe_early_stopping,
    state_after,
    stopping_case,
)
from course_lib.quiz import Question

# --- warmup_cosine ------------------------------------------------------------------------------


def schedule_case(
    kind: str,
    *,
    total_steps: int,
    warmup_steps: int,
    max_lr: float,
    min_lr: float | None,
    steps: list[int],
) -> dict[str, Any]:
    """A case: the rates at ``steps`` are asked for. ``kind`` is "warm" (before warmup_steps),
    "cosine" (from there to the end) or "edges"; ``min_lr=None`` leaves the argument out."""
    return {
        "kind": kind,
        "total_steps": total_steps,
        "warmup_steps": warmup_steps,
        "max_lr": max_lr,
        "min_lr": min_lr,
        "steps": steps,
    }


def observe_warmup_cosine(function: Any, case: Case, notes: Notes) -> None:
    rest = [] if case["min_lr"] is None else [case["min_lr"]]
    rates: list[Any] = []
    notes[f"{case['kind']}_rates"] = rates
    for step in case["steps"]:
        rates.append(
            function(step, case["total_steps"], case["warmup_steps"], case["max_lr"], *rest)
        )


#: The sentences of the check, by case kind, beside the rate that a right schedule has at a step:
#: written down as data, for the rates at these steps follow from the words alone.
_PUBLIC_SCHEDULES: tuple[tuple[Case, tuple[tuple[str, float], ...]], ...] = (
    (
        schedule_case(
            "warm", total_steps=100, warmup_steps=10, max_lr=0.4, min_lr=0.1, steps=[0, 2, 5]
        ),
        (
            ("at step 0 the rate is 0, whatever min_lr is", 0.0),
            ("after a fifth of the warm-up the rate is a fifth of max_lr", 0.08),
            ("half way through the warm-up the rate is half of max_lr", 0.2),
        ),
    ),
    (
        schedule_case(
            "cosine",
            total_steps=100,
            warmup_steps=10,
            max_lr=0.5,
            min_lr=0.1,
            steps=[10, 40, 55, 70],
        ),
        (
            ("at warmup_steps the rate is max_lr, without a jump", 0.5),
            ("after a third of the cosine it has a quarter of its fall behind it", 0.4),
            ("half way down the cosine it is half way between max_lr and min_lr", 0.3),
            ("after two thirds of the cosine it has three quarters of its fall behind it", 0.2),
        ),
    ),
    (
        schedule_case(
            "edges", total_steps=60, warmup_steps=20, max_lr=0.5, min_lr=0.1, steps=[60, 61, 90]
        ),
        (
            ("at total_steps the rate is min_lr", 0.1),
            ("after total_steps the rate stays at min_lr", 0.1),
            ("after total_steps the rate stays at min_lr", 0.1),
        ),
    ),
    (
        schedule_case(
            "edges", total_steps=60, warmup_steps=0, max_lr=0.5, min_lr=None, steps=[0, 30]
        ),
        (
            ("with warmup_steps=0 step 0 has max_lr", 0.5),
            ("with warmup_steps=0 the cosine spans all steps", 0.25),
        ),
    ),
    (
        schedule_case(
            "edges", total_steps=20, warmup_steps=20, max_lr=0.5, min_lr=0.1, steps=[20, 25]
        ),
        (
            ("when warmup_steps equals total_steps, that step has min_lr", 0.1),
            ("after total_steps the rate stays at min_lr", 0.1),
        ),
    ),
)


def properties_warmup_cosine(case: Case, observation: Observation) -> Iterator[Finding]:
    [facts] = [facts for known, facts in _PUBLIC_SCHEDULES if known == case]
    rates = observation[f"{case['kind']}_rates"]
    for rate, (words, expected) in zip(rates, facts, strict=True):
        is_float = type(rate) is float
        yield Finding(is_float, "the result is a Python float", f"yours is {type_name(rate)}")
        if is_float:
            ok = math.isclose(rate, expected, rel_tol=1e-5, abs_tol=1e-7)
            yield Finding(ok, words, f"that is {expected:g} here, and yours is {rate:.6g}")


WARMUP_COSINE = Exercise(
    name="warmup_cosine",
    points=3,
    task="The learning rate at a step: a linear warm-up, then a cosine down to a floor.",
    aspects=(
        Aspect("warm", "the rate rises in a straight line from 0 to max_lr", 1, ("warm_rates",)),
        Aspect("cosine", "then a cosine leads down towards min_lr", 1, ("cosine_rates",)),
        Aspect(
            "edges",
            "min_lr from total_steps on; no warm-up and nothing but warm-up work",
            1,
            ("edges_rates",),
            after=("cosine",),
        ),
    ),
    hints=(
        "Three cases, asked in a good order: is the schedule over? Then the floor. Is it still "
        "warming up? Then a straight line. Otherwise say how far along the cosine you are, as a "
        "number from 0 to 1: count the steps since the warm-up ended, and ask how many there are.",
        "math.cos(math.pi * progress) goes from 1 to -1 while progress goes from 0 to 1. Shift "
        "and halve it, so that it goes from 1 to 0; then stretch that to the distance between "
        "max_lr and min_lr, and stand it on min_lr.",
    ),
    observe=observe_warmup_cosine,
    public_cases=lambda: [case for case, _ in _PUBLIC_SCHEDULES],
    properties=properties_warmup_cosine,
    forbidden=(
        "torch.optim.lr_scheduler.CosineAnnealingLR",
        "torch.optim.lr_scheduler.CosineAnnealingWarmRestarts",
        "torch.optim.lr_scheduler.OneCycleLR",
    ),
)


# --- checkpointing ------------------------------------------------------------------------------


def properties_checkpointing(case: Case, observation: Observation) -> Iterator[Finding]:
    kind = case["kind"]
    yield Finding(observation["written"], "save_checkpoint writes a file at path")
    yield Finding(
        observation["opens"],
        "torch.load(path, weights_only=True) opens the file",
        f"it refuses {observation['refused']}",
    )
    if not observation["written"]:
        return
    wanted, got = case["saved_after"] + 1, observation["returned"]
    yield Finding(
        type(got) is int and got == wanted,
        "load_checkpoint returns the first epoch still to run",
        f"saved after epoch {case['saved_after']}, so that is {wanted}; yours is {got!r:.40}",
    )
    straight = uninterrupted(case)
    if kind == "scheduled":
        rates = [f"{rate:.3g}" for rate in straight["rates"]]
        own = [f"{rate:.3g}" if type(rate) is float else "?" for rate in observation["rates"]]
        yield Finding(
            _same(straight["rates"], observation["rates"]),
            "after loading, the learning rate continues on its schedule",
            f"the rates are {', '.join(rates)}; yours {', '.join(own)}",
        )
        return
    yield Finding(
        _same(straight["saved"], observation[f"{kind}_loaded"]),
        "after loading, the model has the weights that were saved",
    )
    if kind == "plain":
        yield Finding(
            _same(straight["saved_buffers"], observation["loaded_buffers"]),
            "after loading, the model has the buffers that were saved (batch norm's averages)",
        )
        yield Finding(
            _same(straight["parameters"], observation["plain_parameters"]),
            "the next steps are those of a run that was never interrupted",
            "the same batches in the same order move the weights otherwise",
        )
    else:
        yield Finding(
            straight["orders"] == observation["orders"],
            "the shuffling continues: the same order of batches as without an interruption",
        )
    yield Finding(
        _same(straight["parameters"], observation[f"{kind}_continued"]),
        "saving changes nothing: a run that goes on after it is as before",
    )
    yield Finding(
        observation["modes_kept"], "saving and loading leave train or eval mode as they find it"
    )
    yield Finding(
        observation["in_one_file"], "everything is in the file at path, and in no second one"
    )


def _same(expected: Any, got: Any) -> bool:
    """Whether two lists of tensors or floats are equal up to rounding."""
    if len(expected) != len(got):
        return False
    for a, b in zip(expected, got, strict=True):
        a, b = torch.as_tensor(a), torch.as_tensor(b)
        if a.shape != b.shape or not torch.allclose(a.double(), b.double(), rtol=1e-6, atol=1e-9):
            return False
    return True


CHECKPOINTING = Exercise(
    name="checkpointing",
    points=4,
    task="Save a run to a file; load it so that training goes on as if nothing had happened.",
    aspects=(
        Aspect(
            "state",
            "weights, buffers and the optimizer's memory continue exactly",
            1,
            ("plain_parameters", "plain_buffers", "plain_continued"),
        ),
        Aspect("schedule", "the learning rate continues on its schedule", 1, ("rates",)),
        Aspect(
            "random",
            "shuffling and dropout continue as in a run that never saved",
            1,
            ("shuffled_parameters", "shuffled_continued"),
        ),
        Aspect(
            "file",
            "all is in one file that opens safely; loading returns the next epoch",
            1,
            ("opens", "in_one_file", "modes_kept", "returned"),
            after=("state",),
        ),
    ),
    hints=(
        "Five things make a run what it is at the end of an epoch: the model's state, the "
        "optimizer's, the scheduler's, the number of the epoch, and the state of PyTorch's random "
        "generator. Put them into one dict under names of your own, and save that dict.",
        "Three of the five have state_dict() and load_state_dict(). The random state is "
        "torch.get_rng_state(), a tensor; torch.set_rng_state(tensor) puts it back, and that is "
        "best done last. The number that load returns is one more than the one you saved.",
    ),
    observe=observe_checkpointing,
    public_cases=lambda: [
        checkpoint_case(
            torch.Generator().manual_seed(80 + i),
            kind,
            n=14,
            sizes=(3, 5, 2),
            batch_size=5,
            saved_after=saved_after,
            **settings,
        )
        for i, (kind, saved_after, settings) in enumerate(
            (
                ("plain", 1, {"optimizer": "adam"}),
                ("scheduled", 2, {"scheduler": "step", "as_path": True}),
                # This one remembers more than the number of the epoch.
                ("scheduled", 3, {"scheduler": "plateau"}),
                ("shuffled", 1, {}),
            )
        )
    ],
    properties=properties_checkpointing,
    subjects=("save_checkpoint", "load_checkpoint"),
)


# --- EarlyStopping ------------------------------------------------------------------------------


def properties_early_stopping(case: Case, observation: Observation) -> Iterator[Finding]:
    kind = case["kind"]
    best_loss, nothing_kept = observation["before"]
    yield Finding(
        type(best_loss) is float and best_loss == math.inf and nothing_kept,
        "before the first improvement best_loss is inf and best_state is None",
    )
    stops = observation["stops"]
    kinds = [type_name(stop) for stop in stops if type(stop) is not bool]
    got = f"yours gave {kinds[0]}" if kinds else ""
    yield Finding(not kinds, "step returns True or False", got)
    if kind in ("stop", "short"):
        words = "with patience=3 it stops at the third epoch in a row without an improvement"
        if case["patience"] is None:
            words = "without arguments the patience is 10"
        if kind == "short":
            words = "an epoch with NaN counts as one without an improvement"
        made = len(stops) if stops and stops[-1] is True else "never"
        yield Finding(
            made == case["stops_after"],
            words,
            f"that is after {case['stops_after']} epochs here; yours: {made}",
        )
        if kind == "short":
            return
        text = "step leaves the model as it is; whoever calls it puts the best weights back"
        yield Finding(observation["model"], text)
        text = "step leaves train or eval mode as it finds it"
        yield Finding(observation["mode"], text)
        loaded = observation["state"]
        wanted = state_after(case, case["best_epoch"])
        yield Finding(loaded is not None, "best_state loads with model.load_state_dict")
        # Whoever stops at another epoch has met other best ones: that says nothing about copies.
        if loaded is not None and made == case["stops_after"]:
            text = "best_state stays as it was at the best epoch while training goes on"
            yield Finding(_same([*wanted.values()], [*loaded.values()]), text)
        return
    words = {
        "delta": "an improvement is lower than best_loss by more than min_delta",
        "nan": "NaN and infinity are no improvement",
    }[kind]
    got = observation["best_losses"]
    yield Finding(
        _shown(got) == _shown(case["best_after"]),
        words,
        f"losses {_shown(case['losses'])}: best_loss goes {_shown(case['best_after'])}, "
        f"and yours {_shown(got)}",
    )
    if kind == "delta" and "best_epoch" in case:
        text = "best_state changes only together with best_loss"
        yield Finding(not is_of_another_epoch(case, case["best_epoch"], observation), text)


def is_of_another_epoch(case: Case, best_epoch: int, observation: Observation) -> bool:
    """Whether best_state belongs to an epoch that is neither the best one nor, as a state by
    reference does (another aspect's fault), the last one."""
    kept = observation.get(f"{case['kind']}_state")
    if kept is None:
        return False
    last = len(case["losses"]) - 1
    return not any(
        _same([*state_after(case, epoch).values()], [*kept.values()])
        for epoch in (best_epoch, last)
    )


def _shown(values: list[Any]) -> str:
    return " ".join(
        f"{value:g}" if isinstance(value, int | float) else type_name(value) for value in values
    )


def _public_stopping_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(88)
    nan, inf = math.nan, math.inf

    def case(kind: str, losses: list[float], **settings: Any) -> Case:
        return stopping_case(generator, kind, losses=losses, sizes=(3, 4, 2), **settings)

    return [
        # 0.5 is a tie with the best, and 0.75 is lower than the epoch before but not than the best.
        case("stop", [1.0, 1.25, 0.5, 1.0, 0.75, 0.5, 0.25, 0.25, 0.25, 0.25], patience=3)
        | {"stops_after": 6, "best_epoch": 2},
        case("stop", [1.0, 0.5] + [0.75] * 14) | {"stops_after": 12, "best_epoch": 1},
        case("short", [1.0, nan, nan, 0.5, 0.25], patience=2) | {"stops_after": 3},
        # The lowest loss comes too little below the best one to count, and is not the last.
        case("delta", [2.0, 1.75, 1.5, 1.25, 1.0, 0.75, 1.5], patience=20, min_delta=0.5)
        | {"best_after": [2.0, 2.0, 2.0, 1.25, 1.25, 1.25, 1.25], "best_epoch": 3},
        case("nan", [nan, inf, 2.0, nan, 1.0], patience=20)
        | {"best_after": [inf, inf, 2.0, 2.0, 1.0]},
    ]


EARLY_STOPPING = Exercise(
    name="EarlyStopping",
    points=3,
    task="Watch the validation loss, keep the best weights, and say when to stop.",
    aspects=(
        Aspect(
            "stop",
            "it stops at the patience-th epoch in a row without an improvement",
            1,
            ("stops",),
        ),
        Aspect(
            "best",
            "an improvement beats best_loss by more than min_delta; NaN never does",
            1,
            ("before", "best_losses"),
        ),
        Aspect(
            "state",
            "best_state is a copy of the best weights and buffers",
            1,
            ("state", "model", "mode"),
        ),
    ),
    hints=(
        "The object remembers three things between calls: the best loss, a copy of the state that "
        "belongs to it, and how many epochs in a row have brought nothing. An improvement sets "
        "all three; any other epoch only raises the counter.",
        "Ask the question in the words of the rule: is val_loss < best_loss - min_delta? Any "
        "comparison with NaN is False, so NaN then falls on the right side by itself. "
        "copy.deepcopy copies a dict of tensors all the way down: training cannot change that.",
    ),
    observe=observe_early_stopping,
    public_cases=_public_stopping_cases,
    properties=properties_early_stopping,
)

EXERCISES = (WARMUP_COSINE, CHECKPOINTING, EARLY_STOPPING)

QUESTIONS = (
    Question(
        "q08_1",
        "Your checkpoint holds the weights and the scheduler, but not the state of Adam. "
        "What happens when you resume from it?",
        {
            "A": "Nothing differs: what a network has learned is in its weights.",
            "B": "Loading raises an error, because the scheduler misses its optimizer.",
            "C": "The network has forgotten the examples of the earlier epochs.",
            "D": "Adam's averages and the current learning rate start afresh: the loss jumps.",
        },
    ),
    Question(
        "q08_2",
        "An epoch has ten batches or more. You build "
        "`OneCycleLR(optimizer, max_lr, total_steps=epochs * len(loader))` and call "
        "`scheduler.step()` once per *epoch*. What happens?",
        {
            "A": "The learning rate ends near 0, as planned.",
            "B": "The learning rate never gets past the first part of its rise.",
            "C": "The scheduler raises a ValueError at the end.",
            "D": "The scheduler notices the rhythm and stretches its curve.",
        },
    ),
    Question(
        "q08_3",
        "At the best epoch you write `best = model.state_dict()`. Training goes on for ten "
        "epochs; then you call `model.load_state_dict(best)`. Which weights does the model have?",
        {
            "A": "Those of the last epoch.",
            "B": "Those of the best epoch.",
            "C": "Those it was initialised with.",
            "D": "None: loading raises an error, because the weights have changed since.",
        },
    ),
)
