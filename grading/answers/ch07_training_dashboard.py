"""Chapter 07, secret half: cases, misconceptions, right variants and the quiz's key."""

import copy
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from course_lib.data import circles
from course_lib.exercises import ch07_training_dashboard as public
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.model import Answer, Misconception, QuizKey

# --- evaluate -----------------------------------------------------------------------------------


def _evaluate_cases(generator: torch.Generator) -> list[Case]:
    def case(kind, **settings):
        return public.evaluate_case(generator, kind, **settings)

    return [
        case("means", n=22, sizes=(3, 6, 4), batch_size=8),
        case("means", n=31, sizes=(5, 4, 3), batch_size=7, training=False, strided=True),
        case("means", n=13, sizes=(2, 7, 5), batch_size=4, loss="margin", dtype=torch.float32),
        case("layers", n=23, sizes=(4, 9, 3), batch_size=23),
        case("layers", n=14, sizes=(3, 8, 5), batch_size=14, training=False, loss="smoothed"),
        case("graph", n=13, sizes=(4, 5, 3), batch_size=13),
        case("graph", n=11, sizes=(2, 6, 4), batch_size=11, training=False),
    ]


def _evaluate_with(
    finish: Callable[[list[tuple[torch.Tensor, int, int]]], Any],
    *,
    eval_mode: bool = True,
    restore: bool | None = None,
    no_grad: bool = True,
):
    """A loop with one mistake or none. ``finish`` gets (mean loss, right ones, size) per batch;
    ``restore`` is the mode that is set at the end, None for the previous one."""

    def evaluate(model, loader, loss_fn):
        was_training = model.training
        if eval_mode:
            model.eval()
        parts = []
        with torch.set_grad_enabled(not no_grad):
            for x, y in loader:
                logits = model(x)
                right = (logits.argmax(dim=1) == y).sum().item()
                parts.append((loss_fn(logits, y), right, len(y)))
        model.train(was_training if restore is None else restore)
        return finish(parts)

    return evaluate


def _loss(parts):
    return sum(loss.item() * n for loss, _, n in parts) / sum(n for _, _, n in parts)


def _accuracy(parts):
    return sum(right for _, right, _ in parts) / sum(n for _, _, n in parts)


def _mean_loss_of_batches(parts):
    return sum(loss.item() for loss, _, _ in parts) / len(parts)


def _mean_accuracy_of_batches(parts):
    return sum(right / n for _, right, n in parts) / len(parts)


def _both(parts):
    return _loss(parts), _accuracy(parts)


def _gradients_off_for_good(model, loader, loss_fn):
    was_training = model.training
    model.eval()
    torch.set_grad_enabled(False)
    parts = []
    for x, y in loader:
        logits = model(x)
        parts.append((loss_fn(logits, y), (logits.argmax(dim=1) == y).sum().item(), len(y)))
    model.train(was_training)
    return _both(parts)


def _gradients_on_afterwards(model, loader, loss_fn):
    result = _gradients_off_for_good(model, loader, loss_fn)
    torch.set_grad_enabled(True)
    return result


def _parameters_left_frozen(model, loader, loss_fn):
    was_training = model.training
    model.eval()
    model.requires_grad_(False)
    parts = []
    for x, y in loader:
        logits = model(x)
        parts.append((loss_fn(logits, y), (logits.argmax(dim=1) == y).sum().item(), len(y)))
    model.train(was_training)
    return _both(parts)


def _restored_the_wrong_way_round(model, loader, loss_fn):
    was_training = model.training
    result = _evaluate_with(_both)(model, loader, loss_fn)
    model.train(not was_training)
    return result


def _largest_of_all(model, loader, loss_fn):
    """argmax() without a dimension gives one index for the whole batch."""
    loss, _ = _evaluate_with(_both)(model, loader, loss_fn)
    training = model.training
    model.eval()
    with torch.no_grad():
        right = sum((model(x).argmax() == y).sum().item() for x, y in loader)
    model.train(training)
    return loss, right / sum(len(y) for _, y in loader)


def _argmax_over_batch(model, loader, loss_fn):
    model.eval()
    right = 0
    with torch.no_grad():
        for x, y in loader:
            right += (model(x).argmax(dim=0) == y).sum().item()
    return 0.0, float(right)


def _counts_the_dataset(model, loader, loss_fn):
    loss, accuracy = _evaluate_with(_both)(model, loader, loss_fn)
    return loss / len(loader.dataset), accuracy


# Right, written differently.


@torch.inference_mode()
def _all_logits_at_once(model, loader, loss_fn):
    was_training = model.training
    model.train(mode=False)
    logits, labels = [], []
    for x, y in loader:
        logits += model(x)
        labels += y
    logits, labels = torch.stack(logits), torch.stack(labels)
    model.train(was_training)
    right = logits.max(dim=-1).indices.eq(labels)
    return float(loss_fn(logits, labels)), float(right.double().mean())


def _on_a_copy(model, loader, loss_fn):
    twin = copy.deepcopy(model).eval().requires_grad_(False)
    total = torch.zeros((), dtype=torch.float64)
    right = seen = 0
    for x, y in loader:
        predictions = twin(x)
        total += loss_fn(predictions, y) * y.shape[0]
        right += int(torch.eq(predictions.argmax(-1), y).sum())
        seen += y.shape[0]
    return (total / seen).item(), right / seen


def _example_by_example(model, loader, loss_fn):
    modes = {module: module.training for module in model.modules()}
    model.eval()
    losses, hits = [], []
    try:
        with torch.no_grad():
            for x, y in loader:
                for i in range(len(y)):
                    scores = model(x[i : i + 1])
                    losses.append(loss_fn(scores, y[i : i + 1]).item())
                    hits.append(scores[0].tolist().index(scores.max().item()) == y[i].item())
    finally:
        for module, mode in modes.items():
            module.training = mode
    return math.fsum(losses) / len(losses), sum(hits) / len(hits)


