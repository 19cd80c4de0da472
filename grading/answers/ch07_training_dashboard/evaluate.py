"""``evaluate``, secret half.

Long: mode, graph, means and counts are asked for, and each has mistakes of its own.
"""

import contextlib
import copy
import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from course_lib.exercises.ch07_training_dashboard.evaluate import evaluate_case
from course_lib.exercises.checking.model import Case, Observation
from course_lib.exercises.support.small_network import small_network
from grading.answers.compare import in_own_words
from grading.answers.edit import edit
from grading.answers.model import Answer, Symptom, Trial, raises, wrong

EVAL = "    model.eval()\n"
RIGHT = "(logits.argmax(dim=1) == y).sum().item()"
LOSS = "total_loss / n_examples"
ACCURACY = "n_right / n_examples"


def _cases(generator: torch.Generator) -> list[Case]:
    case = partial(evaluate_case, generator)
    first = case(n=22, sizes=(3, 6, 4), batch_size=8)
    # Never none right in the last batch: nothing would tell it from no answer at all.
    network = small_network(first["weights"], torch.nn.Tanh())
    first["y"][-1] = network(first["x"][-1:]).argmax()
    return [
        first,
        case(n=31, sizes=(5, 4, 3), batch_size=7, training=False, strided=True),
        case(n=13, sizes=(2, 7, 5), batch_size=4, loss="margin", dtype=torch.float32),
        # A batch of one at the end.
        case(n=9, sizes=(1, 5, 3), batch_size=4),
        # Several batches: the mode of the first says nothing of the others.
        case(n=24, sizes=(4, 9, 3), batch_size=8, layers=True),
        case(n=14, sizes=(3, 8, 5), batch_size=7, layers=True, training=False, loss="smoothed"),
        case(n=17, sizes=(3, 5, 4), batch_size=5, dataset=False),
        case(n=13, sizes=(4, 5, 3), stale=True),
        case(n=11, sizes=(2, 6, 4), stale=True, training=False),
    ]


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
    n = sum(y.numel() for _, y in loader)
    loss = sum(loss_fn(model(x), y).item() * y.numel() for x, y in loader)
    right = sum((F.softmax(model(x), 1).argmax(1) == y).sum().item() for x, y in loader)
    torch.set_grad_enabled(before)
    if mode:
        model.train()
    return loss / n, right / n


@contextlib.contextmanager
def _measuring(model):
    mode = model.training
    model.eval()
    with torch.no_grad():
        yield
    model.train(mode)


def _with_a_generator(model, loader, loss_fn):
    def sums():
        for x, y in loader:
            logits = model(x)
            hits = np.equal(logits.numpy().argmax(axis=1), y.numpy()).sum()
            yield len(x) * loss_fn(logits, y).item(), int(hits), len(x)

    with _measuring(model):
        loss, right, seen = map(sum, zip(*sums(), strict=True))
    return loss / seen, right / seen


class _Evaluator:
    """Typed, with a named tuple and an einsum."""

    __name__ = "callable_object"

    class Result(NamedTuple):
        loss: float
        accuracy: float

    def __call__(self, model: torch.nn.Module, loader, loss_fn) -> "_Evaluator.Result":
        state = model.training
        try:
            model.train(False)
            table = torch.tensor(
                [self._batch(model, x, y, loss_fn) for x, y in loader], dtype=torch.float64
            )
        finally:
            model.train(state)
        loss, right = torch.einsum("bk,b->k", table[:, :2], table[:, 2]) / table[:, 2].sum()
        return self.Result(loss.item(), right.item())

    @torch.no_grad()
    def _batch(self, model, x, y, loss_fn) -> list[float]:
        logits = model(x)
        top = logits.topk(1).indices.squeeze(1)
        return [loss_fn(logits, y).item(), (top == y).double().mean().item(), float(y.numel())]


def _through_functional_call(model, loader, loss_fn):
    """All inputs as one batch, with values that need no gradient."""
    values = {name: value.detach() for name, value in model.state_dict().items()}
    x, y = map(torch.cat, zip(*loader, strict=True))
    mode = model.training
    logits = torch.func.functional_call(model.eval(), values, (x,))
    model.train(mode)
    best = logits.gather(1, y[:, None]).squeeze(1) == logits.amax(1)
    return loss_fn(logits, y).item(), torch.count_nonzero(best).item() / best.numel()


class _Evaluating(contextlib.ContextDecorator):
    def __init__(self, model):
        self.model, self.no_grad = model, torch.no_grad()

    def __enter__(self):
        self.modes = [module.training for module in self.model.modules()]
        self.model.eval()
        self.no_grad.__enter__()

    def __exit__(self, *error):
        self.no_grad.__exit__(*error)
        for module, mode in zip(self.model.modules(), self.modes, strict=True):
            module.training = mode


