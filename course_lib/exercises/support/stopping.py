"""Feeds losses to an ``EarlyStopping`` while the model's weights move on: chapter 08's driver."""

from typing import Any

import torch
from torch import Tensor, nn

from course_lib.exercises.checking.model import Case, Notes


def stopping_case(
    generator: torch.Generator,
    kind: str,
    *,
    losses: list[float],
    sizes: tuple[int, int, int],
    patience: int | None = None,
    min_delta: float | None = None,
) -> dict[str, Any]:
    """A case: the validation losses of consecutive epochs, and a model of the given sizes whose
    weights move by ``drift`` in each epoch. An argument that is None is left out.

    "stop" asks when it stops and what it keeps, "short" only when; "delta" and "nan" have more
    patience than epochs and ask for the best loss.
    """
    features, hidden, outputs = sizes
    state = _build(sizes).state_dict()
    return {
        "kind": kind,
        "losses": losses,
        "patience": patience,
        "min_delta": min_delta,
        "sizes": (features, hidden, outputs),
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


def state_after(case: Case, epoch: int) -> dict[str, Tensor]:
    """The model's state after epoch ``epoch``, counted from 0."""
    moves = epoch + 1
    return {name: start + moves * case["drift"][name] for name, start in case["start"].items()}


def observe_early_stopping(cls: Any, case: Case, notes: Notes) -> None:
    arguments = {name: case[name] for name in ("patience", "min_delta") if case[name] is not None}
    stopper = cls(**arguments)
    model = _build(case["sizes"])
    modes = [module.training for module in model.modules()]
    stops: list[Any] = []
    best_losses: list[Any] = []
    notes["stops"] = stops
    kind = case["kind"]
    if kind in ("delta", "nan"):
        notes["best_losses"] = best_losses
    best_state = getattr(stopper, "best_state", "missing")
    notes["before"] = [getattr(stopper, "best_loss", "missing"), best_state is None]
    other = cls(**arguments)  # watches another run: neither knows of the other
    for worse in (0.0, 1.0):
        other.step(case["losses"][0] + worse, _build(case["sizes"]))
    epoch = 0
    for epoch, loss in enumerate(case["losses"]):
        _set_state(model, state_after(case, epoch))
        stops.append(stopper.step(loss, model))
        best_losses.append(getattr(stopper, "best_loss", "missing"))
        if stops[-1] is True:  # what happens after that is free
            break
    if kind == "stop":
        notes["mode"] = modes == [module.training for module in model.modules()]
        notes["model"] = _same_state(model, state_after(case, epoch))
        _set_state(model, state_after(case, epoch + 7))  # training goes on
    best_state = getattr(stopper, "best_state", None)
    notes["is_dict"] = isinstance(best_state, dict)
    notes["state" if kind == "stop" else f"{kind}_state"] = _loaded(case, best_state)


def _set_state(model: nn.Module, state: dict[str, Tensor]) -> None:
    """In place, as an optimizer and batch norm write."""
    with torch.no_grad():
        for name, value in model.state_dict().items():
            value.copy_(state[name])


def _same_state(model: nn.Module, state: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def _loaded(case: Case, best_state: Any) -> dict[str, Tensor] | None:
    """What a model holds that has loaded ``best_state``; None when it cannot be loaded."""
    twin = _build(case["sizes"])
    try:
        twin.load_state_dict(best_state)
    except Exception:
        return None
    return {name: value.detach().clone() for name, value in twin.state_dict().items()}
