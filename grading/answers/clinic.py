"""The bug clinic of chapter 09, secret half: cases, the bugs themselves and their cousins.

Each function of the clinic starts broken; the first misconception of each is "not repaired", the
broken function as the notebook hands it out. Used by ``ch09_mastery``.
"""

import copy
import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.exercises import clinic as public
from course_lib.exercises.checking.model import Case, Observation
from course_lib.exercises.support import classifier as loop
from grading.answers.model import Answer, Misconception


def _size(generator: torch.Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))


# --- a: mismatched shapes -----------------------------------------------------------------------


def _broken_a(model, images):
    return model(images)


def _a_one_row(model, images):
    return model(images.flatten())


def _a_transposed(model, images):
    return model(images.transpose(1, 2).flatten(1))


def _multiplied(got: Observation, rows: int, columns: int) -> bool:
    """Whether the learner's code stopped at a product with a matrix of this shape."""
    return got.error is not None and f"({rows}x{columns} and" in got.error.message


def _a_mean_pixel(model, images):
    return model(images.flatten(1).mean(dim=0, keepdim=True)).expand(len(images), -1)


CLINIC_A = Answer(
    exercise="clinic_a",
    cases=lambda g: [
        public.pictures_case(g, _size(g, 3, 6), _size(g, 4, 5), _size(g, 6, 8), _size(g, 9, 11))
        for _ in range(3)
    ],
    variants=(
        lambda model, images: model(images.flatten(1)),
        lambda model, images: model(images.reshape(len(images), -1)),
        lambda model, images: nn.Sequential(nn.Flatten(), model)(images),
    ),
    misconceptions=(
        Misconception(
            "mismatched shapes",
            _broken_a,
            "The layer still gets the rows of the pictures. It wants one row per picture: flatten "
            "each, and keep the batch dimension.",
            recognise=lambda case, got: _multiplied(
                got, case["images"].shape[0] * case["images"].shape[1], case["images"].shape[2]
            ),
        ),
        Misconception(
            "batch flattened too",
            _a_one_row,
            "flatten() without an argument makes one long row of the whole batch. flatten(1) keeps "
            "the first dimension.",
            recognise=lambda case, got: _multiplied(got, 1, case["images"].numel()),
        ),
        Misconception(
            "pictures transposed",
            _a_transposed,
            "You swap rows and columns before flattening, so every pixel meets the wrong weight.",
        ),
        Misconception(
            "batch averaged away",
            _a_mean_pixel,
            "You average over the batch, so every picture gets the same logits.",
        ),
    ),
)

# --- b: train and eval --------------------------------------------------------------------------


def _broken_b(model, x):
    with torch.no_grad():
        return model(x)


def _b_eval_after(model, x):
    with torch.no_grad():
        logits = model(x)
    model.eval()
    return logits


def _b_dropout_only(model, x):
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.eval()
    with torch.no_grad():
        return model(x)


def _b_eval(model, x):
    model.eval()
    with torch.no_grad():
        return model(x)


def _b_restored(model, x):
    was_training = model.training
    model.train(False)
    try:
        with torch.inference_mode():
            logits = model(x)
    finally:
        model.train(was_training)
    return logits.clone()


def _b_copy(model, x):
    return copy.deepcopy(model).eval()(x).detach()


def _trains(case: Case, got: Observation) -> bool:
    return got.error is None and not torch.equal(got["running_mean"], case["mean"])


CLINIC_B = Answer(
    exercise="clinic_b",
    cases=lambda g: [
        public.dropout_case(g, _size(g, 4, 9), _size(g, 10, 14), _size(g, 2, 3)) for _ in range(3)
    ],
    variants=(_b_eval, _b_restored, _b_copy),
    misconceptions=(
        Misconception(
            "dropout switched off, batch norm forgotten",
            _b_dropout_only,
            "Dropout is quiet now, but batch norm still standardises over the batch it sees. "
            "model.eval() reaches every layer.",
        ),
        Misconception(
            "eval mode set too late",
            _b_eval_after,
            "You set eval mode after the forward pass. Dropout and batch norm have had their turn "
            "by then.",
            recognise=lambda case, got: _trains(case, got) and got.get("training_after") is False,
        ),
        Misconception(
            "no_grad taken away",
            lambda model, x: model.eval()(x),
            "The mode is right now, and the logits carry a graph: no_grad was no mistake. You need "
            "both, and neither does the other's work.",
        ),
        Misconception(
            "train() and eval() forgotten",
            _broken_b,
            "The model is still in train mode: dropout switches units off and batch norm learns "
            "from the data it should only predict. Call model.eval() first.",
            recognise=_trains,
        ),
    ),
)