def _with_a_context_decorator(model, loader, loss_fn):
    @_Evaluating(model)
    def means():
        loss = wrong = seen = 0
        for x, y in loader:
            seen += y.size(0)
            logits = model(x)
            loss += (loss_fn(logits, y).item() - loss) * y.size(0) / seen  # the mean so far
            wrong += torch.count_nonzero(logits.max(1).indices - y).item()
        return loss, 1 - wrong / seen

    return means()


def _in_the_mode_it_came(case: Case, got: Observation) -> bool:
    """Dropout draws its own numbers, so the wrong loss itself cannot be compared."""
    measured = got.error is None and isinstance(got.get("returned"), tuple)
    return measured and got["evaluated_in_train_mode"] is case["training"]


def _off_alike(trials: Sequence[Trial]) -> bool:
    """By the same factor, in each case."""
    pairs = [(t.got["returned"], t.expected["returned"]) for t in trials]
    return all(
        math.isclose(loss * right_accuracy, accuracy * right_loss, rel_tol=1e-4, abs_tol=1e-9)
        for (loss, accuracy), (right_loss, right_accuracy) in pairs
    )


def _no_accuracy(case: Case, expected: Observation, got: Observation) -> str | None:
    return None if got["accuracy"] is not None else "there is no pair (loss, accuracy) to look at"


def _not_called(case: Case, expected: Observation, got: Observation) -> str | None:
    seen = (got.get("recorded"), got.get("evaluated_in_train_mode"))
    return "the model is not called" if seen == (None, None) else None


