"""``run_experiment``, secret half.

Long, because right runs differ in their numbers: mistakes are recognised by how the losses behave.
"""

import math
import random
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from textwrap import indent

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from course_lib.data import circles
from course_lib.exercises.ch07_training_dashboard.run_experiment import (
    experiment_case,
    numbers_in,
)
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, Symptom, wrong

SEED = "    torch.manual_seed(seed)  # before anything is drawn\n"
NETWORK = "nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))"
MODEL = f"    model = {NETWORK}\n"
HISTORY = '    history = {"loss": [], "accuracy": []}\n'
EPOCHS = "    for _ in range(epochs):\n"
MEASURE = """\
        mean_loss, accuracy = evaluate(model, [(points, labels)], loss_fn)
        history["loss"].append(mean_loss)
        history["accuracy"].append(accuracy)
"""


def _cases(generator: torch.Generator) -> list[Case]:
    return [
        experiment_case(seed=size(generator, 10, 99), other_seed=size(generator, 100, 999)),
        experiment_case(
            seed=size(generator, 1000, 1999),
            other_seed=size(generator, 2000, 2999),
            epochs=4,
            batch_size=32,
            other_batch_size=24,
            lr=0.02,
            other_lr=0.005,
            unknown="adamw",
        ),
    ]


def _compare_history(case: Case, expected: Observation, got: Observation) -> str | None:
    for run in case["runs"]:
        if not got["is_history"][run["label"]]:
            return (
                f"with epochs={run['epochs']}, the result is not two lists of {run['epochs']} "
                'finite floats under "loss" and "accuracy"'
            )
    return "two runs return the same list object" if got["lists_shared"] else None


def _compare_fit(case: Case, expected: Observation, got: Observation) -> str | None:
    if not got["accuracies_fit"]:
        return "an accuracy lies outside 0 to 1, or there is none"
    if not _fits(got):
        seed = next(run["seed"] for run in case["runs"] if run["label"] == "fit")
        return (
            f"adam at 0.01 with batches of 16 and seed {seed} reaches {got['reached']:.3f} in 50 "
            "epochs, not 0.9"
        )
    if got["well_formed"]:
        losses = got["runs"]["fit"]["loss"]
        if losses[-1] >= losses[0]:
            return "the loss of adam at 0.01 does not fall"
        shares = [160 * share for share in got["runs"]["fit"]["accuracy"]]
        if any(abs(share - round(share)) > 1e-3 for share in shares):
            return "an accuracy is not a fraction of the 160 points of circles(160)"
    return None


def _compare_seed(case: Case, expected: Observation, got: Observation) -> str | None:
    if not got["same"]["again"]:
        return "two runs with the same seed and settings give different numbers"
    if got["same"]["seed"]:
        return _nothing_to_compare(got, "seed") or (
            "two runs with different seeds give the same numbers"
        )
    return None


def _nothing_to_compare(got: Observation, label: str) -> str | None:
    """Whether a run has numbers that another run's can be compared with, and losses among them."""
    result = got["runs"][label]
    if not numbers_in(result):
        return "there are no numbers to compare"
    if isinstance(result, dict) and result.get("loss") == []:
        return "there are no losses to compare"
    return None


def _compare_settings(case: Case, expected: Observation, got: Observation) -> str | None:
    for label, words in _SETTINGS.items():
        nothing = _nothing_to_compare(got, label)
        if nothing or got["same"][label]:
            return nothing or f"a different {words} gives the same numbers"
    if got["well_formed"]:
        losses = got["runs"]["slow"]["loss"]
        if max(losses) - min(losses) > 0.01:
            return "at a learning rate of 0.000001 the loss moves as if the rate were larger"
    return None


def _compare_refused(case: Case, expected: Observation, got: Observation) -> str | None:
    if got["raised"] == "ValueError":
        return None
    return (
        f"an unknown optimizer should raise ValueError; yours raises {got['raised'] or 'nothing'}"
    )


