"""``run_experiment``, public half."""

import math
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import torch

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type

_RUN_KEYS = ("optimizer_name", "lr", "batch_size", "epochs", "seed")


def experiment_case(
    *,
    seed: int,
    other_seed: int,
    epochs: int = 3,
    batch_size: int = 16,
    other_batch_size: int = 40,
    lr: float = 0.01,
    other_lr: float = 0.02,
    unknown: str = "rmsprop",
) -> dict[str, Any]:
    """One long run that must fit, and short ones that differ from "base" in a single setting.

    The label of a run says what it is compared with. ``noise`` seeds the global random state before
    each run: what a result must not depend on.
    """
    base = dict(zip(_RUN_KEYS, ("adam", lr, batch_size, epochs, seed), strict=True))
    changes: tuple[tuple[str, dict[str, Any]], ...] = (
        ("fit", {"lr": 0.01, "batch_size": 16, "epochs": 50}),
        ("base", {}),
        ("again", {}),
        ("seed", {"seed": other_seed}),
        ("lr", {"lr": other_lr}),
        ("batch_size", {"batch_size": other_batch_size}),
        ("optimizer", {"optimizer_name": "sgd"}),
        ("sgd_lr", {"optimizer_name": "sgd", "lr": other_lr}),
        ("slow", {"lr": 1e-6, "batch_size": 160}),
    )
    return {
        "runs": [
            base | change | {"label": label, "noise": 900 + i}
            for i, (label, change) in enumerate(changes)
        ],
        "refused": base | {"optimizer_name": unknown},
    }


def _observe(function: Any, case: Case, notes: Notes) -> None:
    notes["runs"] = outcomes = {}
    kept: list[Any] = []
    for run in case["runs"]:
        torch.manual_seed(run["noise"])
        returned = function(*_arguments(run))
        outcomes[run["label"]] = _snapshot(returned)
        kept += returned.values() if isinstance(returned, dict) else []
    lists = [value for value in kept if isinstance(value, list)]
    try:
        function(*_arguments(case["refused"]))
        raised = None
    except Exception as error:
        raised = "ValueError" if isinstance(error, ValueError) else type(error).__name__
    notes["raised"] = raised
    notes["lists_shared"] = len({id(value) for value in lists}) < len(lists)


def _arguments(run: Mapping[str, Any]) -> list[Any]:
    return [run[key] for key in _RUN_KEYS]


def _snapshot(returned: Any) -> Any:
    """The result as it is now: later runs may go on writing into the same lists."""
    if not isinstance(returned, dict):
        return returned
    return {
        key: list(value) if isinstance(value, list) else value for key, value in returned.items()
    }


def _what_is_odd(result: Any, epochs: int) -> str:
    """What keeps a result from being a history, that is, a dict of two lists of finite Python floats, one
    per epoch; the first thing only."""
    if not isinstance(result, Mapping):
        return f"yours is {a_type(result)}"
    if set(result) != {"loss", "accuracy"}:
        return f"your keys are {', '.join(repr(key) for key in list(result)[:4]) or 'none'}"
    for key, values in result.items():
        if not isinstance(values, list):
            return f'your "{key}" is {a_type(values)}'
        if len(values) != epochs:
            return f'your "{key}" has {len(values)} entries after {epochs} epochs'
        for value in values:
            if type(value) is not float:
                return f'your "{key}" holds {a_type(value)}'
            if not math.isfinite(value):
                return f'your "{key}" holds {value}'
    return ""


#: More numbers than any right result has; a forged one may unfold to any number of them.
_MOST_NUMBERS = 1_000


def numbers_in(result: Any) -> list[float]:
    """The numbers of a result, whatever its form: that has an aspect of its own."""
    return list(islice(_numbers(result), _MOST_NUMBERS))


def _numbers(result: Any) -> Iterator[float]:
    if isinstance(result, Mapping):
        result = list(result.values())
    if isinstance(result, tuple | list):
        for part in result:
            yield from _numbers(part)
    elif isinstance(result, torch.Tensor):
        yield from map(float, result.flatten()[:_MOST_NUMBERS].tolist())
    elif isinstance(result, int | float):
        yield float(result)


def _same_numbers(one: Any, other: Any) -> bool:
    """Whether two results hold the same numbers, up to rounding."""
    a, b = numbers_in(one), numbers_in(other)
    return len(a) == len(b) and all(
        math.isclose(x, y, rel_tol=1e-6, abs_tol=1e-9) for x, y in zip(a, b, strict=True)
    )