def _switch_by_hand(model, loader, loss_fn):
    before, mode = torch.is_grad_enabled(), model.training
    torch.set_grad_enabled(False)
    model.eval()
    parts = [
        (loss_fn(model(x), y), (F.softmax(model(x), 1).argmax(1) == y).sum().item(), y.numel())
        for x, y in loader
    ]
    torch.set_grad_enabled(before)
    if mode:
        model.train()
    return _both(parts)


def _measured_as_in_training(case: Case, got: Observation) -> bool:
    return (
        got.error is None
        and isinstance(got.get("returned"), tuple)
        and got["evaluated_in_train_mode"] is case["training"]
        and got.get("recorded", True)
    )


def _measured_in_train_mode(case: Case, got: Observation, restored: bool) -> bool:
    """Dropout draws its own numbers, so the wrong loss itself cannot be compared."""
    if got.error is not None or not isinstance(got.get("returned"), tuple):
        return False
    if restored and got.get(f"{case['kind']}_training", case["training"]) != case["training"]:
        return False
    return got["evaluated_in_train_mode"] is case["training"] and not got.get("recorded", False)


EVALUATE = Answer(
    exercise="evaluate",
    cases=_evaluate_cases,
    variants=(_all_logits_at_once, _on_a_copy, _example_by_example, _switch_by_hand),
    misconceptions=(
        Misconception(
            "dropout left on",
            _evaluate_with(_both, eval_mode=False),
            "The model keeps its train mode while you measure: dropout throws away activations "
            "and batch norm updates its statistics from the data you only wanted to look at. "
            "Call model.eval() first; no_grad() does not do this.",
            recognise=lambda case, got: _measured_in_train_mode(case, got, restored=True),
        ),
        Misconception(
            "mode not restored",
            _evaluate_with(_both, restore=False),
            "You leave the model in eval mode, so a training loop that goes on afterwards trains "
            "without dropout. Remember model.training before, and set it again at the end.",
        ),
        Misconception(
            "always back to train mode",
            _evaluate_with(_both, restore=True),
            "You end with model.train() whatever the mode was before. A model that came in eval "
            "mode must leave in eval mode: remember model.training, and set that again.",
        ),
        Misconception(
            "mode restored the wrong way round",
            _restored_the_wrong_way_round,
            "A model that came in train mode leaves in eval mode, and the other way round. "
            "model.train(was_training) sets what you remembered.",
        ),
        Misconception(
            "neither eval() nor no_grad()",
            _evaluate_with(_both, eval_mode=False, no_grad=False),
            "You measure as if you were training: dropout and batch norm are in train mode, and "
            "every forward pass records a graph. Call model.eval(), and loop under torch.no_grad().",
            recognise=_measured_as_in_training,
        ),
        Misconception(
            "mean of batch means",
            _evaluate_with(lambda p: (_mean_loss_of_batches(p), _mean_accuracy_of_batches(p))),
            "You average the batches' means. The last batch is smaller, so its examples count too "
            "much: add up over examples and divide by the number of examples.",
        ),
        Misconception(
            "mean of batch means",
            _evaluate_with(lambda p: (_mean_loss_of_batches(p), _accuracy(p))),
            "You average the batches' mean losses. The last batch is smaller, so its examples "
            "count too much: weigh each mean loss by its batch's size.",
        ),
        Misconception(
            "mean of batch means",
            _evaluate_with(lambda p: (_loss(p), _mean_accuracy_of_batches(p))),
            "You average the batches' accuracies. The last batch is smaller, so its examples "
            "count too much: count the right ones and divide by the number of examples.",
        ),
        Misconception(
            "gradients recorded",
            _evaluate_with(_both, no_grad=False),
            "The forward passes record a graph that nobody uses: time and memory for nothing. "
            "eval() does not switch that off; wrap the loop in torch.no_grad().",
        ),
        Misconception(
            "gradients off for good",
            _gradients_off_for_good,
            "torch.set_grad_enabled(False) stays in force after your function, so the training "
            "that follows fails. The block `with torch.no_grad():` ends by itself.",
        ),
        Misconception(
            "gradients switched on afterwards",
            _gradients_on_afterwards,
            "You switch gradients off and, at the end, on, also where they were off before. The "
            "block `with torch.no_grad():` brings back what was there.",
        ),
        Misconception(
            "parameters left frozen",
            _parameters_left_frozen,
            "You set requires_grad to False on the parameters, and they stay frozen afterwards. "
            "`with torch.no_grad():` needs no change to the model.",
        ),
        Misconception(
            "accuracy in percent",
            _evaluate_with(lambda p: (_loss(p), 100 * _accuracy(p))),
            "Your accuracy runs from 0 to 100. It is asked for as a fraction between 0 and 1.",
        ),
        Misconception(
            "right answers counted, not divided",
            _evaluate_with(lambda p: (_loss(p), float(sum(right for _, right, _ in p)))),
            "You return how many predictions are right. Divide by the number of examples.",
        ),
        Misconception(
            "batch losses added",
            _evaluate_with(lambda p: (sum(loss.item() for loss, _, _ in p), _accuracy(p))),
            "You add up the batches' mean losses, so the result grows with the number of batches. "
            "Weigh each by its batch's size and divide by the number of examples.",
        ),
        Misconception(
            "last batch only",
            _evaluate_with(lambda p: _both(p[-1:])),
            "Your result is that of the last batch. Add up over all batches.",
        ),
        Misconception(
            "first batch only",
            _evaluate_with(lambda p: _both(p[:1])),
            "Your result is that of the first batch: the return stands inside the loop. Move it "
            "out by one indentation.",
        ),
        Misconception(
            "a list instead of a tuple",
            _evaluate_with(lambda p: list(_both(p))),
            "You return a list. Return the two numbers themselves, loss, accuracy: a tuple.",
            recognise=lambda case, got: (
                got.error is None
                and isinstance(got["returned"], list)
                and len(got["returned"]) == 2
            ),
        ),
        Misconception(
            "tensors instead of floats",
            _evaluate_with(lambda p: (_loss(p), torch.tensor(_accuracy(p)))),
            "The accuracy comes as a tensor. Take the number out with .item().",
            recognise=lambda case, got: (
                got.error is None
                and isinstance(got["returned"], tuple)
                and any(isinstance(value, torch.Tensor) for value in got["returned"])
            ),
        ),
        Misconception(
            "argmax over the batch",
            _argmax_over_batch,
            "You take the largest entry down the batch, argmax(dim=0). The classes lie along "
            "dim=1: each row of logits has one prediction.",
            recognise=lambda case, got: (
                got.error is not None and "size of tensor" in got.error.message
            ),
        ),
        Misconception(
            "one argmax for the whole batch",
            _largest_of_all,
            "argmax() without a dimension gives one number for the whole batch. argmax(dim=1) gives "
            "one prediction per example.",
        ),
        Misconception(
            "examples counted by loader.dataset",
            _counts_the_dataset,
            "You ask the loader for its dataset. A loader is anything that gives pairs x, y, and "
            "not every one has that attribute: count the examples as they come, with len(y).",
            recognise=lambda case, got: (
                got.error is not None and "no attribute 'dataset'" in got.error.message
            ),
        ),
        Misconception(
            "accuracy before loss",
            _evaluate_with(lambda p: (_accuracy(p), _loss(p))),
            "The two results are swapped: the loss comes first, then the accuracy.",
        ),
    ),
)