_SETTINGS = {
    "lr": "learning rate of adam",
    "sgd_lr": "learning rate of sgd",
    "batch_size": "batch size",
    "optimizer": "optimizer",
}


def _fits(got: Observation) -> bool:
    return got["reached"] >= 0.9


def _histories(test: Callable[[Observation], bool]) -> Callable[[Case, Observation], bool]:
    """A ``recognise`` that is False where a run gave no history."""
    return lambda case, got: got["well_formed"] and test(got)


def _only_same(*labels: str) -> Callable[[Case, Observation], bool]:
    """Recognises that exactly the runs ``labels`` equal the base run, although they should not."""
    return _histories(
        lambda got: (
            got["same"]["again"]
            and {label for label in ("seed", *_SETTINGS) if got["same"][label]} == {*labels}
        )
    )


_depends_on_global_state = _histories(lambda got: _fits(got) and not got["same"]["again"])


@_histories
def _starts_trained(got):
    """After the long run, even a run that hardly learns starts where that one ended."""
    slow = got["runs"]["slow"]
    return max(slow["loss"]) < 0.5 and slow["accuracy"][0] >= 0.85


def _swing(losses: list[float]) -> float:
    """How far the loss of the long run still moves in its last 30 epochs.

    Over 90 seeds a straight line's moved by at most 0.0076, a network's that is built anew in each
    epoch by at least 0.0134.
    """
    return max(losses[-30:]) - min(losses[-30:])


@_histories
def _one_straight_line(got):
    """At the level of guessing to the end, and calm: the best that a straight line can do."""
    losses = got["runs"]["fit"]["loss"]
    at_guessing = all(0.64 < value < 0.74 for value in losses[5:]) and len(set(losses)) > 1
    return not _fits(got) and at_guessing and _swing(losses) < 0.0105


@_histories
def _never_gets_on(got):
    """At the level of guessing to the end, and jumping about: each epoch starts afresh."""
    losses = got["runs"]["fit"]["loss"]
    at_guessing = min(losses) > 0.55 and max(losses) < 1.5
    same = got["same"]  # adam at its own rate, which is low, is slow from another cause
    asked = not _fits(got) and same["again"] and not same["lr"]
    return asked and at_guessing and _swing(losses) > 0.0105


@_histories
def _stands_still(got):
    losses = got["runs"]["fit"]["loss"]
    return not _fits(got) and max(losses) - min(losses) < 1e-4


def _accepts_any_name(case, got):
    return (
        _compare_history(case, got, got) is None
        and got["raised"] is None
        and not any(got["same"][label] for label in _SETTINGS)
    )


def _dicts(case: Case, got: Observation) -> list[dict]:
    """What the runs returned; an error where one raised, or where it is not always a dict."""
    returned = [got["runs"][run["label"]] for run in case["runs"]]
    if not all(isinstance(each, dict) for each in returned):
        raise ValueError("not dicts")
    return returned


def _holds_tensors(case, got):
    def held(run: dict) -> list:
        return [value for values in run.values() if isinstance(values, list) for value in values]

    return all(
        any(isinstance(value, torch.Tensor) for value in held(each)) for each in _dicts(case, got)
    )


def _lengths(case: Case, got: Observation) -> list[int | None]:
    """How many losses each run has, None where they are not in a list."""
    lists = [each.get("loss") for each in _dicts(case, got)]
    return [len(losses) if isinstance(losses, list) else None for losses in lists]


def _one_entry_per_batch(case, got):
    return _lengths(case, got) == [
        run["epochs"] * math.ceil(160 / run["batch_size"]) for run in case["runs"]
    ]


def _lists_grow(case, got):
    return got["lists_shared"] and all(b > a for a, b in pairwise(_lengths(case, got)))