def _accuracies(result: Any) -> list[float]:
    if isinstance(result, Mapping):
        result = result.get("accuracy", list(result.values())[-1:])
    elif isinstance(result, tuple | list):
        result = result[-1:]
    return numbers_in(result)


def _facts(case: Case, observation: Observation) -> Mapping[str, Any]:
    """``is_history`` is by run; ``same`` says which runs have the numbers of the base run, and
    ``reached`` is the best accuracy of the long one, both whatever the results' form."""
    runs = {run["label"]: observation["runs"][run["label"]] for run in case["runs"]}
    is_history = {
        run["label"]: not _what_is_odd(runs[run["label"]], run["epochs"]) for run in case["runs"]
    }
    accuracies = {label: _accuracies(result) for label, result in runs.items()}
    return {
        "is_history": is_history,
        "well_formed": all(is_history.values()),
        "accuracies_fit": all(
            bool(values) and all(0 <= value <= 1 for value in values)
            for values in accuracies.values()
        ),
        "reached": max(accuracies["fit"], default=0.0),
        "same": {
            label: _same_numbers(runs["base"], runs[label])
            for label in ("again", "seed", "lr", "batch_size", "optimizer")
        }
        | {"sgd_lr": _same_numbers(runs["optimizer"], runs["sgd_lr"])},
    }


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    runs = observation["runs"]
    yield Finding(
        observation["well_formed"],
        'the result has the keys "loss" and "accuracy": a list of floats, one per epoch',
        next((_what_is_odd(runs[run["label"]], run["epochs"]) for run in case["runs"]), ""),
    )
    raised = observation["raised"] or "nothing"
    text = "an unknown optimizer raises ValueError"
    yield Finding(raised == "ValueError", text, f"yours raises {raised}")
    if not all(map(numbers_in, runs.values())):
        return
    yield Finding(not observation["lists_shared"], "each run returns its own lists")
    yield Finding(observation["accuracies_fit"], "accuracies lie between 0 and 1")
    seed = next(run["seed"] for run in case["runs"] if run["label"] == "fit")
    yield Finding(
        observation["reached"] >= 0.9,
        f"adam at 0.01 with batches of 16 and seed {seed} reaches an accuracy of 0.9 in 50 epochs",
        f"your best is {observation['reached']:.3f}",
    )
    same = observation["same"]
    yield Finding(same["again"], "the same seed gives the same numbers")
    for label, words in (
        ("seed", "a different seed gives different numbers"),
        ("lr", "a different learning rate gives different numbers, with adam"),
        ("sgd_lr", "a different learning rate gives different numbers, with sgd"),
        ("batch_size", "a different batch size gives different numbers"),
        ("optimizer", '"sgd" and "adam" give different numbers'),
    ):
        yield Finding(not same[label], words)


EXERCISE = Exercise(
    name="run_experiment",
    points=3,
    task="One run from start to finish: fresh data, fresh model, one loss and accuracy per epoch.",
    aspects=(
        Aspect(
            "history",
            "each run has its own lists, with one loss and one accuracy per epoch",
            0.5,
            ("is_history", "lists_shared"),
        ),
        Aspect(
            "fit",
            "the network learns the circles, and its accuracy is a fraction",
            0.5,
            ("accuracies_fit", "reached"),
        ),
        Aspect(
            "seed",
            "the seed decides the numbers, and nothing else does",
            1,
            ("same",),
        ),
        Aspect("settings", "optimizer, learning rate and batch size matter", 0.5, ("same",)),
        Aspect("refused", "an unknown optimizer raises ValueError", 0.5, ("raised",)),
    ),
    hints=(
        "Call torch.manual_seed(seed) first, then build everything inside the function: data, "
        "model, optimizer. Whatever is built outside is shared by all runs. Each epoch needs a "
        "new order: torch.randperm(160).split(batch_size) gives the rows of its batches.",
        "After the loop over an epoch's batches, evaluate(model, [(points, labels)], loss_fn) "
        "measures all points at once: a list of one batch is a loader too. Choose the optimizer "
        "with if / elif, and raise ValueError in the else branch.",
    ),
    observe=_observe,
    fields=("runs", "raised", "lists_shared"),
    facts=_facts,
    derived=("is_history", "well_formed", "accuracies_fit", "reached", "same"),
    public_cases=lambda: [experiment_case(seed=3, other_seed=4)],
    properties=_properties,
    forbidden=("course_lib.training.Trainer",),
)