# --- run_experiment -----------------------------------------------------------------------------


def _experiment_cases(generator: torch.Generator) -> list[Case]:
    def number(low: int, high: int) -> int:
        return int(torch.randint(low, high, (1,), generator=generator))

    return [
        public.experiment_case(seed=number(10, 100), other_seed=number(100, 1000)),
        public.experiment_case(
            seed=number(1000, 2000),
            other_seed=number(2000, 3000),
            epochs=4,
            batch_size=32,
            other_batch_size=24,
            lr=0.02,
            other_lr=0.005,
            unknown="adamw",
        ),
    ]


def _compare_history(case: Case, expected: Observation, got: Observation) -> str | None:
    runs = got["runs"]
    for run in case["runs"]:
        label = run["label"]
        if label != "unknown" and not public.is_history(runs[label], run["epochs"]):
            return (
                f"with epochs={run['epochs']}, the result is not two lists of {run['epochs']} "
                'finite floats under "loss" and "accuracy"'
            )
        if label != "unknown" and not all(0 <= value <= 1 for value in runs[label]["accuracy"]):
            return "an accuracy lies outside 0 to 1"
    if got["lists_shared"]:
        return "two runs return the same list object"
    if max(runs["fit"]["accuracy"]) < 0.9:
        best = max(runs["fit"]["accuracy"])
        return f"adam at 0.01 with batches of 16 reaches {best:.3f} in 50 epochs, not 0.9"
    if runs["fit"]["loss"][-1] >= runs["fit"]["loss"][0]:
        return "the loss of adam at 0.01 does not fall"
    return None


def _compare_seed(case: Case, expected: Observation, got: Observation) -> str | None:
    runs = got["runs"]
    if not public.same_history(runs["base"], runs["again"]):
        return "two runs with the same seed and settings give different numbers"
    if public.same_history(runs["base"], runs["seed"]):
        return "two runs with different seeds give the same numbers"
    return None


def _compare_settings(case: Case, expected: Observation, got: Observation) -> str | None:
    runs = got["runs"]
    for label, words in (
        ("lr", "learning rate"),
        ("batch_size", "batch size"),
        ("optimizer", "optimizer"),
    ):
        if public.same_history(runs["base"], runs[label]):
            return f"another {words} gives the same numbers"
    losses = runs["slow"]["loss"]
    if max(losses) - min(losses) > 0.01:
        return "at a learning rate of 0.000001 the loss moves as if the rate were larger"
    if runs["unknown"] != "ValueError":
        raised = runs["unknown"] or "nothing"
        return f"an unknown optimizer raises {raised}, not ValueError"
    return None


_OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}


def _network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))


def _one_run(
    optimizer_name,
    lr,
    batch_size,
    epochs,
    seed,
    *,
    network: Callable[[], nn.Module] = _network,
    generator: torch.Generator | None = None,
    record: Callable[[dict, float, float], None] | None = None,
    history: dict | None = None,
    per_batch: bool = False,
    clear: bool = True,
    step: bool = True,
):
    """A run with one mistake or none. It draws from the global state or from ``generator``."""
    X, y = circles(160)
    model = network()
    optimizer = _OPTIMIZERS[optimizer_name](model.parameters(), lr=lr)
    history = {"loss": [], "accuracy": []} if history is None else history

    def measure() -> None:
        with torch.no_grad():
            logits = model(X)
            loss = F.cross_entropy(logits, y)
            accuracy = (logits.argmax(1) == y).float().mean()
        if record is None:
            history["loss"].append(loss.item())
            history["accuracy"].append(accuracy.item())
        else:
            record(history, loss, accuracy)

    for _ in range(epochs):
        for rows in torch.randperm(160, generator=generator).split(batch_size):
            if clear:
                optimizer.zero_grad()
            F.cross_entropy(model(X[rows]), y[rows]).backward()
            if step:
                optimizer.step()
            if per_batch:
                measure()
        if not per_batch:
            measure()
    return history


