"""Chapter 05, secret half: cases, misconceptions, right variants and the quiz's key."""

import itertools
import math
import re

import torch
from torch import nn

from course_lib.exercises import ch05_complete_loop as public
from course_lib.exercises.checking.model import Case, Observation
from course_lib.exercises.checking.wire import type_name
from grading.answers.model import Answer, Misconception, QuizKey

# --- train_one_epoch ----------------------------------------------------------------------------


def _epoch_cases(generator: torch.Generator) -> list[Case]:
    def case(**settings):
        return public.classifier_case(generator, **settings)

    return [
        case(n=22, sizes=(3, 5, 4), batch_size=8, lr=0.3, momentum=0.5, stale=True),
        case(n=17, sizes=(6, 4, 3), batch_size=5, lr=0.2),
        case(n=19, sizes=(4, 7, 2), batch_size=4, lr=0.4, momentum=0.9, stale=True),
        case(n=23, sizes=(5, 6, 3), batch_size=7, lr=0.3, batch_norm=True),
    ]


def _seen(parts):
    return sum(n for _, n in parts)


def _mean_per_example(parts):
    return sum(loss.item() * n for loss, n in parts) / _seen(parts)


def _last_loss(parts):
    return parts[-1][0].item()


def _epoch(
    beats="ZFLBS",
    *,
    before="",
    after="",
    train_mode=True,
    batches=None,
    loss_of=lambda loss_fn, predictions, y: loss_fn(predictions, y),
    result=_mean_per_example,
):
    """A loop with one mistake, or none.

    ``beats`` are played for each batch in this order (letters of ``course_lib.beats``), ``before``
    and ``after`` once around the loop; ``batches`` ends it early. ``result`` gets a list of
    (the batch's last loss, its size).
    """

    def train_one_epoch(model, loader, loss_fn, optimizer):
        predictions = loss = None

        def play(order, x=None, y=None):
            nonlocal predictions, loss
            for beat in order:
                match beat:
                    case "Z":
                        optimizer.zero_grad()
                    case "F":
                        predictions = model(x)
                    case "L":
                        loss = loss_of(loss_fn, predictions, y)
                    case "B":
                        loss.backward()
                    case "S":
                        optimizer.step()

        if train_mode:
            model.train()
        parts = []
        play(before)
        for x, y in itertools.islice(loader, batches):
            play(beats, x, y)
            parts.append((loss, len(y)))
        play(after)
        return result(parts)

    return train_one_epoch


def _counts_the_dataset(model, loader, loss_fn, optimizer):
    total = _epoch(result=lambda parts: sum(loss.item() * n for loss, n in parts))
    return total(model, loader, loss_fn, optimizer) / len(loader.dataset)


def _unmoved(case: Case, got: Observation) -> bool:
    before = public.build(case)[0].parameters()
    after = got.get("batch_norm_parameters" if case["batch_norm"] else "parameters") or []
    return all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def _steps_too_early(case: Case, got: Observation) -> bool:
    order = "".join(got.events)
    raised = got.error is not None and "inplace" in got.error.message
    stands_still = got.error is None and _unmoved(case, got)
    return (raised or stands_still) and "S" in order and order.find("S") < order.find("B")


def _clears_too_late(case: Case, got: Observation) -> bool:
    """The weights stand still, and between backward() and its step() lies a zero_grad()."""
    order = "".join(got.events)
    return got.error is None and _unmoved(case, got) and bool(re.search("B[^FLS]*ZS", order))


def _never_goes_back(case: Case, got: Observation) -> bool:
    return got.error is None and "B" not in got.events and "S" in got.events


def _raised(words: str):
    """Recognises an error of the learner's code by words of its message."""
    return lambda case, got: got.error is not None and words in got.error.message


def _never_steps(case: Case, got: Observation) -> bool:
    return got.error is None and "S" not in got.events and "B" in got.events and _unmoved(case, got)


# Right, written differently.