# --- c: zero_grad -------------------------------------------------------------------------------


def _loop_c(
    clear_before=False, clear_once=False, clear_after_backward=False, clear_after_step=False
):
    def clinic_c(model, loader, loss_fn, optimizer):
        losses = []
        if clear_once:
            optimizer.zero_grad()
        for x, y in loader:
            if clear_before:
                optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            if clear_after_backward:
                optimizer.zero_grad()
            optimizer.step()
            if clear_after_step:
                optimizer.zero_grad()
            losses.append(loss.item())
        return losses

    return clinic_c


def _c_tensors(model, loader, loss_fn, optimizer):
    losses = []
    for x, y in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return losses


def _c_measured_after(model, loader, loss_fn, optimizer):
    losses = []
    for x, y in loader:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()
        losses.append(loss_fn(model(x), y).item())
    return losses


def _c_model_zero_grad(model, loader, loss_fn, optimizer):
    model.zero_grad()
    losses = []
    for x, y in loader:
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        model.zero_grad(set_to_none=False)
        losses.append(loss.item())
    return losses


def _c_by_hand(model, loader, loss_fn, optimizer):
    losses = []
    for x, y in loader:
        predictions = model(x)
        loss = loss_fn(predictions, y)
        for p in model.parameters():
            p.grad = None
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    return losses


CLINIC_C = Answer(
    exercise="clinic_c",
    cases=lambda g: [
        loop.classifier_case(g, n=22, sizes=(3, 5, 4), batch_size=8, lr=0.3, stale=True),
        loop.classifier_case(g, n=17, sizes=(6, 4, 3), batch_size=5, lr=0.2),
        loop.classifier_case(g, n=20, sizes=(4, 7, 2), batch_size=4, lr=0.4, momentum=0.9),
    ],
    variants=(_loop_c(clear_before=True), _c_model_zero_grad, _c_by_hand),
    misconceptions=(
        Misconception(
            "zero_grad forgotten",
            _loop_c(),
            "backward() adds to what is there, and nobody clears. Call optimizer.zero_grad() once "
            "per batch.",
        ),
        Misconception(
            "cleared once instead of once per batch",
            _loop_c(clear_once=True),
            "zero_grad() stands before the loop, so it runs once. Every batch needs it.",
        ),
        Misconception(
            "cleared after the step only",
            _loop_c(clear_after_step=True),
            "You clear after the step, so the first batch still uses what was in .grad before the "
            "call. Clear before backward().",
        ),
        Misconception(
            "loss tensors kept",
            _c_tensors,
            "Your list holds tensors, each with its graph. loss.item() is the number alone.",
        ),
        Misconception(
            "loss measured after the step",
            _c_measured_after,
            "You run the model again after the step. The loss of a batch is the one that you trained "
            "with, from before its step.",
        ),
        Misconception(
            "cleared between backward and step",
            _loop_c(clear_after_backward=True),
            "zero_grad() throws the fresh gradients away before the step can use them.",
        ),
    ),
)

# --- d: learning rate too high ------------------------------------------------------------------


def _fit_line(lr, steps=300, momentum=0.0):
    def clinic_d(x, y):
        w = torch.zeros((), requires_grad=True)
        b = torch.zeros((), requires_grad=True)
        optimizer = torch.optim.SGD([w, b], lr=lr, momentum=momentum)
        for _ in range(steps):
            optimizer.zero_grad()
            ((w * x + b - y) ** 2).mean().backward()
            optimizer.step()
        return w.item(), b.item()

    return clinic_d