def _refuse(optimizer_name):
    if optimizer_name not in _OPTIMIZERS:
        raise ValueError(f"unknown optimizer {optimizer_name!r}")


def _run_with(**mistakes):
    """A function with the exercise's signature: seeded, and wrong in ``mistakes`` alone."""

    def run_experiment(optimizer_name, lr, batch_size, epochs, seed):
        _refuse(optimizer_name)
        torch.manual_seed(seed)
        return _one_run(optimizer_name, lr, batch_size, epochs, seed, **mistakes)

    return run_experiment


def _never_seeded(optimizer_name, lr, batch_size, epochs, seed):
    _refuse(optimizer_name)
    return _one_run(optimizer_name, lr, batch_size, epochs, seed)


def _always_the_same_seed(optimizer_name, lr, batch_size, epochs, seed):
    _refuse(optimizer_name)
    torch.manual_seed(0)
    return _one_run(optimizer_name, lr, batch_size, epochs, seed)


def _seeded_after_the_model(optimizer_name, lr, batch_size, epochs, seed):
    _refuse(optimizer_name)
    model = _network()
    torch.manual_seed(seed)
    return _one_run(optimizer_name, lr, batch_size, epochs, seed, network=lambda: model)


_SHARED: dict[str, nn.Module] = {}


def _one_model_for_all_runs(optimizer_name, lr, batch_size, epochs, seed):
    _refuse(optimizer_name)
    torch.manual_seed(seed)
    model = _SHARED.setdefault("model", _network())
    return _one_run(optimizer_name, lr, batch_size, epochs, seed, network=lambda: model)


def _one_history_for_all_runs():
    history = {"loss": [], "accuracy": []}

    def run_experiment(optimizer_name, lr, batch_size, epochs, seed):
        _refuse(optimizer_name)
        torch.manual_seed(seed)
        return _one_run(optimizer_name, lr, batch_size, epochs, seed, history=history)

    return run_experiment


def _any_name_is_sgd(optimizer_name, lr, batch_size, epochs, seed):
    torch.manual_seed(seed)
    name = "adam" if optimizer_name == "adam" else "sgd"
    return _one_run(name, lr, batch_size, epochs, seed)


def _fixed(**settings):
    """Ignores one argument in favour of a value of its own."""

    def run_experiment(optimizer_name, lr, batch_size, epochs, seed):
        _refuse(optimizer_name)
        torch.manual_seed(seed)
        given = {"optimizer_name": optimizer_name, "lr": lr, "batch_size": batch_size}
        return _one_run(**(given | {"epochs": epochs, "seed": seed} | settings))

    return run_experiment


def _append_tensors(history, loss, accuracy):
    history["loss"].append(loss)
    history["accuracy"].append(accuracy)


def _runs(got: Observation) -> dict[str, Any] | None:
    """The runs when all are there, whatever they hold."""
    runs = got.get("runs")
    return runs if got.error is None and isinstance(runs, dict) and "unknown" in runs else None


def _lengths(run: Any) -> int | None:
    losses = run.get("loss") if isinstance(run, dict) else None
    return len(losses) if isinstance(losses, list) else None


def _complete(case: Case, got: Observation) -> dict[str, Any] | None:
    """The runs when each is a well-formed history."""
    runs = _runs(got)
    if runs is None:
        return None
    trained = [run for run in case["runs"] if run["label"] != "unknown"]
    whole = all(public.is_history(runs[run["label"]], run["epochs"]) for run in trained)
    return runs if whole else None


def _fits(runs: dict[str, Any]) -> bool:
    return max(runs["fit"]["accuracy"]) >= 0.9


def _same(runs: dict[str, Any], label: str) -> bool:
    return public.same_history(runs["base"], runs[label])


def _only_same(case: Case, got: Observation, *labels: str) -> bool:
    """Whether exactly the runs ``labels`` equal the base run, although they should differ."""
    runs = _complete(case, got)
    if runs is None or not _same(runs, "again"):
        return False
    asked = ("seed", "lr", "batch_size", "optimizer")
    return {label for label in asked if _same(runs, label)} == set(labels)


def _depends_on_global_state(case: Case, got: Observation) -> bool:
    runs = _complete(case, got)
    return runs is not None and _fits(runs) and not _same(runs, "again")


def _starts_trained(case: Case, got: Observation) -> bool:
    """After the long run, even a run that hardly learns starts where that one ended."""
    runs = _complete(case, got)
    if runs is None:
        return False
    return max(runs["slow"]["loss"]) < 0.5 and runs["slow"]["accuracy"][0] >= 0.85


def _loss_between(case: Case, got: Observation, low: float, high: float) -> bool:
    runs = _complete(case, got)
    return (
        runs is not None
        and not _fits(runs)
        and all(low < value < high for value in runs["fit"]["loss"][5:])
        and len(set(runs["fit"]["loss"])) > 1
    )


def _swing(runs: dict) -> float:
    """How far the loss of the long run still moves in its last 30 epochs.

    Over 90 seeds a straight line's moved by at most 0.0076, a network's that is built anew in each
    epoch by at least 0.0134.
    """
    end = runs["fit"]["loss"][-30:]
    return max(end) - min(end)


def _one_straight_line(case: Case, got: Observation) -> bool:
    """At the level of guessing to the end, and calm: the best that a straight line can do."""
    return _loss_between(case, got, 0.64, 0.74) and _swing(got["runs"]) < 0.0105