ANSWER = Answer(
    exercise="evaluate",
    cases=_cases,
    compare={
        "accuracy": in_own_words(_no_accuracy, "accuracy"),
        "mode": in_own_words(_not_called, "in_eval_mode", "buffers", "training"),
        "graph": in_own_words(
            _not_called, "recorded", "gradients", "requires_grad", "grad_mode_kept"
        ),
    },
    equivalent=dict.fromkeys(
        ("y -> x", "y -> logits", "y -> x #2", "y -> logits #2"),
        "Only the length is taken, and inputs, logits and labels have the same.",
    ),
    variants=(
        _all_logits_at_once,
        _on_a_copy,
        _example_by_example,
        _switch_by_hand,
        _with_a_generator,
        _Evaluator(),
        _through_functional_call,
        _with_a_context_decorator,
    ),
    misconceptions=(
        wrong(
            "dropout left on",
            edit(EVAL, ""),
            "The model stays in train mode while you measure: dropout throws away activations and "
            "batch norm updates its statistics from the data you only wanted to look at. Call "
            "model.eval() first; no_grad() does not do this.",
            recognise=lambda case, got: (
                _in_the_mode_it_came(case, got)
                and got.get("training", case["training"]) == case["training"]
                and not got.get("recorded", False)
            ),
        ),
        wrong(
            "mode not restored",
            edit("    model.train(was_training)\n", ""),
            "You leave the model in eval mode, so a training loop that continues afterwards "
            "trains without dropout. Remember model.training first, and set it again at the end.",
        ),
        wrong(
            "always back to train mode",
            edit("train(was_training)", "train()"),
            "You end with model.train() whatever the mode was before. A model that came in eval "
            "mode must leave in eval mode: remember model.training, and set that again.",
        ),
        wrong(
            "mode restored the wrong way round",
            edit("train(was_training)", "train(not was_training)"),
            "A model that came in train mode leaves in eval mode, and the other way round. "
            "model.train(was_training) sets what you remembered.",
        ),
        wrong(
            "neither eval() nor no_grad()",
            edit(EVAL, "").edit("with torch.no_grad()", "if True"),
            "You measure as if you were training: dropout and batch norm are in train mode, and "
            "every forward pass records a graph. Call model.eval(), and loop under torch.no_grad().",
            recognise=lambda case, got: (
                _in_the_mode_it_came(case, got)
                and (got.get("recorded", True) or not case["training"])
            ),
        ),
        wrong(
            "mean of batch means",
            edit(" * len(y)", "").edit(RIGHT, f"{RIGHT} / len(y)").edit("+= len(y)", "+= 1"),
            "You average the batches' means. The last batch is smaller, so its examples count too "
            "much: add up over examples and divide by the number of examples.",
        ),
        wrong(
            "mean of batch means",
            edit(" * len(y)", "").edit(LOSS, "total_loss / len(loader)"),
            "You average the batches' mean losses. The last batch is smaller, so its examples "
            "count too much: weight each mean loss by its batch's size.",
        ),
        wrong(
            "mean of batch means",
            edit(RIGHT, f"{RIGHT} / len(y)").edit(ACCURACY, "n_right / len(loader)"),
            "You average the batches' accuracies. The last batch is smaller, so its examples "
            "count too much: count the correct predictions and divide by the number of examples.",
        ),
        wrong(
            "gradients recorded",
            edit("with torch.no_grad()", "if True"),
            "The forward passes record a graph that is never used: a waste of time and memory. "
            "eval() does not switch that off; wrap the loop in torch.no_grad().",
        ),
        wrong(
            "gradients off for good",
            edit("    return", "    torch.set_grad_enabled(False)\n    return"),
            "torch.set_grad_enabled(False) stays in effect after your function, so the training "
            "that follows fails. The block `with torch.no_grad():` ends by itself.",
        ),
        wrong(
            "gradients switched on afterwards",
            edit("    return", "    torch.set_grad_enabled(True)\n    return"),
            "You switch gradients off and, at the end, on, even where they were off before. The "
            "block `with torch.no_grad():` restores the previous state.",
        ),
        wrong(
            "parameters left frozen",
            edit(EVAL, f"{EVAL}    model.requires_grad_(False)\n"),
            "You set requires_grad to False on the parameters, and they stay frozen afterwards. "
            "`with torch.no_grad():` needs no change to the model.",
        ),
        wrong(
            "accuracy in percent",
            edit(ACCURACY, f"100 * {ACCURACY}"),
            "Your accuracy runs from 0 to 100. The task asks for a fraction between 0 and 1.",
        ),
        wrong(
            "right answers counted, not divided",
            edit(ACCURACY, "float(n_right)"),
            "You return how many predictions are correct. Divide by the number of examples.",
        ),
        wrong(
            "batch losses added",
            edit(" * len(y)", "").edit(LOSS, "total_loss"),
            "You add up the batches' mean losses, so the result grows with the number of batches. "
            "Weight each by its batch's size and divide by the number of examples.",
        ),
        wrong(
            "last batch only",
            edit("logits =", "total_loss, n_right, n_examples = 0.0, 0, 0\n            logits ="),
            "Your result covers only the last batch. Add up over all batches.",
        ),
        wrong(
            "first batch only",
            edit("+= len(y)\n", "+= len(y)\n            break\n"),
            "Your result covers only the first batch: something inside the loop ends it, such as a "
            "`return` or a `break`. What follows the last batch belongs after the loop.",
        ),
        wrong(
            "a list instead of a tuple",
            edit(f"{LOSS}, {ACCURACY}", f"[{LOSS}, {ACCURACY}]"),
            "You return a list. Return a tuple of the two numbers: loss, accuracy.",
            recognise=lambda case, got: (
                got.error is None
                and isinstance(got["returned"], list)
                and len(got["returned"]) == 2
            ),
        ),
        wrong(
            "tensors instead of floats",
            edit(ACCURACY, f"torch.tensor({ACCURACY})"),
            "The accuracy is a tensor. Take the number out with .item().",
            recognise=lambda case, got: (
                got.error is None
                and isinstance(got["returned"], tuple)
                and any(isinstance(value, torch.Tensor) for value in got["returned"])
            ),
        ),
        wrong(
            "argmax over the batch",
            edit("argmax(dim=1)", "argmax(dim=0)"),
            "You take the largest entry down the batch, argmax(dim=0). The classes lie along "
            "dim=1: each row of logits gives one prediction.",
            recognise=raises("size of tensor"),
        ),
        wrong(
            "one argmax for the whole batch",
            edit("argmax(dim=1)", "argmax()"),
            "argmax() without a dimension gives one number for the whole batch. argmax(dim=1) gives "
            "one prediction per example.",
        ),
        wrong(
            "examples counted by loader.dataset",
            edit(LOSS, "total_loss / len(loader.dataset)"),
            "You ask the loader for its dataset. A loader is anything that yields pairs x, y, and "
            "not every loader has that attribute: count the examples as they come, with len(y).",
            recognise=raises("no attribute 'dataset'", lambda case: not case["dataset"]),
        ),
        wrong(
            "accuracy before loss",
            edit(f"{LOSS}, {ACCURACY}", f"{ACCURACY}, {LOSS}"),
            "The two results are swapped: the loss comes first, then the accuracy.",
        ),
    ),
    symptoms=(
        Symptom(
            "examples counted wrong",
            edit("n_examples += len(y)", "n_examples = len(y)"),
            "Loss and accuracy are off by the same factor, so what both are divided by is not the number of "
            "all examples: start at 0, and add the size of every batch.",
            lambda wrong, trials: {"loss", "accuracy"} <= wrong and _off_alike(trials),
        ),
        Symptom(
            "mean loss off",
            edit("total_loss += ", "total_loss = "),
            "The accuracy is right, the loss is not. It is a mean over all examples: add up each batch's loss "
            "times its size, from 0, and divide once by the number of all examples.",
            lambda wrong, trials: "loss" in wrong and "accuracy" not in wrong,
        ),
        Symptom(
            "accuracy off",
            edit("n_right += ", "n_right = "),
            "The loss is right, the accuracy is not. Count the rows whose largest logit is the right one, from "
            "0 and over all batches, and divide once by the number of all examples.",
            lambda wrong, trials: "accuracy" in wrong and "loss" not in wrong,
        ),
    ),
)
