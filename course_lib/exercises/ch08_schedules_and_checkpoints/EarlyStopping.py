"""``EarlyStopping``, public half: losses are fed to it while the model's weights move on."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type, type_name
from course_lib.exercises.support.numbers import same_numbers


def stopping_case(
    generator: torch.Generator,
    *asks: str,
    losses: list[float],
    sizes: tuple[int, int, int],
    patience: int | None = None,
    min_delta: float | None = None,
) -> dict[str, Any]:
    """A case: the validation losses of consecutive epochs, and a model of the given sizes whose
    weights move by ``drift`` in each epoch. An argument that is None is left out.

    What asks for "best" has more patience than epochs.
    """
    state = _build(sizes).state_dict()
    return {
        "asks": asks,
        "losses": losses,
        "patience": patience,
        "min_delta": min_delta,
        "sizes": sizes,
        "start": {name: _random_like(value, generator) for name, value in state.items()},
        "drift": {name: _random_like(value, generator) for name, value in state.items()},
    }


def _random_like(value: Tensor, generator: torch.Generator) -> Tensor:
    if not value.is_floating_point():  # batch norm's counter of batches
        return torch.randint(1, 9, value.shape, generator=generator, dtype=value.dtype)
    return torch.randn(value.shape, generator=generator, dtype=torch.float64).to(value.dtype)


def _build(sizes: tuple[int, int, int]) -> nn.Module:
    features, hidden, outputs = sizes
    layers = (nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, outputs))
    return nn.Sequential(*layers).double()


def _state_after(case: Case, epoch: int) -> dict[str, Tensor]:
    """The model's state after epoch ``epoch``, counted from 0."""
    moves = epoch + 1
    return {name: start + moves * case["drift"][name] for name, start in case["start"].items()}


def _observe(cls: Any, case: Case, notes: Notes) -> None:
    arguments = {name: case[name] for name in ("patience", "min_delta") if case[name] is not None}
    stopper = cls(**arguments)
    model = _build(case["sizes"])
    modes = [module.training for module in model.modules()]
    notes["stops"] = stops = []
    best_losses: list[Any] = []
    if "best" in case["asks"]:
        notes["best_losses"] = best_losses
    best_state = getattr(stopper, "best_state", "missing")
    notes["before"] = [getattr(stopper, "best_loss", "missing"), best_state is None]
    # Watches another run with settings of its own: neither knows of the other.
    other = cls(patience=7, min_delta=0.75)
    for worse in (0.0, 1.0):
        other.step(case["losses"][0] + worse, _build(case["sizes"]))
    epoch = 0
    for epoch, loss in enumerate(case["losses"]):
        # In place, as an optimizer and batch norm write.
        model.load_state_dict(_state_after(case, epoch))
        stops.append(stopper.step(loss, model))
        best_losses.append(getattr(stopper, "best_loss", "missing"))
        if stops[-1] is True:  # what happens after that is free
            break
    if "state" in case["asks"]:
        notes["mode"] = modes == [module.training for module in model.modules()]
        state = _state_after(case, epoch)
        notes["model"] = all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
        model.load_state_dict(_state_after(case, epoch + 7))  # training goes on
    other.step(-1e9, _build(case["sizes"]))
    best_state = getattr(stopper, "best_state", None)
    notes["is_dict"] = isinstance(best_state, dict)
    notes["nothing_kept"] = best_state is None
    if "state" in case["asks"]:
        notes["state"] = _loaded(case, best_state)
    if "best" in case["asks"]:
        notes["kept"] = _loaded(case, best_state)


def _loaded(case: Case, best_state: Any) -> dict[str, Tensor] | None:
    """What a model holds that has loaded ``best_state``; None when it cannot be loaded."""
    twin = _build(case["sizes"])
    try:
        twin.load_state_dict(best_state)
    except Exception:
        return None
    return {name: value.detach().clone() for name, value in twin.state_dict().items()}


def _same(expected: dict[str, Tensor], got: dict[str, Tensor]) -> bool:
    """Whether two states are equal up to rounding."""
    return expected.keys() == got.keys() and same_numbers(
        list(expected.values()), [got[name] for name in expected]
    )


def _facts(case: Case, observation: Observation) -> dict[str, Any]:
    stops = observation["stops"]
    return {
        "not_bools": [stop for stop in stops if type(stop) is not bool],
        "epochs_made": len(stops) if stops and stops[-1] is True else "never",
        "kept_the_best": "kept" not in observation.values or _kept_the_best(case, observation),
    }