def _line_compare(case: Case, expected: Observation, got: Observation) -> str | None:
    if public.close_to_line(case, got.get("returned")):
        return None
    return "the result is not the least-squares line within 2 %"


def _not_finite(case: Case, got: Observation) -> bool:
    returned = got.get("returned")
    return (
        got.error is None
        and isinstance(returned, tuple)
        and all(isinstance(v, float) for v in returned)
        and not all(map(math.isfinite, returned))
    )


def _off_the_line(case: Case, got: Observation) -> bool:
    returned = got.get("returned")
    return (
        got.error is None
        and isinstance(returned, tuple)
        and all(isinstance(v, float) for v in returned)
        and not _not_finite(case, got)
        and not public.close_to_line(case, returned)
    )


def _intercept_first(lr):
    """The right line, returned as (intercept, slope)."""

    def clinic_d(x, y):
        w, b = _fit_line(lr)(x, y)
        return b, w

    return clinic_d


def _swapped(case: Case, got: Observation) -> bool:
    returned = got.get("returned")
    return isinstance(returned, tuple) and public.close_to_line(case, returned[::-1])


CLINIC_D = Answer(
    exercise="clinic_d",
    cases=lambda g: [public.line_case(g, _size(g, 20, 60)) for _ in range(3)],
    compare={"repaired": _line_compare},
    variants=(_fit_line(0.3), _fit_line(0.05), _fit_line(0.05, momentum=0.9)),
    misconceptions=(
        Misconception(
            "learning rate too high",
            _fit_line(3.0),
            "Each step jumps farther than it came from, so the loss leaps and ends as infinity or "
            "NaN. Divide the learning rate by 10.",
            recognise=_not_finite,
        ),
        Misconception(
            "slope and intercept swapped",
            _intercept_first(0.3),
            "The numbers are right and in the wrong order: slope first, then intercept.",
            recognise=_swapped,
        ),
        Misconception(
            "learning rate now too low",
            _fit_line(0.0005),
            "Nothing leaps any more, but in 300 steps this rate does not arrive. Dividing by 10 "
            "was enough.",
            recognise=_off_the_line,
        ),
    ),
)

# --- e: wrong loss ------------------------------------------------------------------------------


def _broken_e(logits, targets):
    probabilities = torch.softmax(logits, dim=1)
    return F.cross_entropy(probabilities, targets)


CLINIC_E = Answer(
    exercise="clinic_e",
    cases=lambda g: [public.logits_case(g, _size(g, 3, 6), _size(g, 8, 11)) for _ in range(3)],
    tolerance=(1e-4, 1e-6),
    variants=(
        lambda logits, targets: F.cross_entropy(logits, targets),
        lambda logits, targets: F.nll_loss(torch.log_softmax(logits, dim=1), targets),
        lambda logits, targets: (
            logits.logsumexp(1) - logits[torch.arange(len(targets)), targets]
        ).mean(),
    ),
    misconceptions=(
        Misconception(
            "softmax before cross_entropy",
            _broken_e,
            "cross_entropy applies the softmax itself. Given probabilities, it sees logits between "
            "0 and 1, and with ten classes it cannot fall below 1.46.",
        ),
        Misconception(
            "log forgotten",
            lambda logits, targets: F.nll_loss(torch.softmax(logits, dim=1), targets),
            "nll_loss wants log-probabilities. Given probabilities, it returns minus a "
            "probability, which is never positive.",
        ),
        Misconception(
            "sum instead of mean",
            lambda logits, targets: F.cross_entropy(logits, targets, reduction="sum"),
            "You add up over the batch: the loss, and with it every gradient, grows with the "
            "batch size.",
        ),
        Misconception(
            "squared error on classes",
            lambda logits, targets: F.mse_loss(
                torch.softmax(logits, dim=1), F.one_hot(targets, logits.shape[1]).float()
            ),
            "Squared error on probabilities hardly punishes a confident mistake. For classes, use "
            "cross-entropy on the logits.",
        ),
    ),
)

# --- f: no no_grad ------------------------------------------------------------------------------