def _clear_at_the_end(model, loader, loss_fn, optimizer):
    model.train()
    model.zero_grad()
    weighted = []
    count = 0
    for x, y in loader:
        predictions = model(x)
        loss = loss_fn(predictions, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        weighted.append(float(loss.detach()) * x.shape[0])
        count += x.shape[0]
    return sum(weighted) / count


def _with_closure(model, loader, loss_fn, optimizer):
    model.train(True)
    total = torch.zeros((), dtype=torch.float64)
    seen = 0
    for x, y in loader:

        def closure(x=x, y=y):
            model.zero_grad(set_to_none=False)
            loss = loss_fn(model(x), y)
            loss.backward()
            return loss

        total += optimizer.step(closure).detach() * y.size(0)
        seen += y.size(0)
    return (total / seen).item()


def _with_autograd_grad(model, loader, loss_fn, optimizer):
    model.train()
    parameters = list(model.parameters())
    losses, sizes = [], []
    for x, y in loader:
        loss = loss_fn(model(x), y)
        for parameter, gradient in zip(
            parameters, torch.autograd.grad(loss, parameters), strict=True
        ):
            parameter.grad = gradient
        optimizer.step()
        losses.append(loss.item())
        sizes.append(len(x))
    return math.fsum(a * b for a, b in zip(losses, sizes, strict=True)) / sum(sizes)


TRAIN_ONE_EPOCH = Answer(
    exercise="train_one_epoch",
    cases=_epoch_cases,
    variants=(_clear_at_the_end, _with_closure, _with_autograd_grad),
    misconceptions=(
        Misconception(
            "zero_grad between backward and step",
            _epoch("FLBZS"),
            "You clear the gradients after backward() has filled them and before step() uses "
            "them. The step finds nothing to move by, so the weights never change.",
            recognise=_clears_too_late,
        ),
        Misconception(
            "step before backward",
            _epoch("ZFLSB"),
            "step() runs before backward() has made this batch's gradients. Right after clearing "
            "there is nothing to move by, so the weights stand still.",
            recognise=_steps_too_early,
        ),
        Misconception(
            "step before backward",
            _epoch("FLSZB"),
            "step() changes the weights while the graph of this batch still needs their old "
            "values, so the backward() that follows raises. Move step() behind backward().",
            recognise=_steps_too_early,
        ),
        Misconception(
            "step before backward",
            _epoch("SFLZB"),
            "step() opens the loop, so each batch moves the weights by the gradients of the batch "
            "before it; the last batch is never used. Move step() behind backward().",
        ),
        Misconception(
            "no step",
            _epoch("ZFLB"),
            "Gradients are computed and never used: without optimizer.step() no weight moves. (With "
            "its parentheses: optimizer.step alone only names the method.)",
            recognise=_never_steps,
        ),
        Misconception(
            "no backward",
            _epoch("ZFLS"),
            "loss.backward() is missing, so there are no gradients of this batch that step() could "
            "move by.",
            recognise=_never_goes_back,
        ),
        Misconception(
            "one step for the whole epoch",
            _epoch("ZFLB", after="S"),
            "step() stands after the loop over the batches, so there is one update for all of them, "
            "by the last batch's gradient. Each batch gets its own step: move it into the loop.",
        ),
        Misconception(
            "no zero_grad",
            _epoch("FLBS"),
            "backward() adds to the gradients that are already there. Without zero_grad() each "
            "step moves by the sum of all batches so far, and by leftovers from before.",
        ),
        Misconception(
            "cleared once, not once per batch",
            _epoch("FLBS", before="Z"),
            "zero_grad() stands before the loop and runs once, so from the second batch on each "
            "step moves by the sum of all batches so far. Move it into the loop.",
        ),
        Misconception(
            "softmax before the loss",
            _epoch(loss_of=lambda loss_fn, p, y: loss_fn(torch.softmax(p, dim=1), y)),
            "You apply a softmax before loss_fn. The loss takes the model's predictions as they "
            "are; cross-entropy does the softmax itself (chapter 02).",
        ),
        Misconception(
            "arguments of loss_fn swapped",
            _epoch(loss_of=lambda loss_fn, predictions, y: loss_fn(y, predictions)),
            "loss_fn gets its arguments in the wrong order: predictions first, then the targets.",
            recognise=_raised("not implemented for 'Long'"),
        ),
        Misconception(
            "examples counted by loader.dataset",
            _counts_the_dataset,
            "You ask the loader for its dataset. A loader is anything that gives pairs x, y, and "
            "not every one has that attribute: count the examples as they come, with len(y).",
            recognise=_raised("no attribute 'dataset'"),
        ),
        Misconception(
            "mean of batch means",
            _epoch(result=lambda parts: sum(loss.item() for loss, _ in parts) / len(parts)),
            "You average the batches' means. The last batch is smaller, so its examples count "
            "too much: weigh each mean by its batch's size.",
        ),
        Misconception(
            "batch means divided by examples",
            _epoch(result=lambda parts: sum(loss.item() for loss, _ in parts) / _seen(parts)),
            "You add up the batches' means and divide by the number of examples, so the result is "
            "too small. Multiply each mean by its batch's size before you add it.",
        ),
        Misconception(
            "sum over examples divided by batches",
            _epoch(result=lambda parts: _mean_per_example(parts) * _seen(parts) / len(parts)),
            "You weigh each batch by its size, and then divide by the number of batches. Divide by "
            "the number of examples.",
        ),
        Misconception(
            "sum of batch means",
            _epoch(result=lambda parts: sum(loss.item() for loss, _ in parts)),
            "You return the sum of the batches' means: it grows with the number of batches. "
            "Weigh each by its batch's size and divide by the number of examples.",
        ),
        Misconception(
            "last batch only",
            _epoch(result=_last_loss),
            "You return the loss of the last batch. One small batch says little: average over "
            "all examples of the epoch.",
        ),
        Misconception(
            "return inside the loop",
            _epoch(batches=1, result=_last_loss),
            "The return stands inside the loop, so the epoch ends after its first batch. Move it "
            "out by one indentation.",
        ),
        Misconception(
            "tensor with graph returned",
            _epoch(result=lambda parts: sum(loss * n for loss, n in parts) / _seen(parts)),
            "You add up loss tensors, so the result keeps every batch's graph alive in memory. "
            "Add loss.item(), a plain number.",
        ),
        Misconception(
            "a tensor returned",
            _epoch(result=lambda parts: sum(loss.detach() * n for loss, n in parts) / _seen(parts)),
            "The number is right and comes as a tensor. Take it out with .item().",
        ),
        Misconception(
            "nothing returned",
            _epoch(result=lambda parts: None),
            "The epoch is trained, and nothing comes back. Return the mean loss after the loop; "
            "printing it is not enough.",
        ),
        Misconception(
            "train mode not set",
            _epoch(train_mode=False),
            "The loop trains in whatever mode it finds. After an evaluation that is eval mode, "
            "where dropout and batch norm do not learn: call model.train() first.",
        ),
        Misconception(
            "loss measured after the step",
            _epoch("ZFLBSFL"),
            "You compute the loss once more after the step. That costs a second forward pass and "
            "reports another number: log the loss that you trained on.",
        ),
    ),
)

# --- fit ----------------------------------------------------------------------------------------


def _fit_cases(generator: torch.Generator) -> list[Case]:
    return [
        public.fit_case(generator, 3, n=11, sizes=(2, 3, 4), batch_size=4, lr=0.2),
        public.fit_case(generator, 5, n=9, sizes=(3, 4, 2), batch_size=5, lr=0.3),
        public.fit_case(generator, 1, n=7, sizes=(4, 2, 3), batch_size=3, lr=0.1),
        public.fit_case(generator, 0, n=8, sizes=(2, 5, 3), batch_size=3, lr=0.1),
    ]


def _expected_history(case: Case, expected: Observation, got: Observation) -> str | None:
    """A ``fit`` that called the stand-in returns its numbers; one that loops itself, real losses."""
    from grading.answers.compare import difference

    history = expected["returned"]
    if not got.get("stand_in_used") and case["epochs"]:
        epoch = _epoch()
        parts = public.build(case)
        history = [epoch(*parts) for _ in range(case["epochs"])]
    return difference(history, got.get("returned"), 1e-6, 1e-9)


def train_one_epoch(*args):
    """Name that the solutions below call; the driver puts its stand-in here."""
    raise AssertionError("only ever replaced by the stand-in")


def _fit_with_epochs(count):
    def fit(model, loader, loss_fn, optimizer, epochs):
        history = []
        for _ in range(count(epochs)):
            history.append(train_one_epoch(model, loader, loss_fn, optimizer))
        return history

    return fit


def _fit_last_value(model, loader, loss_fn, optimizer, epochs):
    loss = None
    for _ in range(epochs):
        loss = train_one_epoch(model, loader, loss_fn, optimizer)
    return loss


def _fit_nothing_returned(model, loader, loss_fn, optimizer, epochs):
    _fit_comprehension(model, loader, loss_fn, optimizer, epochs)


def _fit_two_calls(model, loader, loss_fn, optimizer, epochs):
    history = []
    for _ in range(epochs):
        train_one_epoch(model, loader, loss_fn, optimizer)
        history.append(train_one_epoch(model, loader, loss_fn, optimizer))
    return history


def _fit_one_number_repeated(model, loader, loss_fn, optimizer, epochs):
    return [train_one_epoch(model, loader, loss_fn, optimizer)] * epochs if epochs else []


def _fit_never_calls(model, loader, loss_fn, optimizer, epochs):
    return [train_one_epoch for _ in range(epochs)]


def _holds_functions(case: Case, got: Observation) -> bool:
    """One for each epoch: an empty list holds none, which is another mistake."""
    returned = got.get("returned")
    return (
        isinstance(returned, list)
        and len(returned) == case["epochs"]
        and all(type_name(each) == "function" for each in returned)
    )


def _trains_twice(case: Case, got: Observation) -> bool:
    """Where there are enough scripted numbers; else the stand-in stops the second round."""
    if got.error is not None:
        return "called more than" in got.error.message
    return got.get("epochs_trained") == 2 * case["epochs"]


def _fit_new_list_each_time(model, loader, loss_fn, optimizer, epochs):
    history = []
    for _ in range(epochs):
        history = []
        history.append(train_one_epoch(model, loader, loss_fn, optimizer))
    return history


def _fit_return_inside(model, loader, loss_fn, optimizer, epochs):
    history = []
    for _ in range(epochs):
        history.append(train_one_epoch(model, loader, loss_fn, optimizer))
        return history
    return history


def _fit_comprehension(model, loader, loss_fn, optimizer, epochs):
    return [train_one_epoch(model, loader, loss_fn, optimizer) for _ in range(epochs)]


def _fit_while(model, loader, loss_fn, optimizer, epochs):
    history = []
    while len(history) < epochs:
        history += [train_one_epoch(model, loader, loss_fn, optimizer)]
    return history


def _fit_own_loop(model, loader, loss_fn, optimizer, epochs):
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


FIT = Answer(
    exercise="fit",
    cases=_fit_cases,
    compare={"history": _expected_history},
    variants=(_fit_comprehension, _fit_while, _fit_own_loop),
    misconceptions=(
        Misconception(
            "one epoch too few",
            _fit_with_epochs(lambda epochs: max(0, epochs - 1)),
            "You train one epoch too few: range(epochs) runs exactly `epochs` times, "
            "range(1, epochs) or range(epochs - 1) once less.",
        ),
        Misconception(
            "one epoch too many",
            _fit_with_epochs(lambda epochs: epochs + 1),
            "You train one epoch too many: range(epochs) runs exactly `epochs` times, "
            "range(epochs + 1) once more.",
        ),
        Misconception(
            "only the last value",
            _fit_last_value,
            "You return one number. Collect one loss per epoch in a list, and return the list.",
        ),
        Misconception(
            "return inside the loop",
            _fit_return_inside,
            "The return stands inside the loop, so training ends after the first epoch.",
            recognise=lambda case, got: (
                got.error is None
                and isinstance(got.get("returned"), list)
                and len(got["returned"]) == min(1, case["epochs"])
                and got.get("epochs_trained") == min(1, case["epochs"])
            ),
        ),
        Misconception(
            "nothing returned",
            _fit_nothing_returned,
            "The losses are collected and nothing comes back: return the list after the loop.",
        ),
        Misconception(
            "trained twice per epoch",
            _fit_two_calls,
            "You call train_one_epoch twice in every turn: each call trains. Call it once, and "
            "keep what it returns.",
            recognise=_trains_twice,
        ),
        Misconception(
            "function kept instead of called",
            _fit_never_calls,
            "You put train_one_epoch itself into the list, so nothing is trained. A function runs "
            "when parentheses follow it: train_one_epoch(model, loader, loss_fn, optimizer).",
            recognise=_holds_functions,
        ),
        Misconception(
            "one epoch's loss repeated",
            _fit_one_number_repeated,
            "You train one epoch and write its loss down several times. Call train_one_epoch "
            "inside the loop, once per epoch.",
        ),
        Misconception(
            "list started anew in every epoch",
            _fit_new_list_each_time,
            "The empty list is made inside the loop, so each epoch throws away what the earlier "
            "ones wrote. Make it once, before the loop.",
        ),
    ),
)

# --- train_with_accumulation --------------------------------------------------------------------


def _accumulation_cases(generator: torch.Generator) -> list[Case]:
    def case(batches, steps, **settings):
        return public.accumulation_case(generator, batches, steps, **settings)

    return [
        case(6, 3, sizes=(3, 5, 4), batch_size=4, lr=0.3, momentum=0.9),
        case(8, 2, sizes=(4, 3, 2), batch_size=3, lr=0.4),
        case(7, 3, sizes=(5, 4, 3), batch_size=2, lr=0.3, momentum=0.5, stale=True),
        case(3, 5, sizes=(2, 6, 4), batch_size=5, lr=0.5, stale=True),
        case(5, 4, sizes=(3, 4, 2), batch_size=4, lr=0.3),
    ]


def _accumulate(
    *,
    divide_by="its group",
    clear=("before the loop", "after a step"),
    step_at="the group's end",
    result=lambda made, batches, accumulate_steps: made,
):
    """A loop with one mistake, or none; the last group may be shorter than ``accumulate_steps``."""

    def train_with_accumulation(model, loader, loss_fn, optimizer, accumulate_steps):
        n, made = len(loader), 0
        if "before the loop" in clear:
            optimizer.zero_grad()
        for i, (x, y) in enumerate(loader):
            place = i % accumulate_steps
            divisor = {
                "its group": min(accumulate_steps, n - (i - place)),
                "accumulate_steps": accumulate_steps,
                "all batches": n,
                "nothing": 1,
            }[divide_by]
            full = place + 1 == accumulate_steps
            due = {
                "the group's end": full or i + 1 == n,
                "full groups": full,
                "the group's start": place == 0,
                "every batch": True,
            }[step_at]
            if "every batch" in clear:
                optimizer.zero_grad()
            (loss_fn(model(x), y) / divisor).backward()
            if due:
                optimizer.step()
                made += 1
                if "after a step" in clear:
                    optimizer.zero_grad()
        return result(made, n, accumulate_steps)

    return train_with_accumulation


def _one_big_batch(model, loader, loss_fn, optimizer, accumulate_steps):
    batches = list(loader)
    starts = range(0, len(batches), accumulate_steps)
    for start in starts:
        group = batches[start : start + accumulate_steps]
        x, y = (torch.cat(parts) for parts in zip(*group, strict=True))
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()
    return len(starts)


def _scale_the_gradients(model, loader, loss_fn, optimizer, accumulate_steps):
    model.train()
    made, waiting = 0, 0

    def step():
        for p in model.parameters():
            p.grad /= waiting
        optimizer.step()
        model.zero_grad()

    model.zero_grad()
    for x, y in loader:
        loss_fn(model(x), y).backward()
        waiting += 1
        if waiting == accumulate_steps:
            step()
            made, waiting = made + 1, 0
    if waiting:
        step()
        made += 1
    return made


def _sum_losses_first(model, loader, loss_fn, optimizer, accumulate_steps):
    made, losses = 0, []
    for i, (x, y) in enumerate(loader, start=1):
        losses.append(loss_fn(model(x), y))
        if len(losses) == accumulate_steps or i == len(loader):
            optimizer.zero_grad(set_to_none=False)
            torch.stack(losses).mean().backward()
            optimizer.step()
            made, losses = made + 1, []
    return made


TRAIN_WITH_ACCUMULATION = Answer(
    exercise="train_with_accumulation",
    cases=_accumulation_cases,
    variants=(_one_big_batch, _scale_the_gradients, _sum_losses_first),
    misconceptions=(
        Misconception(
            "no division",
            _accumulate(divide_by="nothing"),
            "The gradients of a group are added and never divided, so a step is as many times too "
            "long as the group has batches. Divide each loss by the length of its group.",
        ),
        Misconception(
            "cleared every batch",
            _accumulate(clear=("before the loop", "every batch", "after a step")),
            "zero_grad() runs for every batch, so only the last batch of a group is left when the "
            "step comes. Clear once per group.",
        ),
        Misconception(
            "last group dropped",
            _accumulate(divide_by="accumulate_steps", step_at="full groups"),
            "A last group that is not full never gets its step: its batches are lost. Step at the "
            "end of the loader too.",
        ),
        Misconception(
            "last group divided by accumulate_steps",
            _accumulate(divide_by="accumulate_steps"),
            "The last group is shorter, and you divide it by accumulate_steps all the same: its "
            "step is too short. Divide by the number of batches that the group really has.",
        ),
        Misconception(
            "leftover gradients counted in",
            _accumulate(clear=("after a step",)),
            "Gradients from before the call are still there when the first group starts, and its "
            "step includes them. Clear once before the loop.",
        ),
        Misconception(
            "divided by all batches of the epoch",
            _accumulate(divide_by="all batches"),
            "You divide each loss by the number of all batches. A step is about its own group: "
            "divide by the number of batches in that group.",
        ),
        Misconception(
            "step at the first batch of a group",
            _accumulate(divide_by="accumulate_steps", step_at="the group's start"),
            "i % accumulate_steps == 0 is true at the first batch of a group, so the step comes "
            "when the group has hardly begun. It belongs behind the group's last batch.",
        ),
        Misconception(
            "not cleared between groups",
            _accumulate(clear=("before the loop",)),
            "Between two groups nobody clears, so a group's step includes all the groups before. "
            "Clear after each step.",
        ),
        Misconception(
            "a step for every batch",
            _accumulate(divide_by="nothing", clear=("every batch",), step_at="every batch"),
            "You step after every batch, so nothing is accumulated. Wait until accumulate_steps "
            "batches have added their gradients.",
        ),
        Misconception(
            "last step not counted",
            _accumulate(result=lambda made, batches, steps: batches // steps),
            "The last shorter group gets its step, and you do not count it.",
        ),
        Misconception(
            "nothing returned",
            _accumulate(result=lambda made, batches, steps: None),
            "The steps are right, and nothing comes back: return their number.",
        ),
        Misconception(
            "batches counted instead of steps",
            _accumulate(result=lambda made, batches, steps: batches),
            "You return the number of batches. The result is the number of optimizer steps: one "
            "per group.",
        ),
    ),
)

ANSWERS = (TRAIN_ONE_EPOCH, FIT, TRAIN_WITH_ACCUMULATION)

# --- quiz ---------------------------------------------------------------------------------------


def _prove_step_without_gradients() -> str:
    model = nn.Linear(3, 2)
    before = [p.detach().clone() for p in model.parameters()]
    try:
        torch.optim.Adam(model.parameters(), lr=0.5).step()
    except RuntimeError:
        return "B"
    after = list(model.parameters())
    if all(torch.equal(a, b) for a, b in zip(before, after, strict=True)):
        return "A"
    return "D" if all(not p.any() for p in after) else "C"


def _prove_clearing_place() -> str:
    """Train with zero_grad() at each of the four places; exactly one leaves the weights unmoved."""
    broken = []
    for letter, beats in {"A": "ZFLBS", "B": "FLBZS", "C": "FZLBS", "D": "FLBSZ"}.items():
        case = public.classifier_case(
            torch.Generator().manual_seed(0), n=12, sizes=(3, 4, 2), batch_size=4, lr=0.5
        )
        model, loader, loss_fn, optimizer = public.build(case)
        before = [p.detach().clone() for p in model.parameters()]
        _epoch(beats)(model, loader, loss_fn, optimizer)
        if all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)):
            broken.append(letter)
    return "".join(broken)


