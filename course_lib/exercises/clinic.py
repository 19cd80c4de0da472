"""The bug clinic of chapter 09: what is observed of the eight functions that learners repair.

One driver and one check per function, in the order of their names; the bugs are the eight of the
cheat sheet in another order. Used by ``ch09_mastery``.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import kind_of, type_name
from course_lib.exercises.support.classifier import (
    build,
    classifier_case,
    own_gradient_findings,
    record_steps,
)
from course_lib.exercises.support.loop_watch import parameters_of, watching

Properties = Callable[[Case, Observation], Iterator[Finding]]


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], dtype=weight.dtype)
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return layer


def _is_tensor(value: Any, shape: tuple[int, ...], name: str = "the result") -> Finding:
    good = isinstance(value, Tensor) and tuple(value.shape) == shape
    got = list(value.shape) if isinstance(value, Tensor) else type_name(value)
    return Finding(good, f"{name} is a tensor of shape {list(shape)}", f"yours is {got}")


# --- a: pictures into a linear layer ------------------------------------------------------------


def pictures_case(
    generator: torch.Generator, n: int, height: int, width: int, classes: int
) -> Case:
    return {
        "images": torch.rand(n, height, width, generator=generator),
        "weight": torch.randn(classes, height * width, generator=generator) / 10,
        "bias": torch.randn(classes, generator=generator),
    }


def observe_a(function: Any, case: Case, notes: Notes) -> None:
    model = _linear(case["weight"], case["bias"])
    try:
        result = function(model, case["images"])
    except NotImplementedError:  # a RuntimeError too, and what a stub raises
        raise
    except RuntimeError as error:  # its sizes are this case's, not those of the text
        sizes = f"images is {list(case['images'].shape)} here, the layer takes {model.in_features}"
        error.args = (f"{error}. ({sizes} numbers.)",)
        raise
    notes["returned"] = result.detach() if isinstance(result, Tensor) else result


def properties_a(case: Case, observation: Observation) -> Iterator[Finding]:
    returned = observation["returned"]
    n, classes = len(case["images"]), len(case["bias"])
    shape = _is_tensor(returned, (n, classes))
    yield shape
    if shape.ok:
        first = _linear(case["weight"], case["bias"])(case["images"][0].reshape(-1)).detach()
        text = "row 0 belongs to picture 0 and to no other"
        yield Finding(torch.allclose(returned[0], first, atol=1e-5), text)


# --- b: predictions of a trained model ----------------------------------------------------------


def dropout_case(generator: torch.Generator, n: int, features: int, classes: int) -> Case:
    return {
        "x": torch.randn(n, features, generator=generator),
        "weight": torch.randn(classes, features, generator=generator),
        "bias": torch.randn(classes, generator=generator),
        "mean": torch.randn(features, generator=generator),
    }


def _dropout_model(case: Case) -> nn.Module:
    norm = nn.BatchNorm1d(case["x"].shape[1])
    norm.running_mean.copy_(case["mean"])
    return nn.Sequential(norm, nn.Dropout(0.5), _linear(case["weight"], case["bias"])).train()


def observe_b(function: Any, case: Case, notes: Notes) -> None:
    model = _dropout_model(case)
    result = function(model, case["x"])
    notes["returned"] = result.detach() if isinstance(result, Tensor) else result
    notes["has_graph"] = isinstance(result, Tensor) and result.requires_grad
    notes["running_mean"] = model[0].running_mean.clone()
    notes["training_after"] = model.training


def properties_b(case: Case, observation: Observation) -> Iterator[Finding]:
    returned = observation["returned"]
    shape = _is_tensor(returned, (len(case["x"]), len(case["bias"])))
    yield shape
    yield Finding(not observation["has_graph"], "the logits carry no graph")
    text = "predicting leaves the running mean of the batch norm layer alone"
    yield Finding(torch.equal(observation["running_mean"], case["mean"]), text)
    if shape.ok:
        again = _dropout_model(case).eval()(case["x"][:1]).detach()
        text = "an example's logits do not depend on the other examples, nor on chance"
        yield Finding(torch.allclose(returned[:1], again, atol=1e-5), text)


# --- c: a training loop -------------------------------------------------------------------------


def observe_c(function: Any, case: Case, notes: Notes) -> None:
    model, loader, loss_fn, optimizer = build(case)
    steps = record_steps(model, optimizer)
    try:
        with watching(notes, model, optimizer) as watch:
            notes["returned"] = function(model, loader, watch(loss_fn), optimizer)
    finally:
        notes["parameters"] = parameters_of(model)
        notes["steps"] = steps[:3]


def properties_c(case: Case, observation: Observation) -> Iterator[Finding]:
    returned, batches = observation["returned"], len(build(case)[1])
    good = isinstance(returned, list) and len(returned) == batches
    got = (
        f"yours has {len(returned)}"
        if isinstance(returned, list)
        else f"yours is {kind_of(returned)}"
    )
    text = f"the result is a list with one loss per batch, {batches} here"
    yield Finding(good, text, got)
    if good:
        kinds = [type_name(loss) for loss in returned if type(loss) is not float]
        text = "the losses are Python floats"
        yield Finding(not kinds, text, f"yours has a {kinds[0]}" if kinds else "")
        if not kinds:
            model, loader, loss_fn, _ = build(case)
            x, y = next(iter(loader))
            first = loss_fn(model(x), y).item()
            text = "each loss is computed before its step"
            got = f"the first is {first:.4f} then, and yours {returned[0]:.4f}"
            yield Finding(math.isclose(first, returned[0], rel_tol=1e-4), text, got)
    yield from own_gradient_findings(case, observation)


# --- d and h: a learning rate -------------------------------------------------------------------


def line_case(generator: torch.Generator, n: int) -> Case:
    """Points near a line; ``x`` between -1 and 1."""
    x = 2 * torch.rand(n, generator=generator) - 1
    slope, shift = 4 * torch.rand(2, generator=generator) - 2
    return {"x": x, "y": slope * x + shift + 0.1 * torch.randn(n, generator=generator)}


def best_line(case: Case) -> tuple[float, float]:
    """Slope and intercept of the least-squares line, without any training."""
    x, y = case["x"].double(), case["y"].double()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
    return slope.item(), (y.mean() - slope * x.mean()).item()


def observe_d(function: Any, case: Case, notes: Notes) -> None:
    notes["returned"] = function(case["x"], case["y"])


def close_to_line(case: Case, returned: Any, tolerance: float = 0.02) -> bool:
    """Whether ``returned`` is a pair of finite floats near the least-squares line."""
    if not (isinstance(returned, tuple) and [type(v) for v in returned] == [float, float]):
        return False
    return all(
        math.isfinite(value) and abs(value - best) <= tolerance * max(1.0, abs(best))
        for value, best in zip(returned, best_line(case), strict=True)
    )


def properties_d(case: Case, observation: Observation) -> Iterator[Finding]:
    returned = observation["returned"]
    pair = isinstance(returned, tuple) and [type(v) for v in returned] == [float, float]
    yield Finding(
        pair, "the result is a tuple of two Python floats", f"yours is {kind_of(returned)}"
    )
    if pair:
        finite = all(map(math.isfinite, returned))
        yield Finding(finite, "both are finite", f"yours is {returned!r:.40}")
        slope, shift = best_line(case)
        text = "slope and intercept are those of the least-squares line, within 2 %"
        got = f"the line here is ({slope:.3f}, {shift:.3f}), yours ({returned[0]:.3g}, {returned[1]:.3g})"
        yield Finding(close_to_line(case, returned), text, got)


def weights_case(generator: torch.Generator, n: int, features: int) -> Case:
    """``y = x @ w`` with a little noise; the columns of ``x`` are of about equal size."""
    x = torch.randn(n, features, generator=generator)
    w = 2 * torch.rand(features, generator=generator) - 1
    return {"x": x, "y": x @ w + 0.01 * torch.randn(n, generator=generator)}


def best_weights(case: Case) -> Tensor:
    """The least-squares weights, ``[features]``."""
    return torch.linalg.lstsq(case["x"].double(), case["y"].double().unsqueeze(1)).solution[:, 0]


def observe_h(function: Any, case: Case, notes: Notes) -> None:
    result = function(case["x"], case["y"])
    notes["returned"] = result.detach() if isinstance(result, Tensor) else result
    notes["has_graph"] = isinstance(result, Tensor) and result.requires_grad


def close_to_weights(case: Case, returned: Any, tolerance: float = 0.05) -> bool:
    """Whether ``returned`` is a tensor of weights near the least-squares solution."""
    best = best_weights(case)
    if not isinstance(returned, Tensor) or returned.shape != best.shape:
        return False
    return bool(((returned.double() - best).abs() <= tolerance).all())


def properties_h(case: Case, observation: Observation) -> Iterator[Finding]:
    returned = observation["returned"]
    shape = _is_tensor(returned, (case["x"].shape[1],))
    yield shape
    yield Finding(not observation["has_graph"], "the weights carry no graph")
    if shape.ok:
        error = (returned.double() - best_weights(case)).abs().max().item()
        text = "every weight is within 0.05 of the best one"
        yield Finding(close_to_weights(case, returned), text, f"the worst is off by {error:.2f}")


# --- e: a loss for ten classes ------------------------------------------------------------------


def logits_case(generator: torch.Generator, n: int, classes: int, scale: float = 3.0) -> Case:
    return {
        "logits": scale * torch.randn(n, classes, generator=generator),
        "targets": torch.randint(classes, (n,), generator=generator),
    }


def observe_e(function: Any, case: Case, notes: Notes) -> None:
    logits = case["logits"].requires_grad_()
    result = function(logits, case["targets"])
    notes["returned"] = result.detach() if isinstance(result, Tensor) else result
    if isinstance(result, Tensor) and result.requires_grad and result.numel() == 1:
        notes["gradient"] = torch.autograd.grad(result, logits)[0]
    else:
        notes["gradient"] = None


def _sure_case() -> Case:
    logits = torch.zeros(10, 10).fill_diagonal_(40.0)
    return {"logits": logits, "targets": torch.arange(10), "what": "sure"}


def _even_case() -> Case:
    return {"logits": torch.zeros(4, 2), "targets": torch.tensor([0, 1, 1, 0]), "what": "even"}


def _rows_case() -> Case:
    """The right classes have the probabilities 3/4 and 1/2."""
    logits = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])
    return {"logits": logits, "targets": torch.tensor([0, 1]), "what": "rows"}


def properties_e(case: Case, observation: Observation) -> Iterator[Finding]:
    returned = observation["returned"]
    scalar = isinstance(returned, Tensor) and returned.ndim == 0
    yield Finding(scalar, "the result is a 0-dim tensor", f"yours is {type_name(returned)}")
    yield Finding(observation["gradient"] is not None, "it can be differentiated")
    if not scalar:
        return
    got = f"yours is {returned.item():.3f}"
    if case["what"] == "sure":
        text = "for logits that are sure and right the loss is nearly 0"
        yield Finding(abs(returned.item()) < 0.01, text, got)
    elif case["what"] == "even":
        text = "for two classes and equal logits the loss is log 2 = 0.693"
        yield Finding(abs(returned.item() - math.log(2)) < 0.001, text, got)
    else:
        mean = -(math.log(3 / 4) + math.log(1 / 2)) / 2
        text = f"for logits [[log 3, 0], [0, 0]], targets [0, 1] it is {mean:.3f}, a mean of rows"
        yield Finding(abs(returned.item() - mean) < 0.001, text, got)


# --- f: validation ------------------------------------------------------------------------------


def observe_f(function: Any, case: Case, notes: Notes) -> None:
    model, loader, loss_fn, _ = build(case)
    model.eval()
    recorded = 0

    def saved(tensor: Tensor) -> Tensor:
        nonlocal recorded
        recorded += tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(saved, lambda tensor: tensor):
        notes["returned"] = function(model, loader, loss_fn)
    notes["records_graph"] = recorded > 0
    # What a learner may have left behind, for whoever trains on with this model.
    notes["trainable"] = all(p.requires_grad for p in model.parameters())
    notes["grad_mode"] = torch.is_grad_enabled()
    notes["eval_mode"] = not any(module.training for module in model.modules())


def properties_f(case: Case, observation: Observation) -> Iterator[Finding]:
    returned = observation["returned"]
    text = "the result is a Python float"
    yield Finding(type(returned) is float, text, f"yours is {type_name(returned)}")
    if type(returned) is float:
        model, loader, loss_fn, _ = build(case)
        x, y = (torch.cat(parts) for parts in zip(*loader, strict=True))
        mean = loss_fn(model.eval()(x), y).item()
        text = "it is the mean loss per example, also where the last batch is smaller"
        got = f"that is {mean:.4f} here, yours is {returned:.4f}"
        yield Finding(math.isclose(mean, returned, rel_tol=1e-4), text, got)
    text = "nothing is kept in memory for a backward pass that never comes"
    yield Finding(observation["records_graph"] is False, text)
    yield Finding(observation["trainable"], "the parameters require gradients as before")
    yield Finding(observation["grad_mode"], "gradients are recorded again afterwards")
    yield Finding(observation["eval_mode"], "the model is in eval mode as before")


# --- g: a model elsewhere -----------------------------------------------------------------------


def device_case(
    generator: torch.Generator, n: int, features: int, out: int, device: str = "cpu"
) -> Case:
    return {
        "x": torch.randn(n, features, generator=generator),
        "weight": torch.randn(out, features, generator=generator),
        "bias": torch.randn(out, generator=generator),
        "device": device,
    }


def observe_g(function: Any, case: Case, notes: Notes) -> None:
    model = _linear(case["weight"], case["bias"]).to(case["device"])
    result = function(model, case["x"])
    kind = case["device"]
    if isinstance(result, Tensor):
        notes[f"{kind}_device"] = result.device.type
        notes[f"{kind}_shape"] = list(result.shape)
        if kind == "cpu" and result.device.type == "cpu":
            notes["values"] = result.detach()
    else:
        notes[f"{kind}_device"] = type_name(result)


def properties_g(case: Case, observation: Observation) -> Iterator[Finding]:
    device = case["device"]
    text = f'with a model on the device "{device}" the result is there too'
    got = observation.get(f"{device}_device")
    yield Finding(got == device, text, f"yours is on {got}")


# --- the records --------------------------------------------------------------------------------


def _exercise(
    letter: str,
    task: str,
    aspect: str,
    fields: tuple[str, ...],
    hints: tuple[str, str],
    observe: Any,
    properties: Properties,
    public_cases: Callable[[], list[Case]],
) -> Exercise:
    return Exercise(
        name=f"clinic_{letter}",
        points=1,
        task=task,
        aspects=(Aspect("repaired", aspect, 1, fields),),
        hints=hints,
        observe=observe,
        public_cases=public_cases,
        properties=properties,
    )


CLINIC = (
    _exercise(
        "a",
        "Logits for pictures.",
        "each picture gets its own row of logits",
        ("returned",),
        (
            "Read the error's two shapes: the first is what goes in, the second the layer's. To be "
            "multiplied, the first's last number must be the second's first. Is it?",
            "A linear layer works on the last dimension. Make each picture one row, and keep the "
            "batch dimension as it is.",
        ),
        observe_a,
        properties_a,
        lambda: [pictures_case(_generator(1), 3, 4, 5, 6)],
    ),
    _exercise(
        "b",
        "Predictions of a trained model.",
        "the model predicts as it does in use",
        ("returned", "running_mean", "has_graph"),
        (
            "Call the broken function twice with the same x and compare the results.",
            "Two kinds of layers must be told that training is over.",
        ),
        observe_b,
        properties_b,
        lambda: [dropout_case(_generator(2), 6, 5, 3)],
    ),
    _exercise(
        "c",
        "One pass of training.",
        "each step uses its own batch's gradient",
        ("returned", "parameters"),
        (
            "Four beats are there. What about the chore between two turns?",
            "What does backward() do with gradients that are still there from the batch before?",
        ),
        observe_c,
        properties_c,
        lambda: [
            classifier_case(_generator(3), n=20, sizes=(3, 5, 4), batch_size=8, lr=0.3, stale=True)
        ],
    ),
    _exercise(
        "d",
        "A line through points.",
        "the line is found",
        ("returned",),
        (
            "Print the loss of the first steps. Which way does it go?",
            "The code is right; one number is not. Divide it by 10, and look again.",
        ),
        observe_d,
        properties_d,
        lambda: [line_case(_generator(4), 30)],
    ),
    _exercise(
        "e",
        "The loss of ten classes.",
        "the loss is the cross-entropy of the logits",
        ("returned", "gradient"),
        (
            "How low can this loss get when the logits are sure and right? It should be nearly 0.",
            "cross_entropy applies the softmax itself. What does it get here?",
        ),
        observe_e,
        properties_e,
        lambda: [_sure_case(), _even_case(), _rows_case()],
    ),
    _exercise(
        "f",
        "The mean loss on validation data.",
        "a plain number, and no graph is recorded",
        ("returned", "records_graph", "trainable", "grad_mode", "eval_mode"),
        (
            "What type is the result, and what does it drag along?",
            "Tell PyTorch that no gradients are needed here, and turn tensors into numbers.",
        ),
        observe_f,
        properties_f,
        lambda: [classifier_case(_generator(6), n=17, sizes=(3, 5, 4), batch_size=6, lr=0.1)],
    ),
    _exercise(
        "g",
        "A model that may be on a GPU.",
        "the data go where the model is",
        ("cpu_device", "cpu_shape", "meta_device", "meta_shape", "values"),
        (
            "Model and data must be on the same device. Which of the two should move?",
            "Each parameter knows its device: next(model.parameters()).device.",
        ),
        observe_g,
        properties_g,
        lambda: [
            device_case(_generator(7), 4, 3, 2, "meta"),
            device_case(_generator(8), 3, 4, 5, "cpu"),
        ],
    ),
    _exercise(
        "h",
        "Weights by gradient descent.",
        "the weights are found",
        ("returned",),
        (
            "Print the loss before and after. How far do the weights move in one step?",
            "The code is right; one number is not. Adam moves each weight by about lr per step: "
            "how far can it get in 300 steps?",
        ),
        observe_h,
        properties_h,
        lambda: [weights_case(_generator(9), 40, 3)],
    ),
)