def _broken_f(model, loader, loss_fn):
    total, n_examples = 0.0, 0
    for x, y in loader:
        total += loss_fn(model(x), y) * len(y)
        n_examples += len(y)
    return total / n_examples


def _f_item_only(model, loader, loss_fn):
    total, n_examples = 0.0, 0
    for x, y in loader:
        total += loss_fn(model(x), y).item() * len(y)
        n_examples += len(y)
    return total / n_examples


def _f_frozen(model, loader, loss_fn):
    for p in model.parameters():
        p.requires_grad_(False)
    return _f_item_only(model, loader, loss_fn)


def _f_switched_off(model, loader, loss_fn):
    torch.set_grad_enabled(False)
    return _f_item_only(model, loader, loss_fn)


def _f_in_train_mode(model, loader, loss_fn):
    model.train()
    return _f_no_grad(model, loader, loss_fn)


def _f_tensor(model, loader, loss_fn):
    with torch.no_grad():
        return _broken_f(model, loader, loss_fn)


def _f_no_grad(model, loader, loss_fn):
    with torch.no_grad():
        return _f_item_only(model, loader, loss_fn)


@torch.inference_mode()
def _f_decorated(model, loader, loss_fn):
    pairs = [(loss_fn(model(x), y).item(), len(y)) for x, y in loader]
    return sum(loss * n for loss, n in pairs) / sum(n for _, n in pairs)


def _f_float(model, loader, loss_fn):
    with torch.no_grad():
        return float(_broken_f(model, loader, loss_fn))


def _f_batch_means(model, loader, loss_fn):
    with torch.no_grad():
        losses = [loss_fn(model(x), y).item() for x, y in loader]
    return sum(losses) / len(losses)


CLINIC_F = Answer(
    exercise="clinic_f",
    cases=lambda g: [
        loop.classifier_case(g, n=17, sizes=(3, 5, 4), batch_size=6, lr=0.1),
        loop.classifier_case(g, n=22, sizes=(6, 4, 3), batch_size=5, lr=0.1),
    ],
    variants=(_f_no_grad, _f_decorated, _f_float),
    misconceptions=(
        Misconception(
            "no no_grad in validation",
            _broken_f,
            "You add up loss tensors with their graphs: the memory of every batch is kept until "
            "the end. Use torch.no_grad(), and .item() for the numbers.",
        ),
        Misconception(
            "numbers taken out, graph still recorded",
            _f_item_only,
            "The result is a plain number now, but every forward pass still keeps what a backward "
            "pass would need. Put the loop under torch.no_grad().",
        ),
        Misconception(
            "parameters frozen",
            _f_frozen,
            "You take requires_grad away from the parameters, so nobody can train this model any "
            "more. torch.no_grad() stops the recording for a few lines and leaves the model alone.",
        ),
        Misconception(
            "recording left switched off",
            _f_switched_off,
            "You switch the recording off and never on again: the next training fails. As a block, "
            "with torch.no_grad():, it ends by itself.",
        ),
        Misconception(
            "put into train mode",
            _f_in_train_mode,
            "The model came in eval mode, and you put it into train mode. Leave it as it is.",
        ),
        Misconception(
            "a tensor returned",
            _f_tensor,
            "No graph is recorded any more. The result is a tensor, and the contract asks for a "
            "Python float: .item().",
        ),
        Misconception(
            "mean of batch means",
            _f_batch_means,
            "The last batch is smaller and counts too much: weigh each batch's mean by its size.",
        ),
    ),
)

# --- g: wrong device ----------------------------------------------------------------------------


def _broken_g(model, x):
    return model(x)


def _g_to_model(model, x):
    return model(x.to(next(model.parameters()).device))


def _g_from_weight(model, x):
    device = {p.device for p in model.parameters()}.pop()
    return model.forward(x.to(device=device, non_blocking=True))


def _g_with_loop(model, x):
    for p in model.parameters():
        x = x.to(p.device)
        break
    return model(x)


def _g_back_to_cpu(model, x):
    return _g_to_model(model, x).to("cpu")


def _stopped_by(got: Observation, words: str) -> bool:
    return got.error is not None and words in got.error.message