def _never_gets_on(case: Case, got: Observation) -> bool:
    """At the level of guessing to the end, and jumping about: each epoch starts afresh."""
    runs = _complete(case, got)
    return (
        runs is not None
        and not _fits(runs)
        and _same(runs, "again")
        and min(runs["fit"]["loss"]) > 0.55
        and _swing(runs) > 0.0105
        and max(runs["fit"]["loss"]) < 1.5
    )


def _not_a_dict(case: Case, got: Observation) -> bool:
    runs = _runs(got)
    return runs is not None and all(
        isinstance(runs[run["label"]], tuple) for run in case["runs"] if run["label"] != "unknown"
    )


def _other_keys(case: Case, got: Observation) -> bool:
    runs = _runs(got)
    return runs is not None and all(
        isinstance(runs[run["label"]], dict) and set(runs[run["label"]]) != {"loss", "accuracy"}
        for run in case["runs"]
        if run["label"] != "unknown"
    )


def _stands_still(case: Case, got: Observation) -> bool:
    runs = _complete(case, got)
    if runs is None or _fits(runs):
        return False
    losses = runs["fit"]["loss"]
    return max(losses) - min(losses) < 1e-4


def _holds_tensors(case: Case, got: Observation) -> bool:
    runs = _runs(got)
    return runs is not None and all(
        isinstance(runs[run["label"]], dict)
        and any(
            isinstance(value, torch.Tensor)
            for values in runs[run["label"]].values()
            if isinstance(values, list)
            for value in values
        )
        for run in case["runs"]
        if run["label"] != "unknown"
    )


def _one_entry_per_batch(case: Case, got: Observation) -> bool:
    runs = _runs(got)
    return runs is not None and all(
        _lengths(runs[run["label"]]) == run["epochs"] * math.ceil(160 / run["batch_size"])
        for run in case["runs"]
        if run["label"] != "unknown"
    )


def _lists_grow(case: Case, got: Observation) -> bool:
    runs = _runs(got)
    if runs is None:
        return False
    lengths = [_lengths(runs[run["label"]]) for run in case["runs"] if run["label"] != "unknown"]
    if None in lengths:
        return False
    return all(b > a for a, b in pairwise(lengths)) and got["lists_shared"]


def _accepts_any_name(case: Case, got: Observation) -> bool:
    runs = _complete(case, got)
    return (
        runs is not None
        and _compare_history(case, got, got) is None
        and runs["unknown"] is None
        and not any(_same(runs, label) for label in ("lr", "batch_size", "optimizer"))
    )


def _refuses_otherwise(case: Case, got: Observation) -> bool:
    runs = _complete(case, got)
    return runs is not None and _fits(runs) and runs["unknown"] not in (None, "ValueError")


def _new_model_each_epoch(optimizer_name, lr, batch_size, epochs, seed):
    _refuse(optimizer_name)
    torch.manual_seed(seed)
    history = {"loss": [], "accuracy": []}
    for _ in range(epochs):
        _one_run(optimizer_name, lr, batch_size, 1, seed, history=history)
    return history


def _as_a_pair(*arguments):
    return tuple(_run_with()(*arguments).values())


def _under_other_names(*arguments):
    history = _run_with()(*arguments)
    return {"losses": history["loss"], "accuracies": history["accuracy"]}


def _key_error(optimizer_name, lr, batch_size, epochs, seed):
    torch.manual_seed(seed)
    return _one_run(optimizer_name, lr, batch_size, epochs, seed)


# Right, written differently.


