"""``fit``, secret half."""

import copy
import itertools
from dataclasses import dataclass, field
from functools import lru_cache, partial

import torch

from course_lib.exercises.ch05_complete_loop.fit import fit_case
from course_lib.exercises.checking.model import Case, Observation
from course_lib.exercises.checking.wire import pack, type_name, unpack
from course_lib.exercises.support.classifier import build
from course_lib.exercises.support.loop_watch import parameters_of
from grading.answers.compare import difference
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong
from grading.chapter_text.reference import reference


def _cases(generator: torch.Generator) -> list[Case]:
    case = partial(fit_case, generator)
    return [
        # Momentum: a new optimizer in each epoch forgets its velocities.
        case(3, n=11, sizes=(2, 3, 4), batch_size=4, lr=0.2, momentum=0.9),
        case(5, n=9, sizes=(3, 4, 2), batch_size=5, lr=0.3, loss="smoothed", momentum=0.5),
        case(1, n=7, sizes=(4, 2, 3), batch_size=3, lr=0.1, dataset=False),
        case(0, n=8, sizes=(2, 5, 3), batch_size=3, lr=0.1),
        # Long, with losses that rise: nothing was said of stopping early.
        case(14, n=6, sizes=(3, 2, 1), batch_size=3, lr=0.05, loss="squared"),
    ]


@lru_cache(maxsize=256)
def _real_run(packed: bytes) -> tuple[list[float], list[torch.Tensor]]:
    """The losses and the weights of a loop that trains for all epochs of a case: computed once,
    whoever is judged by it."""
    case = unpack(packed)
    [train_one_epoch] = reference("train_one_epoch")
    parts = build(case)
    losses = [train_one_epoch(*parts) for _ in range(case["epochs"])]
    return losses, parameters_of(parts[0])


def _history_problem(case: Case, expected: Observation, got: Observation) -> str | None:
    """A ``fit`` that called the stand-in returns its numbers; one that loops itself, real losses."""
    if got.get("keeps_what_came"):
        return None
    own_loop = not got.get("stand_in_used")
    history = _real_run(pack(dict(case)))[0] if own_loop else expected["returned"]
    returned = got.get("returned")
    problem = difference(history, returned, 1e-6, 1e-9)
    listed = own_loop and isinstance(returned, list)
    if problem and listed and [type(loss) for loss in returned] == [float] * len(history):
        return (
            "the losses are not those of a run that trains the given model with the given optimizer "
            "throughout"
        )
    return problem


def _epochs_problem(case: Case, expected: Observation, got: Observation) -> str | None:
    trained = got.get("epochs_trained")
    if difference(expected["epochs_trained"], trained, 0.0, 0.0):
        return f"with epochs={case['epochs']} yours trains for {trained}"
    if got.get("stand_in_used"):
        return None
    _, weights = _real_run(pack(dict(case)))
    if difference(weights, got.get("parameters"), 1e-6, 1e-9):
        return (
            "the given model does not end with the weights that the given optimizer would give it: "
            "train this model, and make neither a copy of it nor a new optimizer"
        )
    if case["epochs"] and not got.get("optimizer_used"):
        return "the optimizer that came in makes no step: use it instead of one of your own"
    return None


#: What the solutions below call: the driver puts its stand-in here.
train_one_epoch = None


def _comprehension(model, loader, loss_fn, optimizer, epochs):
    return [train_one_epoch(model, loader, loss_fn, optimizer) for _ in range(epochs)]


def _while(model, loader, loss_fn, optimizer, epochs):
    history = []
    while len(history) < epochs:
        history += [train_one_epoch(model, loader, loss_fn, optimizer)]
    return history


def _own_loop(model, loader, loss_fn, optimizer, epochs):
    history = [0.0] * epochs
    for epoch in range(epochs):
        model.train()
        seen = 0
        for x, y in loader:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            history[epoch] += loss.item() * len(x)
            seen += len(x)
        history[epoch] /= seen
    return history


def _recursive(model, loader, loss_fn, optimizer, epochs):
    if epochs <= 0:
        return []
    first = train_one_epoch(model=model, loader=loader, loss_fn=loss_fn, optimizer=optimizer)
    return [first, *_recursive(model, loader, loss_fn, optimizer, epochs - 1)]


def _generator(model, loader, loss_fn, optimizer, epochs: int) -> list[float]:
    def losses():
        for _ in range(epochs):
            yield train_one_epoch(model, loader, loss_fn, optimizer)

    return list(losses())


@torch.enable_grad()
def _with_starmap(model, loader, loss_fn, optimizer, epochs):
    turns = itertools.repeat((model, loader, loss_fn, optimizer), epochs)
    return list(itertools.starmap(train_one_epoch, turns))