def _g_fresh_copy(model, x):
    device = next(model.parameters()).device
    return model(torch.zeros_like(x, device=device))


CLINIC_G = Answer(
    exercise="clinic_g",
    cases=lambda g: [
        public.device_case(g, _size(g, 3, 5), _size(g, 6, 8), _size(g, 2, 4), device)
        for device in ("meta", "cpu", "meta", "cpu")
    ],
    variants=(_g_to_model, _g_from_weight, _g_with_loop),
    misconceptions=(
        Misconception(
            "wrong device",
            _broken_g,
            "The data stay on the CPU while the model may live elsewhere. Move x to the device of "
            "the model's parameters.",
            recognise=lambda case, got: (
                case["device"] == "cpu" or _stopped_by(got, "not on the expected device")
            ),
        ),
        Misconception(
            "result moved back",
            _g_back_to_cpu,
            "You move the result to the CPU. It belongs where the model is; whoever needs it "
            "elsewhere moves it.",
            recognise=lambda case, got: (
                case["device"] == "cpu" or _stopped_by(got, "Cannot copy out of meta tensor")
            ),
        ),
        Misconception(
            "new data instead of moved data",
            _g_fresh_copy,
            "You make a new tensor on the right device, without the values. x.to(device) moves "
            "the values along.",
        ),
    ),
)

# --- h: learning rate too low -------------------------------------------------------------------


def _descend(lr, steps=300):
    def clinic_h(x, y):
        w = torch.zeros(x.shape[1], requires_grad=True)
        optimizer = torch.optim.Adam([w], lr=lr)
        for _ in range(steps):
            loss = ((x @ w - y) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return w.detach()

    return clinic_h


def _descend_plainly(lr):
    """Plain SGD in Adam's place."""

    def clinic_h(x, y):
        w = torch.zeros(x.shape[1], requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=lr)
        for _ in range(300):
            loss = ((x @ w - y) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return w.detach()

    return clinic_h


def _weights_compare(case: Case, expected: Observation, got: Observation) -> str | None:
    if got["has_graph"]:
        return "the weights still carry a graph"
    if public.close_to_weights(case, got.get("returned")):
        return None
    return "not every weight is within 0.05 of the best one"


def _largest(value: Any) -> float:
    return float(value.abs().max()) if isinstance(value, torch.Tensor) and value.numel() else -1.0


def _hardly_moved(case: Case, got: Observation) -> bool:
    return got.error is None and 0 <= _largest(got.get("returned")) < 0.05


def _moved_wrongly(case: Case, got: Observation) -> bool:
    returned = got.get("returned")
    return (
        got.error is None
        and _largest(returned) >= 0.05
        and not public.close_to_weights(case, returned)
    )


CLINIC_H = Answer(
    exercise="clinic_h",
    cases=lambda g: [public.weights_case(g, _size(g, 30, 60), _size(g, 3, 6)) for _ in range(3)],
    compare={"repaired": _weights_compare},
    variants=(_descend(0.1), _descend(0.02), _descend_plainly(0.1)),
    misconceptions=(
        Misconception(
            "learning rate too low",
            _descend(1e-5),
            "Adam moves a weight by about lr in each step: 300 steps of 0.00001 make 0.003. "
            "Multiply the rate by 10 until the loss falls, several times if need be.",
            recognise=_hardly_moved,
        ),
        Misconception(
            "still too low",
            _descend(3e-4),
            "The weights move, but 300 steps do not bring them there. Go on multiplying by 10.",
            recognise=lambda case, got: (
                _moved_wrongly(case, got) and _largest(got["returned"]) < 0.5
            ),
        ),
        Misconception(
            "now too high",
            _descend_plainly(5.0),
            "The weights leap farther with every step, until they are infinite or NaN. Divide the "
            "rate by 10.",
            recognise=lambda case, got: (
                isinstance(got.get("returned"), torch.Tensor)
                and not bool(got["returned"].isfinite().all())
            ),
        ),
    ),
)

CLINIC = (CLINIC_A, CLINIC_B, CLINIC_C, CLINIC_D, CLINIC_E, CLINIC_F, CLINIC_G, CLINIC_H)