def _with_a_dataloader(optimizer_name, lr, batch_size, epochs, seed):
    X, y = circles(160, seed=seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
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


def _with_a_closure(optimizer_name, lr, batch_size, epochs, seed):
    """optimizer.step(closure), the layers as a class, a comprehension for the results."""
    makers = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
    if optimizer_name not in makers:
        raise ValueError(f"{optimizer_name!r} is not one of {', '.join(makers)}")
    points, labels = circles(160)
    rng = torch.manual_seed(seed)
    model = nn.ModuleDict({"a": nn.Linear(2, 16), "b": nn.Linear(16, 2)})
    optimizer = makers[optimizer_name](model.parameters(), lr=lr)

    def logits(rows):
        return model["b"](model["a"](points[rows]).tanh())

    def epoch():
        for rows in torch.randperm(160, generator=rng).split(batch_size):

            def closure(rows=rows):
                optimizer.zero_grad()
                loss = F.cross_entropy(logits(rows), labels[rows])
                loss.backward()
                return loss

            optimizer.step(closure)
        with torch.inference_mode():
            everything = logits(slice(None))
            right = (everything.argmax(dim=-1) == labels).float().mean()
            return F.cross_entropy(everything, labels).item(), right.item()

    pairs = [epoch() for _ in range(epochs)]
    return {
        key: list(values)
        for key, values in zip(("loss", "accuracy"), zip(*pairs, strict=True), strict=True)
    }


class _Experiment:
    """An object that is called, typed, with a module class."""

    __name__ = "callable_object"

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.out = nn.Linear(2, 16), nn.Linear(16, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(torch.tanh(self.hidden(x)))

    def __call__(
        self, optimizer_name: str, lr: float, batch_size: int, epochs: int, seed: int
    ) -> dict[str, list[float]]:
        torch.manual_seed(seed)
        model = self.Network()
        if optimizer_name == "sgd":
            optimizer: torch.optim.Optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        elif optimizer_name == "adam":
            optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        else:
            raise ValueError("sgd or adam")
        x, y = circles(160)
        losses: list[float] = []
        accuracies: list[float] = []
        for _ in range(epochs):
            order = torch.randperm(len(x))
            for start in range(0, len(x), batch_size):
                rows = order[start : start + batch_size]
                loss = -F.log_softmax(model(x[rows]), 1)[torch.arange(len(rows)), y[rows]].mean()
                model.zero_grad()
                loss.backward()
                optimizer.step()
            predictions = model(x).detach()
            losses.append(F.nll_loss(predictions.log_softmax(1), y).item())
            accuracies.append(int((predictions.max(1)[1] == y).sum()) / len(y))
        return {"loss": losses, "accuracy": accuracies}


def _in_a_defaultdict(optimizer_name, lr, batch_size, epochs, seed):
    """Python shuffles, the weights are drawn from a generator, the layers are functions."""
    try:
        make = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer_name]
    except KeyError:
        raise ValueError(optimizer_name) from None
    x, y = circles(160)
    generator, order = torch.Generator().manual_seed(seed), list(range(160))
    shapes = {"w": (16, 2), "b": (16,), "v": (2, 16)}
    p = {k: nn.Parameter(0.5 * torch.randn(*s, generator=generator)) for k, s in shapes.items()}
    optimizer, shuffler = make([*p.values()], lr=lr), random.Random(seed)

    def logits(rows):
        return F.linear(F.linear(x[rows], p["w"], p["b"]).tanh(), p["v"])

    history = defaultdict(list)
    for _ in range(epochs):
        shuffler.shuffle(order)
        for start in range(0, 160, batch_size):
            rows = order[start : start + batch_size]
            optimizer.zero_grad()
            F.cross_entropy(logits(rows), y[rows]).backward()
            optimizer.step()
        with torch.no_grad():
            history["loss"] += [F.cross_entropy(logits(order), y[order]).item()]
            hits = logits(order).argmax(1) == y[order]
            history["accuracy"] += [hits.double().mean().item()]
    return history


ANSWER = Answer(
    exercise="run_experiment",
    cases=_cases,
    compare={
        "history": _compare_history,
        "fit": _compare_fit,
        "seed": _compare_seed,
        "settings": _compare_settings,
        "refused": _compare_refused,
    },
    equivalent={
        **dict.fromkeys(
            (
                'ValueError(f\'optimizer_name is "sgd" or "adam", not {optimizer_name!r}\') -> '
                "ValueError()",
                "optimizer_name -> lr #3",
                "optimizer_name -> batch_size #3",
                "optimizer_name -> epochs #3",
            ),
            "What the error says is free.",
        ),
        "circles(160) -> circles()": "160 is the default of circles.",
        "2 -> 3 #2": "The network stays inside, and a third output that no label names is unlearned.",
        "points -> labels #3": "Only the length is taken, and both have the same.",
    },
    uneven={
        "the circles are not learned": "With gradients that pile up the accuracy gets to 0.9 by chance, in "
        "1 of 30 sets. The points are the same.",
    },
    variants=(
        _with_a_dataloader,
        # Draws from a generator of its own, weights too.
        edit(SEED, "    generator = torch.Generator().manual_seed(seed)\n")
        .edit(
            MODEL,
            MODEL
            + """\
    for parameter in model.parameters():
        bound = 0.7 if parameter.shape == (16, 2) else 0.25
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
""",
        )
        .edit("randperm(len(points))", "randperm(len(points), generator=generator)"),
        _by_hand,
        _with_a_closure,
        _Experiment(),
        _in_a_defaultdict,
    ),
    misconceptions=(
        wrong(
            "model reused between runs",
            edit(NETWORK, f'globals().setdefault("shared", {NETWORK})'),
            "The model lives outside the function, so each run continues where the last one "
            "ended. Build data, model and optimizer inside the function.",
            recognise=_starts_trained,
        ),
        wrong(
            "seed ignored",
            edit("manual_seed(seed)", "manual_seed(0)"),
            "Every seed gives the same numbers: the function sets a seed of its own. Pass the "
            "argument on: torch.manual_seed(seed).",
            recognise=_only_same("seed"),
        ),
        wrong(
            "seed ignored",
            edit(SEED, ""),
            "The same seed gives different numbers: weights or batches are drawn from whatever "
            "random state happens to be there. Call torch.manual_seed(seed) before anything is "
            "drawn, that is, before the model is built.",
            recognise=_depends_on_global_state,
        ),
        wrong(
            "seed ignored",
            edit(SEED, "").edit(MODEL, MODEL + SEED),
            "The same seed gives different numbers: the weights are drawn before the seed is set. "
            "Call torch.manual_seed(seed) before the model is built.",
            recognise=_depends_on_global_state,
        ),
        wrong(
            "optimizer name ignored",
            edit("optimizer = torch.optim.SGD", "optimizer = torch.optim.Adam"),
            '"sgd" and "adam" give the same numbers: the same optimizer is built for both.',
            recognise=_only_same("optimizer"),
        ),
        wrong(
            "learning rate ignored",
            edit(SEED, f"{SEED}    lr = 0.01\n"),
            "The learning rate changes nothing: pass lr to the optimizer.",
            recognise=_only_same("lr", "sgd_lr"),
        ),
        wrong(
            "batch size ignored",
            edit("split(batch_size)", "split(16)"),
            "The batch size changes nothing: pass batch_size to whatever cuts the batches.",
            recognise=_only_same("batch_size"),
        ),
        wrong(
            "one entry per batch",
            edit(MEASURE, indent(MEASURE, "    ")),
            "Your lists have one entry per batch. Measure after the loop over the batches, once "
            "per epoch.",
            recognise=_one_entry_per_batch,
        ),
        wrong(
            "lists shared by all runs",
            edit(HISTORY, "").edit("seed):", 'seed, history={"loss": [], "accuracy": []}):'),
            "All runs append to the same lists. Create them inside the function, fresh for each "
            "run.",
            recognise=_lists_grow,
        ),
        wrong(
            "tensors instead of floats",
            edit(
                "return history",
                "return {key: [*map(torch.tensor, history[key])] for key in history}",
            ),
            "Your lists hold tensors. Take the plain number out with .item().",
            recognise=_holds_tensors,
        ),
        wrong(
            "no activation",
            edit("nn.Tanh(), ", ""),
            "The loss stays near 0.69: without the tanh between them, two linear layers are one, "
            "and one straight line cannot separate two circles.",
            recognise=_one_straight_line,
        ),
        wrong(
            "a new model in every epoch",
            edit(
                EPOCHS,
                f"{EPOCHS}    {MODEL}        optimizer = type(optimizer)(model.parameters(), lr=lr)\n",
            ),
            "The loss jumps about near 0.69 and never improves: the model is built inside the "
            "loop over the epochs, so each epoch starts from new weights. Build it once, before "
            "the loop.",
            recognise=_never_gets_on,
        ),
        wrong(
            "a tuple instead of a dict",
            edit("return history", 'return history["loss"], history["accuracy"]'),
            'You return two lists. The task asks for a dict with them under "loss" and "accuracy".',
            recognise=lambda case, got: all(
                isinstance(got["runs"][run["label"]], tuple) for run in case["runs"]
            ),
        ),
        wrong(
            "other names for the lists",
            edit("return history", 'return dict(zip(("losses", "accuracies"), history.values()))'),
            'The result\'s keys are "loss" and "accuracy", spelled exactly like that: code that '
            "plots your history looks for these names.",
            recognise=lambda case, got: all(
                set(each) != {"loss", "accuracy"} for each in _dicts(case, got)
            ),
        ),
        wrong(
            "never steps",
            edit("            optimizer.step()\n", ""),
            "The loss never changes: no weight moves. Call optimizer.step() for every batch, with "
            "an optimizer that was given this model's parameters.",
            recognise=_stands_still,
        ),
        wrong(
            "unknown optimizer accepted",
            edit('if optimizer_name == "sgd"', 'if optimizer_name != "adam"'),
            "A name that is neither sgd nor adam is accepted, so a typing mistake would go "
            "unnoticed. Raise ValueError for it.",
            recognise=_accepts_any_name,
        ),
        wrong(
            "another error for an unknown optimizer",
            edit("raise ValueError", "raise KeyError"),
            "Your function does raise an error for an unknown name, but not ValueError, which is "
            "what its caller would catch. Raise ValueError yourself.",
            recognise=_histories(
                lambda got: _fits(got) and got["raised"] not in (None, "ValueError")
            ),
        ),
        wrong(
            "learning rate ignored",
            edit("Adam(model.parameters(), lr=lr)", "Adam(model.parameters())"),
            'With "adam" the learning rate changes nothing: pass lr to both optimizers.',
            recognise=_only_same("lr"),
        ),
    ),
    symptoms=(
        Symptom(
            "not the history that was asked for",
            edit('        history["loss"].append(mean_loss)\n', ""),
            'What comes back is not {"loss": [...], "accuracy": [...]} with one float per epoch in each list.',
            lambda wrong, trials: not all(t.got["well_formed"] for t in trials),
        ),
        Symptom(
            "not accuracies",
            edit('["accuracy"].append(accuracy)', '["accuracy"].append(mean_loss)'),
            "The form is right, but your accuracies are not fractions of the 160 points: count the points "
            "that are classified correctly, and divide by 160.",
            lambda wrong, trials: any(
                abs(160 * share - round(160 * share)) > 1e-3
                for t in trials
                for share in t.got["runs"]["fit"]["accuracy"]
            ),
        ),
        Symptom(
            "the circles are not learned",
            edit("            optimizer.zero_grad()\n", ""),
            "The form is right, but adam at 0.01 does not reach an accuracy of 0.9 in 50 epochs. Does each "
            "epoch go through all batches, with the four beats in order, and compare predictions with labels?",
            lambda wrong, trials: "fit" in wrong and not all(_fits(t.got) for t in trials),
        ),
    ),
)
