"""Chapter 07, public half: the exercises' checks and drivers, and the quiz's questions."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import type_name
from course_lib.exercises.support.loop_watch import ListLoader, buffers_of, gradients_of
from course_lib.exercises.support.small_network import small_network
from course_lib.quiz import Question
from course_lib.training import evaluate as evaluate_whole

# --- evaluate -----------------------------------------------------------------------------------

#: Losses that take class indices and average over the batch.
_LOSSES = {
    "cross_entropy": nn.CrossEntropyLoss,
    "smoothed": lambda: nn.CrossEntropyLoss(label_smoothing=0.2),
    "margin": nn.MultiMarginLoss,
}


def evaluate_case(
    generator: torch.Generator,
    kind: str,
    *,
    n: int,
    sizes: tuple[int, int, int],
    batch_size: int,
    training: bool = True,
    loss: str = "cross_entropy",
    dtype: torch.dtype = torch.float64,
    strided: bool = False,
) -> dict[str, Any]:
    """A case: ``sizes`` are (features, hidden, classes). ``kind`` says what it is about:

    "means" has batches of different sizes; "layers" has dropout and batch norm, "graph" stale
    gradients, and both come as one batch, so that a wrong mean costs nothing there.
    ``training`` is the mode in which the model arrives.
    """
    features, hidden, classes = sizes

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    return {
        "kind": kind,
        "x": normal(n, features),
        "y": torch.randint(classes, (n,), generator=generator),
        "weights": [
            normal(hidden, features),
            normal(hidden),
            2 * normal(classes, hidden) / math.sqrt(hidden),
            normal(classes),
        ],
        "running": [normal(hidden), 0.5 + normal(hidden).abs()],
        "batch_size": batch_size if kind == "means" else n,
        "training": training,
        "loss": loss,
        "strided": strided,
    }


def build_evaluation(case: Case) -> tuple[nn.Module, ListLoader, nn.Module]:
    """Model, loader and loss function of a case, all fresh."""
    middle: list[nn.Module] = [nn.Tanh()]
    if case["kind"] == "layers":
        middle += [nn.BatchNorm1d(len(case["weights"][0])), nn.Dropout(0.5)]
    model = small_network(case["weights"], *middle)
    if case["kind"] == "layers":
        model[2].running_mean.copy_(case["running"][0])
        model[2].running_var.copy_(case["running"][1])
    if case["kind"] == "graph":
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        model[0].bias.requires_grad_(False)
    model.train(case["training"])
    x = case["x"].t().contiguous().t() if case["strided"] else case["x"]
    return model, ListLoader(x, case["y"], case["batch_size"]), _LOSSES[case["loss"]]()


def observe_evaluate(function: Any, case: Case, notes: Notes) -> None:
    model, loader, loss_fn = build_evaluation(case)
    recorded: list[bool] = []
    modes: list[bool] = []

    def called(module: nn.Module, _inputs: Any, outputs: torch.Tensor) -> None:
        recorded.append(outputs.requires_grad)
        modes.append(module.training)

    model.register_forward_hook(called)
    # A model in eval mode may come from somewhere where nothing is recorded already.
    recording = case["kind"] != "graph" or case["training"]
    with torch.set_grad_enabled(recording):
        returned = function(model, loader, loss_fn)
        grad_mode_kept = torch.is_grad_enabled() == recording
    notes["returned"] = returned
    pair = returned if isinstance(returned, tuple) and len(returned) == 2 else (None, None)
    kind = case["kind"]
    notes[f"{kind}_loss"] = pair[0]
    notes[f"{kind}_accuracy"] = pair[1]
    notes["evaluated_in_train_mode"] = any(modes)
    if kind != "graph":
        notes[f"{kind}_training"] = model.training
    if kind == "layers":
        notes["buffers"] = buffers_of(model)
    if kind == "graph":
        notes["recorded"] = any(recorded)
        notes["gradients"] = gradients_of(model)
        notes["requires_grad"] = [parameter.requires_grad for parameter in model.parameters()]
        notes["grad_mode_kept"] = grad_mode_kept


def properties_evaluate(case: Case, observation: Observation) -> Iterator[Finding]:
    model, _loader, loss_fn = build_evaluation(case)
    kind = case["kind"]
    returned = observation["returned"]
    floats = (
        isinstance(returned, tuple)
        and len(returned) == 2
        and all(type(value) is float for value in returned)
    )
    shown = [type_name(value) for value in returned] if isinstance(returned, tuple) else None
    got = f"yours is a {type_name(returned)}" + (f" of {', '.join(shown)}" if shown else "")
    got = got if returned is not None else "yours returns None"
    yield Finding(floats, "the result is a tuple of two Python floats: loss, accuracy", got)
    if returned is None:
        return
    if kind == "layers":
        yield Finding(
            not observation["evaluated_in_train_mode"],
            "dropout and batch norm are in eval mode while the model predicts",
        )
    if kind != "graph":
        yield Finding(
            observation[f"{kind}_training"] is case["training"],
            "afterwards the model is in the mode in which it came, train or eval",
        )
    else:
        yield Finding(not observation["recorded"], "no graph is recorded behind the outputs")
        yield Finding(
            observation["grad_mode_kept"]
            and observation["requires_grad"] == [p.requires_grad for p in model.parameters()],
            "afterwards PyTorch records gradients as before",
        )
    if not floats:
        return
    loss, accuracy = evaluate_whole(model, loss_fn, case["x"], case["y"])
    if kind == "means":
        yield Finding(
            math.isclose(returned[0], loss, rel_tol=1e-5),
            "the loss is the mean over all examples (the last batch is smaller)",
            f"expected {loss:.4f}, yours is {returned[0]:.4f}",
        )
        yield Finding(
            math.isclose(returned[1], accuracy, rel_tol=1e-5),
            "the accuracy is the fraction of all examples that are right",
            f"expected {accuracy:.4f}, yours is {returned[1]:.4f}",
        )
    elif kind == "layers":
        yield Finding(
            math.isclose(returned[0], loss, rel_tol=1e-5),
            "the loss is that of the model in eval mode",
        )


def _public_evaluate_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(70)

    def case(kind: str, **changes: Any) -> Case:
        settings = {"n": 19, "sizes": (3, 6, 4), "batch_size": 8} | changes
        return evaluate_case(generator, kind, **settings)

    return [case("means"), case("layers"), case("means", training=False), case("graph", n=7)]


EVALUATE = Exercise(
    name="evaluate",
    points=4,
    task="Measure a model: the mean loss per example and the accuracy, and leave no trace.",
    aspects=(
        Aspect("loss", "the loss is the mean over all examples", 1, ("means_loss",)),
        Aspect("accuracy", "the accuracy is a fraction of all examples", 1, ("means_accuracy",)),
        Aspect(
            "mode",
            "it measures in eval mode and puts the previous mode back",
            1,
            ("layers_loss", "buffers", "layers_training", "means_training"),
        ),
        Aspect(
            "graph",
            "it records no gradients and leaves the gradients' settings as they were",
            1,
            ("graph_loss", "recorded", "gradients", "requires_grad", "grad_mode_kept"),
        ),
    ),
    hints=(
        "Four things around one loop: remember model.training, switch to eval mode, loop under "
        "torch.no_grad(), put the mode back. Inside, add up three numbers per batch: the loss "
        "times the batch's size, the number of right predictions, the number of examples.",
        "The prediction of a row of logits is the index of its largest entry: "
        "logits.argmax(dim=1). Compare it with y, add up the True values with .sum().item(). "
        "model.train(was_training) sets either mode.",
    ),
    observe=observe_evaluate,
    public_cases=_public_evaluate_cases,
    properties=properties_evaluate,
    forbidden=("course_lib.training.evaluate",),
)


# --- run_experiment -----------------------------------------------------------------------------

#: The label of a run says what the judge compares it with.
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

    ``noise`` seeds the global random state before each run: what a result must not depend on.
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
        ("slow", {"lr": 1e-6, "batch_size": 160}),
        ("unknown", {"optimizer_name": unknown}),
    )
    runs = [base | change | {"label": label} for label, change in changes]
    return {"runs": [run | {"noise": 900 + i} for i, run in enumerate(runs)]}


def observe_run_experiment(function: Any, case: Case, notes: Notes) -> None:
    outcomes: dict[str, Any] = {}
    notes["runs"] = outcomes
    kept: list[Any] = []
    for run in case["runs"]:
        torch.manual_seed(run["noise"])
        arguments = [run[key] for key in _RUN_KEYS]
        if run["label"] == "unknown":
            outcomes["unknown"] = _raised_by(function, arguments)
            continue
        returned = function(*arguments)
        outcomes[run["label"]] = _snapshot(returned)
        kept += returned.values() if isinstance(returned, dict) else []
    lists = [value for value in kept if isinstance(value, list)]
    notes["lists_shared"] = len({id(value) for value in lists}) < len(lists)


def _raised_by(function: Any, arguments: list[Any]) -> str | None:
    try:
        function(*arguments)
    except ValueError:
        return "ValueError"
    except Exception as error:
        return type(error).__name__
    return None


def _snapshot(returned: Any) -> Any:
    """The result as it is now: later runs may go on writing into the same lists."""
    if not isinstance(returned, dict):
        return returned
    return {
        key: list(value) if isinstance(value, list) else value for key, value in returned.items()
    }


def is_history(result: Any, epochs: int) -> bool:
    """Whether ``result`` is a dict of two lists of finite Python floats, one per epoch."""
    if not isinstance(result, Mapping) or set(result) != {"loss", "accuracy"}:
        return False
    return all(
        isinstance(values, list)
        and len(values) == epochs
        and all(type(value) is float and math.isfinite(value) for value in values)
        for values in result.values()
    )


def _what_is_odd(result: Any, epochs: int) -> str:
    """What keeps a result from being a history; the first thing only."""
    if not isinstance(result, Mapping):
        return f"yours is {type_name(result)}"
    if set(result) != {"loss", "accuracy"}:
        return f"your keys are {', '.join(repr(key) for key in list(result)[:4]) or 'none'}"
    for key, values in result.items():
        if not isinstance(values, list):
            return f'your "{key}" is {type_name(values)}'
        if len(values) != epochs:
            return f'your "{key}" has {len(values)} entries after {epochs} epochs'
        for value in values:
            if type(value) is not float:
                return f'your "{key}" holds {type_name(value)}'
            if not math.isfinite(value):
                return f'your "{key}" holds {value}'
    return ""


def same_history(one: Any, other: Any) -> bool:
    """Whether two histories hold the same numbers, up to rounding."""
    return all(
        len(one[key]) == len(other[key])
        and all(
            math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9)
            for a, b in zip(one[key], other[key], strict=True)
        )
        for key in ("loss", "accuracy")
    )


def properties_run_experiment(case: Case, observation: Observation) -> Iterator[Finding]:
    runs = observation["runs"]
    trained = [run for run in case["runs"] if run["label"] != "unknown"]
    complete = all(is_history(runs[run["label"]], run["epochs"]) for run in trained)
    yield Finding(
        complete,
        'the result has the keys "loss" and "accuracy": a list of floats, one per epoch',
        next((_what_is_odd(runs[run["label"]], run["epochs"]) for run in trained), ""),
    )
    raised = runs["unknown"] or "nothing"
    text = "an unknown optimizer raises ValueError"
    yield Finding(runs["unknown"] == "ValueError", text, f"yours raises {raised}")
    if not complete:
        return
    yield Finding(not observation["lists_shared"], "each run returns lists of its own")
    yield Finding(
        all(0 <= value <= 1 for run in trained for value in runs[run["label"]]["accuracy"]),
        "accuracies lie between 0 and 1",
    )
    yield Finding(
        max(runs["fit"]["accuracy"]) >= 0.9,
        "adam at 0.01 with batches of 16 reaches an accuracy of 0.9 in 50 epochs",
        f"the best of yours is {max(runs['fit']['accuracy']):.2f}",
    )
    base = runs["base"]
    yield Finding(same_history(base, runs["again"]), "the same seed gives the same numbers")
    for label, words in (
        ("seed", "another seed gives other numbers"),
        ("lr", "another learning rate gives other numbers"),
        ("batch_size", "another batch size gives other numbers"),
        ("optimizer", '"sgd" and "adam" give different numbers'),
    ):
        yield Finding(not same_history(base, runs[label]), words)


RUN_EXPERIMENT = Exercise(
    name="run_experiment",
    points=3,
    task="One run from start to end: fresh data, fresh model, one loss and accuracy per epoch.",
    aspects=(
        Aspect("history", "the run trains, with one loss and one accuracy per epoch", 1, ("runs",)),
        Aspect(
            "seed",
            "the seed decides the numbers, and nothing else does",
            1,
            ("runs",),
            after=("history",),
        ),
        Aspect(
            "settings",
            "optimizer, learning rate and batch size count; an unknown optimizer is refused",
            1,
            ("runs",),
            after=("history",),
        ),
    ),
    hints=(
        "Call torch.manual_seed(seed) first, then build everything inside the function: data, "
        "model, optimizer. Whatever is built outside is shared by all runs. Each epoch has a new "
        "order: torch.randperm(160).split(batch_size) gives the rows of its batches.",
        "After the loop over an epoch's batches, evaluate(model, [(points, labels)], loss_fn) "
        "measures all points at once: a list of one batch is a loader too. Choose the optimizer "
        "with if / elif, and raise ValueError in the else branch.",
    ),
    observe=observe_run_experiment,
    public_cases=lambda: [experiment_case(seed=3, other_seed=4)],
    properties=properties_run_experiment,
    forbidden=("course_lib.training.Trainer",),
)


# --- best_learning_rate -------------------------------------------------------------------------


def observe_best_learning_rate(function: Any, case: Case, notes: Notes) -> None:
    results = case["results"]
    kind = case["kind"]
    if kind == "hopeless":
        notes["hopeless"], notes["refused"] = None, False
        try:
            returned = function(results)
            is_error = isinstance(returned, BaseException)
            notes["hopeless"] = f"a {type_name(returned)} object" if is_error else returned
        except ValueError:
            notes["refused"] = True
    else:
        notes[kind] = function(results)
    notes["results"] = results


def properties_best_learning_rate(case: Case, observation: Observation) -> Iterator[Finding]:
    kind = case["kind"]
    got = observation[kind]
    if kind == "hopeless":
        yield Finding(observation["refused"], "ValueError is raised when every run diverged")
    else:
        # The public cases say which rate is best: no code that finds it is needed here.
        words = "a run with a NaN or an infinity anywhere in it is never chosen"
        if kind == "finite":
            words = "the rate with the lowest final loss is chosen"
            yield Finding(type(got) is float, "the result is a learning rate, a float")
        right = type(got) is float and got == case["best"]
        yield Finding(right, words, f"expected {case['best']:g}, yours is {got!r:.20}")
    unchanged = _same_results(case["results"], observation["results"])
    yield Finding(unchanged, "results is left as it was")


def _same_results(one: dict, other: Any) -> bool:
    return isinstance(other, dict) and repr(one) == repr(other)


_NAN, _INF = math.nan, math.inf

BEST_LEARNING_RATE = Exercise(
    name="best_learning_rate",
    points=2,
    task="Choose the learning rate with the lowest final loss among the runs that stayed finite.",
    aspects=(
        Aspect("final", "the rate with the lowest final loss wins", 1, ("finite",)),
        Aspect(
            "diverged",
            "diverged runs are out; ValueError when all diverged; results stays as it is",
            1,
            ("diverged", "hopeless", "refused", "results"),
        ),
    ),
    hints=(
        "Two steps: first keep the runs in which every entry is finite, then choose among those. "
        "math.isfinite(value) is False for NaN and for both infinities.",
        "all(math.isfinite(value) for value in history) tests one history. Build a new dict of the "
        "runs that pass, raise ValueError if it is empty, and use min(..., key=...) over its "
        "rates with the last loss as the key.",
    ),
    observe=observe_best_learning_rate,
    public_cases=lambda: [
        {
            "kind": "finite",
            "results": {0.3: [0.7, 0.1, 0.5], 0.01: [0.7, 0.6, 0.4], 0.001: [0.6, 0.55, 0.52]},
            "best": 0.01,
        },
        {
            "kind": "diverged",
            "results": {
                10.0: [0.7, 90.0, _NAN],
                1.0: [0.6, _INF, 0.1],
                0.1: [0.7, 0.5, 0.2],
                0.01: [0.7, 0.6, 0.5],
            },
            "best": 0.1,
        },
        {"kind": "hopeless", "results": {1.0: [0.7, _NAN], 3.0: [_INF, 0.2]}},
    ],
    properties=properties_best_learning_rate,
)

EXERCISES = (EVALUATE, RUN_EXPERIMENT, BEST_LEARNING_RATE)

QUESTIONS = (
    Question(
        "q07_1",
        "What does `model.eval()` do?",
        {
            "A": "It stops PyTorch from recording gradients.",
            "B": "It freezes the weights: an `optimizer.step()` no longer moves them.",
            "C": "It computes the model's accuracy.",
            "D": "It makes dropout and batch normalisation behave as they do in use.",
        },
    ),
    Question(
        "q07_2",
        "You train on the two circles with cross-entropy and set the learning rate to 10. "
        "What does the dashboard show?",
        {
            "A": "Losses a hundred times too high and an accuracy far from a fit; it stays finite.",
            "B": "The loss is infinite after a few steps, then NaN.",
            "C": "The same fit, reached in fewer epochs.",
            "D": "With Adam nothing unusual: Adam scales each step by itself.",
        },
    ),
    Question(
        "q07_3",
        "Two runs of 50 epochs on 160 examples at the same learning rate: batch 128 ends at a "
        "higher loss than batch 16. Which explanation do you test first?",
        {
            "A": "The gradients of large batches point in a wrong direction.",
            "B": "The loss of a large batch is a sum over more examples, so it is larger.",
            "C": "The run with batch 128 made five times fewer updates.",
            "D": "Batches of 128 did not fit into memory and were cut.",
        },
    ),
)