def _kept_the_best(case: Case, observation: Observation) -> bool:
    """Whether best_state belongs to the best epoch or, as a state by reference does (another
    aspect's fault), to the last one."""
    best_loss, best_epoch = math.inf, 0
    for epoch, loss in enumerate(case["losses"]):
        if loss < best_loss - (case["min_delta"] or 0.0):
            best_loss, best_epoch = loss, epoch
    epochs = (best_epoch, len(case["losses"]) - 1)
    kept = observation["kept"]
    return kept is None or any(_same(_state_after(case, epoch), kept) for epoch in epochs)


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    best_loss, nothing_kept = observation["before"]
    yield Finding(
        type(best_loss) is float and best_loss == math.inf and nothing_kept,
        "before the first improvement best_loss is inf and best_state is None",
    )
    others = observation["not_bools"]
    got = f"yours gave {a_type(others[0])}" if others else ""
    yield Finding(not others, "step returns True or False", got)
    if "best" in case["asks"]:
        got, wanted = _shown(observation["best_losses"]), _shown(case["best_after"])
        losses = _shown(case["losses"])
        settings = f"min_delta={case['min_delta']:g} and " if case["min_delta"] else ""
        how = f"with {settings}losses {losses}, best_loss goes {wanted}, and yours {got}"
        yield Finding(got == wanted, case["rule"], how)
        if case["min_delta"]:
            text = "best_state changes only together with best_loss"
            yield Finding(observation["kept_the_best"], text)
        return
    made, due = observation["epochs_made"], case["stops_after"]
    own = f"yours stops after {made}"
    if made == "never":
        own = f"yours has not stopped when the losses end, after {len(observation['stops'])} epochs"
    if not others:  # True alone says stop; of anything else nobody knows what it would
        yield Finding(made == due, case["rule"], f"that is after {due} epochs here; {own}")
    if "state" in case["asks"]:
        text = "step leaves the model as it is; the caller puts the best weights back"
        yield Finding(observation["model"], text)
        yield Finding(observation["mode"], "step leaves train or eval mode as it finds it")
        loaded = observation["state"]
        got = "yours is still None" if observation["nothing_kept"] else ""
        yield Finding(loaded is not None, "best_state loads with model.load_state_dict", got)
        # Whoever stops at another epoch has met other best ones: that says nothing about copies.
        if loaded is not None and made == due:
            text = "best_state stays as it was at the best epoch while training goes on"
            yield Finding(_same(_state_after(case, case["best_epoch"]), loaded), text)


def _shown(values: list[Any]) -> str:
    return " ".join(
        f"{value:g}" if isinstance(value, int | float) else type_name(value) for value in values
    )


def _public_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(88)
    nan, inf = math.nan, math.inf

    def case(
        asks: tuple[str, ...], rule: str, losses: list[float], settings: dict, **known: Any
    ) -> Case:
        drawn = stopping_case(generator, *asks, losses=losses, sizes=(3, 4, 2), **settings)
        return drawn | known | {"rule": rule}

    return [
        # 0.5 is a tie with the best, and 0.75 is lower than the epoch before but not than the best.
        case(
            ("stop", "state"),
            "with patience=3 it stops at the third epoch in a row without an improvement",
            [1.0, 1.25, 0.5, 1.0, 0.75, 0.5, 0.25, 0.25, 0.25, 0.25],
            {"patience": 3},
            stops_after=6,
            best_epoch=2,
        ),
        case(
            ("stop", "state"),
            "without arguments the patience is 10",
            [1.0, 0.5] + [0.75] * 14,
            {},
            stops_after=12,
            best_epoch=1,
        ),
        case(
            ("stop",),
            "an epoch with NaN counts as one without an improvement",
            [1.0, nan, nan, 0.5, 0.25],
            {"patience": 2},
            stops_after=3,
        ),
        case(
            ("stop",),
            "where nothing has improved since the first epoch it stops all the same",
            [nan, inf, nan, nan, 0.5],
            {"patience": 3},
            stops_after=3,
        ),
        # The lowest loss comes too little below the best one to count, and is not the last.
        case(
            ("best",),
            "an improvement is lower than best_loss by more than min_delta",
            [2.0, 1.75, 1.5, 1.25, 1.0, 0.75, 1.5],
            {"patience": 20, "min_delta": 0.5},
            best_after=[2.0, 2.0, 2.0, 1.25, 1.25, 1.25, 1.25],
        ),
        case(
            ("best",),
            "NaN and infinity do not count as an improvement",
            [nan, inf, 2.0, nan, 1.0],
            {"patience": 20},
            best_after=[inf, inf, 2.0, 2.0, 1.0],
        ),
    ]


EXERCISE = Exercise(
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
        "belongs to it, and how many epochs in a row have brought no improvement. An improvement "
        "sets all three; any other epoch only raises the counter.",
        "Put the question as the rule does: is val_loss < best_loss - min_delta? Any comparison "
        "with NaN is False, so NaN then falls on the right side by itself. copy.deepcopy copies a "
        "dict of tensors all the way down: training cannot change the copy.",
    ),
    observe=_observe,
    fields=(
        "stops",
        "before",
        "best_losses",
        "mode",
        "model",
        "is_dict",
        "nothing_kept",
        "state",
        "kept",
    ),
    facts=_facts,
    derived=("not_bools", "epochs_made", "kept_the_best"),
    public_cases=_public_cases,
    properties=_properties,
)