def _prove_momentum_without_friction() -> str:
    """On L = w^2/2 the uncleared loop follows exactly momentum with coefficient 1."""

    def path(momentum: float, clear: bool, lr: float) -> list[float]:
        w = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=lr, momentum=momentum)
        losses = []
        for _ in range(40):
            if clear:
                optimizer.zero_grad()
            loss = w**2 / 2
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    forgotten, swing = path(0.0, clear=False, lr=0.01), path(1.0, clear=True, lr=0.01)
    same = all(
        math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
        for a, b in zip(forgotten, swing, strict=True)
    )
    quicker_at_first = forgotten[10] < path(0.0, clear=True, lr=0.01)[10]
    return "D" if same and quicker_at_first else "A"


QUIZ = (
    QuizKey(
        "q05_1",
        "A",
        {
            "A": "Every parameter's .grad is None, and an optimizer skips those.",
            "B": "PyTorch does not complain: parameters without a gradient are skipped.",
            "C": "There is nothing to move by; an optimizer adds no noise.",
            "D": "step() never resets anything.",
        },
        _prove_step_without_gradients,
    ),
    QuizKey(
        "q05_2",
        "B",
        {
            "A": "Fine: the old gradients are gone before the new ones come.",
            "B": "The fresh gradients are thrown away before they are used; weights never move.",
            "C": "Fine: neither the forward pass nor the loss touches .grad.",
            "D": "Fine: the next batch starts clean.",
        },
        _prove_clearing_place,
    ),
    QuizKey(
        "q05_3",
        "D",
        {
            "A": "At small learning rates on easy data it does not explode.",
            "B": "backward() adds; nobody divides by the number of batches.",
            "C": "Raise the learning rate a little and the same loop explodes.",
            "D": "Gradients that are never cleared act like momentum with coefficient 1.",
        },
        _prove_momentum_without_friction,
    ),
)