def _own_loop_in_a_class(model, loader, loss_fn, optimizer, epochs):
    @dataclass
    class Epoch:
        number: int
        rows: list[tuple[float, int]] = field(default_factory=list)

        def run(self) -> "Epoch":
            model.train()
            for x, y in loader:
                (loss := loss_fn(model(x), y)).backward()
                optimizer.step()
                optimizer.zero_grad(set_to_none=False)
                self.rows.append((loss.item(), len(y)))
            return self

        def __float__(self) -> float:
            return sum(loss * n for loss, n in self.rows) / sum(n for _, n in self.rows)

    model.zero_grad()
    return [float(Epoch(number).run()) for number in range(1, epochs + 1)]


def _on_a_copy(model, loader, loss_fn, optimizer, epochs):
    twin = copy.deepcopy(model)
    parts = [{**group, "params": twin.parameters()} for group in optimizer.param_groups]
    return _own_loop(twin, loader, loss_fn, type(optimizer)(parts), epochs)


ANSWER = Answer(
    exercise="fit",
    cases=_cases,
    equivalent={"return history -> return list(history)": "It is a list."},
    compare={"history": _history_problem, "epochs": _epochs_problem},
    variants=(
        _comprehension,
        _while,
        _own_loop,
        _recursive,
        _generator,
        _with_starmap,
        _own_loop_in_a_class,
    ),
    misconceptions=(
        wrong(
            "one epoch too few",
            edit("range(epochs)", "range(epochs - 1)"),
            "You train one epoch too few: range(epochs) runs exactly `epochs` times, range(1, "
            "epochs) or range(epochs - 1) one time fewer.",
        ),
        wrong(
            "one epoch too many",
            edit("range(epochs)", "range(epochs + 1)"),
            "You train one epoch too many: range(epochs) runs exactly `epochs` times, "
            "range(epochs + 1) one time more.",
        ),
        wrong(
            "only the last value",
            edit("history = []", "loss = None")
            .edit("history.append(", "loss = (")
            .edit("return history", "return loss"),
            "You return one number. Collect one loss per epoch in a list, and return the list.",
        ),
        wrong(
            "return inside the loop",
            edit("    return history", "        return history\n    return history"),
            "Training ends after the first epoch: something inside the loop ends it, such as a "
            "`return`. That belongs after the loop.",
            recognise=lambda case, got: (
                got.error is None
                and isinstance(got.get("returned"), list)
                and len(got["returned"]) == min(1, case["epochs"])
                and got.get("epochs_trained") == min(1, case["epochs"])
            ),
        ),
        wrong(
            "nothing returned",
            edit("    return history\n", ""),
            "The losses are collected, but nothing is returned: return the list after the loop.",
        ),
        wrong(
            "trained twice per epoch",
            edit(
                "history.append",
                "train_one_epoch(model, loader, loss_fn, optimizer)\n        history.append",
            ),
            "You call train_one_epoch twice per epoch, and each call trains. Call it once, and "
            "keep what it returns.",
            recognise=lambda case, got: (
                got.error is None and got["epochs_trained"] == 2 * case["epochs"]
            ),
        ),
        wrong(
            "function kept instead of called",
            edit("train_one_epoch(model, loader, loss_fn, optimizer)", "train_one_epoch"),
            "You put train_one_epoch itself into the list, so nothing is trained. A function runs "
            "when parentheses follow it: train_one_epoch(model, loader, loss_fn, optimizer).",
            # One for each epoch: an empty list holds none, which is another mistake.
            recognise=lambda case, got: (
                isinstance(returned := got.get("returned"), list)
                and [type_name(each) for each in returned] == ["function"] * case["epochs"]
            ),
        ),
        wrong(
            "one epoch's loss repeated",
            edit("range(epochs)", "range(epochs)[:1]").edit(
                "return history", "return history * epochs"
            ),
            "You train one epoch and record its loss several times. Call train_one_epoch inside "
            "the loop, once per epoch.",
        ),
        wrong(
            "a copy of the model trained",
            _on_a_copy,
            "You train a copy, so the caller's model is as untrained as before. Train the model that "
            "you are given.",
            recognise=lambda case, got: (
                got.error is None
                and not got["stand_in_used"]
                and not got["moved"]
                and got["epochs_trained"] == case["epochs"]
            ),
        ),
        wrong(
            "a new optimizer in every epoch",
            edit(
                "seen = 0",
                "seen, optimizer = 0, type(optimizer)(optimizer.param_groups, **optimizer.defaults)",
                of=_own_loop,
            ),
            "You make a new optimizer in each epoch, which starts without the velocities that the old "
            "one had gathered. Use the one that you are given.",
        ),
        wrong(
            "list started anew in every epoch",
            edit("        history.append", "        history = []\n        history.append"),
            "You create the empty list inside the loop, so each epoch throws away what the "
            "earlier ones wrote. Create it once, before the loop.",
        ),
    ),
)