def _with_a_dataloader(optimizer_name, lr, batch_size, epochs, seed):
    X, y = circles(160, seed=seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = _network()
        match optimizer_name:
            case "sgd":
                optimizer = torch.optim.SGD(model.parameters(), lr)
            case "adam":
                optimizer = torch.optim.Adam(model.parameters(), lr)
            case _:
                raise ValueError(optimizer_name)
        loader = DataLoader(TensorDataset(X, y), batch_size, shuffle=True)
        history = {"accuracy": [], "loss": []}
        for _ in range(epochs):
            total = right = 0.0
            for x, labels in loader:  # measured while training, as train_one_epoch does
                logits = model(x)
                loss = F.cross_entropy(logits, labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item() * len(x)
                right += (logits.argmax(1) == labels).sum().item()
            history["loss"].append(total / len(X))
            history["accuracy"].append(right / len(X))
    return history


def _generator_of_its_own(optimizer_name, lr, batch_size, epochs, seed):
    generator = torch.Generator().manual_seed(seed)
    makers = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
    if optimizer_name not in makers:
        raise ValueError("optimizer_name is sgd or adam")

    def network() -> nn.Module:
        model = _network()
        for parameter in model.parameters():
            bound = 0.7 if parameter.shape == (16, 2) else 0.25
            nn.init.uniform_(parameter, -bound, bound, generator=generator)
        return model

    return _one_run(
        optimizer_name, lr, batch_size, epochs, seed, network=network, generator=generator
    )


def _by_hand(optimizer_name, lr, batch_size, epochs, seed):
    """No nn and no torch.optim: parameters, forward pass and update rules written out."""
    if optimizer_name != "sgd" and optimizer_name != "adam":
        raise ValueError
    torch.manual_seed(seed)
    X, y = circles(160)
    W1, b1, W2 = torch.randn(2, 16), torch.zeros(16), torch.randn(16, 2) / 4
    params = [p.requires_grad_() for p in (W1, b1, W2, torch.zeros(2))]
    m, v = [0.0] * 4, [0.0] * 4
    t = 0

    def forward(x):
        return torch.tanh(x @ params[0] + params[1]) @ params[2] + params[3]

    losses, accuracies = [], []
    for _ in range(epochs):
        with torch.no_grad():
            accuracies.append(forward(X).argmax(1).eq(y).double().mean().item())
            losses.append(float(F.cross_entropy(forward(X), y)))
        order = torch.randperm(160)
        for start in range(0, 160, batch_size):
            rows = order[start : start + batch_size]
            grads = torch.autograd.grad(F.cross_entropy(forward(X[rows]), y[rows]), params)
            t += 1
            with torch.no_grad():
                for i, (p, g) in enumerate(zip(params, grads, strict=True)):
                    if optimizer_name == "sgd":
                        p -= lr * g
                        continue
                    m[i] = 0.9 * m[i] + 0.1 * g
                    v[i] = 0.999 * v[i] + 0.001 * g**2
                    root = (v[i] / (1 - 0.999**t)).sqrt() + 1e-8
                    p -= lr * m[i] / (1 - 0.9**t) / root
    return {"loss": losses, "accuracy": accuracies}


RUN_EXPERIMENT = Answer(
    exercise="run_experiment",
    cases=_experiment_cases,
    compare={"history": _compare_history, "seed": _compare_seed, "settings": _compare_settings},
    variants=(_with_a_dataloader, _generator_of_its_own, _by_hand),
    misconceptions=(
        Misconception(
            "model reused between runs",
            _one_model_for_all_runs,
            "The model lives outside the function, so each run goes on where the last one ended. "
            "Build data, model and optimizer inside the function.",
            recognise=_starts_trained,
        ),
        Misconception(
            "seed ignored",
            _always_the_same_seed,
            "Every seed gives the same numbers: the function sets a seed of its own. Pass the "
            "argument on: torch.manual_seed(seed).",
            recognise=lambda case, got: _only_same(case, got, "seed"),
        ),
        Misconception(
            "seed ignored",
            _never_seeded,
            "The same seed gives different numbers: weights or batches are drawn from whatever "
            "random state happens to be there. Call torch.manual_seed(seed) before anything is "
            "drawn, so before the model is built.",
            recognise=_depends_on_global_state,
        ),
        Misconception(
            "seed ignored",
            _seeded_after_the_model,
            "The same seed gives different numbers: the weights are drawn before the seed is set. "
            "Call torch.manual_seed(seed) before the model is built.",
            recognise=_depends_on_global_state,
        ),
        Misconception(
            "optimizer name ignored",
            _fixed(optimizer_name="adam"),
            '"sgd" and "adam" give the same numbers: the same optimizer is built for both.',
            recognise=lambda case, got: _only_same(case, got, "optimizer"),
        ),
        Misconception(
            "learning rate ignored",
            _fixed(lr=0.01),
            "The learning rate changes nothing: hand lr to the optimizer.",
            recognise=lambda case, got: _only_same(case, got, "lr"),
        ),
        Misconception(
            "batch size ignored",
            _fixed(batch_size=16),
            "The batch size changes nothing: hand batch_size to whatever cuts the batches.",
            recognise=lambda case, got: _only_same(case, got, "batch_size"),
        ),
        Misconception(
            "one entry per batch",
            _run_with(per_batch=True),
            "Your lists have one entry per batch. Measure after the loop over the batches, once "
            "per epoch.",
            recognise=_one_entry_per_batch,
        ),
        Misconception(
            "lists shared by all runs",
            _one_history_for_all_runs(),
            "All runs append to the same lists. Make them inside the function, afresh each time.",
            recognise=_lists_grow,
        ),
        Misconception(
            "tensors instead of floats",
            _run_with(record=_append_tensors),
            "Your lists hold tensors. Take the plain number out with .item().",
            recognise=_holds_tensors,
        ),
        Misconception(
            "no activation",
            _run_with(network=lambda: nn.Sequential(nn.Linear(2, 16), nn.Linear(16, 2))),
            "The loss stays near 0.69: without the tanh between them two linear layers are one, "
            "and one straight line cannot separate two circles.",
            recognise=_one_straight_line,
        ),
        Misconception(
            "a new model in every epoch",
            _new_model_each_epoch,
            "The loss jumps about near 0.69 and never gets on: the model is built inside the loop "
            "over the epochs, so each epoch starts from new weights. Build it once, before.",
            recognise=_never_gets_on,
        ),
        Misconception(
            "a tuple instead of a dict",
            _as_a_pair,
            'You return two lists. Asked for is a dict with them under "loss" and "accuracy".',
            recognise=_not_a_dict,
        ),
        Misconception(
            "other names for the lists",
            _under_other_names,
            'The result\'s keys are "loss" and "accuracy", spelled like that: whoever plots your '
            "history looks for these names.",
            recognise=_other_keys,
        ),
        Misconception(
            "never steps",
            _run_with(step=False),
            "The loss never changes: no weight moves. Call optimizer.step() for every batch, with "
            "an optimizer that was given this model's parameters.",
            recognise=_stands_still,
        ),
        Misconception(
            "unknown optimizer accepted",
            _any_name_is_sgd,
            "A name that is neither sgd nor adam is taken all the same, and a typing mistake "
            "would go unnoticed. Raise ValueError for it.",
            recognise=_accepts_any_name,
        ),
        Misconception(
            "another error for an unknown optimizer",
            _key_error,
            "An unknown name does raise an error in yours, but not ValueError, which is what a "
            "caller of this function would catch. Raise ValueError yourself.",
            recognise=_refuses_otherwise,
        ),
    ),
)

# --- best_learning_rate -------------------------------------------------------------------------


def _history(generator: torch.Generator, final: float, epochs: int) -> list[float]:
    """A loss that falls to ``final``, its lowest."""
    fall = torch.rand(epochs, generator=generator, dtype=torch.float64).sort(descending=True).values
    return [round(final + 0.1 + 0.5 * value, 4) for value in fall[:-1].tolist()] + [final]


def _rate_cases(generator: torch.Generator) -> list[Case]:
    def draw(*finals: float) -> dict[float, list[float]]:
        """Rates in a mixed order, one history for each final loss."""
        rates = [1.0, 0.3, 0.1, 0.03, 0.01, 0.003]
        order = torch.randperm(len(rates), generator=generator).tolist()
        epochs = 4 + int(torch.randint(4, (1,), generator=generator))
        return {
            rates[place]: _history(generator, final, epochs)
            for place, final in zip(order, finals, strict=False)
        }

    # The lowest value ever and the lowest mean belong to other rates than the lowest final loss.
    finite = draw(0.41, 0.22, 0.37, 0.3)
    rates = list(finite)
    finite[rates[0]][-2] = 0.05
    finite[rates[0]][0] = finite[rates[1]][0] = 9.0
    plain = draw(0.33, 0.35, 0.21, 0.52, 0.44)

    nan_first = draw(0.9, 0.25, 0.31, 0.6)
    nan_first[next(iter(nan_first))][-1] = math.nan
    inside = draw(0.35, 0.01, 0.28, 0.02, 0.5)
    keys = list(inside)
    inside[keys[1]][1] = math.inf
    inside[keys[3]][2] = math.nan
    falling = draw(0.4, 0.3, 0.6)
    falling[list(falling)[2]][-1] = -math.inf

    hopeless = draw(0.3, 0.2, 0.4)
    for value, history in zip((math.nan, math.inf, math.nan), hopeless.values(), strict=True):
        history[1] = value
    lost = draw(0.5, 0.6)
    for history in lost.values():
        history[-1] = math.nan
    return [
        *({"kind": "finite", "results": results} for results in (finite, plain)),
        *({"kind": "diverged", "results": results} for results in (nan_first, inside, falling)),
        *({"kind": "hopeless", "results": results} for results in (hopeless, lost)),
    ]


def _finite(results):
    return {lr: losses for lr, losses in results.items() if all(map(math.isfinite, losses))}


def _checked(results):
    kept = _finite(results)
    if not kept:
        raise ValueError("every run diverged")
    return kept


def _nan_wins(results):
    return min(results, key=lambda lr: results[lr][-1])


def _best_by_looping(results):
    best, best_loss = None, math.inf
    for lr, losses in results.items():
        if not losses[-1] >= best_loss:
            best, best_loss = lr, losses[-1]
    return best


def _lowest_ever(results):
    kept = _checked(results)
    return min(kept, key=lambda lr: min(kept[lr]))


def _lowest_mean(results):
    kept = _checked(results)
    return min(kept, key=lambda lr: sum(kept[lr]) / len(kept[lr]))


def _the_loss_itself(results):
    return min(losses[-1] for losses in _checked(results).values())


def _only_the_end_checked(results):
    kept = {lr: losses for lr, losses in results.items() if math.isfinite(losses[-1])}
    if not kept:
        raise ValueError("every run diverged")
    return min(kept, key=lambda lr: kept[lr][-1])


def _only_nan_checked(results):
    kept = {lr: losses for lr, losses in results.items() if not any(map(math.isnan, losses))}
    if not kept:
        raise ValueError("every run diverged")
    return min(kept, key=lambda lr: kept[lr][-1])


def _none_when_hopeless(results):
    kept = _finite(results)
    return min(kept, key=lambda lr: kept[lr][-1]) if kept else None


def _refuses_any_divergence(results):
    if len(_finite(results)) < len(results):
        raise ValueError("a run diverged")
    return _best_pair(results)[0]


def _best_pair(results):
    return min(((lr, losses[-1]) for lr, losses in _checked(results).items()), key=lambda p: p[1])


def _returns_the_error(results):
    if not _finite(results):
        return ValueError("every run diverged")
    return _best_pair(results)[0]


def _largest_stable_rate(results):
    return max(_checked(results))


def _highest_final(results):
    kept = _checked(results)
    return max(kept, key=lambda lr: kept[lr][-1])


def _deletes_the_diverged(results):
    for lr in list(results):
        if not all(map(math.isfinite, results[lr])):
            del results[lr]
    return min(results, key=lambda lr: results[lr][-1])


# Right, written differently.


def _running_best(results):
    best = None
    for lr, losses in results.items():
        diverged = any(math.isnan(loss) or math.isinf(loss) for loss in losses)
        if not diverged and (best is None or losses[-1] < results[best][-1]):
            best = lr
    if best is None:
        raise ValueError("no run stayed finite")
    return best


def _sorted_pairs(results):
    pairs = sorted((losses[-1], lr) for lr, losses in _finite(results).items())
    try:
        return pairs[0][1]
    except IndexError:
        raise ValueError("all diverged") from None


def _with_tensors(results):
    rates = list(results)
    losses = torch.tensor([results[lr] for lr in rates], dtype=torch.float64)
    stable = losses.isfinite().all(dim=1)
    if not stable.any():
        raise ValueError("all diverged")
    return rates[torch.where(stable, losses[:, -1], math.inf).argmin().item()]


def _min_raises_by_itself(results):
    stayed = [lr for lr in results if math.isfinite(sum(map(abs, results[lr])))]
    return min(stayed, key=lambda lr: results[lr][-1])


BEST_LEARNING_RATE = Answer(
    exercise="best_learning_rate",
    cases=_rate_cases,
    variants=(_running_best, _sorted_pairs, _with_tensors, _min_raises_by_itself),
    misconceptions=(
        Misconception(
            "NaN wins",
            _nan_wins,
            "A run that ended in NaN is chosen. Every comparison with NaN is False, so min() "
            "keeps a NaN that comes first. Take diverged runs out before you compare.",
        ),
        Misconception(
            "NaN wins",
            _best_by_looping,
            "A run that ended in NaN is chosen: `not loss >= best` is True for NaN. Take diverged "
            "runs out before you compare.",
        ),
        Misconception(
            "lowest ever instead of final",
            _lowest_ever,
            "You compare the lowest loss of each run. A run that passed a low point and rose "
            "again does not end there: compare the last entries.",
        ),
        Misconception(
            "mean instead of final",
            _lowest_mean,
            "You compare the mean loss of each run, which punishes a bad start. Compare the last "
            "entries.",
        ),
        Misconception(
            "loss instead of learning rate",
            _the_loss_itself,
            "You return the lowest loss. The result is the learning rate that reached it: the key, "
            "not the value.",
        ),
        Misconception(
            "rate and loss returned",
            _best_pair,
            "You return the rate together with its loss. Asked for is the rate alone.",
        ),
        Misconception(
            "error as soon as one run diverged",
            _refuses_any_divergence,
            "You raise ValueError when any run diverged. Leave that run out and choose among the "
            "others; the error is for the case that none is left.",
        ),
        Misconception(
            "error returned, not raised",
            _returns_the_error,
            "You return a ValueError object, and the caller goes on with it as if it were a rate. "
            "`raise` stops.",
        ),
        Misconception(
            "only the last entry checked",
            _only_the_end_checked,
            "A run that was infinite or NaN on its way counts as finite, because its last entry "
            "is. Any such entry means that the run diverged: look at all of them.",
        ),
        Misconception(
            "infinity taken for finite",
            _only_nan_checked,
            "You look for NaN only, so a run with an infinite loss stays in. math.isfinite is "
            "False for both.",
        ),
        Misconception(
            "no error when all diverged",
            _none_when_hopeless,
            "When every run diverged you return None, and the caller would train with that. Raise "
            "ValueError.",
        ),
        Misconception(
            "largest stable learning rate",
            _largest_stable_rate,
            "You choose the largest rate that stayed finite. Finite is not yet good: choose by the "
            "final loss.",
        ),
        Misconception(
            "highest instead of lowest",
            _highest_final,
            "You choose the run with the highest final loss. A loss is better when it is lower.",
        ),
        Misconception(
            "results changed",
            _deletes_the_diverged,
            "Your function removes the diverged runs from the caller's dict, who can no longer "
            "plot them. Collect the good ones in a new dict.",
        ),
    ),
)

ANSWERS = (EVALUATE, RUN_EXPERIMENT, BEST_LEARNING_RATE)

# --- quiz ---------------------------------------------------------------------------------------


def _prove_eval() -> str:
    """Tries all four claims on a small network with dropout."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    x = torch.randn(5, 3)
    returned = model.eval()
    true = []
    if not model(x).requires_grad:
        true.append("A")
    before = model[0].weight.detach().clone()
    model(x).sum().backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    if torch.equal(before, model[0].weight):
        true.append("B")
    if isinstance(returned, float):
        true.append("C")
    in_use = torch.equal(model(x), model(x))
    model.train()
    if in_use and not torch.equal(model(x), model(x)):
        true.append("D")
    return "".join(true)


def _prove_rate_of_ten() -> str:
    highest, ends = [], []
    for name in ("sgd", "adam"):
        torch.manual_seed(0)
        history = _one_run(name, 10.0, 16, 50, 0)
        highest.append(max(history["loss"]))
        ends.append(history["accuracy"][-1])
    if not all(map(math.isfinite, highest)):
        return "B"
    if max(ends) >= 0.9:
        return "C"
    return "A" if min(highest) > 20 else "D"


def _prove_fewer_updates() -> str:
    """Batch 128 ends higher after as many epochs, and catches up after as many updates."""
    torch.manual_seed(0)
    small = _one_run("adam", 0.01, 16, 50, 0)
    torch.manual_seed(0)
    large = _one_run("adam", 0.01, 128, 250, 0)  # 2 updates an epoch: 500, as many as `small`
    worse_first = large["loss"][49] > 2 * small["loss"][-1]
    caught_up = large["loss"][-1] < 1.5 * small["loss"][-1]
    return "C" if worse_first and caught_up else "A"


QUIZ = (
    QuizKey(
        "q07_1",
        "D",
        {
            "A": "Its outputs still carry a graph. That is torch.no_grad()'s part.",
            "B": "A backward pass and a step still move every weight.",
            "C": "It computes nothing: it sets a flag on every module.",
            "D": "The flag `training` becomes False, and these layers look at it.",
        },
        _prove_eval,
    ),
    QuizKey(
        "q07_2",
        "A",
        {
            "A": "Each step jumps far across the valley, and no later step brings it back.",
            "B": "Cross-entropy's gradient at the logits never exceeds 1, so there is no runaway. "
            "With a squared error and SGD it would be so.",
            "C": "The steps are far longer than the valley is wide: they jump over every solution.",
            "D": "Adam moves each weight by about the learning rate: here by 10 per step.",
        },
        _prove_rate_of_ten,
    ),
    QuizKey(
        "q07_3",
        "C",
        {
            "A": "They are the less noisy ones: nearer to the full gradient.",
            "B": "The loss is a mean over the batch; its size does not scale it.",
            "C": "2 updates an epoch against 10. Compare at equal updates first.",
            "D": "Running out of memory raises an error; nothing is cut silently.",
        },
        _prove_fewer_updates,
    ),
)
